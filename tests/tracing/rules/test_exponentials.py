"""Softmax and logsumexp over positions are written without a division; other quotients are left as they are."""

import jax
import jax.numpy as jnp
import pytest

import ntkviz as nv

from ..refusals import SEQUENCES, two_layers


def names_of(phi):
    """The names of the nonlinearities of a function of vectors at three positions."""
    t = nv.trace(lambda n: two_layers(n, lambda p, x, n: phi(x @ p["U"]).sum(1) @ p["v"]))
    return {i.op.phi.name for i in nv.program(t, SEQUENCES).instructions if hasattr(i.op, "phi")}


@pytest.mark.parametrize("phi", [lambda h: jax.nn.softmax(h, 1) * h, lambda h: jax.nn.logsumexp(h, 1, keepdims=True)])
def test_sums_of_exponentials_are_exponentials(phi):
    assert not {"div", "log"} & names_of(phi)


def test_zeros_of_padding_are_no_exponentials():
    def padded(h):
        return h / jnp.pad(jnp.exp(h), ((0, 0), (1, 0), (0, 0)))[:, 1:]

    assert "div" in names_of(padded)


def test_quotient_of_one_vector_is_one_function():
    assert len(names_of(lambda h: h / (1 + jnp.exp(-h)))) == 1
