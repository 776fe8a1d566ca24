"""Gaussian expectations of any elementwise function, by quadrature with an error estimate.

- Smooth, one argument: the trapezoidal rule, which converges exponentially for analytic functions
  under a Gaussian weight and, unlike Gauss–Hermite, does not mind poles close to the real axis.
- Smooth, two arguments: both functions are expanded in Hermite polynomials and
  E[φψ] = Σ_k ρᵏ a_k b_k (Mehler's formula). Work and memory grow with nodes × variances and
  terms × pairs, never with nodes² × pairs.
- A kink or a jump at 0, no means: polar coordinates of the whitened plane. Along a ray both
  functions are smooth, and the lines x = 0 and y = 0 divide the rays into four sectors.
- A kink or a jump at 0, with means: x first, then y given x, each line divided where something breaks.

Everything is in units of standard deviations, so zero variance needs no case of its own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ntkviz.gaussian.arctangent import arctan2
from ntkviz.gaussian.closed_forms import geometry

REACH = 13.0
"""Integrals end at ±REACH standard deviations; beyond lies 1e-38 of the Gaussian."""
LINE_NODES = 385
"""Trapezoidal nodes for smooth functions: exact to rounding up to wave number 40, poles at 0.5i."""
TERMS = 384
"""Hermite terms for smooth pairs: tanh tanh at variance 10 and correlation 1 to 3e-9, below faster."""
KNOWN_TERMS = 3 * TERMS // 4
"""What the terms from here on hold (and the sum's end leaves out) is reported as error."""
CHECKED_TERMS = 16
"""The first coefficients, computed with half the nodes too, tell whether the nodes are enough."""
RADIAL_NODES, ANGULAR_NODES, PIECE_NODES = 64, 32, 48
"""Gauss–Legendre nodes along a ray, across a sector, and on a piece of a line."""
BLOCK = 2**22
"""Function values held at once; arrays with more entries than fit are done in blocks."""
ROUNDING = 1e-14
"""Relative to the size of the summands: the error reported where nothing but rounding is left."""

Estimate = tuple[Array, Array, Array]
"""A value, its absolute error, and the size of what was summed (E|φψ| or a bound of it)."""
Sum = tuple[Array, Array]
"""A sum of terms, and the sum of their absolute values."""


class Side(NamedTuple):
    """One factor φ(m + √k z; θ…) of an expectation. Arrays broadcast against each other."""

    fn: Callable[..., Array]
    variance: Array
    mean: Array
    theta: tuple[Array, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return jnp.broadcast_shapes(self.variance.shape, self.mean.shape, *(t.shape for t in self.theta))

    def at(self, deviations: Array | np.ndarray) -> Array:
        """φ at `deviations` z of shape (*shape or broadcasting to it, nodes): (*shape, nodes)."""
        return self.value(self.mean[..., None] + jnp.sqrt(self.variance)[..., None] * deviations)

    def value(self, x: Array) -> Array:
        theta = [t[..., None] for t in self.theta]
        shape = jnp.broadcast_shapes(x.shape, *(t.shape for t in theta))
        return jnp.broadcast_to(self.fn(x, *theta), shape)

    def kink(self) -> Array:
        """Where the argument is 0, in standard deviations and within reach."""
        return jnp.clip(_over(-self.mean, jnp.sqrt(self.variance)), -REACH, REACH)


def _over(a: Array, b: Array) -> Array:
    """a / b, and 0 where b is 0."""
    return jnp.where(b == 0, 0.0, a / jnp.where(b == 0, 1.0, b))


def single(side: Side, *, smooth: bool, degree: int = 0) -> Estimate:
    """E[φ(x) zᵈᵉᵍʳᵉᵉ] for x = m + √k z, and its error. By Stein's lemma degree 1 gives √k E φ′(x),
    for functions with jumps too."""
    rule = _line if smooth else _divided_line
    return _in_blocks(lambda s: rule(s, degree), LINE_NODES, side)


def pair(x: Side, y: Side, kxy: Array, *, smooth: bool, centred: bool) -> Estimate:
    """E[φ(x) ψ(y)] and its error, by the rule that suits the functions; `centred`: both means are 0."""
    if not smooth:
        rule, values = (_sectors, 4 * RADIAL_NODES) if centred else (_divided_plane, 2 * PIECE_NODES)
        return _in_blocks(rule, values, x, y, kxy)
    if (math.prod(x.shape) + math.prod(y.shape)) * TERMS <= BLOCK:  # keeps rows × columns apart, if they are
        return _mehler(x, y, kxy)
    return _in_blocks(_mehler, 2 * TERMS, x, y, kxy)


# --- Smooth functions ---------------------------------------------------------------------------


@functools.cache
def _trapezoid() -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (normal density included) on [−REACH, REACH]."""
    z = np.linspace(-REACH, REACH, LINE_NODES)
    return z, np.exp(-(z**2) / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)


def _beyond(terms: Array) -> Array:
    """What may lie beyond the ends of a trapezoidal sum of `terms`."""
    return (jnp.abs(terms[..., 0]) + jnp.abs(terms[..., -1])) * LINE_NODES


def _line(side: Side, degree: int) -> Estimate:
    """Error: what every other node alone says differently."""
    z, weights = _trapezoid()
    terms = side.at(z) * (weights * z**degree)
    value, half = terms.sum(-1), 2 * terms[..., ::2].sum(-1)
    size = jnp.abs(terms).sum(-1)
    return value, jnp.abs(value - half) + _beyond(terms) + ROUNDING * size, size


@functools.cache
def _hermite_rule() -> np.ndarray:
    """The matrix wᵢ he_k(zᵢ) (nodes, terms) that takes φ at the nodes to its Hermite coefficients.

    he_k are the Hermite polynomials orthonormal under N(0, 1). The recurrence is run on
    he_k(z) e^{−z²/4}, which neither overflows nor loses the digits of what is small.
    """
    z, weights = _trapezoid()
    h = np.empty((TERMS, LINE_NODES))
    h[0] = np.exp(-(z**2) / 4)
    h[1] = z * h[0]
    for k in range(1, TERMS - 1):
        h[k + 1] = (z * h[k] - math.sqrt(k) * h[k - 1]) / math.sqrt(k + 1)
    return (h * (weights / h[0])).T.copy()


class _Expansion(NamedTuple):
    """φ = Σ a_k he_k: the coefficients on a first axis of TERMS; ‖φ‖ = √E φ²; the part of ‖φ‖ that the
    KNOWN_TERMS miss; and by how much the coefficients are off if the nodes are too few for φ."""

    coefficients: Array
    norm: Array
    unknown: Array
    error: Array


def _expand(side: Side) -> _Expansion:
    z, weights = _trapezoid()
    rule, values = _hermite_rule(), side.at(z)
    coefficients = values @ rule
    energies = values**2 * weights
    energy, half_energy = energies.sum(-1), 2 * energies[..., ::2].sum(-1)
    known = (coefficients[..., :KNOWN_TERMS] ** 2).sum(-1)
    unknown = jnp.sqrt(jnp.maximum(energy - known, 0.0) + jnp.abs(energy - half_energy))
    half = 2 * values[..., ::2] @ rule[::2, :CHECKED_TERMS]
    error = jnp.sqrt(((coefficients[..., :CHECKED_TERMS] - half) ** 2).sum(-1) + _beyond(energies))
    return _Expansion(jnp.moveaxis(coefficients, -1, 0), jnp.sqrt(energy), unknown, error)


def _mehler(x: Side, y: Side, kxy: Array) -> Estimate:
    """Σ_k ρᵏ a_k b_k by Horner's rule.

    By Cauchy–Schwarz the terms not known are at most |ρ|ᴷ times their norms, and errors in φ's
    coefficients at most their size times ‖ψ‖.
    """
    g = geometry(x.variance, kxy, y.variance)
    correlation = _over(g.cos, g.a)
    phi, psi = _expand(x), _expand(y)

    def eight_terms(i, total):
        for j in range(8):  # at a time, for fewer passes through memory
            k = TERMS - 1 - 8 * i - j
            total = total * correlation + phi.coefficients[k] * psi.coefficients[k]
        return total

    shape = jnp.broadcast_shapes(correlation.shape, x.shape, y.shape)
    value = jax.lax.fori_loop(0, TERMS // 8, eight_terms, jnp.zeros(shape))
    rest = jnp.abs(correlation) ** KNOWN_TERMS * phi.unknown * psi.unknown
    size = phi.norm * psi.norm
    return value, rest + phi.error * psi.norm + phi.norm * psi.error + ROUNDING * size, size


# --- Functions with a kink or a jump at 0 --------------------------------------------------------


@functools.cache
def _gauss_legendre(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on [0, 1]."""
    t, weights = np.polynomial.legendre.leggauss(nodes)
    return (t + 1) / 2, weights / 2


def _normal_density(z: Array) -> Array:
    return jnp.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def _coarse(nodes: int) -> int:
    return 2 * nodes // 3


def _against_coarse(fine: Sum, coarse: Sum) -> Estimate:
    """The finer rule's value, and as error what the coarser one says differently, and rounding."""
    (value, size), (other, _) = fine, coarse
    return value, jnp.abs(value - other) + ROUNDING * size, size


def _pieces(breaks: tuple[Array, ...], nodes: int) -> tuple[Array, Array]:
    """Nodes and weights (normal density included) on [−REACH, REACH] divided at `breaks` and at 0,
    lest a piece be too long for the density."""
    t, weights = _gauss_legendre(nodes)
    edge = jnp.full_like(breaks[0], REACH)
    ends = jnp.sort(jnp.stack([-edge, jnp.zeros_like(edge), *breaks, edge], axis=-1), axis=-1)
    start, length = ends[..., :-1, None], jnp.diff(ends)[..., None]
    z, w = (a.reshape(*edge.shape, -1) for a in (start + length * t, length * weights))
    return z, w * _normal_density(z)


def _divided_line(side: Side, degree: int) -> Estimate:
    """Gauss–Legendre on either side of the kink."""

    def rule(nodes: int) -> Sum:
        z, weights = _pieces((jnp.broadcast_to(side.kink(), side.shape),), nodes)
        terms = side.at(z) * weights * z**degree
        return terms.sum(-1), jnp.abs(terms).sum(-1)

    return _against_coarse(rule(PIECE_NODES), rule(_coarse(PIECE_NODES)))


def _sectors(x: Side, y: Side, kxy: Array) -> Estimate:
    """Polar coordinates: at radius r and angle u into a sector of width α, bounded by the lines
    x = 0 and y = 0, the arguments are ±√kxx r sin u and ±√kyy r sin(α − u)."""
    g = geometry(x.variance, kxy, y.variance)
    shape = jnp.broadcast_shapes(x.shape, y.shape, kxy.shape)

    def rule(radial: int, angular: int) -> Sum:
        t, radial_weights = _gauss_legendre(radial)
        r, radial_weights = REACH * t, REACH**2 * radial_weights * t * np.exp(-((REACH * t) ** 2) / 2)

        def ray(total: Sum, node: tuple[Array, Array]) -> tuple[Sum, None]:
            value, size = total
            for cosine, sign in ((-g.cos, 1.0), (g.cos, -1.0)):  # sectors where x, y agree; where they differ
                width = jnp.broadcast_to(arctan2(g.sin, cosine), shape)
                u = width * node[0]
                z_x, z_y = jnp.sin(u)[..., None] * r, sign * jnp.sin(width - u)[..., None] * r
                terms = (x.at(z_x) * y.at(z_y) + x.at(-z_x) * y.at(-z_y)) * radial_weights
                weight = node[1] * width / (2 * math.pi)
                value, size = value + weight * terms.sum(-1), size + weight * jnp.abs(terms).sum(-1)
            return (value, size), None

        angles, weights = map(jnp.asarray, _gauss_legendre(angular))
        return jax.lax.scan(ray, (jnp.zeros(shape), jnp.zeros(shape)), (angles, weights))[0]

    return _against_coarse(rule(RADIAL_NODES, ANGULAR_NODES), rule(_coarse(RADIAL_NODES), _coarse(ANGULAR_NODES)))


def _divided_plane(x: Side, y: Side, kxy: Array) -> Estimate:
    """x on a line, then y = ρ z_x + √(1 − ρ²) z given x on a line divided at its zero.

    As a function of z_x, the inner integral is a smoothed kink or jump where y's conditional mean
    changes sign, of width √(1 − ρ²)/ρ: pieces of their own on either side, besides x's own zero.
    """
    shape = jnp.broadcast_shapes(x.shape, y.shape, kxy.shape)
    x, y = (
        s._replace(variance=jnp.broadcast_to(s.variance, shape), mean=jnp.broadcast_to(s.mean, shape)) for s in (x, y)
    )
    g = geometry(x.variance, kxy, y.variance)
    cosine, sine = _over(g.cos, g.a), jnp.where(g.a == 0, 1.0, _over(g.sin, g.a))
    turning, width = _over(y.kink(), cosine), _over(sine, jnp.abs(cosine))
    breaks = (x.kink(), *(jnp.clip(turning + c * width, -REACH, REACH) for c in (-8, 0, 8)))

    def rule(nodes: int) -> Sum:
        def line(total: Sum, node: tuple[Array, Array]) -> tuple[Sum, None]:
            z, weight = node
            given_x = Side(y.fn, y.variance * sine**2, y.mean + jnp.sqrt(y.variance) * cosine * z, y.theta)
            inner, inner_weights = _pieces((given_x.kink(),), nodes)
            terms = given_x.at(inner) * inner_weights
            factor = weight * x.at(z[..., None])[..., 0]
            return (total[0] + factor * terms.sum(-1), total[1] + jnp.abs(factor) * jnp.abs(terms).sum(-1)), None

        points, weights = (jnp.moveaxis(a, -1, 0) for a in _pieces(breaks, nodes))
        return jax.lax.scan(line, (jnp.zeros(shape), jnp.zeros(shape)), (points, weights))[0]

    return _against_coarse(rule(PIECE_NODES), rule(_coarse(PIECE_NODES)))


# --- Memory ---------------------------------------------------------------------------------------


def _in_blocks(rule: Callable[..., Estimate], values_per_entry: int, *operands: Side | Array) -> Estimate:
    """`rule(*operands)`, all its arrays broadcast and, if they are large, done some entries at a time."""
    functions = tuple(o.fn if isinstance(o, Side) else None for o in operands)
    arrays = [tuple(o[1:]) if isinstance(o, Side) else o for o in operands]

    def call(arrays) -> Estimate:
        sides = (a if fn is None else Side(fn, *a) for fn, a in zip(functions, arrays, strict=True))
        return rule(*sides)

    shape = jnp.broadcast_shapes(*(jnp.shape(a) for a in jax.tree.leaves(arrays)))
    if math.prod(shape) * values_per_entry <= BLOCK:
        return call(arrays)
    flat = jax.tree.map(lambda a: jnp.broadcast_to(a, shape).ravel(), arrays)
    value, error, size = jax.lax.map(call, flat, batch_size=BLOCK // values_per_entry)
    return value.reshape(shape), error.reshape(shape), size.reshape(shape)
