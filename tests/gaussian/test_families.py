"""Functions are recognised by their formulas: closed forms for user-defined functions, whatever their names."""

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax.scipy.special import erf
from jax.scipy.stats import norm
from selection import full, full_among

import ntkviz as nv
from ntkviz.gaussian import closed_forms as cf
from ntkviz.gaussian.expectation import pair_expectation, pair_with_slopes, single_expectation
from ntkviz.gaussian.families import Exponential, Family, Gelu, GeluSlope, Powers, family_of, relu_factor

from .plane import expectation

COVARIANCES = np.array([(1.3, 0.4, 0.7), (2.0, -1.9, 2.0), (0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (1e-12, 3e-13, 2e-12)])
ALIKE = {
    "relu": [
        lambda x: jnp.maximum(x, 0),
        jax.nn.relu,
        lambda x: jnp.where(x < 0, 0, x),
        lambda x: (x + jnp.abs(x)) / 2,
    ],
    "abs": [jnp.abs, lambda x: jnp.maximum(x, -x), lambda x: jnp.where(x > 0, x, -x)],
    "sign": [lambda x: 2 * jnp.heaviside(x, 0.5) - 1],
    "erf": [jax.jit(erf), lambda x: 1 - jax.lax.erfc(x), lambda x: 2 * norm.cdf(jnp.sqrt(2.0) * x) - 1],
    "gelu": [lambda x: x * norm.cdf(x), lambda x: jax.nn.gelu(x, approximate=False)],
    "sin": [lambda x: jnp.cos(x - jnp.pi / 2), lambda x: -jnp.sin(-x)],
    "exp": [lambda x: 1 / jnp.exp(-x), lambda x: jnp.cosh(x) + jnp.sinh(x)],
    "square": [jnp.square, lambda x: x * x, lambda x: x**2.0],
}


compiled = jax.jit(pair_expectation, static_argnums=(0, 1))
with_slopes = jax.jit(pair_with_slopes, static_argnums=(0, 1))


def own(fn):
    return nv.nonlinearity(fn)


@pytest.mark.parametrize(("name", "fn"), [(name, fn) for name, fns in ALIKE.items() for fn in fns])
def test_a_function_of_the_table_written_otherwise(name, fn):
    ready, phi = getattr(nv, name) if hasattr(nv, name) else nv.language.as_nonlinearity(name), own(fn)
    for law in ({}, {"mean_x": 0.3, "mean_y": -0.2}):
        got, expected = (compiled(f, f, *COVARIANCES.T, **law) for f in (phi, ready))
        np.testing.assert_allclose(got.value, expected.value, rtol=1e-13, atol=0 if not law else 1e-13)
    if name != "sign":
        value, slope = with_slopes(phi, phi, *COVARIANCES.T)
        assert np.all(value.error <= 1e-12 * np.abs(value.value)), "a closed form was expected"
        np.testing.assert_allclose(slope.value, with_slopes(ready, ready, *COVARIANCES.T)[1].value, rtol=1e-13)


@pytest.mark.parametrize(
    ("fn", "family"),
    [
        (lambda x: 2 * jnp.maximum(x, 0), Family(cf.Kink(2.0, 0.0), shift=-0.0)),
        (lambda x: jax.nn.leaky_relu(x, 0.25) - 0.5, Family(cf.Kink(1.0, 0.25), shift=-0.0, offset=-0.5)),
        (lambda x: jnp.maximum(2 * x - 1, 0), Family(cf.Kink(2.0, 0.0), shift=-0.5)),
        (lambda x: jnp.where(x >= 1, 3.0, 1.0), Family(cf.Jump(3.0, 1.0, 3.0), shift=-1.0)),
        (lambda x: 3 + 2 * erf(-4 * x + 1), Family(cf.Erf(3.0, -2.0), rise=4.0, shift=-1.0)),
        (lambda x: jnp.exp(-4 * (x - 1) ** 2), Family(cf.Bump(1.0), rise=2.0, shift=-2.0)),
        (lambda x: 3 * jnp.sin(2 * x), Family(cf.Wave(3.0, 0.0), rise=2.0)),
        (lambda x: 5 * jnp.exp(2 * x + 1), Family(Exponential(), rise=2.0, shift=1.0, factor=5.0)),
        (lambda x: (x + 1) * (x - 1), Family(Powers((-1.0, 0.0, 1.0)))),
        (lambda x: 7.0, Family(Powers((7.0,)))),
        (jnp.tanh, None),
        (lambda x: jnp.clip(x, -1, 1), None),
        (lambda x: jnp.where(x > 0, x, jnp.sin(x)), None),
        (lambda x: x * jnp.abs(x), None),
    ],
)
def test_families(fn, family):
    assert family_of(own(fn)) == family


def test_the_slope_of_gelu_is_found_in_its_gradient():
    family = family_of(own(lambda x: jax.nn.gelu(-3 * x, approximate=False)).derivative())
    assert isinstance(family.function, GeluSlope)
    np.testing.assert_allclose((family.rise, family.factor), (-3, -3), rtol=1e-15)
    assert isinstance(family_of(own(lambda x: jax.nn.gelu(x, approximate=False))).function, Gelu)


def test_names_are_irrelevant():
    def relu(x):
        return 2 * jnp.maximum(x, 0)

    def erf(x):
        return jnp.tanh(x)

    got = compiled(own(relu), own(relu), 1.3, 0.4, 0.7).value
    np.testing.assert_allclose(got, 4 * compiled(nv.relu, nv.relu, 1.3, 0.4, 0.7).value, rtol=1e-15)
    assert family_of(own(erf)) is None
    assert (relu_factor(own(relu)), relu_factor(nv.relu), relu_factor(own(erf))) == (2.0, 1.0, 0.0)
    for other in (
        jnp.abs,
        lambda x: jnp.maximum(x - 1, 0),
        lambda x: jnp.maximum(x, 0) + 1,
        lambda x: jnp.minimum(x, 0),
    ):
        assert relu_factor(own(other)) == 0.0


def test_the_derivative_at_a_kink_is_that_of_the_function():
    """At variance 0 a derivative is taken there, as JAX takes it: ½ for max(x, 0), 0 for jax.nn.relu."""
    half, none = (own(fn).derivative() for fn in (lambda x: jnp.maximum(x, 0), jax.nn.relu))
    assert (single_expectation(half, 0.0).value, single_expectation(none, 0.0).value) == (0.5, 0.0)


@pytest.mark.parametrize("fn", [lambda x: jnp.where(x > 0, 1.0, 0.0), jnp.sign, lambda x: jnp.where(x > 1, x, 0)])
def test_the_derivative_of_a_jump_is_refused(fn):
    """JAX ignores the jump and gives another derivative."""
    assert own(fn).derivative() is None
    with pytest.raises(ValueError, match="has a jump"):
        with_slopes(own(fn), own(fn), 1.0, 0.5, 1.0)


def test_a_kink_that_is_not_at_zero():
    """relu(x − 1) by quadrature on both sides of 1, although it is not declared to have a kink."""
    phi = own(lambda x: jnp.maximum(x - 1, 0))
    got = compiled(phi, phi, 1.3, 0.4, 0.7)
    expected = compiled(nv.relu, nv.relu, 1.3, 0.4, 0.7, mean_x=-1.0, mean_y=-1.0)
    assert abs(got.value - expected.value) <= 1e-13
    assert got.error <= 1e-10


# --- sums of polynomials times exponentials -------------------------------------------------------


SUMS = {
    "x sin": lambda x, m: x * m.sin(3 * x + 1),
    "swell": lambda x, m: (x**2 - x) * m.cos(2 * x) * m.exp(-x * x / 2),
    "bump": lambda x, m: m.exp(-((x - 0.5) ** 2)),
    "x exp": lambda x, m: x * m.exp(x),
    "sin²": lambda x, m: m.sin(2 * x) ** 2 - x,
    "mexican hat": lambda x, m: (1 - x**2) * m.exp(-x * x / 2),
    "growth": lambda x, m: m.exp(x * x / 16),
    "chirp": lambda x, m: m.cos(x * x + x),
    "cosh": lambda x, m: m.cosh(x),
}
LAWS = [(1.3, 0.4, 0.7, 0.3, -0.2), (1.0, 0.999, 1.0, 0.0, 0.5), (1.5, 1.5, 1.5, 0.2, 0.2), (0.8, -0.8, 0.8, 0.1, 0.0)]


TWICE = [(name, False) for name in SUMS] + [(name, True) for name in SUMS]
SLOWEST = [(name, True) for name in ("swell", "chirp", "cosh", "growth", "x exp", "x sin")]


@pytest.mark.parametrize(("first", "slopes"), full_among(TWICE, *SLOWEST))
def test_sums_against_integrals(first, slopes):
    """Each with itself and with the next."""
    second = list(SUMS)[(list(SUMS).index(first) + 1) % len(SUMS)]
    phi, psi = (own(lambda x, f=SUMS[n]: f(x, jnp)) for n in (first, second))
    f, g = (phi.derivative(), psi.derivative()) if slopes else (phi, psi)
    for pair in ((f, f), (f, g)):
        kxx, kxy, kyy, mean_x, mean_y = np.transpose(LAWS)
        got = compiled(*pair, kxx, kxy, kyy, mean_x=mean_x, mean_y=mean_y)
        expected, size = np.transpose([expectation(*(function.fn for function in pair), *law) for law in LAWS])
        assert np.all(abs(got.value - expected) <= got.error + 1e-14 * size)
        assert np.all(got.error <= 1e-12 * size)


@pytest.mark.parametrize(("frequency", "expected"), [(30, np.exp(-9) / 2), (100, np.exp(-100) / 2)])
def test_fast_waves(frequency, expected):
    phi = own(lambda x: jnp.sin(frequency * x))
    value, slope = with_slopes(phi, phi, 1.0, 0.99, 1.0)
    np.testing.assert_allclose(value.value, expected, rtol=1e-11)
    np.testing.assert_allclose(slope.value, frequency**2 * expected, rtol=1e-11)
    assert value.error <= 1e-10 * expected
    square, slopes = with_slopes(phi, phi, 1.0, 1.0, 1.0)
    np.testing.assert_allclose((square.value, slopes.value), (0.5, frequency**2 / 2), rtol=1e-12)
    # with a polynomial, E[x sin(wx) y sin(wy)] is a derivative of it: 1e-38, and no overflow on the way
    x_sin = own(lambda x: x * jnp.sin(frequency * x))
    got = compiled(x_sin, x_sin, 1.0, 0.99, 1.0)
    with mp.workdps(40):
        w, k, c = mp.mpf(frequency), mp.mpf(1), mp.mpf(0.99)
        half = mp.exp(-(w**2) * (k - c)) / 2  # of cos w(x − y): E[xy e^{iw(x−y)}] = (c + w²(k − c)²) e^{…}
        exact = (c + w**2 * (k - c) ** 2) * half
    np.testing.assert_allclose(got.value, float(exact), rtol=1e-11)


@pytest.mark.parametrize(("width", "centre"), [(1e-3, 1.0), (1e-3, 0.3), (1e-6, -2.0)])
def test_thin_bumps(width, centre):
    phi = own(lambda x: jnp.exp(-(((x - centre) / width) ** 2)))
    with mp.workdps(40):
        s, m = mp.mpf(width) ** 2, mp.mpf(centre)
        single = mp.exp(-(m**2) / (s + 2)) * mp.sqrt(s / (s + 2))
        square = mp.exp(-2 * m**2 / (s + 4)) * mp.sqrt(s / (s + 4))
        det = (1 + 2 / s) ** 2 - (2 * mp.mpf(0.5) / s) ** 2
        pair = mp.exp(-2 * m**2 / (s + 2 + 2 * mp.mpf(0.5))) / mp.sqrt(det)
    np.testing.assert_allclose(single_expectation(phi, 1.0).value, float(single), rtol=1e-13)
    np.testing.assert_allclose(compiled(phi, phi, 1.0, 1.0, 1.0).value, float(square), rtol=1e-13)
    np.testing.assert_allclose(compiled(phi, phi, 1.0, 0.5, 1.0).value, float(pair), rtol=1e-13)


def test_growth_that_the_gaussian_does_not_outweigh_is_infinite():
    phi = own(lambda x: jnp.exp(x**2 / 8))
    got = single_expectation(phi, np.array([2.0, 3.9, 4.0, 5.0])).value
    np.testing.assert_allclose(got, [2**0.5, 40**0.5, np.inf, np.inf], rtol=1e-13)
    assert np.isinf(compiled(phi, phi, 2.0, 2.0, 2.0).value)
    np.testing.assert_allclose(compiled(phi, phi, 2.0, 0.0, 2.0).value, 2.0, rtol=1e-13)


def test_large_exponents_are_added_before_they_overflow():
    up, down = own(lambda x: x * jnp.exp(60 * x)), own(lambda x: jnp.exp(-60 * x) * x)
    np.testing.assert_allclose(compiled(up, down, 1.0, 1.0, 1.0).value, 1.0, rtol=1e-10)


@pytest.mark.parametrize("variance", [0.0, full(1e-300), 1e-12, full(1e-6), full(1e-2)])
def test_cancellation_at_small_variance(variance):
    """x − sin x is about x³/6, while its parts are about x; the error says how much is lost."""
    phi = own(lambda x: x - jnp.sin(x))
    got = compiled(phi, phi, variance, variance, variance)
    with mp.workdps(400):  # E x² − 2 E x sin x + E sin² x
        k = mp.mpf(variance)
        expected = float(k - 2 * k * mp.exp(-k / 2) + (1 - mp.exp(-2 * k)) / 2)
    of_phi = 4e-15 / variance if variance else 0.0  # the rounding of x − sin x itself
    assert abs(got.value - expected) <= got.error + of_phi * expected
    # What quadrature is certain of is of the size of the parts x and sin x; below, it is as good as nothing.
    assert got.error <= (1e-4 * expected if variance >= 1e-6 else 1e-27)


def test_nan_is_not_hidden():
    phi = own(lambda x: x * jnp.sin(x))
    assert np.isnan(compiled(phi, phi, np.nan, 0.1, 1.0).value)
