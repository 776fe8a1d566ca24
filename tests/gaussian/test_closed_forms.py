"""Every closed form against one-dimensional integrals, also where naive formulas lose digits."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import ntkviz  # noqa: F401  (float64)
from ntkviz.gaussian.expectation import pair_expectation, pair_with_slopes, single_expectation
from ntkviz.gaussian.geometry import geometry
from ntkviz.language.nonlinearities import nonlinearity as nl

from .one_dimensional import FUNCTIONS, SLOPE, norm, pair, single

COVARIANCES = np.array(
    [
        (1.3, 0.4, 0.7),
        (1.0, -0.8, 2.0),
        (0.5, 0.0, 3.0),
        (2.0, 2.0, 2.0),
        (2.0, -2.0, 2.0),
        (0.5, 1.0, 2.0),
        (1.0, 1 - 1e-12, 1.0),
        (1.0, -(1 - 1e-12), 1.0),
        (3.0, 3.0 * (1 - 1e-5), 3.0),
        (1e-12, -3e-13, 2e-12),
        (1e-300, 5e-301, 1e-300),
        (1e-12, 5e-7, 1.0),
        (0.0, 0.0, 1.0),
        (1.0, 0.0, 0.0),
        (0.0, 0.0, 0.0),
    ]
)
MIXED = [
    ("relu", "step"),
    ("relu", "identity"),
    ("relu", "leaky_relu"),
    ("abs", "sign"),
    ("leaky_relu", "leaky_step"),
    ("identity", "step"),
    ("identity", "erf"),
    ("identity", "gelu"),
    ("erf", "erf_gate"),
    ("erf_slope", "erf_gate_slope"),
    ("sin", "cos"),
    ("square", "cube"),
    ("exp", "relu"),
    ("exp", "sin"),
]
PAIRS = [(name, name) for name in FUNCTIONS] + MIXED
ANY_MEAN = ["identity", "square", "cube", "sin", "cos", "exp"]


def phi(name):
    return getattr(nl, name)


def theta(name):
    return (SLOPE,) if name.startswith("leaky") else ()


def check(actual, expected, scale, tolerance=1e-12):
    """|actual − expected| ≤ tolerance · scale, entry by entry."""
    actual, expected, scale = np.asarray(actual), np.array(expected), np.array(scale)
    assert np.all(np.abs(actual - expected) <= tolerance * scale + 1e-305), f"{actual} is not {expected}"


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_pairs(first, second):
    got = pair_expectation(phi(first), phi(second), *COVARIANCES.T, theta=theta(first), theta_bar=theta(second))
    expected = [pair(FUNCTIONS[first], FUNCTIONS[second], *k) for k in COVARIANCES]
    check(got.value, expected, [norm(first, k[0]) * norm(second, k[2]) for k in COVARIANCES])
    assert np.all(got.error <= 1e-12 * (1 + np.abs(got.value))), "a closed form was expected, not quadrature"


@pytest.mark.parametrize("first", ANY_MEAN)
@pytest.mark.parametrize("second", ["square", "sin"])
def test_pairs_with_means(first, second):
    covariances = COVARIANCES[[0, 1, 3, 4, 9, 12]]
    got = pair_expectation(phi(first), phi(second), *covariances.T, mean_x=0.4, mean_y=-1.1)
    expected = [pair(FUNCTIONS[first], FUNCTIONS[second], *k, 0.4, -1.1) for k in covariances]
    scale = [norm(first, k[0], 0.4) * norm(second, k[2], -1.1) for k in covariances]
    check(got.value, expected, scale)


@pytest.mark.parametrize("name", ["relu", "step", "erf"])
def test_a_mean_of_one_side_alone(name):
    """Formulas for two centred Gaussians do not hold, whichever of the two is not."""
    got = [
        pair_expectation(phi(name), phi(name), 1.3, 0.4, 0.7, **mean).value
        for mean in ({"mean_x": 0.6}, {"mean_x": 0.6, "mean_y": 0.0}, {"mean_y": 0.6}, {"mean_x": 0.0, "mean_y": 0.6})
    ]
    check(got[0], got[1], 1.0)
    check(got[2], got[3], 1.0)


def test_bumps_with_means():
    """exp(−x²): the Gaussian integral with means."""
    got = pair_expectation(nl.erf_slope, nl.erf_gate_slope, 1.3, 0.4, 0.7, mean_x=0.4, mean_y=-1.1).value
    expected = pair(FUNCTIONS["erf_slope"], FUNCTIONS["erf_gate_slope"], 1.3, 0.4, 0.7, 0.4, -1.1)
    check(got, expected, expected, 1e-13)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_singles(name):
    variances, means = np.array([0.0, 1e-300, 1e-12, 0.3, 4.0]), [None, -0.7, 0.0, 1.2]
    for mean in means:
        got = single_expectation(phi(name), variances, theta=theta(name), mean=mean).value
        expected = [single(FUNCTIONS[name], k, mean or 0.0) for k in variances]
        check(got, expected, [norm(name, k, mean or 0.0) for k in variances])


@pytest.mark.parametrize("correlation", [1 - 1e-12, 1 - 1e-4, 0.3, -0.6, -0.8, -(1 - 1e-4), -(1 - 1e-12)])
def test_relu_and_step_keep_relative_accuracy(correlation):
    """Next to correlation −1 the relu kernel is 1e-19, and still has fifteen digits."""
    with mp.workdps(60):
        c = mp.mpf(correlation)
        delta = mp.pi - mp.acos(c)
        relu, step = float((mp.sqrt(1 - c * c) + c * delta) / (2 * mp.pi)), float(delta / (2 * mp.pi))
    value, slope = pair_with_slopes(nl.relu, nl.relu, 1.0, correlation, 1.0)
    check(value.value, relu, relu, 1e-14)
    check(slope.value, step, step, 1e-15)


def test_correlation_within_roundings_of_one_is_one():
    variances, roundings = np.array([0.7, 1.3, 1e-300]), np.array([-10, -1, 0, 1, 10])[:, None] * np.finfo(float).eps
    for sign in (1, -1):
        g = geometry(variances, sign * np.sqrt(variances * 0.9) ** 2 / 0.9 * (1 + roundings), variances)
        np.testing.assert_array_equal(g.cos, sign * np.broadcast_to(g.a, g.cos.shape))
    assert geometry(1.0, 1 - 1e-14, 1.0).cos == 1 - 1e-14, "and what is farther from it is not"


def test_correlation_beyond_one_is_one():
    for name in ("relu", "step", "erf", "gelu", "tanh"):
        for sign in (1, -1):
            beyond = pair_expectation(phi(name), phi(name), 0.7, sign * 0.7 * (1 + 4e-16), 0.7).value
            assert np.allclose(beyond, pair_expectation(phi(name), phi(name), 0.7, sign * 0.7, 0.7).value, rtol=1e-14)


@pytest.mark.parametrize(
    "name", ["relu", "leaky_relu", "erf", "erf_gate", "gelu", "sin", "cos", "exp", "square", "cube"]
)
def test_slopes_are_the_derivative_in_the_covariance(name):
    """Price's theorem, against finite differences of the integral."""
    kxx, kxy, kyy = 1.3, 0.4, 0.7
    function, h = FUNCTIONS[name], 2e-3
    e = [pair(function, function, kxx, kxy + k * h, kyy) for k in (-3, -2, -1, 1, 2, 3)]
    derivative = (-e[0] + 9 * e[1] - 45 * e[2] + 45 * e[3] - 9 * e[4] + e[5]) / (60 * h)  # error of order h⁶
    value, slope = pair_with_slopes(phi(name), phi(name), kxx, kxy, kyy, theta=theta(name), theta_bar=theta(name))
    check(slope.value, derivative, 1 + abs(derivative), 1e-11)
    assert (
        value.value
        == pair_expectation(phi(name), phi(name), kxx, kxy, kyy, theta=theta(name), theta_bar=theta(name)).value
    )


