"""Certified errors: oscillations, bumps, kinks and jumps, against closed forms."""

import functools
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from mpmath import mp
from scipy.special import ndtr

import ntkviz as nv
from ntkviz.architectures import mlp
from ntkviz.errors import NotFiniteError, NotIntegrableError, NtkvizError
from ntkviz.gaussian.certified import adaptive, adaptive_pairs, pieces
from ntkviz.gaussian.certified.adaptive import Laws
from ntkviz.gaussian.certified.enclosures import Traced
from ntkviz.gaussian.expectation import pair_expectation, pair_with_slopes, single_expectation
from ntkviz.language.nonlinearities import nonlinearity as nl

from ..one_dimensional import integral, npdf

LAWS = np.array([(0.0, 1.0), (0.7, 0.3), (-1.0, 2.0)])  # means and variances
CORRELATIONS = np.array([1.0, -1.0, 0.0, 0.5, -0.97, 0.999, 1 - 1e-9])


def exp_quadratic(mean, covariance, linear, curvature, centre):
    """E exp(aᵀx − Σ cᵢ (xᵢ − bᵢ)²) for complex a: the Gaussian integral, in 60 digits, for its exponent cancels."""
    with mp.workdps(60):
        k, c = mp.matrix(covariance.tolist()), 2 * mp.diag(curvature.tolist())
        a, u, b = (mp.matrix(v.tolist()) for v in (linear, mean - centre, centre))
        inverse = (mp.eye(len(mean)) + k * c) ** -1
        shifted = a - c * u
        exponent = (a.T * b)[0] + (a.T * u)[0] - (u.T * c * u)[0] / 2 + (shifted.T * inverse * k * shifted)[0] / 2
        return complex(mp.exp(exponent) * mp.sqrt(mp.det(inverse)))


def family():
    """Functions Σ w exp(iωx − c (x − b)²), as JAX writes them and as their (w, iω, c, b)."""
    for w in (0.5, 3.0, 30.0, 200.0):
        yield f"sin {w}x", lambda x, w=w: jnp.sin(w * x), [(-0.5j, 1j * w, 0, 0), (0.5j, -1j * w, 0, 0)]
    yield "cos 30x", lambda x: jnp.cos(30 * x), [(0.5, 30j, 0, 0), (0.5, -30j, 0, 0)]
    yield "exp", lambda x: jnp.exp(1.5 * x), [(1, 1.5, 0, 0)]
    yield "cosh", lambda x: jnp.cosh(x), [(0.5, 1, 0, 0), (0.5, -1, 0, 0)]
    for width in (1.0, 1e-1, 1e-3):
        yield f"bump {width}", lambda x, s=width: jnp.exp(-(((x - 1) / s) ** 2)), [(1, 0, width**-2, 1)]
    wavelet = [(0.5, 40j, 4, 0.3), (0.5, -40j, 4, 0.3)]
    yield "wavelet", lambda x: jnp.cos(40 * x) * jnp.exp(-4 * (x - 0.3) ** 2), wavelet
    yield "growing", lambda x: jnp.exp(x**2 / 8), [(1, 0, -1 / 8, 0)]


FAMILY = {name: (fn, terms) for name, fn, terms in family()}


def exact(terms, mean, covariance):
    """E Π f(xᵢ) over the sums of terms."""
    total = 0
    for combination in np.ndindex(*(len(terms),) * len(mean)):
        chosen = [terms[k] for k in combination]
        weight, linear, curvature, centre = (np.array(part) for part in zip(*chosen, strict=True))
        total += np.prod(weight) * exp_quadratic(mean, covariance, linear, curvature, centre)
    return total.real


@functools.cache
def traced(fn):
    return Traced(fn, 1)


@pytest.mark.parametrize("name", FAMILY)
def test_one_argument(name):
    fn, terms = FAMILY[name]
    mean, variance = LAWS.T
    laws = Laws(mean, np.sqrt(variance))
    with np.errstate(all="ignore"):
        got = adaptive.line(adaptive.known(traced(fn), (), laws), laws, 0)
    expected = np.array([exact(terms, m[None], v[None, None]) for m, v in zip(mean, variance, strict=True)])
    assert np.all(np.abs(got.value - expected) <= got.error)
    assert np.all(got.error <= 1e-11 * (got.size + 1e-300))


@pytest.mark.parametrize("name", FAMILY)
def test_two_arguments(name):
    fn, terms = FAMILY[name]
    count = len(CORRELATIONS)
    x, y = (Laws(np.full(count, m), np.full(count, np.sqrt(v))) for m, v in LAWS[:2])
    sine = np.sqrt(1 - CORRELATIONS**2)
    with np.errstate(all="ignore"):
        known = adaptive.known(traced(fn), (), Laws(*map(np.concatenate, zip(x, y, strict=True))))
        got = adaptive_pairs.pairs(known, known, x, y, CORRELATIONS, sine)
    expected = []
    for rho in CORRELATIONS:
        d = np.array([x.deviation[0], y.deviation[0]])
        covariance = np.outer(d, d) * np.array([[1, rho], [rho, 1]])
        expected.append(exact(terms, np.array([x.mean[0], y.mean[0]]), covariance))
    assert np.all(np.abs(got.value - expected) <= got.error)
    assert np.all(got.error <= 1e-8 * got.size)


