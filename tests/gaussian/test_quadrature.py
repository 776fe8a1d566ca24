"""Quadrature of functions without a closed form: accurate, and honest about its error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf, expit, ndtr
from selection import full, full_among

import ntkviz  # noqa: F401  (float64)
from ntkviz.gaussian import quadrature
from ntkviz.gaussian.expectation import pair_expectation, pair_with_slopes, single_expectation
from ntkviz.language.nonlinearities import nonlinearity as nl

SMOOTH = {
    "tanh": (nl.tanh, np.tanh),
    "sigmoid": (nl.sigmoid, expit),
    "wide erf": (nl.nonlinearity(lambda x: jax.scipy.special.erf(x / 2.4)), lambda x: erf(x / 2.4)),
    "sinusoid": (
        nl.nonlinearity(lambda x: 2**0.5 * jnp.sin(2**0.5 * x + jnp.pi / 4)),
        lambda x: 2**0.5 * np.sin(2**0.5 * x + np.pi / 4),
    ),
    "rbf": (nl.nonlinearity(lambda x: jnp.exp(-(x**2))), lambda x: np.exp(-(x**2))),
    "quartic": (nl.nonlinearity(lambda x: x**4 - x), lambda x: x**4 - x),
}
KINKED = {
    "relu": (nl.nonlinearity(lambda x: jnp.maximum(x, 0), smooth=False), lambda x: np.maximum(x, 0)),
    "step": (nl.nonlinearity(lambda x: jnp.where(x > 0, 1.0, 0.0), smooth=False), lambda x: 1.0 * (x > 0)),
    "elu": (
        nl.nonlinearity(lambda x: jnp.where(x > 0, x, jnp.expm1(jnp.minimum(x, 0))), smooth=False),
        lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    ),
    "selu_slope": (
        nl.nonlinearity(lambda x: 1.05 * jnp.where(x > 0, 1.0, 1.67 * jnp.exp(jnp.minimum(x, 0))), smooth=False),
        lambda x: 1.05 * np.where(x > 0, 1.0, 1.67 * np.exp(np.minimum(x, 0))),
    ),
}


def panels(breaks, count=20, order=24):
    """Composite Gauss–Legendre with the normal density on ±12: far finer than the rules under test."""
    ends = np.unique(np.clip(np.concatenate([np.linspace(-12, 12, count + 1), breaks]), -12, 12))
    t, w = np.polynomial.legendre.leggauss(order)
    middle, half = (ends[1:] + ends[:-1]) / 2, np.diff(ends) / 2
    z = (middle[:, None] + half[:, None] * t).ravel()
    return z, (half[:, None] * w).ravel() * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def reference(phi, psi, kxx, kxy, kyy, mean_x=0.0, mean_y=0.0, kinked=False):
    """∫ φ(x) ∫ ψ(y) over y given x, each line cut at the kinks and around a sharp turn of the inner integral."""
    sx = np.sqrt(kxx)
    slope = kxy / sx
    rest = np.sqrt(max(kyy - slope**2, 0.0))
    breaks = np.zeros(1)
    if kinked:
        turn, width = (-mean_y / slope, rest / abs(slope)) if slope else (0.0, 1.0)
        breaks = np.concatenate([[-mean_x / sx, 0.0], turn + width * np.linspace(-9, 9, 13)])
    z, w = panels(breaks)
    total = 0.0
    for zi, wi, fi in zip(z, w, phi(mean_x + sx * z), strict=True):
        m = mean_y + slope * zi
        inner_z, inner_w = panels(np.array([-m / rest if kinked and rest > 0 else 0.0]), count=12)
        total += wi * fi * (psi(m + rest * inner_z) @ inner_w)
    return total


def trapezoid(phi, psi, kxx, kxy, kyy, h=1 / 32):
    """Product trapezoidal rule in the plane."""
    z = np.arange(-12 / h, 12 / h + 1) * h  # exact, so that the weights add up to 1
    w = np.exp(-z * z / 2) * h / np.sqrt(2 * np.pi)
    slope = kxy / np.sqrt(kxx)
    y = slope * z[:, None] + np.sqrt(max(kyy - slope**2, 0.0)) * z
    return (w * phi(np.sqrt(kxx) * z)) @ (psi(y) @ w)


@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_pairs_to_1e_8_with_an_honest_error(name):
    phi, f = SMOOTH[name]
    k = np.array([0.1, 1.0, 4.0, 10.0])[:, None]
    rho = np.array([-1.0, -0.97, 0.0, 0.5, 0.999, 1.0])
    got = pair_expectation(phi, phi, k, rho * k, k)
    expected = np.array([[trapezoid(f, f, v, r * v, v) for r in rho] for v in k[:, 0]])
    size = np.array([[trapezoid(f, f, v, v, v)] for v in k[:, 0]])
    true = np.abs(got.value - expected)
    assert np.all(true <= got.error + 3e-14 * size)
    if name != "rbf":  # at variance 10 a very thin bump, and said to be so
        assert np.all(true <= 1e-8 * size)
        assert np.all(got.error <= 5e-8 * size)


def test_different_variances_functions_and_parameters():
    scaled = nl.nonlinearity(lambda x, a, b: a * jnp.tanh(b * x))
    got = pair_expectation(scaled, nl.sigmoid, 0.8, -0.5, 2.0, theta=(np.array([1.0, 2.0]), 0.5))
    expected = trapezoid(lambda x: np.tanh(x / 2), expit, 0.8, -0.5, 2.0)
    assert np.allclose(got.value, [expected, 2 * expected], rtol=1e-13)


@pytest.mark.parametrize(
    ("phi", "f"),
    [
        (nl.sin, np.sin),
        (nl.erf, erf),
        (nl.erf_slope, lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2))),
        (nl.square, np.square),
    ],
    ids=["sin", "erf", "erf_slope", "square"],
)
def test_a_pair_of_a_function_with_closed_forms_and_one_without(phi, f):
    for pair, functions in ((phi, nl.tanh), (f, np.tanh)), ((nl.tanh, phi), (np.tanh, f)):
        got = pair_expectation(*pair, 0.8, 0.5, 1.2, mean_x=0.3, mean_y=0.2)
        expected = reference(*functions, 0.8, 0.5, 1.2, 0.3, 0.2)
        assert abs(got.value - expected) <= got.error + 1e-13


@pytest.mark.parametrize(
    ("phi", "f"),
    [(nl.tanh.fn, np.tanh), (lambda x: jnp.sqrt(x * x), np.abs)],
    ids=["steep tanh", "a kink said to be smooth"],
)
def test_rough_functions_are_correct_or_reported(phi, f):
    rough = nl.Nonlinearity("rough", phi)
    for rho in (0.3, 0.99, 1.0):
        got = pair_expectation(rough, rough, 1e4, 1e4 * rho, 1e4)
        expected = reference(f, f, 1e4, 1e4 * rho, 1e4, kinked=True)
        assert abs(got.value - expected) <= got.error + 1e-14 * abs(expected)
        assert (got.error <= 1e-12 * abs(expected)) == (f is np.abs), "tanh is a step here, for which nodes are fixed"


@pytest.mark.parametrize("swapped", [False, True])
def test_one_rough_factor_on_either_side(swapped):
    """E[|x| y²] with |x| said to be smooth."""
    pair = (nl.Nonlinearity("rough", jnp.abs), nl.Nonlinearity("square", jnp.square))
    got = pair_expectation(*pair[:: -1 if swapped else 1], 1.0, 0.3, 1.0)
    expected = np.sqrt(2 / np.pi) * (1 + 0.3**2)  # E|x| (1 + ρ²(E|x|³/E|x| − 1)), E|x|³ = 2 E|x|
    assert abs(got.value - expected) <= got.error <= 1e-12


def test_the_error_of_a_multiple_is_the_multiple_of_the_error():
    """Where the rule is exact too, and only rounding is left."""
    once = pair_expectation(nl.tanh, nl.sigmoid, 0.1, 0.05, 0.1)
    psi = nl.nonlinearity(lambda x: 2.0**10 * nl.sigmoid.fn(x))
    for pair in ((nl.tanh, psi), (psi, nl.tanh)):
        scaled = pair_expectation(*pair, 0.1, 0.05, 0.1)
        np.testing.assert_allclose(scaled.value, 2**10 * once.value, rtol=1e-14)
        np.testing.assert_allclose(scaled.error, 2**10 * once.error, rtol=1e-10)
    assert 0 < once.error < 1e-13


@pytest.mark.parametrize("name", full_among(KINKED, "elu", "selu_slope"))
def test_kinks_to_1e_12_at_any_correlation(name):
    phi, f = KINKED[name]
    covariances = np.array(
        [(1.3, 0.4, 0.7), (2.0, -1.9, 2.0), (1.0, 1 - 1e-10, 1.0), (1.5, 1.5, 1.5), (1.5, -1.5, 1.5)]
    )
    got = pair_expectation(phi, phi, *covariances.T)
    expected = np.array([reference(f, f, *k, kinked=True) for k in covariances])
    assert np.all(np.abs(got.value - expected) <= 1e-12)
    assert np.all(np.abs(got.value - expected) <= got.error + 1e-13)
    assert np.all(got.error <= 1e-11)


def test_kinks_with_zero_variance():
    phi, _ = KINKED["elu"]
    got = pair_expectation(phi, phi, np.array([0.0, 1.0, 0.0]), 0.0, np.array([1.0, 0.0, 0.0])).value
    assert np.array_equal(got, np.zeros(3))


@pytest.mark.parametrize("name", [full("elu"), "step"])
def test_kinks_with_means(name):
    phi, f = KINKED[name]
    covariances = np.array([(1.3, 0.4, 0.7), (2.0, -1.9, 2.0), (1.0, 0.9999, 1.0), (1.0, 1.0, 1.0)])
    got = pair_expectation(phi, phi, *covariances.T, mean_x=0.3, mean_y=-0.5)
    expected = np.array([reference(f, f, *k, 0.3, -0.5, kinked=True) for k in covariances])
    assert np.all(np.abs(got.value - expected) <= got.error + 1e-13)
    assert np.all(got.error <= 1e-9)


@pytest.mark.parametrize("correlation", [0.9999, -0.9999])
@pytest.mark.parametrize("mean", [0.05, -0.05])
def test_a_sharp_turn_far_from_all_kinks(mean, correlation):
    """If x > 0 almost surely, E[1(x>0) 1(y>0)] = P(y > 0)."""
    step, _ = KINKED["step"]
    got = pair_expectation(step, step, 1.0, correlation, 1.0, mean_x=40.0, mean_y=mean)
    assert abs(got.value - ndtr(mean)) <= 1e-12
    assert got.error <= 1e-9


def test_a_mean_of_zero_changes_nothing():
    for phi in (nl.relu, nl.erf):
        with_mean = pair_expectation(phi, phi, 1.3, 0.4, 0.7, mean_x=0.0, mean_y=0.0).value
        assert np.allclose(with_mean, pair_expectation(phi, phi, 1.3, 0.4, 0.7).value, rtol=1e-12)


@pytest.mark.parametrize("mean", [None, 0.8])
@pytest.mark.parametrize("name", [*SMOOTH, *KINKED])
def test_singles(name, mean):
    phi, f = {**SMOOTH, **KINKED}[name]
    m, variances = mean or 0.0, np.array([1e-300, 0.5, 5.0])
    got = single_expectation(phi, variances, mean=mean)
    expected = []
    for k in variances:
        z, w = panels(np.array([np.clip(-m / np.sqrt(k), -12, 12)]), count=60)
        expected.append(f(m + np.sqrt(k) * z) @ w)
    true = np.abs(got.value - np.array(expected))
    assert np.all(true <= 1e-12 * (1 + np.abs(expected)))
    assert np.all(true <= got.error + 1e-13 * (1 + np.abs(expected)))


def test_identity_and_exp_reduce_to_one_dimension():
    """Stein's lemma and exponential tilting, also for a jump, whose derivative is no function."""
    for name, mean in (("elu", None), ("step", 0.6)):
        phi, f = KINKED[name]
        m = mean or 0.0
        got = pair_expectation(phi, nl.identity, 1.3, 0.4, 0.7, mean_x=mean, mean_y=mean).value
        assert abs(got - reference(f, lambda x: x, 1.3, 0.4, 0.7, m, m, kinked=True)) <= 1e-12
        got = pair_expectation(nl.exp, phi, 1.3, 0.4, 0.7, mean_x=mean, mean_y=mean).value
        assert abs(got - reference(np.exp, f, 1.3, 0.4, 0.7, m, m, kinked=True)) <= 3e-12


