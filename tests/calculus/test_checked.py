"""Limits of networks with functions of several vectors, against integrals in the plane and in four dimensions."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from selection import full, full_except

import ntkviz as nv
from ntkviz.errors import NotIntegrableError

ONE = np.ones((1, 1))  # Uξ and Vξ are then independent N(0, 1)
TWO = np.array([[1.0, 0.0], [0.6, 0.7]]) * math.sqrt(2)


def network(fn):
    """f(Uξ, Vξ) of two independent layers."""
    phi = nv.nonlinearity(fn, arity=2)

    @nv.architecture
    def two(net, x):
        return net.readout("v", phi(net.input("U", x), net.input("V", x)))

    return two


def by_integrals(fn):
    """E f², and E f² + E (∂f/∂x)² + E (∂f/∂y)², for independent N(0, 1), cut where x = y, x = −y, x = 0 or y = 0."""
    radius, weight = np.polynomial.legendre.leggauss(120)
    radius, weight = 6.5 * (radius + 1), 6.5 * weight
    angle, part = np.polynomial.legendre.leggauss(60)
    value = slopes = 0.0
    for k in range(8):
        at = (k + (angle + 1) / 2) * math.pi / 4
        w = np.outer(weight * radius * np.exp(-(radius**2) / 2), part * math.pi / 8) / (2 * math.pi)
        x, y = (np.outer(radius, f(at)).ravel() for f in (np.cos, np.sin))
        value += np.sum(w.ravel() * np.asarray(fn(x, y)) ** 2)
        for which in (0, 1):
            slopes += np.sum(w.ravel() * np.asarray(jax.vmap(jax.grad(fn, argnums=which))(x, y)) ** 2)
    return value, value + slopes


KINKS = {
    "the larger of two": jnp.maximum,
    "the smaller of two": jnp.minimum,
    "a choice of either": lambda x, y: jnp.where(x > y, x, y),
    "a distance": lambda x, y: jnp.abs(x - y),
    "the square of the larger": lambda x, y: jnp.maximum(x, y) ** 2,
    "a smooth maximum": jnp.logaddexp,
    "SwiGLU": lambda x, y: jax.nn.silu(x) * y,
    "a gate with a kink": lambda x, y: jax.nn.relu(x) * jnp.tanh(y),
    "a continuous choice": lambda x, y: jnp.where(x > 0, jnp.tanh(x) * y, x * y),
    "a bump": lambda x, y: jnp.exp(-(x * x + y * y)),
}


ALWAYS = "the larger of two", "SwiGLU", "a continuous choice", "a bump"


@pytest.mark.parametrize("name", full_except(KINKS, *ALWAYS))
def test_one_input(name):
    fn = KINKS[name]
    plan = nv.explain(network(fn), ONE)
    assert plan.reading != "sampled Z"
    assert "is a sum of products of functions of one linear combination each." in str(plan)
    kernels, (nngp, ntk) = nv.infinite_ntk(network(fn), ONE), by_integrals(fn)
    assert kernels.nngp[0, 0] == pytest.approx(nngp, rel=1e-9)
    assert kernels.ntk[0, 0] == pytest.approx(ntk, rel=1e-9)
    assert kernels.error < 1e-8


@pytest.mark.parametrize("fn", [jnp.maximum, lambda x, y: jnp.where(x > y, x, y)])
def test_the_larger_of_two_is_nv_maximum(fn):
    @nv.architecture
    def ready(net, x):
        return net.readout("v", nv.maximum(net.input("U", x), net.input("V", x)))

    got, expected = nv.infinite_ntk(network(fn), TWO), nv.infinite_ntk(ready, TWO)
    np.testing.assert_allclose(got.ntk, expected.ntk, rtol=1e-12)
    np.testing.assert_allclose(got.nngp, expected.nngp, rtol=1e-12)


SMOOTH = [
    lambda x, y: x * jnp.tanh(y),
    full(lambda x, y: jnp.sin(x + y) + 2 * jnp.cos(x - y) + y),
    full(lambda x, y: jnp.exp(-(x * x + y * y) / 8) * x),
    lambda x, y: (x + 1) ** 2 * jnp.sin(y / 2) - jnp.tanh(x + y),
]


@pytest.mark.parametrize("fn", SMOOTH)
def test_two_inputs(fn):
    """E f(x, y) f(x̄, ȳ) by Gauss–Hermite in four dimensions."""
    z, w = np.polynomial.hermite_e.hermegauss(32)
    w = w / w.sum()
    k = TWO @ TWO.T / 2
    second = k[0, 1] / k[0, 0] ** 0.5, math.sqrt(k[1, 1] - k[0, 1] ** 2 / k[0, 0])
    here = k[0, 0] ** 0.5 * z
    there = second[0] * z[:, None] + second[1] * z
    f, f_bar = fn(here[:, None], here), fn(there[:, :, None, None], there)
    expected = np.einsum("i,j,k,l,ik,ijkl->", w, w, w, w, f, f_bar)
    kernels = nv.infinite_ntk(network(fn), TWO)
    assert kernels.nngp[0, 1] == pytest.approx(expected, abs=3e-7)
    assert kernels.error < 1e-8


# --- what has no such form -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, y: jnp.sin(x * y),
        lambda x, y: jnp.clip(x, -y, y),
        lambda x, y: jnp.where(x > y, x * x, y * y),
        lambda x, y: jnp.sqrt(1 + x * x + y * y),
    ],
)
def test_samples_that_agree_with_what_is_certain(fn):
    plan, kernels, (nngp, ntk) = nv.explain(network(fn), ONE), nv.infinite_ntk(network(fn), ONE), by_integrals(fn)
    assert plan.reading == "sampled Z"
    assert abs(kernels.nngp[0, 0] - nngp) < 4 * kernels.error
    assert abs(kernels.ntk[0, 0] - ntk) < 4 * kernels.error
    assert kernels.error < 0.01 * ntk


@pytest.mark.parametrize("width", [1e-3, 1e-6])
def test_a_feature_that_all_samples_miss_is_refused(width):
    """A narrow ridge along a curve, which all samples miss."""
    fn = lambda x, y: 1e3 * jnp.exp(-(((x * y - 1) / width) ** 2)) + jnp.tanh(jnp.sqrt(1 + x * x + y * y))  # noqa: E731
    with pytest.raises(NotIntegrableError, match=r"cannot be bounded|Samples miss a part"):
        nv.infinite_ntk(network(fn), ONE)


def test_a_jump_between_two_vectors_has_no_ntk():
    with pytest.raises(NotIntegrableError, match="jumps, so its derivative is not a function"):
        nv.infinite_ntk(network(lambda x, y: jnp.where(x > y * y, 1.0, 0.0)), ONE)


def test_functions_without_a_known_law_are_refused():
    phi = nv.nonlinearity(lambda x, y: jnp.sin(x * y), arity=2)

    @nv.architecture
    def deep(net, x):
        return net.readout("v", phi(nv.tanh(net.input("U", x)), net.input("V", x)))

    with pytest.raises(NotIntegrableError, match="one is not Gaussian"):
        nv.infinite_ntk(deep, ONE)