def relu_mean(m, v):
    s = np.sqrt(v)
    return m * ndtr(m / s) + s * npdf(m / s)


BROKEN = {
    "clip": (
        lambda x: jnp.clip(x, -1, 1),
        lambda x: np.clip(x, -1, 1),
        (-1, 1),
        lambda m, v: relu_mean(m + 1, v) - relu_mean(m - 1, v) - 1,
    ),
    "relu6": (
        jax.nn.relu6,
        lambda x: np.clip(x, 0, 6),
        (0, 6),
        lambda m, v: relu_mean(m, v) - relu_mean(m - 6, v),
    ),
    "jump": (
        lambda x: jnp.where(x > 1, 1.0, 0.0),
        lambda x: 1.0 * (x > 1),
        (1,),
        lambda m, v: ndtr((m - 1) / np.sqrt(v)),
    ),
}
"""As JAX and as NumPy write them, where they break, and their means."""


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("smooth", [True, False])
def test_kinks_and_jumps_anywhere(name, smooth):
    """Whether they are declared or not."""
    fn, value, breaks, mean = BROKEN[name]
    phi = nl.nonlinearity(fn, smooth=smooth)
    rho, (vx, vy), m = np.array([0.3, -0.9, 0.9999, 1.0]), (1.3, 0.8), (0.2, -0.4)
    kxy = rho * np.sqrt(vx * vy)
    got = pair_expectation(phi, phi, vx, kxy, vy, mean_x=m[0], mean_y=m[1])
    for r, k, v, e in zip(rho, kxy, got.value, got.error, strict=True):
        rest = vy - k**2 / vx

        def integrand(z, k=k, rest=rest, r=r):
            at = m[1] + k / np.sqrt(vx) * z
            return value(m[0] + np.sqrt(vx) * z) * (value(at) if r == 1 else mean(at, rest))

        width = np.sqrt(max(rest, 0) * vx) / abs(k) * np.linspace(-9, 9, 37)
        cuts = [(np.array([b]) - m[0]) / np.sqrt(vx) for b in breaks]
        cuts += [(b - m[1]) * np.sqrt(vx) / k + width for b in breaks]
        assert abs(v - integral(integrand, np.concatenate(cuts))) <= e + 1e-13
        assert e <= 1e-12


# --- the kernels ---------------------------------------------------------------------------------------

X = np.sqrt(2) * np.array([[1, 0], [0.99, np.sqrt(1 - 0.99**2)]])


def shallow(fn):
    return mlp(nonlinearity=nl.nonlinearity(fn), depth=1, sigma_w=1, sigma_b=0)


@pytest.mark.parametrize("w", [10.0, 30.0, 100.0])
def test_kernels_of_a_fast_sine(w):
    kernels = nv.infinite_ntk(shallow(lambda x: jnp.sin(w * x) + 0 * x**2), X)
    c = np.array([[1, 0.99], [0.99, 1]])
    nngp = (np.exp(-(w**2) * (1 - c)) - np.exp(-(w**2) * (1 + c))) / 2
    slopes = w**2 * (np.exp(-(w**2) * (1 - c)) + np.exp(-(w**2) * (1 + c))) / 2
    assert np.abs(kernels.nngp - nngp).max() <= kernels.error
    assert np.abs(kernels.ntk - nngp - c * slopes).max() <= kernels.error <= 1e-9 * kernels.ntk.max()


def test_kernel_of_a_narrow_bump():
    kernels = nv.infinite_ntk(shallow(lambda x: jnp.exp(-(((x - 1) / 1e-3) ** 2))), X[:1])
    true = np.exp(-1 / (2 + 0.5e-6)) / np.sqrt(1 + 4e6)  # E exp(−2((x − 1)/s)²)
    assert abs(kernels.nngp[0, 0] - true) <= kernels.error
    assert kernels.nngp[0, 0] == pytest.approx(true, rel=1e-9)
    assert kernels.error <= 1e-9 * kernels.ntk[0, 0]


def test_a_jump_has_an_nngp_and_no_ntk():
    fn = lambda x: jnp.where(x > 1, 1.0, 0.0)  # noqa: E731
    assert pair_expectation(nl.nonlinearity(fn), nl.nonlinearity(fn), 1.0, 1.0, 1.0).value == pytest.approx(ndtr(-1))
    for method in ("forward", "general"):
        with pytest.raises(NtkvizError, match=r"derivative .*is not a function"):
            nv.infinite_ntk(shallow(fn), X, method=method)
    with pytest.raises(NotIntegrableError, match="jumps at x = 0,"):
        pair_with_slopes(*(nl.nonlinearity(lambda x: jnp.floor(x / 3)).derivative(),) * 2, 1.0, 0.5, 1.0)


