"""Orders and learning rates of parameters that start at zero, or at values that vanish as the width grows."""

import warnings

import equinox as eqx
import flax.linen as nn
import jax
import numpy as np
import pytest

import ntkviz as nv

from .zoo import VECTORS, dense


@pytest.fixture(autouse=True)
def quiet():
    """Silence warnings about assumptions, which have their own tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        yield


class ZeroStarts(nn.Module):
    """The last layers of a block and of the model start at zero."""

    n: int

    @nn.compact
    def __call__(self, x):
        x = dense(self.n)(x)
        x = x + nn.Dense(self.n, kernel_init=nn.initializers.zeros)(nn.relu(x))
        return nn.Dense(1, use_bias=False, kernel_init=nn.initializers.zeros)(nn.relu(x))


def test_layers_that_start_at_zero_are_written():
    found = nv.trace(ZeroStarts).check(VECTORS, width=16)
    assert max(found.outputs, found.ntk) < 1e-11


@pytest.mark.parametrize("lr", ["fan_in", "variance"])
def test_biases_that_vanish_have_one_rate_at_any_width(lr):
    """Equinox draws biases of variance 1/(3n), also that of the output."""
    t = nv.trace(lambda n: eqx.nn.MLP(5, "scalar", n, 2, key=jax.random.key(0)), lr=lr)
    limit = nv.infinite_ntk(t, VECTORS).ntk
    layers = t.learning_rates(10_000).layers
    assert [layer.bias for layer in layers[1:]] == [float(lr == "fan_in")] * 2
    mean = np.mean([t.model_ntk(VECTORS, width=512, key=k) for k in range(4)], 0)
    assert np.linalg.norm(mean - limit) < 0.1 * np.linalg.norm(limit)  # any rate of the first width is more


@pytest.mark.parametrize("lr", ["fan_in", "variance"])
def test_readouts_that_start_at_zero_have_the_rate_of_all(lr):
    last = {"use_bias": False, "kernel_init": nn.initializers.zeros}
    t = nv.trace(lambda n: nn.Sequential([nn.Dense(n), nn.relu, nn.Dense(1, **last)]), lr=lr)
    nv.program(t, VECTORS)
    rate = t.learning_rates(1000)["layers_2"]["kernel"]
    assert rate == pytest.approx(1 / 1000 if lr == "fan_in" else 0.0)
    assert not any("order" in note for note in t.report.notes)