def test_a_jump_has_no_slope():
    with pytest.raises(ValueError, match=r"nv\.step has a jump"):
        pair_with_slopes(nl.step, nl.step, 1.0, 0.5, 1.0)


def test_two_vectors_are_refused():
    with pytest.raises(ValueError, match="takes 2 vectors"):
        single_expectation(nl.multiply, 1.0)


def test_nan_is_not_hidden():
    for name in ("relu", "step", "sign", "erf", "gelu", "square", "tanh"):
        assert np.isnan(pair_expectation(phi(name), phi(name), np.nan, np.nan, 1.0).value)


def test_jit_vmap_and_scan():
    def kernel(k):
        return pair_expectation(nl.relu, nl.relu, k[0], k[1], k[2]).value

    covariances = jnp.asarray(COVARIANCES)
    plain = pair_expectation(nl.relu, nl.relu, *covariances.T).value
    assert np.allclose(jax.jit(jax.vmap(kernel))(covariances), plain, rtol=1e-14, atol=0)
    assert np.allclose(jax.lax.scan(lambda c, k: (c, kernel(k)), 0, covariances)[1], plain, rtol=1e-14, atol=0)


_inputs = arrays(float, (5, 3), elements=st.floats(-3, 3, allow_subnormal=False))


@settings(max_examples=15, deadline=None)
@given(
    x=_inputs, name=st.sampled_from(["relu", "step", "leaky_relu", "erf", "erf_gate", "gelu", "sin", "cube", "tanh"])
)
def test_kernels_are_symmetric_positive_semidefinite_and_obey_cauchy_schwarz(x, name):
    gram = x @ x.T
    k = np.diag(gram)
    kernel = np.asarray(
        pair_expectation(
            phi(name), phi(name), k[:, None], gram, k[None, :], theta=theta(name), theta_bar=theta(name)
        ).value
    )
    size = 1e-12 + np.trace(kernel)
    # Correlation 1 to within rounding of the input is an angle of 1e-8 to a function with a jump.
    tolerance = 1e-7 if name in ("step",) else 1e-12
    assert np.allclose(kernel, kernel.T, rtol=0, atol=1e-13 * size)
    assert np.linalg.eigvalsh(kernel).min() >= -tolerance * size
    bound = np.sqrt(np.outer(np.diag(kernel), np.diag(kernel)))
    assert np.all(np.abs(kernel) <= bound + tolerance * size)