def test_a_jump_at_a_parameter():
    phi = nl.nonlinearity(lambda x, t: jnp.where(x > t, 1.0, 0.0) * x)
    value, slope = pair_with_slopes(phi, phi, 1.0, 0.5, 1.0, theta=(0.3,), theta_bar=(0.3,))
    assert value.error < 1e-12
    assert slope.error == np.inf
    continuous = pair_with_slopes(phi, phi, 1.0, 0.5, 1.0, theta=(0.0,), theta_bar=(0.0,))[1]
    assert continuous.error < 1e-12
    assert continuous.value == pytest.approx(0.25 + np.arcsin(0.5) / (2 * np.pi))


def test_functions_that_grow_too_fast_have_an_infinite_error():
    phi = nl.nonlinearity(lambda x: jnp.exp(x**2))
    assert not np.isfinite(single_expectation(phi, 1.0).error)
    with pytest.raises(NotFiniteError):
        nv.infinite_ntk(shallow(phi.fn), X)


def test_transformed():
    """Under jit, vmap and scan, where a variance moves and nothing is compiled again."""
    phi = nl.nonlinearity(lambda x, t: jnp.clip(t * x, -1, 1))

    def kernel(k, t):
        return pair_expectation(phi, phi, k, 0.5 * k, k, theta=(t,), theta_bar=(t,)).value

    k = jnp.array([0.0, 0.5, 2.0])
    plain = jnp.stack([kernel(v, 2.0) for v in k])
    compiled = jax.jit(jax.vmap(kernel, in_axes=(0, None)))
    np.testing.assert_allclose(compiled(k, 2.0), plain, rtol=1e-13)
    np.testing.assert_allclose(jax.lax.scan(lambda c, v: (c, kernel(v, 2.0)), 0, k)[1], plain, rtol=1e-13)
    np.testing.assert_allclose(compiled(k, 1.0), [kernel(v, 1.0) for v in k], rtol=1e-13)
    assert compiled._cache_size() == 1


def test_devices_whose_memory_the_host_cannot_see(monkeypatch):
    """Numbers are copied there and back."""
    fn = lambda x: jnp.clip(3 * x, -1, 1)  # noqa: E731
    here = single_expectation(nl.nonlinearity(fn), jnp.array([0.5, 2.0]), mean=0.1)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    there = single_expectation(nl.nonlinearity(fn), jnp.array([0.5, 2.0]), mean=0.1)
    np.testing.assert_array_equal(here, there)


# --- would a mistake be seen ----------------------------------------------------------------------------


def covered(name):
    fn, terms = FAMILY[name]
    laws = Laws(np.zeros(1), np.ones(1))
    got = adaptive.line(adaptive.known(traced(fn), (), laws), laws, 0)
    return abs(got.value[0] - exact(terms, np.zeros(1), np.eye(1))) <= got.error[0]


@pytest.fixture
def stretches_too_long(monkeypatch):
    pieces._find_pieces.cache_clear()
    monkeypatch.setattr(pieces, "MOST_GROWTH", 1e60)
    yield
    pieces._find_pieces.cache_clear()


@pytest.mark.parametrize("name", ["cos 30x", "wavelet"])
def test_long_stretches_are_reported_and_a_small_error_noticed(name, stretches_too_long, monkeypatch):
    assert covered(name)
    monkeypatch.setattr(adaptive, "gauss_error", np.zeros_like)
    assert not covered(name)


def test_many_pieces_are_held_a_part_at_a_time():
    phi = adaptive.known(Traced(lambda x: jnp.tanh(x) * jnp.sin(300 * x), 1), (), Laws(np.zeros(1), np.ones(1)))
    standard, rho = Laws(np.zeros(1), np.ones(1)), np.array([0.97])
    tracemalloc.start()
    found = adaptive_pairs.pairs(phi, phi, standard, standard, rho, np.sqrt(1 - rho**2))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e8
    assert abs(found.value[0]) <= found.error[0] <= 1e-10  # ½ E[tanh tanh cos(300(x − y))], e^−2700 of it


def test_too_much_work_has_an_infinite_error_at_once(monkeypatch):
    monkeypatch.setattr(adaptive_pairs, "BUDGET", 2**12)
    phi = adaptive.known(Traced(lambda x: jnp.tanh(x) * jnp.sin(300 * x), 1), (), Laws(np.zeros(1), np.ones(1)))
    standard, rho = Laws(np.zeros(1), np.ones(1)), np.array([0.97])
    found = adaptive_pairs.pairs(phi, phi, standard, standard, rho, np.sqrt(1 - rho**2))
    assert found.error[0] > 1e-7  # what Mehler's formula is certain of
    assert abs(found.value[0]) <= found.error[0]
