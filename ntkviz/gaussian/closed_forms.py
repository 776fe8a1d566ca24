"""Gaussian expectations known in closed form, for (x, y) jointly Gaussian.

Every formula takes the *central* second moments kxx = Var x, kxy = Cov(x, y), kyy = Var y (and means, where it has
arguments for them), never a correlation, and stays accurate where naive formulas do not: at and near correlation ±1,
and at zero or tiny variance. A variable of variance zero *is* its mean, so E[φ(x) ψ(y)] = φ(m) E[ψ(y)] with φ's own
value there (step(0) = 0).

Sources: arc-cosine kernels, Cho & Saul 2009, for everything made of x₊ and 1{x > 0}; Williams
1997 for erf; Price's theorem (dE[φψ]/dkxy = E[φ′ψ′]) and Stein's lemma
(E[(x − m) ψ(y)] = kxy E[ψ′(y)]) for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf as _erf
from jax.scipy.special import ndtr
from jaxtyping import Float64, Inexact

from ntkviz.gaussian.arctangent import arctan, lune
from ntkviz.gaussian.geometry import Geometry, Inputs, Pairs, determinant, geometry, quotient, root, zero_over_zero


def _normal_density(x: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    return jnp.exp(-x * x / 2) / math.sqrt(2 * math.pi)


# --- Functions with a kink or a jump at 0 -----------------------------------------------------
# With a kink: φ(x) = p x₊ − q (−x)₊. With a jump: φ(x) = p for x > 0, q for x < 0, z at 0.


class Kink(NamedTuple):
    """Slope `right` on x > 0 and `left` on x < 0, continuous at 0."""

    right: Array | float
    left: Array | float


class Jump(NamedTuple):
    """Value `right` on x > 0, `left` on x < 0, `at_zero` at 0."""

    right: Array | float
    left: Array | float
    at_zero: Array | float


@jax.custom_jvp
def relu_relu(g: Geometry) -> Float64[Array, "*pairs"]:
    """E[x₊ y₊] = a (sin α − α cos α)/2π + (a cos θ)₊/2, α the acute one of θ and π − θ (arc-cosine kernel of degree 1).

    For obtuse θ this is the usual formula, with α = π − θ; acute θ reduces to it by E[x₊ y₊] = E[x₊ (−y)₊] + E[x₊ y].
    """
    w = g.tan_squared
    obtuse: Array = (g.a + jnp.abs(g.cos)) * (w * jnp.sqrt(w) * lune(w))
    return obtuse * (1 / (2 * math.pi)) + jnp.maximum(g.cos, 0.0) / 2


@relu_relu.defjvp
def _(primals: tuple[Geometry], tangents: tuple[Geometry]) -> tuple[Array, Array]:
    """d(a sin θ + (π − θ) a cos θ) = sin θ da + (π − θ) d(a cos θ), which is finite everywhere.

    At variance 0, (π − θ)/2π is replaced by E step E step = 1/4 with step(0) = 1/2, the mean of both sides.
    """
    (g,), (dg,) = primals, tangents
    t = root(g.tan_squared)
    sine, both = 2 * t / (1 + t * t), jnp.where(g.a == 0, 0.25, step_step(g))
    return relu_relu(g), sine * (1 / (2 * math.pi)) * dg.a + both * dg.cos


@jax.custom_jvp
def step_step(g: Geometry) -> Float64[Array, "*pairs"]:
    """P(x > 0, y > 0) = (π − θ)/2π (arc-cosine kernel of degree 0); 0 if a variance is 0."""
    acute = arctan(jnp.sqrt(g.tan_squared)) * (1 / math.pi)
    return jnp.where(g.cos > 0, 0.5 - acute, acute)


@step_step.defjvp
def _(primals: tuple[Geometry], tangents: tuple[Geometry]) -> tuple[Array, Array]:
    """−dθ/2π = (d(a cos θ) − cos θ da)/(2π a sin θ); 0 at correlation ±1, where |θ| has a kink."""
    (g,), (dg,) = primals, tangents
    change = dg.cos - zero_over_zero(g.cos, g.a) * dg.a
    return step_step(g), zero_over_zero(change, 2 * math.pi * g.sin)


def _opposite(g: Geometry) -> Geometry:
    return g._replace(cos=-g.cos)


def _is_zero(number: Array | float) -> bool:
    """Whether a number is statically zero, whatever the parameters of the nonlinearity."""
    return isinstance(number, float) and number == 0.0


def _both_quadrants(
    phi: Kink | Jump, psi: Kink | Jump, formula: Callable[[Geometry], Array], g: Geometry, sign: int
) -> Float64[Array, "*pairs"]:
    """E over the whole plane from E over x, y > 0, by reflection; `sign` is −1 if φψ is odd under x → −x."""
    same, opposite = phi.right * psi.right + phi.left * psi.left, phi.right * psi.left + phi.left * psi.right
    total = same * formula(g)
    if _is_zero(opposite):  # for relu and step, which halves the work
        return total
    return total + sign * opposite * formula(_opposite(g))


def kink_kink(phi: Kink, psi: Kink, kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Float64[Array, "*pairs"]:
    return _both_quadrants(phi, psi, relu_relu, geometry(kxx, kxy, kyy), -1)


def jump_jump(phi: Jump, psi: Jump, kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Float64[Array, "*pairs"]:
    g = geometry(kxx, kxy, kyy)
    inside = _both_quadrants(phi, psi, step_step, g, 1)
    if _is_zero(phi.at_zero) and _is_zero(psi.at_zero):
        return inside  # already 0 where a variance is 0
    return jnp.where(g.a == 0, jump_single(phi, kxx) * jump_single(psi, kyy), inside)


def kink_jump(phi: Kink, psi: Jump, kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Float64[Array, "*pairs"]:
    """From E[x₊ 1{y > 0}] = (√kxx + kxy/√kyy) / √(8π)."""
    g = geometry(kxx, kxy, kyy)
    deviation = root(kyy)
    agree = quotient(g.a + g.cos, deviation) / math.sqrt(8 * math.pi)
    differ = quotient(g.a - g.cos, deviation) / math.sqrt(8 * math.pi)
    inside = (phi.right * psi.right - phi.left * psi.left) * agree + (
        phi.right * psi.left - phi.left * psi.right
    ) * differ
    return jnp.where(kyy == 0, psi.at_zero * kink_single(phi, kxx), inside)


def kink_single(phi: Kink, kxx: Float64[Array, "*inputs"]) -> Float64[Array, "*inputs"]:
    return (phi.right - phi.left) * root(kxx / (2 * math.pi))


def jump_single(phi: Jump, kxx: Float64[Array, "*inputs"]) -> Float64[Array, "*inputs"]:
    return jnp.where(kxx == 0, phi.at_zero, (phi.right + phi.left) / 2)


def kink_single_with_mean(phi: Kink, kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    """E[x₊] = m Φ(m/σ) + σ φ(m/σ)."""
    deviation = root(kxx)
    z = quotient(mean, deviation)
    spread = deviation * _normal_density(z)
    positive = jnp.where(kxx == 0, jnp.maximum(mean, 0), mean * ndtr(z) + spread)
    negative = jnp.where(kxx == 0, jnp.maximum(-mean, 0), spread - mean * ndtr(-z))
    return phi.right * positive - phi.left * negative


def jump_single_with_mean(phi: Jump, kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    z = quotient(mean, root(kxx))
    at_mean = jnp.where(mean > 0, phi.right, jnp.where(mean < 0, phi.left, phi.at_zero))
    return jnp.where(kxx == 0, at_mean, phi.right * ndtr(z) + phi.left * ndtr(-z))


# --- φ(x) = c + s erf(x) and φ(x) = s exp(−x²) --------------------------------------------------


class Erf(NamedTuple):
    """offset + scale · erf(x)."""

    offset: float
    scale: float


class Bump(NamedTuple):
    """scale · exp(−x²): the derivative of an `Erf`."""

    scale: float


@jax.jit
def _bumps(kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Float64[Array, "*pairs"]:
    """E exp(−x² − y²) = 1/√det(1 + 2K), with the determinant as a sum of nonnegative terms."""
    return 1 / jnp.sqrt(1 + 2 * (kxx + kyy) + 4 * determinant(kxx, kxy, kyy))


def erf_erf(phi: Erf, psi: Erf, kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Float64[Array, "*pairs"]:
    """From E[erf x erf y] = (2/π) arcsin(2kxy / √((1+2kxx)(1+2kyy))).

    The arcsine is an angle of a right triangle, and tan(angle/2) = opposite / (adjacent + hypotenuse). The triangle is
    scaled so that the adjacent side is 1, by `_bumps`, which E[erf′ erf′] needs too.
    """
    opposite, hypotenuse = 2 * geometry(kxx, kxy, kyy).cos, jnp.sqrt(1 + 2 * kxx) * jnp.sqrt(1 + 2 * kyy)
    scale: Array = _bumps(kxx, kxy, kyy)
    angle: Array = 2 * arctan(opposite * scale / (1 + hypotenuse * scale))
    return phi.offset * psi.offset + phi.scale * psi.scale * (2 / math.pi) * angle


def erf_square(phi: Erf, kxx: Float64[Array, "*inputs"]) -> Float64[Array, "*inputs"]:
    """E φ(x)², as `erf_erf` of x with itself.

    It has one entry for each input, not for each pair, so XLA's own arctangent is fast enough; it compiles faster.
    """
    return phi.offset**2 + phi.scale**2 * (2 / math.pi) * jnp.arctan2(2 * kxx, jnp.sqrt(1 + 4 * kxx))


def erf_single(phi: Erf, kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    return phi.offset + phi.scale * _erf(mean / jnp.sqrt(1 + 2 * kxx))


def bump_bump(
    phi: Bump,
    psi: Bump,
    kxx: Pairs,
    kxy: Pairs,
    kyy: Pairs,
    means: tuple[Pairs, Pairs] | None = None,
) -> Float64[Array, "*pairs"]:
    """E exp(−x² − y²) = exp(−mᵀ(1 + 2K)⁻¹m) / √det(1 + 2K)."""
    bumps: Array = _bumps(kxx, kxy, kyy)
    if means is None:
        return phi.scale * psi.scale * bumps
    mean_x, mean_y = means
    form = (1 + 2 * kyy) * mean_x**2 - 4 * kxy * mean_x * mean_y + (1 + 2 * kxx) * mean_y**2
    return phi.scale * psi.scale * bumps * jnp.exp(-form * bumps**2)


def bump_single(phi: Bump, kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    return phi.scale * jnp.exp(-(mean**2) / (1 + 2 * kxx)) / jnp.sqrt(1 + 2 * kxx)


# --- gelu(x) = x Φ(x) --------------------------------------------------------------------------


def _gelu_parts(
    kxx: Pairs, kxy: Pairs, kyy: Pairs
) -> tuple[Float64[Array, "*pairs"], Float64[Array, "*pairs"], Float64[Array, "*pairs"]]:
    """E[Φ(x)Φ(y)], 1/√det(1 + K) = 2π E[φ(x)φ(y)] and det K, for the normal density φ and distribution function Φ.

    They follow from the expectations of erf, since Φ(x) = (1 + erf(x/√2))/2.
    """
    half, gate = (kxx / 2, kxy / 2, kyy / 2), Erf(0.5, 0.5)
    return erf_erf(gate, gate, *half), _bumps(*half), 4 * determinant(*half)


def gelu_gelu(kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Float64[Array, "*pairs"]:
    """Stein's lemma applied to x and to y in E[x y Φ(x) Φ(y)]."""
    distribution, bumps, det_k = _gelu_parts(kxx, kxy, kyy)
    return kxy * distribution + bumps / (2 * math.pi) * (det_k + kxy**2 * (1 / (1 + kxx) + 1 / (1 + kyy)))


