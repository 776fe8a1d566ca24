"""The influence of samples, which are derivatives in their weights, against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from outside_gia import there_and_back
from selection import full_among, full_except

import ntkviz as nv
from ntkviz.calculus import influence as module
from ntkviz.calculus.influence import influence, pairs_of
from ntkviz.calculus.virtual import Stacks

a = nv.architectures
rng = np.random.default_rng(0)
VECTORS, SEQUENCES = rng.standard_normal((2, 3)), rng.standard_normal((2, 3, 2))
SMOOTH = {
    "mlp": (a.mlp(nonlinearity="erf"), VECTORS[:1]),
    "layernorm": (a.layernorm_mlp(nonlinearity="erf"), VECTORS[:1]),
    "rnn": (a.rnn, SEQUENCES[:1]),
    "W and its transpose": (there_and_back, VECTORS[:1]),
}
"""One vector at a time: with several, directions may be rotated, which changes T on samples but not its law."""


def functional(arch, x, kernel="ntk"):
    """T of normals and weights."""
    programs = Stacks.of(arch, x).programs
    nothing = tuple({} for _ in programs)

    def t(normals, weights):
        options = {"kernel": kernel, "assume_gia": False}
        found, _ = module._kernel(programs, nothing, jnp.asarray(normals), weights, 1e-12, **options)
        return found

    return t


@pytest.mark.parametrize("kernel", ["ntk", "nngp"])
@pytest.mark.parametrize("name", full_except(SMOOTH, "W and its transpose"))
def test_weights_count_the_multiplicity_of_samples(name, kernel):
    t = functional(*SMOOTH[name], kernel)
    normals, counts = rng.standard_normal((200, 64)), rng.integers(0, 3, 64)
    repeated = np.repeat(normals, counts, axis=1)
    weighted = t(normals, jnp.asarray(counts * 64 / counts.sum()))
    plain = t(repeated, jnp.ones(repeated.shape[1]))
    np.testing.assert_allclose(weighted, plain, rtol=1e-8)


@pytest.mark.parametrize("name", full_among(SMOOTH, "rnn"))
def test_the_derivative_is_that_of_reweighting(name):
    t = functional(*SMOOTH[name])
    normals, along = rng.standard_normal((200, 64)), rng.standard_normal(64)
    along -= along.mean()
    _, derivative = jax.jvp(lambda w: t(normals, w), (jnp.ones(64),), (jnp.asarray(along),))
    step = 1e-5
    there, back = (t(normals, jnp.ones(64) + s * step * along) for s in (1, -1))
    np.testing.assert_allclose(derivative, (there - back) / (2 * step), rtol=1e-5, atol=1e-6)


def test_draws_have_the_covariance():
    programs = Stacks.of(a.mlp(nonlinearity="erf"), VECTORS).programs
    covariance = influence(programs, "ntk", None, covariance=True).covariances.mean(0)
    draws = influence(programs, "ntk", None, covariance=False).draws.reshape(-1, 2, 2)
    rows, columns = pairs_of(2)
    entries = draws[:, rows, columns]
    np.testing.assert_allclose(entries.T @ entries / len(entries), covariance, atol=5 / 256**0.5 * covariance.max())


def test_independent_gradients_give_the_same_covariance_where_the_check_passes(monkeypatch):
    programs = Stacks.of(a.tied_autoencoder, VECTORS).programs
    held = influence(programs, "ntk", None, covariance=True).covariances
    monkeypatch.setattr(module, "passes", lambda program: False)
    full = influence(programs, "ntk", None, covariance=True).covariances
    error = (held.var(0, ddof=1) / len(held) + full.var(0, ddof=1) / len(full)) ** 0.5
    assert np.all(np.abs(held.mean(0) - full.mean(0)) < 4 * error)
    assert np.max(error) < 0.05 * np.max(held)
