"""Expectations over several correlated Gaussians, against independent high-accuracy values."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from ntkviz.gaussian.expectation import pair_expectation
from ntkviz.gaussian.sobol import covariance_root, expectation_sobol, product_gauss_hermite, sobol_normal
from ntkviz.language import nonlinearities as nl

STEPS = 10


def autoregressive(correlation, variance=1.0, steps=STEPS):
    lag = np.abs(np.subtract.outer(np.arange(steps), np.arange(steps)))
    return variance * correlation**lag


def product_of_gates(*z):
    return jnp.prod(jnp.stack([nl.sigmoid.fn(v) for v in z]), axis=0)


def by_transfer_operator(correlation, variance=1.0, steps=STEPS):
    """E Π σ(z_t), z an AR(1) process, by passing g_t(z) = σ(z) E[g_{t+1} | z_t = z] back in time on a grid."""
    z = np.arange(-9, 9.001, 0.04)
    s = np.sqrt(1 - correlation**2)
    density = lambda x: np.exp(-(x**2) / 2) * 0.04 / np.sqrt(2 * np.pi)  # noqa: E731
    transfer = density((z[None, :] - correlation * z[:, None]) / s) / s
    gate = expit(np.sqrt(variance) * z)
    g = gate
    for _ in range(steps - 1):
        g = gate * (transfer @ g)
    return density(z) @ g


def test_ten_correlated_gates_with_an_honest_error():
    exact = by_transfer_operator(0.3, 2.0)
    covariance = autoregressive(0.3, 2.0)
    run = jax.jit(lambda: [expectation_sobol(product_of_gates, covariance, log2_points=8, seed=s) for s in range(20)])
    assert sum(bool(abs(got.value - exact) <= got.error) for got in run()) >= 19


@pytest.mark.parametrize(("correlation", "variance"), [(0.8, 1.0), (-0.6, 4.0)])
def test_more_points_smaller_error(correlation, variance):
    exact = by_transfer_operator(correlation, variance)
    few, many = (
        expectation_sobol(product_of_gates, autoregressive(correlation, variance), log2_points=m) for m in (10, 14)
    )
    assert abs(few.value - exact) <= few.error
    assert abs(many.value - exact) <= many.error <= 1e-2 * exact
    assert many.error <= few.error / 4, "not even as good as plain Monte Carlo"


def test_transfer_operator_of_two_steps_is_a_pair():
    assert np.isclose(by_transfer_operator(0.5, 2.0, steps=2), pair_expectation(nl.sigmoid, nl.sigmoid, 2, 1, 2).value)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_product_rule_on_gates(steps):
    got = product_gauss_hermite(product_of_gates, autoregressive(0.7, 2.0, steps))
    exact = by_transfer_operator(0.7, 2.0, steps)
    assert abs(got.value - exact) <= got.error + 1e-14
    assert got.error <= 1e-6


def test_product_rule_is_exact_for_polynomials():
    """Isserlis: E[x² y z] with means, and with theta."""
    k = np.array([[2.0, 0.5, -0.3], [0.5, 1.0, 0.2], [-0.3, 0.2, 0.7]])
    got = product_gauss_hermite(lambda x, y, z, t: t * x**2 * y * z, k, theta=(np.array([1.0, 2.0]),), nodes=4)
    exact = k[0, 0] * k[1, 2] + 2 * k[0, 1] * k[0, 2]
    assert np.allclose(got.value, [exact, 2 * exact], rtol=1e-13)
    shifted = product_gauss_hermite(lambda x, y: x * y, k[:2, :2], mean=np.array([1.0, -3.0])).value
    assert np.isclose(shifted, 0.5 - 3.0, rtol=1e-13)


def test_too_many_arguments_for_a_product_rule():
    with pytest.raises(ValueError, match="use expectation_sobol"):
        product_gauss_hermite(product_of_gates, np.eye(5))


def test_singular_covariances_are_ordinary():
    k = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    root = np.asarray(covariance_root(k))
    assert np.allclose(root @ root.T, k, atol=1e-15)
    assert np.array_equal(root[2], np.zeros(3))
    got = product_gauss_hermite(lambda x, y, z: x * y + jnp.cos(z), k)
    assert np.isclose(got.value, 2.0, rtol=1e-13)
    assert np.isclose(expectation_sobol(lambda x, y, z: jnp.tanh(x - y) + jnp.cos(z), k).value, 1.0, atol=1e-7)


def test_leading_axes():
    covariances = np.stack([autoregressive(r, steps=5) for r in (0.2, 0.9)])[:, None]
    got = expectation_sobol(product_of_gates, covariances, log2_points=10)
    alone = [expectation_sobol(product_of_gates, k, log2_points=10).value for [k] in covariances]
    assert got.value.shape == got.error.shape == (2, 1)
    assert np.allclose(got.value[:, 0], alone, rtol=1e-13)


def test_points_are_normal_finite_and_differ_by_seed():
    points = sobol_normal(7, 12, 3)
    assert points.shape == (7, 4096)
    assert np.all(np.isfinite(points))
    assert np.allclose(points.mean(1), 0, atol=2e-3)
    assert np.allclose(points @ points.T / 4096, np.eye(7), atol=2e-2)
    assert not np.allclose(points, sobol_normal(7, 12, 4))