def gelu_slopes(kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Float64[Array, "*pairs"]:
    """E[gelu′(x) gelu′(y)], where gelu′(x) = Φ(x) + xφ(x)."""
    distribution, bumps, _ = _gelu_parts(kxx, kxy, kyy)
    return distribution + bumps / (2 * math.pi) * kxy * (1 / (1 + kxx) + 1 / (1 + kyy) + bumps**2)


def gelu_single(kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    """E[x Φ(x)] = m Φ(m/√(1+k)) + k φ(m/√(1+k))/√(1+k)."""
    root = jnp.sqrt(1 + kxx)
    return mean * ndtr(mean / root) + kxx * _normal_density(mean / root) / root


def gelu_slope_single(kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    """The derivative of `gelu_single` with respect to the mean."""
    z = mean / jnp.sqrt(1 + kxx)
    return ndtr(z) + _normal_density(z) * z / (1 + kxx)


# --- sin, cos and exp, with any means ----------------------------------------------------------


class Wave(NamedTuple):
    """sine · sin x + cosine · cos x."""

    sine: float
    cosine: float


def wave_wave(
    phi: Wave,
    psi: Wave,
    kxx: Pairs,
    kxy: Pairs,
    kyy: Pairs,
    mean_x: Pairs,
    mean_y: Pairs,
) -> Float64[Array, "*pairs"]:
    """E φψ = e^{−(kxx+kyy)/2} (cosh kxy · φ(m)ψ(m̄) + sinh kxy · φ′(m)ψ′(m̄)), the sum of Price's series."""
    cosh, sinh = _damped(geometry(kxx, kxy, kyy).cos, (kxx + kyy) / 2)
    values = _wave(phi, mean_x) * _wave(psi, mean_y)
    return cosh * values + sinh * _wave_slope(phi, mean_x) * _wave_slope(psi, mean_y)


@jax.custom_jvp
def _damped(k: Pairs, decay: Pairs) -> tuple[Float64[Array, "*pairs"], Float64[Array, "*pairs"]]:
    """e^{−decay} cosh k and e^{−decay} sinh k, without overflow."""
    size = jnp.abs(k)
    peak = jnp.exp(size - decay) / 2
    return peak * (1 + jnp.exp(-2 * size)), -jnp.sign(k) * peak * jnp.expm1(-2 * size)


@_damped.defjvp
def _(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """JAX would differentiate sign(k) to 0, and so sinh to 0 at k = 0."""
    (cosh, sinh), (dk, ddecay) = _damped(*primals), tangents
    return (cosh, sinh), (sinh * dk - cosh * ddecay, cosh * dk - sinh * ddecay)


def _wave(phi: Wave, x: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    return phi.sine * jnp.sin(x) + phi.cosine * jnp.cos(x)


def _wave_slope(phi: Wave, x: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    return phi.sine * jnp.cos(x) - phi.cosine * jnp.sin(x)


def wave_single(phi: Wave, kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    return jnp.exp(-kxx / 2) * _wave(phi, mean)


def exp_single(kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    return jnp.exp(mean + kxx / 2)


# --- Polynomials, with any means ---------------------------------------------------------------


def polynomial_slope(coefficients: tuple[complex, ...]) -> tuple[complex, ...]:
    return tuple(k * c for k, c in enumerate(coefficients))[1:] or (0.0,)


def polynomial_single(
    coefficients: tuple[complex, ...], kxx: Inexact[Array, "*#inputs"], mean: Inexact[Array, "*#inputs"]
) -> Inexact[Array, "*inputs"]:
    """Σ cⱼ E[xʲ], by the recurrence E[xʲ] = m E[xʲ⁻¹] + (j − 1) k E[xʲ⁻²] (Stein's lemma)."""
    shape = jnp.broadcast_shapes(jnp.shape(kxx), jnp.shape(mean))
    before, moment = jnp.zeros(shape), jnp.ones(shape)
    total = coefficients[0] * moment
    for j, c in enumerate(coefficients[1:], start=1):
        before, moment = moment, mean * moment + (j - 1) * kxx * before
        total = total + c * moment
    return total


def polynomial_polynomial(
    phi: tuple[complex, ...],
    psi: tuple[complex, ...],
    kxx: Inexact[Array, "*#pairs"],
    kxy: Inexact[Array, "*#pairs"],
    kyy: Inexact[Array, "*#pairs"],
    mean_x: Inexact[Array, "*#pairs"],
    mean_y: Inexact[Array, "*#pairs"],
) -> Inexact[Array, "*pairs"]:
    """E φψ = Σ_j kxyʲ/j! E φ⁽ʲ⁾(x) E ψ⁽ʲ⁾(y): Price's theorem as a Taylor series, which is finite here."""
    total, factor = jnp.zeros(()), jnp.ones(())
    for j in range(min(len(phi), len(psi))):
        total = total + factor * polynomial_single(phi, kxx, mean_x) * polynomial_single(psi, kyy, mean_y)
        phi, psi, factor = polynomial_slope(phi), polynomial_slope(psi), factor * kxy / (j + 1)
    return total
