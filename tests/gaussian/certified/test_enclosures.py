"""Bounds on a function on an interval or a disc hold at every point of it."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import ntkviz  # noqa: F401  (float64)
from ntkviz.errors import NotIntegrableError
from ntkviz.gaussian.certified import functions as p
from ntkviz.gaussian.certified.enclosures import Traced
from ntkviz.gaussian.certified.pieces import find_pieces, first_jump, gauss_error
from ntkviz.language.nonlinearities import nonlinearity as nl

CONTINUED = {
    **{name: getattr(mpmath, name) for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "sinh", "cosh", "tanh")},
    **{
        name: getattr(mpmath, name)
        for name in ("erf", "erfc", "sqrt", "atan", "asinh", "atanh", "asin", "acos", "cbrt")
    },
    "exp2": lambda z: mpmath.mpf(2) ** z,
    "logistic": lambda z: 1 / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log1p(mpmath.exp(z)),
    "rsqrt": lambda z: 1 / mpmath.sqrt(z),
    "erf_inv": lambda z: mpmath.findroot(lambda w: mpmath.erf(w) - z, mpmath.erfinv(z.real)),
}
CENTRES = {
    **dict.fromkeys(("log", "sqrt", "rsqrt", "cbrt"), (0.01, 3.0)),
    **dict.fromkeys(("atanh", "asin", "acos", "erf_inv"), (-0.9, 0.9)),
    "log1p": (-0.9, 3.0),
}


def on_discs(function, continued, low, high, seed=0):
    """The largest |f(z) − f(c)| / radius over random discs, z on their edges."""
    rng, worst = np.random.default_rng(seed), 0.0
    for _ in range(40):
        c, r = rng.uniform(low, high), 10 ** rng.uniform(-3, 0.6)
        radius = float(function.radius(np.array([c]), np.array([r]))[0])
        if not 0 < radius < np.inf:
            continue
        for turn in np.linspace(0, 2 * np.pi, 24):
            z = mpmath.mpc(c + r * np.cos(turn), r * np.sin(turn))
            distance = float(abs(continued(z) - continued(mpmath.mpf(c))))
            worst = max(worst, (distance - 1e-12 * (1 + radius)) / radius)
    return worst


@pytest.mark.parametrize("name", p.FUNCTIONS)
def test_discs_enclose_the_analytic_continuation(name):
    with np.errstate(all="ignore"):
        worst = on_discs(p.FUNCTIONS[name], CONTINUED[name], *CENTRES.get(name, (-4.0, 4.0)))
    assert 0.2 < worst <= 1, "or the rule is of no use"


@pytest.mark.parametrize("n", [0, 2, 3, 5])
def test_discs_of_powers(n):
    with np.errstate(invalid="ignore"):
        assert on_discs(p.power(n), lambda z: z**n, -4, 4) <= 1
        assert on_discs(p.real_power(n + 0.5), lambda z: z ** (n + 0.5), 0.01, 4) <= 1


def test_a_radius_that_is_too_small_is_detected():
    short = p.FUNCTIONS["tanh"]._replace(radius=lambda c, r: 0.9 * p.FUNCTIONS["sin"].radius(c, r))
    assert on_discs(short, mpmath.tanh, -4, 4) > 1


USER_FUNCTIONS = {
    "softplus": jax.nn.softplus,
    "elu": jax.nn.elu,
    "gelu": jax.nn.gelu,
    "exact gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "mish": jax.nn.mish,
    "relu6": jax.nn.relu6,
    "hard sigmoid": jax.nn.hard_sigmoid,
    "log cosh": lambda x: jnp.log(jnp.cosh(x)),
    "clip": lambda x: jnp.clip(x, -1, 1),
    "where": lambda x: jnp.where(x > 1, x, jnp.cos(x)),
    "stairs": lambda x: jnp.floor(x) + jnp.sign(x - 0.3) * jnp.round(3 * x),
    "remainder": lambda x: jnp.remainder(x, 0.7),
    "quotient": lambda x: jnp.tan(x / 3) / (2 + x**4) ** 1.5 + jnp.power(2.0, x),
    "sum": lambda x: jnp.sum(jnp.stack([jnp.tanh(2 * x), x]) * jnp.array([1.0, 0.5]), 0),
    "logic": lambda x: jnp.where((x > -1) & ~(x >= 0.5) | (x == 3), x**3, jnp.sqrt(1 + x * x)),
    "either": lambda x: jax.lax.clamp(-0.5, x, jnp.asarray(2.0)) + jnp.abs(x - 1) * x.astype(jnp.float32),
}


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", USER_FUNCTIONS)
def test_ranges_and_discs_enclose_a_function(name, order):
    phi = nl.nonlinearity(USER_FUNCTIONS[name])
    fn = phi.fn if order == 0 else nl._autodiff(phi, 0).fn  # of a jump, too
    function, rng = Traced(fn, 1), np.random.default_rng(0)
    x, h = 3 * rng.normal(size=200), 10 ** rng.uniform(-5, 0.4, 200)
    found = function.cells(x - h, x + h, x, 2 * h)
    points = x + h * rng.uniform(-1, 1, (30, 200))
    values = function.values(points.ravel()).reshape(points.shape)
    np.testing.assert_allclose(
        values, jax.vmap(jax.vmap(fn))(points), rtol=1e-6 if name == "either" else 1e-9, atol=1e-12
    )
    slack = 1e-14 * (1 + np.abs(values))
    assert np.all((found.lo - slack <= values) & (values <= found.hi + slack))
    assert np.all(np.abs(values - found.centre) <= found.radius + slack)
    narrow = h < 1e-3
    assert np.mean((found.hi - found.lo)[narrow] < 0.1 * (1 + np.abs(values[0][narrow]))) > 0.9, "of no use"


def test_kinks_and_jumps_are_found():
    function = Traced(lambda x: jnp.clip(x, -1, 1) + jnp.where(x > 2.3, 0.1, 0.0), 1)
    pieces = find_pieces(function, (), 10.0)
    broken = pieces.edges[pieces.breaks]
    np.testing.assert_allclose(np.unique(broken.round(10)), [-1, 1, 2.3], atol=1e-10)
    assert np.all(2 * pieces.half[pieces.breaks] < 1e-12)
    assert first_jump(function, (), 10.0) == pytest.approx(2.3)
    assert first_jump(Traced(lambda x: jnp.clip(x, -1, 1), 1), (), 10.0) is None


def test_the_envelope_covers_both_sides():
    """Of the pieces at ±x, the larger one counts, at every point in them."""
    for fn in (lambda x: jnp.maximum(x, 0), lambda x: jnp.maximum(-x, 0), lambda x: jnp.exp(x)):
        pieces = find_pieces(Traced(fn, 1), (), 5.0)
        for reach in (1e-3, 0.7, 3.0, 7.0, 20.0):
            assert pieces.within(np.array([reach]))[0] >= max(fn(reach), fn(-reach))
        assert pieces.within(np.array([1e6]))[0] == np.inf


def test_the_error_of_gauss_legendre():
    """The error of ∫ 1/(a − x) is below the bound on an ellipse within a, but not far below."""
    for a in (1.2, 1.5, 3.0):
        kappa = 1 + 0.99 * (a - 1)
        for nodes in (4, 8):
            t, w = np.polynomial.legendre.leggauss(nodes)
            true = abs(w @ (1 / (a - t)) - np.log((a + 1) / (a - 1)))
            assert 1e-4 < true / (gauss_error(np.array([kappa]), nodes) / (a - kappa)) < 1


def test_unknown_primitives_are_refused_by_name():
    with pytest.raises(NotIntegrableError, match="lgamma"):
        Traced(lambda x: jax.lax.lgamma(x * x + 1), 1)
