"""Where nonlinearities jump, and the derivative of averages through a jump."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import ntkviz as nv
from ntkviz.calculus.smoothed_jumps import jumps, nonlin
from ntkviz.errors import NotIntegrableError
from ntkviz.gaussian.sobol import sobol_normal
from ntkviz.language.instructions import Nonlin
from ntkviz.language.nonlinearities.nonlinearity import leaky_step, step

clip = nv.nonlinearity(lambda x: jnp.clip(x, -1.0, 0.5))
X = jnp.asarray(sobol_normal(1, 16, seed=0)[0])


@pytest.mark.parametrize(
    ("phi", "parameters", "places"),
    [
        (nv.relu, 0, []),
        (nv.erf, 0, []),
        (nv.cube, 0, []),
        (step, 0, [0.0]),
        (nv.sign, 0, [0.0]),
        (leaky_step, 1, [0.0]),
        (clip, 0, []),
        (clip.derivative(), 0, [-1.0, 0.5]),
        (nv.nonlinearity(lambda x, y: x * jnp.tanh(y), arity=2).derivative(1), 0, []),
    ],
)
def test_jumps_are_found_without_being_declared(phi, parameters, places):
    np.testing.assert_allclose([np.mean(ends) for ends in jumps(phi, parameters)], places, atol=1e-12)


@pytest.mark.parametrize(
    ("phi", "parameters"),
    [
        (nv.nonlinearity(jnp.maximum, arity=2).derivative(0), 0),
        (nv.nonlinearity(lambda x, y: x * jnp.where(y > 0, y, 0), arity=2).derivative(1), 0),
        (nv.nonlinearity(lambda x, t: jnp.where(x > t, x - t, 0.0)).derivative(), 1),
    ],
)
def test_jumps_that_move_are_refused(phi, parameters):
    with pytest.raises(NotIntegrableError, match="jumps at points that depend on its parameters"):
        jumps(phi, parameters)


@pytest.mark.parametrize("at", [-1.0, 0.5])
def test_the_derivative_of_an_average_through_a_jump(at):
    """d/dt E φ′(x + t) of φ = clip: the density of x at the two ends, beside what multiplies it."""
    slope = clip.derivative()

    def average(t, factor):
        return jnp.mean(factor * nonlin(Nonlin(slope), (X + t)[None])[0])

    exact = norm.pdf(1) - norm.pdf(0.5)
    np.testing.assert_allclose(jax.grad(average)(0.0, 1.0), exact, rtol=0.03)  # κ is 0.1 wide
    beside = jax.grad(average)(0.0, jnp.where(at < X, X - at + 1, 1.0))  # has a kink at the jump, and is 1 there
    other = 0.5 if at < 0 else -1.0
    factor = 1 + max(other - at, 0)
    size = {-1.0: norm.pdf(1), 0.5: -norm.pdf(0.5)}
    np.testing.assert_allclose(beside, size[at] + factor * size[other], rtol=0.03)


def test_values_are_those_of_the_function():
    np.testing.assert_array_equal(nonlin(Nonlin(step), X[None])[0], X > 0)


def test_a_vector_of_one_value_does_not_cross_a_jump():
    _, change = jax.jvp(lambda x: nonlin(Nonlin(step), x), (jnp.full(8, 0.3),), (jnp.ones(8),))
    np.testing.assert_array_equal(change, 0)
