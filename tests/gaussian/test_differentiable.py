"""Derivatives of Gaussian expectations, against formulas differentiated in 40 digits and against differences."""

import itertools
import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.errors import NoGradientError
from ntkviz.gaussian import differentiable, expectation
from ntkviz.language.nonlinearities import nonlinearity as nl

GENERIC = (1.3, 0.4, 0.8)
LAWS = {
    "generic": GENERIC,
    "negative": (0.7, -0.5, 1.9),
    "independent": (1.3, 0.0, 0.8),
    "nearly equal": (1.0, 1 - 1e-6, 1.0),
}


def angle(kxx, kxy, kyy):
    return mpmath.acos(kxy / mpmath.sqrt(kxx * kyy))


def relu_relu(kxx, kxy, kyy):
    """Cho and Saul 2009, degree 1."""
    t = angle(kxx, kxy, kyy)
    return mpmath.sqrt(kxx * kyy) * (mpmath.sin(t) + (mpmath.pi - t) * mpmath.cos(t)) / (2 * mpmath.pi)


def step_step(kxx, kxy, kyy):
    """Cho and Saul 2009, degree 0."""
    return (mpmath.pi - angle(kxx, kxy, kyy)) / (2 * mpmath.pi)


def erf_erf(kxx, kxy, kyy):
    """Williams 1997."""
    return 2 / mpmath.pi * mpmath.asin(2 * kxy / mpmath.sqrt((1 + 2 * kxx) * (1 + 2 * kyy)))


def bump_bump(kxx, kxy, kyy):
    """E erf′(x) erf′(y), by Price's theorem."""
    return 4 / mpmath.pi / mpmath.sqrt((1 + 2 * kxx) * (1 + 2 * kyy) - 4 * kxy**2)


def sin_sin(kxx, kxy, kyy):
    return mpmath.exp(-(kxx + kyy) / 2) * mpmath.sinh(kxy)


def gelu_gelu(kxx, kxy, kyy):
    """By Stein's lemma, from E Φ(x)Φ(y) = 1/4 + asin(…)/2π."""
    det = (1 + kxx) * (1 + kyy) - kxy**2
    both = mpmath.mpf(1) / 4 + mpmath.asin(kxy / mpmath.sqrt((1 + kxx) * (1 + kyy))) / (2 * mpmath.pi)
    edges = kxx * kyy - kxy**2 + kxy**2 * (1 / (1 + kxx) + 1 / (1 + kyy))
    return kxy * both + edges / (2 * mpmath.pi * mpmath.sqrt(det))


FORMULAS = {
    "relu": (nl.relu, relu_relu),
    "step": (nl.step, step_step),
    "erf": (nl.erf, erf_erf),
    "erf_slope": (nl.erf_slope, bump_bump),
    "sin": (nl.sin, sin_sin),
    "gelu": (nl.gelu, gelu_gelu),
}


def slopes(phi, psi, law, **others):
    """∂E[φψ] with respect to kxx, kxy and kyy."""
    return jax.grad(lambda law: differentiable.pair_expectation(phi, psi, *law, **others).value)(law)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("name", FORMULAS)
def test_formulas(name, law):
    """Near correlation 1 digits are lost like 1/θ or, for step, 1/θ²."""
    phi, formula = FORMULAS[name]
    with mpmath.workdps(40):
        exact = [
            float(mpmath.diff(formula, tuple(map(mpmath.mpf, LAWS[law])), n)) for n in ((1, 0, 0), (0, 1, 0), (0, 0, 1))
        ]
    assert slopes(phi, phi, LAWS[law]) == pytest.approx(exact, rel=1e-8 if law == "nearly equal" else 1e-12, abs=1e-15)


@pytest.mark.parametrize("name", ["relu", "erf", "erf_slope", "sin", "gelu", "tanh", "sigmoid"])
def test_along_equal_arguments(name):
    """x = y: the derivative of E φ(x)² with respect to the variance, as a pair and alone, by differences of step 1e-4.

    The error of the differences is about 1e-8.
    """
    phi = getattr(nl, name)
    pair = float(jax.grad(lambda k: differentiable.pair_expectation(phi, phi, k, k, k).value)(0.9))
    square = jax.grad(lambda k: differentiable.square_expectation(phi, k).value)(0.9)
    up, down = (float(expectation.square_expectation(phi, 0.9 + h).value) for h in (1e-4, -1e-4))
    assert pair == pytest.approx((up - down) / 2e-4, rel=1e-7)
    assert square == pytest.approx(pair, rel=1e-12)


