"""E[φ(x) ψ(y)] for sums Σ P(x) exp(Q(x)) with polynomials P and Q, where Q has degree at most two.

These are all sums and products of sin, cos, exp, Gaussian bumps and polynomials. With Q(x) = q d² + l d + γ, where
d = m + u − μ is the distance from a centre μ, the exponential of a pair of terms tilts the law N(0, K) of (u, v) into
another Gaussian (of complex mean if l is complex), under which polynomials have moments by Isserlis' theorem. With
D = diag(q, q̄), N = (I − 2KD)⁻¹, C = NK and d the distances of the means from the centres,

    E[P P̄ exp(Q + Q̄)] = det(I − 2KD)^(−1/2) exp(dᵀDNd + lᵀNd + ½ lᵀCl + γ + γ̄) · E[P P̄ | mean Nd + Cl, covariance C].

Exponents are added before the exponential is taken, K is not inverted, and squares are kept as squares, so that no
large numbers cancel near correlation ±1 or for narrow bumps. The reported error includes cancellation between terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jaxtyping import Float64, Inexact

from ntkviz.gaussian.closed_forms import polynomial_polynomial, polynomial_single
from ntkviz.gaussian.geometry import Inputs, Pairs, determinant, geometry
from ntkviz.language.nonlinearities.formulas import Polynomial, Smooth, about

ROUNDING = 1e-15
"""The rounding error of each operation on a term, relative to the term."""
Number = Any  # a Python float or complex


class Estimate(NamedTuple):
    """A value, its absolute error, and the size of what is averaged: √(Eφ² Eψ²), or that of the summands if smaller."""

    value: Float64[Array, "*entries"]
    error: Float64[Array, "*entries"]
    size: Float64[Array, "*entries"]


class Term(NamedTuple):
    """Σ coefficients[k] dᵏ · exp(curvature d² + slope d + offset), where d = x − centre."""

    coefficients: tuple[Number, ...]
    centre: float
    curvature: Number
    slope: Number
    offset: Number


class ExponentialSum(NamedTuple):
    """A real function Σ terms; `halves` has only one of each two conjugate terms, doubled, and the real terms."""

    terms: tuple[Term, ...]
    halves: tuple[Term, ...]


def exponential_sum(smooth: Smooth) -> ExponentialSum | None:
    """The terms of a formula; `None` if it has an erf."""
    terms, halves = [], []
    for (erf, exponent), p in smooth.terms.items():
        if erf:
            return None
        term = _term(p, exponent)
        terms.append(term)
        turns = [c.im for c in exponent if c.im]
        if not turns:
            halves.append(term)
        elif turns[-1] > 0:
            halves.append(term._replace(coefficients=tuple(2 * c for c in term.coefficients)))
    return ExponentialSum(tuple(terms), tuple(halves))


def _term(p: Polynomial, exponent: Polynomial) -> Term:
    """The term, centred at the vertex of the real part of its exponent if that is a parabola, otherwise at 0."""
    curved = len(exponent) == 3 and exponent[2].re
    centre = -exponent[1].re / (2 * exponent[2].re) if curved else Fraction(0)
    offset, slope, curvature = ([c.number() for c in about(exponent, centre)] + [0.0] * 3)[:3]
    return Term(tuple(c.number() for c in about(p, centre)), float(centre), curvature, slope, offset)


# --- expectations ---------------------------------------------------------------------------------


def single(phi: ExponentialSum, kxx: Inputs, mean: Inputs) -> Estimate:
    """E φ(x)."""
    parts = [_single(term, kxx, mean) for term in phi.halves]
    return _total(parts, lambda: jnp.sqrt(_square(phi, kxx, mean)), jnp.shape(kxx + mean))


def pair(
    phi: ExponentialSum,
    psi: ExponentialSum,
    kxx: Pairs,
    kxy: Pairs,
    kyy: Pairs,
    mean_x: Pairs,
    mean_y: Pairs,
) -> Estimate:
    """E[φ(x) ψ(y)]."""
    parts = [_pair(a, b, kxx, kxy, kyy, mean_x, mean_y) for a in phi.halves for b in psi.terms]

    def size() -> Float64[Array, "*pairs"]:
        return jnp.sqrt(_square(phi, kxx, mean_x)) * jnp.sqrt(_square(psi, kyy, mean_y))

    return _total(parts, size, jnp.broadcast_shapes(*(jnp.shape(a) for a in (kxx, kxy, kyy, mean_x, mean_y))))


def _square(phi: ExponentialSum, kxx: Inputs, mean: Inputs) -> Float64[Array, "*inputs"]:
    """E φ(x)², or its rounding error where that is larger."""
    parts = [_pair(a, b, kxx, kxx, kxx, mean, mean) for a in phi.halves for b in phi.terms]
    return jnp.maximum(sum((jnp.real(p.value) for p in parts), jnp.zeros(())), sum(p.error for p in parts))


class _Part(NamedTuple):
    """The expectation of one term, or of a pair of terms: a complex number, its error, and the size of its summands."""

    value: Inexact[Array, "*entries"]
    error: Float64[Array, "*entries"]
    size: Float64[Array, "*entries"]


def _total(parts: list[_Part], root_mean_square: Callable[[], Array], shape: tuple[int, ...]) -> Estimate:
    zero = jnp.zeros(shape)
    value = sum((jnp.real(part.value) for part in parts), zero)
    error = sum((part.error for part in parts), zero)
    summands = sum((part.size for part in parts), zero)
    size = jnp.fmin(root_mean_square(), summands) if parts else zero
    return Estimate(value, error, jnp.fmax(jnp.abs(value), jnp.where(jnp.isfinite(size), size, 0.0)))


def _part(
    determinant: Pairs,
    root: Inexact[Array, "*#pairs"],
    moment: Inexact[Array, "*#pairs"],
    size: Pairs,
    exponents: Iterable[Any],
) -> _Part:
    """exp(Σ exponents)/root · moment; infinite where `determinant` is not positive, since the integral diverges."""
    finite = determinant > 0
    lost = sum((jnp.abs(e) for e in exponents), jnp.ones(()))  # the exponent is rounded relative to its parts
    factor = jnp.exp(sum(exponents, jnp.zeros(()))) / root
    height = jnp.abs(factor) * size
    return _Part(*(jnp.where(finite, a, jnp.inf) for a in (factor * moment, ROUNDING * lost * height, height)))


def _single(term: Term, k: Inputs, mean: Inputs) -> _Part:
    q, tilt, d = term.curvature, term.slope, mean - term.centre
    delta = 1 - 2 * q * k
    c, centre = k / delta, (d + tilt * k) / delta
    exponents = q * d * d / delta, tilt * d / delta, tilt * tilt * c / 2, term.offset
    moment = polynomial_single(term.coefficients, c, centre)
    size = polynomial_single(_sizes(term), jnp.abs(c), jnp.abs(centre))
    return _part(jnp.real(delta), jnp.sqrt(delta), moment, size, exponents)


def _pair(
    x: Term,
    y: Term,
    kxx: Pairs,
    kxy: Pairs,
    kyy: Pairs,
    mean_x: Pairs,
    mean_y: Pairs,
) -> _Part:
    g = geometry(kxx, kxy, kyy)
    kxy, sign, det = g.cos, jnp.where(g.cos < 0, -1.0, 1.0), determinant(kxx, kxy, kyy)
    p, q, r, s = x.curvature, y.curvature, x.slope, y.slope
    d, e = mean_x - x.centre, mean_y - y.centre
    root_x, root_y = jnp.sqrt(kxx), jnp.sqrt(kyy)

    def form(a: Any, b: Any) -> Any:
        """kxx a² + 2 kxy ab + kyy b², without cancellation."""
        return (root_x * a + sign * root_y * b) ** 2 - 2 * sign * g.gap * a * b

    def adjugate(a: Any, b: Any) -> Any:
        """kyy a² − 2 kxy ab + kxx b², without cancellation."""
        return (root_y * a - sign * root_x * b) ** 2 + 2 * sign * g.gap * a * b

    delta = 1 - 2 * (p * kxx + q * kyy) + 4 * p * q * det
    c_xx, c_xy, c_yy = (kxx - 2 * q * det) / delta, kxy / delta, (kyy - 2 * p * det) / delta
    gap = root_x * e - sign * root_y * d
    moved_x = d / delta, 2 * q * (sign * root_y * gap - sign * g.gap * e) / delta  # Nd, in two parts
    moved_y = e / delta, -2 * p * (root_x * gap + sign * g.gap * d) / delta
    exponents = (
        (p * d * d + q * e * e) / delta,
        -2 * p * q * adjugate(d, e) / delta,
        r * sum(moved_x) + s * sum(moved_y),
        (form(r, s) - 2 * det * (q * r * r + p * s * s)) / (2 * delta),
        x.offset + y.offset,
    )
    centres = (*moved_x, c_xx * r + c_xy * s), (*moved_y, c_xy * r + c_yy * s)
    spread = c_xx, c_xy, c_yy
    means, lengths = ([sum(map(f, parts), jnp.zeros(())) for parts in centres] for f in (jnp.asarray, jnp.abs))
    moment = polynomial_polynomial(x.coefficients, y.coefficients, *spread, *means)
    size = polynomial_polynomial(_sizes(x), _sizes(y), *map(jnp.abs, spread), *lengths)
    return _part(_positive(p, q, kxx, kyy, det), _root(p, kxx, delta), moment, size, exponents)


def _sizes(term: Term) -> tuple[float, ...]:
    return tuple(abs(c) for c in term.coefficients)


def _positive(p: Number, q: Number, kxx: Pairs, kyy: Pairs, det: Pairs) -> Array:
    """A number that is positive if and only if K⁻¹ − 2 Re D is: then the Gaussian outweighs the functions' growth."""
    a, b = p.real, q.real
    if a <= 0 and b <= 0:
        return jnp.ones(())
    trace = 1 - a * kxx - b * kyy  # half the trace of I − 2DK
    return jnp.minimum(trace, 1 - 2 * (a * kxx + b * kyy) + 4 * a * b * det)


def _root(p: Number, kxx: Pairs, delta: Inexact[Array, "*#pairs"]) -> Inexact[Array, "*pairs"]:
    """√delta; for complex D, the product of the roots of the pivots, whose real parts are positive."""
    if not jnp.iscomplexobj(delta):
        return jnp.sqrt(delta)
    pivot = 1 - 2 * p * kxx
    return jnp.sqrt(pivot) * jnp.sqrt(delta / pivot)
