"""Several outputs: their numbers, the limits of added heads, and the rates of their biases."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv

from .. import heads
from ..zoo import MODELS

assert heads  # imported because it adds models to the zoo


@pytest.fixture(autouse=True)
def quiet():
    """Silence warnings about assumptions, which have their own tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        yield


def test_outputs_of_several_arrays_are_counted_one_after_the_other():
    """A vector of width n, a policy of three, and a value; see `ActorCritic`."""
    make, x = MODELS["ActorCritic"]
    places = [nv.trace(make, output=k).fn.written((x.shape,)).place for k in range(4)]
    assert places == [(2, 0, 4), (2, 1, 4), (2, 2, 4), (3, 0, 4)]
    value = nv.trace(make, output=3)
    assert value.check(x, width=16).outputs < 1e-11
    nv.program(value, x)
    kinds = {p.name: p.kind for p in value.report.parameters}
    assert (kinds["Dense_1.kernel"], kinds["Dense_3.kernel"]) == ("readout", "unused")
    with pytest.raises(nv.TraceError, match="4 outputs, numbered from 0; there is no output=4"):
        nv.program(nv.trace(make, output=4), x)


def test_kernels_of_added_heads_are_sums():
    """Readouts are independent of each other, so that cross terms vanish; the second head is multiplied by −2."""
    make, x = MODELS["added_heads"]

    def one(n, head):
        init, _ = make(n)

        def apply(p, x):
            h = jnp.tanh(x @ p["U"])
            return jax.nn.relu(h @ p["W"]) @ p["b"] if head else h @ p["a"]

        return init, apply

    both = nv.infinite_ntk(nv.trace(make), x)
    a, b = (nv.infinite_ntk(nv.trace(lambda n, head=head: one(n, head)), x) for head in (0, 1))
    np.testing.assert_allclose(both.nngp, a.nngp + 4 * b.nngp, rtol=1e-9)
    np.testing.assert_allclose(both.ntk, a.ntk + 4 * b.ntk, rtol=1e-9)


def test_bias_of_averaged_heads_adds_its_rate_divided_by_their_number():
    make, x = MODELS["Skips"]
    t = nv.trace(make)
    program = nv.program(t, x)
    rates = {p.name: float(program.number(p.lr)) for p in program.parameters}
    v = next(p for p in program.parameters if "+" in p.name)
    sigma = float(program.number(v.std))
    assert [rates[f"Dense_{k}.bias"] * sigma**2 for k in (1, 3, 5)] == pytest.approx([1 / 9] * 3, rel=1e-5)


@pytest.mark.parametrize("kernel", [nv.empirical_ntk, nv.virtual_ntk])
def test_a_bias_of_the_output_adds_its_rate_to_the_ntk_of_every_network(kernel):
    def model(bias):
        def make(n):
            def init(key, x):
                keys = jax.random.split(key)
                weights = {"W": jax.random.normal(keys[0], (3, n)), "v": jax.random.normal(keys[1], (n,)) / n**0.5}
                return weights | ({"b": jnp.zeros(())} if bias else {})

            return init, lambda p, x: jnp.tanh(x @ p["W"]) @ p["v"] + (p["b"] if bias else 0.0)

        return nv.trace(make)

    x = np.random.default_rng(0).standard_normal((2, 3))
    networks = [kernel(model(bias), x, width=32, key=1) for bias in (True, False)]
    np.testing.assert_allclose(networks[0] - networks[1], 1.0, rtol=1e-5)