def test_relu_at_correlation_one():
    """E[x₊y₊] for x = au, y = bu: ∂kxy = P(u > 0) = 1/2, ∂kxx = 0; the angle has a kink, whose derivative is 0."""
    for kxx, sign in itertools.product((1.0, 0.3), (1, -1)):
        law = (kxx, sign * math.sqrt(kxx * 2.0), 2.0)
        assert slopes(nl.relu, nl.relu, law) == pytest.approx([0, 0.5 if sign > 0 else 0, 0], abs=1e-15)
        assert slopes(nl.step, nl.step, law) == (0, 0, 0)
        assert slopes(nl.abs, nl.abs, law) == pytest.approx([0, sign, 0], abs=1e-15)
    hessian = jax.hessian(lambda law: differentiable.pair_expectation(nl.relu, nl.relu, *law).value)((1.0, 1.0, 1.0))
    assert np.isfinite(np.array(hessian)).all()


@pytest.mark.parametrize("name", ["relu", "abs", "erf", "erf_slope", "gelu", "sin", "tanh"])
def test_zero_variance(name):
    """Where a variance is zero, formulas with √kxx have no derivative, and no NaN."""
    phi = getattr(nl, name)
    assert np.isfinite(np.array(slopes(phi, phi, (0.0, 0.0, 1.2)))).all()
    assert np.isfinite(np.array(slopes(phi, phi, (0.0, 0.0, 0.0)))).all()
    assert np.isfinite(jax.grad(lambda k: differentiable.single_expectation(phi, k).value)(0.0))


def test_zero_variance_by_formula():
    """E erf x erf y = (4/π) kxy/√(1 + 2kyy) + …, and E erf′erf′ = (4/π)/√((1 + 2kxx)(1 + 2kyy)) at kxy = 0."""
    assert slopes(nl.erf, nl.erf, (0.0, 0.0, 1.2)) == pytest.approx([0, 4 / math.pi / math.sqrt(3.4), 0], rel=1e-14)
    bumps = [-4 / math.pi / math.sqrt(3.4), 0, -4 / math.pi / 3.4**1.5]
    assert slopes(nl.erf_slope, nl.erf_slope, (0.0, 0.0, 1.2)) == pytest.approx(bumps, rel=1e-14)
    # As x = tu with t → 0, E x₊y₊ = t E u₊y₊, whose mean over both directions of t is Cov(x, y)/4.
    assert slopes(nl.relu, nl.relu, (0.0, 0.0, 1.2)) == pytest.approx([0, 0.25, 0], abs=1e-15)


def test_leaky_relu_in_its_slope():
    """E φ_s(x) φ_t(y) is bilinear in the slopes: (1 + st) R(θ) − (s + t) R(π − θ), with R from Cho and Saul."""

    def value(s, t):
        return differentiable.pair_expectation(nl.leaky_relu, nl.leaky_relu, *GENERIC, theta=(s,), theta_bar=(t,)).value

    r, opposite = float(relu_relu(*GENERIC)), float(relu_relu(1.3, -0.4, 0.8))
    assert jax.grad(value)(0.1, 0.3) == pytest.approx(0.3 * r - opposite, rel=1e-13)


# --- integrals -----------------------------------------------------------------------------------------------


def by_points(phi, psi, kxx, kxy, kyy, mean_x=0.0, mean_y=0.0):
    """E[φψ] by a product rule of 150² points; exact to 1e-12 for functions as smooth as tanh."""
    z, w = np.polynomial.hermite_e.hermegauss(150)
    w = w / math.sqrt(2 * math.pi)
    u, v = np.meshgrid(z, z, indexing="ij")
    x = mean_x + math.sqrt(kxx) * u
    y = mean_y + kxy / math.sqrt(kxx) * u + math.sqrt(kyy - kxy**2 / kxx) * v
    return float(np.einsum("i,j,ij->", w, w, np.asarray(phi(x)) * np.asarray(psi(y))))


