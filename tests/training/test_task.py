"""Models that `nv.trace` reads are trained as they are: at finite width as by `jax.grad` on their own parameters."""

import warnings

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full_among

import ntkviz as nv
from ntkviz.networks.sampling import at_readout_scale, run, width_of
from ntkviz.tracing.models import models_at
from ntkviz.tracing.same_parameters import parameters_of_program
from tests.tracing import heads
from tests.tracing.zoo import MODELS, VECTORS, dense

assert heads  # imported because it adds models to the zoo


class WithBiases(nn.Module):
    """Biases of all layers, the output's too."""

    width: int

    @nn.compact
    def __call__(self, x):
        h = nn.tanh(dense(self.width)(x))
        return nn.Dense(1, kernel_init=nn.initializers.normal(self.width**-0.5))(nn.relu(dense(2 * self.width)(h)))


CASES = {
    "biases, the output's too": (WithBiases, VECTORS),
    "averaged heads with biases": MODELS["Skips"],
    **{
        name: MODELS[name]
        for name in ("tied_autoencoder", "rectangular_tied", "mean_readout", "multipliers", "added_heads")
    },
}


def silently_traced(make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        return nv.trace(make)


def descended(traced, x, y, *, width, steps, learning_rate, richness):
    """Outputs by `jax.grad` on the model's parameters, and those of the program of training, `(steps + 1, batch)`."""
    exact = traced.in_training((x,)).arch
    made, (model,) = exact.fn.written((x.shape,)), models_at(exact.fn.make, (width,), (x.shape,))
    table = made.table
    arrays = [jnp.asarray(a, float) for a in model.draw(jax.random.key(3))]
    for leaf, use in table.uses.items():
        if use.kind == "output bias":  # it starts at 0, as in the limit
            arrays[leaf] = jnp.zeros_like(arrays[leaf])
    parameters = parameters_of_program(made, arrays, width)
    n = width_of(made.program, parameters)
    program = nv.training_program(traced, x, y, steps=steps, learning_rate=learning_rate, richness=richness)
    found = np.asarray(run(program, parameters).output)

    order = (width / table.options.widths[0]) ** float(made.order)
    scale = order * richness * (n**0.5 if at_readout_scale(made.program.with_data(x)) else 1.0)
    rates = [learning_rate * n * richness**2 * table.rate_at(k, width) for k in range(len(arrays))]

    def outputs(arrays):
        return model.run(arrays, (x,), made.place) / scale

    gradient = jax.jit(jax.grad(lambda arrays: 0.5 * jnp.sum((outputs(arrays) - y) ** 2)))
    expected = [outputs(arrays)]
    for _ in range(steps):
        arrays = [a - rate * g for a, rate, g in zip(arrays, rates, gradient(arrays), strict=True)]
        expected.append(outputs(arrays))
    return np.array(expected), found


@pytest.mark.parametrize("name", full_among(CASES, "added_heads", "rectangular_tied"))
def test_at_finite_width_it_is_gradient_descent_of_the_model(name):
    make, x = CASES[name]
    y = np.array([1.0, -1.0, 0.5])[: len(x)]
    rates = {"mean_readout": 0.003, "multipliers": 50.0}  # as their kernels are large and small
    options = {"width": 16, "steps": 2, "learning_rate": rates.get(name, 0.2), "richness": 0.7}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        expected, found = descended(silently_traced(make), x, y, **options)
    assert np.max(np.abs(np.diff(expected, axis=0))) > 0.05
    assert found == pytest.approx(np.asarray(expected), rel=1e-9, abs=1e-9)


def test_the_limit_is_that_of_the_program():
    """The bias of the output moves by as much as the vectors do."""
    traced, y = silently_traced(WithBiases), np.array([1.0, -1.0, 0.5])
    options = {"steps": 2, "learning_rate": 0.2}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        learned = nv.feature_learning(traced, VECTORS, y, VECTORS[:1] + 0.1, **options)
        program = nv.training_program(traced, VECTORS, y, x_test=VECTORS[:1] + 0.1, **options)
    values = [np.asarray(nv.virtual_coordinates(program, width=2**12, key=k)[program.output]) for k in range(6)]
    mean, error = np.mean(values, axis=0), np.std(values, axis=0, ddof=1) / 6**0.5
    found, its_error = (np.hstack([part.train, part.test]) for part in (learned, learned.error))
    assert np.max(np.abs(found - mean) / np.hypot(its_error, error + 1e-3)) < 4
    before = np.asarray(nv.infinite_ntk(traced, VECTORS).ntk)
    assert learned.ntk[0] == pytest.approx(before, abs=5 * np.max(learned.error.ntk[0]))
