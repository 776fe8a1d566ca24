"""Expected products of several dependent factors, against Isserlis' theorem and three-dimensional quadrature."""

import functools
import itertools

import numpy as np
import pytest
from scipy.special import erf, gamma

import ntkviz as nv
from ntkviz.calculus.symbolic.expressions import Expectations, Expression
from ntkviz.language.nonlinearities import nonlinearity as nl
from ntkviz.language.zero import ZERO, written

COVARIANCE = np.array([[1.3, 0.4, -0.2], [0.4, 0.9, 0.5], [-0.2, 0.5, 1.1]])
MEANS = (0.3, -0.7, 0.5)


@pytest.fixture
def gaussians():
    """Three dependent Gaussians, and what integrates them."""
    expectations = Expectations()
    for i, j in itertools.combinations_with_replacement(range(3), 2):
        expectations.covariances[i, j] = COVARIANCE[i, j]
    return [Expression.gaussian(k) for k in range(3)], expectations


def product(factors):
    return functools.reduce(lambda a, b: a * b, factors)


def isserlis(indices) -> float:
    """E of a product of centred Gaussians: the sum over all pairings of products of covariances."""
    if not indices:
        return 1.0
    first, rest = indices[0], indices[1:]
    return sum(COVARIANCE[first, other] * isserlis(rest[:k] + rest[k + 1 :]) for k, other in enumerate(rest))


def quadrature(fn, nodes=48, means=(0.0, 0.0, 0.0)) -> float:
    """E fn(x, y, z) by a product of Gauss–Hermite rules."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    grid = np.stack(np.meshgrid(z, z, z, indexing="ij")).reshape(3, -1)
    weights = np.prod(np.stack(np.meshgrid(w, w, w, indexing="ij")).reshape(3, -1), axis=0) / (2 * np.pi) ** 1.5
    return float(weights @ fn(*(np.linalg.cholesky(COVARIANCE) @ grid + np.array(means)[:, None])))


@pytest.mark.parametrize("powers", [(2, 2, 2), (3, 2, 1), (4, 2, 2), (1, 1, 2), (3, 3, 2), (1, 1, 1), (2, 1, 2)])
def test_powers_agree_with_isserlis(gaussians, powers):
    zs, expectations = gaussians
    factors = [z for z, power in zip(zs, powers, strict=True) for _ in range(power)]
    value = expectations.mean(product(factors))
    expected = isserlis([k for k, power in enumerate(powers) for _ in range(power)])
    assert float(written(value, ())) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("power", [0, 1, 2, 3])
def test_a_power_between_two_functions_is_integrated_by_parts(gaussians, power):
    (x, y, z), expectations = gaussians
    value = expectations.mean(product([*[x] * power, y.apply(nv.erf, ()), z.apply(nv.erf, ())]))
    assert float(value) == pytest.approx(quadrature(lambda x, y, z: x**power * erf(y) * erf(z)), rel=1e-9)


def test_means_are_taken_into_account(gaussians):
    zs, expectations = gaussians
    x, y, z = (g + Expression.constant(m) for g, m in zip(zs, MEANS, strict=True))
    value = expectations.mean(product([x, x, x, y.apply(nv.erf, ()), z.apply(nv.square, ())]))
    assert float(value) == pytest.approx(quadrature(lambda x, y, z: x**3 * erf(y) * z**2, means=MEANS), rel=1e-9)


@pytest.mark.parametrize(
    ("phi", "psi"), [(nv.erf, nv.erf), (nv.square, nv.erf), (nv.cube, nv.square)], ids=lambda phi: phi.name
)
def test_expected_derivatives_obey_steins_lemma(gaussians, phi, psi):
    """E[x Z] = Σ_j Cov(x, j) E[∂Z/∂j]."""
    (x, y, z), expectations = gaussians
    expression = product([y.apply(phi, ()), z.apply(psi, ()), x])
    slopes = [expectations.expected_derivative(expression, k) for k in range(3)]
    by_stein = sum(COVARIANCE[0, k] * float(slope) for k, slope in enumerate(slopes) if slope is not ZERO)
    direct = expectations.mean(x * expression)
    assert by_stein == pytest.approx(float(written(direct, ())), rel=1e-10, abs=1e-12)


def test_the_mean_slope_of_a_jump_comes_from_steins_lemma(gaussians):
    """E[∂ step(x)/∂x] is the density at 0, though the derivative is no function."""
    (x, _, _), expectations = gaussians
    slope = expectations.expected_derivative(x.apply(nv.step, ()), 0)
    assert float(slope) == pytest.approx(1 / np.sqrt(2 * np.pi * COVARIANCE[0, 0]), rel=1e-12)


@pytest.mark.parametrize("powers", [(0, 1), (1, 1), (3, 0), (0, 2), (0, 0, 1), (2, 0, 1)])
def test_a_step_keeps_the_half_line_of_any_polynomial(gaussians, powers):
    """E[xᵏ; x > 0] = σᵏ 2^(k/2−1) Γ((k+1)/2)/√π."""
    (x, _, _), expectations = gaussians
    polynomial = x.apply(nl.polynomial("p", *map(float, powers)), ())
    half_moments = [
        COVARIANCE[0, 0] ** (k / 2) * 2 ** (k / 2 - 1) * gamma((k + 1) / 2) / np.sqrt(np.pi) for k in range(len(powers))
    ]
    value = expectations.mean(x.apply(nv.step, ()) * polynomial)
    assert float(value) == pytest.approx(np.dot(powers, half_moments), rel=1e-12)


def test_independent_factors_multiply():
    expectations = Expectations()
    expectations.covariances[0, 0] = expectations.covariances[1, 1] = 0.7
    x, y = Expression.gaussian(0), Expression.gaussian(1)
    assert expectations.mean(x * y) is ZERO
    relu = x.apply(nv.relu, ())
    assert float(expectations.mean(relu * y * y)) == pytest.approx(0.7 * np.sqrt(0.7 / (2 * np.pi)), rel=1e-12)


@pytest.mark.parametrize(
    ("ask", "why"),
    [
        (
            lambda e, x, y, z: e.mean(product([g.apply(nv.erf, ()) for g in (x, y, z)])),
            "three or more dependent vectors",
        ),
        (
            lambda e, x, y, z: e.expected_derivative(x.apply(nv.step, ()) * y.apply(nv.erf, ()), 0),
            "the derivative of a jump between dependent vectors",
        ),
    ],
)
def test_expectations_out_of_reach_give_their_reason(gaussians, ask, why):
    (x, y, z), expectations = gaussians
    assert ask(expectations, x, y, z) is ZERO
    assert why in expectations.beyond[0].text
    assert expectations.mean(x.apply(nv.square, ())) is ZERO  # nothing more is calculated
    assert x.apply(nv.erf, ()).apply(nv.erf, ()) is None