def differences(function, point, step=1e-3):
    """All partial derivatives, by differences of fourth order: the error is about 1e-12 f⁽⁵⁾/30 + 1e-15/step."""
    found = []
    for k in range(len(point)):
        at = [function(*(p + m * step * (i == k) for i, p in enumerate(point))) for m in (-2, -1, 1, 2)]
        found.append((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / (12 * step))
    return found


@pytest.mark.parametrize(("phi", "psi"), [(nl.tanh, nl.tanh), (nl.sigmoid, nl.tanh), (nl.gelu, nl.tanh)])
def test_integrals(phi, psi):
    point = (0.7, 0.3, 0.5)
    exact = differences(lambda *law: by_points(phi.fn, psi.fn, *law), point)
    assert slopes(phi, psi, point) == pytest.approx(exact, rel=1e-8)


def test_integrals_with_means():
    def value(kxx, kxy, kyy, mean_x, mean_y):
        return differentiable.pair_expectation(nl.tanh, nl.gelu, kxx, kxy, kyy, mean_x=mean_x, mean_y=mean_y).value

    point = (0.7, 0.3, 0.5, 0.4, -0.2)
    exact = differences(lambda *law: by_points(jnp.tanh, nl.gelu.fn, *law), point)
    assert jax.grad(lambda p: value(*p))(point) == pytest.approx(exact, rel=1e-8)


def test_integrals_with_a_parameter():
    """E tanh(tx)² and E tanh(tx): the derivative in t is that in the variance, t²kxx. They run on the host."""
    phi = nv.nonlinearity(lambda x, t: jnp.tanh(t * x))
    square = lambda t: differentiable.square_expectation(phi, 0.6, theta=(t,)).value  # noqa: E731
    with_mean = lambda t: differentiable.single_expectation(phi, 0.6, theta=(t,), mean=0.3).value  # noqa: E731
    exact = differences(
        lambda t: by_points(jnp.tanh, jnp.tanh, t**2 * 0.6, t**2 * 0.6 * (1 - 1e-15), t**2 * 0.6), [1.2]
    )
    assert jax.grad(square)(1.2) == pytest.approx(exact[0], rel=1e-6)
    exact = differences(lambda t: by_points(jnp.tanh, jnp.ones_like, t**2 * 0.6, 0.0, 1.0, 0.3 * t), [1.2])
    assert jax.grad(with_mean)(1.2) == pytest.approx(exact[0], rel=1e-8)
    assert jax.jit(jax.grad(square))(1.2) == pytest.approx(float(jax.grad(square)(1.2)), rel=1e-12)


def test_second_derivatives():
    point = (0.7, 0.3, 0.5)
    hessian = jax.hessian(lambda law: differentiable.pair_expectation(nl.tanh, nl.tanh, *law).value)(point)
    exact = differences(lambda *law: float(slopes(nl.tanh, nl.tanh, law)[1]), point)
    assert np.array(hessian)[1] == pytest.approx(exact, rel=1e-7)


# --- refusals ------------------------------------------------------------------------------------------------


def test_a_kink_off_the_mean_is_refused():
    """E relu(x + 1)²: an integral over pieces, whose derivative would need the second derivative of relu."""
    value = lambda k: differentiable.pair_expectation(nl.relu, nl.relu, k, k / 2, k, mean_x=1.0, mean_y=1.0).value  # noqa: E731
    assert np.isfinite(value(0.5))
    with pytest.raises(NoGradientError, match="jumps"):
        jax.grad(value)(0.5)


def test_a_derivative_that_ignores_a_jump():
    """The second derivative of φ(x) = (x − t)₊²/2 jumps at t: JAX's third is 0, which would be silently wrong.

    If t is a number in the function, the derivative is refused by name. If it is a parameter, the jump is found only
    when the numbers are known, and the derivative is NaN.
    """

    def value(k, phi, theta):
        slope = phi.derivative()
        return differentiable.pair_expectation(slope, slope, k, k / 2, k, theta=theta, theta_bar=theta).value

    fixed = nv.nonlinearity(lambda x: jnp.where(x > 0.3, (x - 0.3) ** 2 / 2, 0.0) + 0 * jnp.arctan(x))
    given = nv.nonlinearity(lambda x, t: jnp.where(x > t, (x - t) ** 2 / 2, 0.0))
    assert value(1.0, fixed, ()) == pytest.approx(float(value(1.0, given, (0.3,))), rel=1e-9)
    with pytest.raises(nv.NotIntegrableError, match=r"jumps at x = 0\.3"):
        jax.grad(value)(1.0, fixed, ())
    assert np.isnan(jax.grad(value)(1.0, given, (0.3,)))