def test_slopes_of_a_plain_function_come_from_autodiff():
    _, slope = pair_with_slopes(nl.tanh, nl.tanh, 1.3, 0.4, 0.7)
    assert np.isclose(slope.value, trapezoid(lambda x: np.cosh(x) ** -2.0, lambda x: np.cosh(x) ** -2.0, 1.3, 0.4, 0.7))


@pytest.mark.parametrize("smooth", [True, full(False)], ids=["smooth", "kinked"])
def test_blocks_change_nothing(smooth, monkeypatch):
    x = np.random.default_rng(0).standard_normal((5, 4))
    gram, k = x @ x.T, (x * x).sum(1)

    def expectation():
        """The expectation of a function not compiled before, since compiled code has its blocks already."""
        phi = nl.nonlinearity(lambda x: jnp.tanh(x) if smooth else jnp.sqrt(x * x), smooth=smooth)
        return pair_expectation(phi, phi, k[:, None], gram, k[None, :])

    whole = expectation()
    monkeypatch.setattr(quadrature, "BLOCK", 3000)  # less than 25 entries need: eight blocks of three, and one more
    blocks = expectation()
    np.testing.assert_allclose(blocks.value, whole.value, rtol=1e-13)
    assert blocks.error.shape == (5, 5)


def test_nan_of_a_function_is_not_hidden():
    root = nl.nonlinearity(jnp.sqrt)
    assert np.isnan(pair_expectation(root, root, 1.0, 0.5, 1.0).value)
