"""Gaussian expectations of any nonlinearity whose jaxpr can be enclosed, by adaptive quadrature with rigorous errors.

It runs in NumPy, on concrete numbers, for functions to which fixed nodes are not suited. Errors follow from bounds of
the functions on intervals and discs (`pieces`), never from a comparison of two sums.

- For one function: Gauss–Legendre quadrature on the pieces of φ.
- For two: Mehler's formula, E[φψ] = Σ_k ρᵏ a_k b_k, if |ρ|ᴷ times the remainders of φ and ψ after K terms is small.
  Otherwise, near |ρ| = 1, an integral over x on pieces, and inside it one over y given x; at |ρ| = 1, a single integral
  of the product.

The integrals end at `REACH` standard deviations; bounds of the functions limit the remainder up to `FAR`. Beyond that,
|φ| is assumed to be below exp(z²/8).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ntkviz.gaussian.certified.enclosures import Traced
from ntkviz.gaussian.certified.functions import Array, Booleans, Integers, least_square
from ntkviz.gaussian.certified.pieces import NODES, OUTWARDS, WIDENING, Pieces, find_pieces, gauss_error

REACH, FAR = 13.0, 45.0
TERMS = 384
"""The number of Hermite terms."""
AT_ONCE = 2**16
"""The largest number of points at which a function is evaluated at once."""
LAWS_AT_ONCE = 256
NODES_AT_ONCE = 2**21
"""The largest number of nodes held at once, for all laws or pairs of laws together."""
ROUNDING = 1e-14
"""The rounding error, relative to the size of the summands."""
SQRT_TAU = math.sqrt(2 * math.pi)
LEGENDRE = np.polynomial.legendre.leggauss(NODES)


class Known(NamedTuple):
    """A function with its parameters, and its pieces on the interval where they are needed."""

    traced: Traced
    theta: tuple[float, ...]
    pieces: Pieces

    def values(self, x: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
        return _in_blocks(lambda part: self.traced.values(part, *map(np.asarray, self.theta)), x)

    def noise(self, x: Float64[Array, "*shape"], inexact: Array) -> Float64[Array, "*shape"]:
        """A bound of the error of φ(x) if x has the error `inexact`, including rounding."""

        def spread(part: Array, off: Array) -> Array:
            unbounded = np.full_like(part, np.inf)
            found = self.traced.cells(part - off, part + off, part, unbounded, *map(np.asarray, self.theta))
            return found.hi - found.lo

        return _in_blocks(spread, x, inexact)


def _in_blocks(function: Callable[..., Array], x: Float64[Array, "*shape"], *others: Array) -> Float64[Array, "*shape"]:
    """Apply an elementwise function to `AT_ONCE` numbers at a time, since it keeps all its intermediate results."""
    flat = [np.broadcast_to(part, x.shape).ravel() for part in (x, *others)]
    blocks = [function(*(part[at : at + AT_ONCE] for part in flat)) for at in range(0, x.size, AT_ONCE)]
    return np.concatenate(blocks).reshape(x.shape) if blocks else np.empty(x.shape)


class Laws(NamedTuple):
    """Gaussians m + d z with standard normal z: arrays (n,) of means m and standard deviations d."""

    mean: Float64[Array, "laws"]
    deviation: Float64[Array, "laws"]

    def take(self, places: Integers | Booleans) -> Laws:
        return Laws(self.mean[places], self.deviation[places])

    def reach(self, deviations: float) -> Float64[Array, "laws"]:
        return np.abs(self.mean) + deviations * self.deviation


def known(traced: Traced, theta: tuple[float, ...], laws: Laws) -> Known:
    """φ with the pieces that are needed for expectations under these laws, also for those of y given x."""
    return Known(traced, theta, find_pieces(traced, theta, float(laws.reach(1.25 * REACH).max(initial=0.0))))


# --- one argument ------------------------------------------------------------------------------------


class Cut(NamedTuple):
    """Stretches [start, stop] of z, sorted by `law`, and the piece of φ that contains each."""

    law: Int64[Integers, "stretches"]
    start: Float64[Array, "stretches"]
    stop: Float64[Array, "stretches"]
    piece: Int64[Integers, "stretches"]

    @property
    def middle(self) -> Float64[Array, "stretches"]:
        return (self.start + self.stop) / 2

    @property
    def half(self) -> Float64[Array, "stretches"]:
        return (self.stop - self.start) / 2

    def take(self, places: Integers | Booleans) -> Cut:
        return Cut(self.law[places], self.start[places], self.stop[places], self.piece[places])

    def divided(self, parts: Int64[Integers, "stretches"]) -> Cut:
        """Divide each stretch into `parts` equal ones."""
        each = np.repeat(np.arange(len(self.law)), parts)
        number = np.arange(len(each)) - np.repeat(np.cumsum(parts) - parts, parts)
        length = (self.stop - self.start)[each] / parts[each]
        start = self.start[each] + number * length
        last = number == parts[each] - 1
        stop = np.where(last, self.stop[each], self.start[each] + (number + 1) * length)
        return Cut(self.law[each], start, stop, self.piece[each])


def met(pieces: Pieces, laws: Laws, reach: float) -> tuple[Int64[Integers, "laws"], Int64[Integers, "laws"]]:
    """The first and the last piece that each law meets within `reach` standard deviations."""
    (m, d), last = laws, len(pieces.half) - 1
    first = np.clip(np.searchsorted(pieces.edges, m - reach * d, "right") - 1, 0, last)
    return first, np.clip(np.searchsorted(pieces.edges, m + reach * d, "left") - 1, first, last)


def cut(pieces: Pieces, laws: Laws, reach: float, longest: float) -> Cut:
    """Cut [−reach, reach] at the ends of pieces, and further into stretches no longer than `longest`."""
    (m, d), (first, final) = laws, met(pieces, laws, reach)
    count = final - first + 1
    law = np.repeat(np.arange(len(m)), count)
    piece = first[law] + np.arange(len(law)) - np.repeat(np.cumsum(count) - count, count)
    spread = np.where(d == 0, 1.0, d)[law]
    start = np.where(piece == first[law], -reach, (pieces.edges[piece] - m[law]) / spread)
    stop = np.where(piece == final[law], reach, (pieces.edges[piece + 1] - m[law]) / spread)
    whole = Cut(law, np.clip(start, -reach, reach), np.clip(stop, -reach, reach), piece)
    return whole.divided(np.maximum(1, np.ceil((whole.stop - whole.start) / longest)).astype(int))


def ellipse(pieces: Pieces, laws: Laws, stretches: Cut) -> Float64[Array, "stretches"]:
    """The radius of the largest disc around the middle of each stretch inside its piece's disc, in half-lengths."""
    m, d = laws.take(stretches.law)
    off = np.abs(m + d * stretches.middle - pieces.centre[stretches.piece])
    room = WIDENING * pieces.half[stretches.piece] - off
    length = d * stretches.half
    return np.where(length == 0, np.inf, room / np.where(length == 0, 1.0, length))


def density_on_disc(middle: Float64[Array, "*shape"], radius: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
    """The largest |exp(−z²/2)|/√2π on a disc."""
    return np.exp(-least_square(middle, radius) / 2) / SQRT_TAU


class Sampled(NamedTuple):
    """φ at the nodes of stretches: z, x = m + d z, Gauss–Legendre weights (without density), φ, its rounding error."""

    z: Array
    x: Array
    weights: Array
    values: Array


def _nodes(
    stretches: Cut, laws: Laws
) -> tuple[Float64[Array, "stretches nodes"], Float64[Array, "stretches nodes"], Float64[Array, "stretches nodes"]]:
    t, weights = LEGENDRE
    z = stretches.middle[:, None] + stretches.half[:, None] * t
    m, d = laws.take(stretches.law)
    return z, m[:, None] + d[:, None] * z, stretches.half[:, None] * weights


def _inexact(
    laws: Laws, law: Int64[Integers, "stretches"], z: Float64[Array, "stretches nodes"]
) -> Float64[Array, "stretches nodes"]:
    """The rounding error of m + d z."""
    m, d = laws.take(law)
    return 2.0**-51 * (np.abs(m)[:, None] + d[:, None] * np.abs(z))


def _total(
    per_stretch: Float64[Array, "stretches"], law: Int64[Integers, "stretches"], count: int
) -> Float64[Array, "laws"]:
    return np.asarray(np.bincount(law, per_stretch, count), dtype=float)  # without stretches NumPy returns integers


def _beyond(pieces: Pieces, laws: Laws, power: int, rate: float, start: float = REACH) -> Float64[Array, "laws"]:
    """A bound of ∫ |φ|ᵖ exp(−rate z²)/√2π dz over `start` < |z| < FAR."""
    shells = np.geomspace(start, FAR, math.ceil(math.log(FAR / start) / math.log(OUTWARDS)) + 1)
    masses = np.exp(-rate * shells[:-1] ** 2) / (rate * shells[:-1]) / SQRT_TAU
    shares = (pieces.within(laws.reach(far)) ** power * mass for far, mass in zip(shells[1:], masses, strict=True))
    return np.asarray(sum(shares))


class Line(NamedTuple):
    """E[φ zᵈ], its error, and E|φ zᵈ|."""

    value: Float64[Array, "laws"]
    error: Float64[Array, "laws"]
    size: Float64[Array, "laws"]


def _gauss(
    bound: Float64[Array, "stretches"], kappa: Float64[Array, "stretches"], stretches: Cut, longest_radius: float
) -> Float64[Array, "stretches"]:
    """The Gauss–Legendre error on each stretch, if `bound` times the normal density bounds the integrand on a disc."""
    kappa = np.minimum(kappa, np.maximum(WIDENING, longest_radius / np.maximum(stretches.half, 1e-300)))
    radius = kappa * stretches.half
    return stretches.half * bound * gauss_error(kappa) * density_on_disc(stretches.middle, radius)


def _mass(stretches: Cut) -> Float64[Array, "stretches"]:
    """An upper bound of the probability of each stretch."""
    return 2 * stretches.half * density_on_disc(stretches.middle, stretches.half) * (1 + 1e-9)


def _unresolved(
    analytic: Bool[Booleans, "stretches"],
    width: Float64[Array, "stretches"],
    smooth: Float64[Array, "stretches"],
    stretches: Cut,
) -> Float64[Array, "stretches"]:
    """The error on each stretch: `smooth` where φ is analytic, otherwise the width of φ's range times its mass."""
    with np.errstate(invalid="ignore"):
        rough = np.where(width == 0, 0.0, width * _mass(stretches))
    return np.where(analytic, smooth, rough)


def in_parts(places: Int64[Integers, "laws"], pieces: int) -> list[Int64[Integers, "some"]]:
    """Indices of laws in groups that fit into memory, if each law is cut into this number of pieces."""
    most = max(1, min(LAWS_AT_ONCE, NODES_AT_ONCE // (NODES * pieces)))
    return np.array_split(places, math.ceil(len(places) / most))


def line(phi: Known, laws: Laws, degree: int) -> Line:
    """E[φ(m + d z) zᵈᵉᵍʳᵉᵉ] for each law, computed for a group of laws at a time."""
    parts = [_line(phi, laws.take(at), degree) for at in in_parts(np.arange(len(laws.mean)), len(phi.pieces.half))]
    return Line(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _line(phi: Known, laws: Laws, degree: int) -> Line:
    stretches, count = cut(phi.pieces, laws, REACH, 2.4), len(laws.mean)
    z, x, weights = _nodes(stretches, laws)
    values, pieces = phi.values(x), phi.pieces
    weights = weights * np.exp(-z * z / 2) / SQRT_TAU * z**degree
    value = _total((weights * values).sum(1), stretches.law, count)
    size = _total(np.abs(weights * values).sum(1), stretches.law, count)
    noise = np.abs(weights) * phi.noise(x, _inexact(laws, stretches.law, z))
    outer = (np.abs(stretches.middle) + 5) ** degree
    bound, still = pieces.bound[stretches.piece], (laws.deviation == 0)[stretches.law]
    bound = np.where(still, pieces.most[stretches.piece], bound)
    smooth = _gauss(bound * outer, ellipse(pieces, laws, stretches), stretches, 4.0)
    width = (pieces.hi - pieces.lo)[stretches.piece] * outer
    error = _unresolved(np.isfinite(bound), width, smooth + noise.sum(1), stretches)
    beyond = _beyond(pieces, laws, 1, 0.5) * (FAR if degree else 1)
    return Line(value, _total(error, stretches.law, count) + beyond + ROUNDING * size, size)


# --- Mehler's formula ----------------------------------------------------------------------------------


class Expansion(NamedTuple):
    """φ = Σ a_k he_k, for each law.

    Attributes:
        coefficients: The a_k.
        norm: ‖φ‖ = √E φ².
        missed: The norm of the remainder.
        error: The error of all coefficients together, in the ℓ² norm.
        noise: The rounding error of φ, in L².
    """

    coefficients: Float64[Array, "terms laws"]
    norm: Float64[Array, "laws"]
    missed: Float64[Array, "laws"]
    error: Float64[Array, "laws"]
    noise: Float64[Array, "laws"]

    def take(self, places: Int64[Integers, "some"]) -> Expansion:
        """The expansions for some of the laws, without coefficients."""
        return Expansion(self.coefficients[:0], *(part[places] for part in self[1:]))


LONGEST = 0.66
"""The largest length of stretches for Hermite polynomials, the last of which has the wave number √TERMS = 20."""


def expand(phi: Known, laws: Laws) -> Expansion:
    """The expansion of φ under each law, computed for a group of laws at a time."""
    count = len(laws.mean)
    parts = [_expand(phi, laws.take(at)) for at in in_parts(np.arange(count), len(phi.pieces.half))]
    return Expansion(*(np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)))


def _expand(phi: Known, laws: Laws) -> Expansion:
    stretches, count = cut(phi.pieces, laws, REACH, LONGEST), len(laws.mean)
    z, x, weights = _nodes(stretches, laws)
    values = phi.values(x)
    half_density = np.exp(-z * z / 4)
    coefficients = _coefficients(z, values * weights * half_density / SQRT_TAU, half_density, stretches.law, count)
    weights = weights * half_density**2 / SQRT_TAU
    energy = _total((weights * values**2).sum(1), stretches.law, count)
    known_to_range = np.isinf(phi.pieces.bound)[stretches.piece]  # there the range bounds rounding errors too
    noise = np.where(known_to_range[:, None], 0.0, phi.noise(x, _inexact(laws, stretches.law, z)))
    off = np.sqrt(_total((weights * noise**2).sum(1), stretches.law, count))
    energy_error, error = _expansion_errors(phi.pieces, laws, stretches)
    norm = np.sqrt(energy + energy_error)
    error = error + off + ROUNDING / 4 * norm
    energy_error = energy_error + 2 * norm * off + ROUNDING / 4 * energy
    rest = np.maximum(energy - (coefficients**2).sum(0), 0)
    missed = np.sqrt(rest + energy_error + 2 * error * norm + error**2)
    return Expansion(coefficients, norm, missed, error, off)


def _coefficients(
    z: Float64[Array, "stretches nodes"],
    weighted: Float64[Array, "stretches nodes"],
    half_density: Float64[Array, "stretches nodes"],
    law: Int64[Integers, "stretches"],
    count: int,
) -> Float64[Array, "terms laws"]:
    """Σ w φ he_k; the recurrence is run on he_k(z) e^{−z²/4}, which neither overflows nor loses small values."""
    firsts = np.flatnonzero(np.diff(law, prepend=-1)) * NODES
    z, weighted, before, now = z.ravel(), weighted.ravel(), np.zeros(z.size), half_density.ravel()
    made = np.empty((TERMS, count))
    for k in range(TERMS):
        made[k] = np.add.reduceat(weighted * now, firsts)
        before, now = now, (z * now - math.sqrt(k) * before) / math.sqrt(k + 1)
    return made


def _expansion_errors(
    pieces: Pieces, laws: Laws, stretches: Cut
) -> tuple[Float64[Array, "laws"], Float64[Array, "laws"]]:
    """The errors of ‖φ‖² and of all coefficients together.

    By Minkowski's inequality, (Σ_k |error of a_k|²)^½ is at most a sum over the stretches. On a disc, for any r < 1,
    (Σ_{k<K} |he_k(x + iy)|²)^½ ≤ r^{−K/2} (1 − r²)^{−¼} exp(x² r/(2(1 + r)) + y² r/(2(1 − r))), by Mehler's formula for
    he_k at z and its conjugate.
    """
    count, kappa = len(laws.mean), ellipse(pieces, laws, stretches)
    still = (laws.deviation == 0)[stretches.law]
    bound = np.where(still, pieces.most[stretches.piece], pieces.bound[stretches.piece])
    most = pieces.most[stretches.piece]
    width = np.where(still, 0.0, (pieces.hi - pieces.lo)[stretches.piece])
    analytic = np.isfinite(bound)
    energy = _unresolved(analytic, 2 * most * width, _gauss(bound**2, kappa, stretches, 4.0), stretches)
    kappa = np.minimum(kappa, 2.5)
    radius = kappa * stretches.half
    near = np.maximum(np.abs(stretches.middle) - radius, 0)
    on_disc = _hermites(radius / math.sqrt(TERMS)) * _decay(near, radius, radius / math.sqrt(TERMS))
    smooth = stretches.half * bound * gauss_error(kappa) * on_disc
    near = np.maximum(np.abs(stretches.middle) - stretches.half, 0)
    on_line = _hermites(np.asarray(1 / TERMS)) * _decay(near, np.zeros(1), np.asarray(1 / TERMS))
    with np.errstate(invalid="ignore"):
        rough = np.where(width == 0, 0.0, width * 2 * stretches.half * on_line)
    tail = _beyond(pieces, laws, 1, 0.25) * _hermites(np.asarray(1 / TERMS)) * 1.001
    coefficients = _total(np.where(analytic, smooth, rough), stretches.law, count) + tail
    return _total(energy, stretches.law, count) + _beyond(pieces, laws, 2, 0.5), coefficients


def _hermites(loss: Array | float) -> Array:
    """r^{−K/2} (1 − r²)^{−¼}/√2π for r = 1 − loss."""
    r = 1 - np.clip(loss, 1e-4, 0.5)
    return np.asarray(np.exp(-TERMS / 2 * np.log(r)) * (1 - r * r) ** -0.25 / SQRT_TAU)


def _decay(
    x: Float64[Array, "stretches"], y: Float64[Array, "#stretches"], loss: Array | float
) -> Float64[Array, "stretches"]:
    """An upper bound of |exp(−z²/2)| exp(x² r/(2(1 + r)) + y² r/(2(1 − r))) for r = 1 − loss and z = x + iy."""
    r = 1 - np.clip(loss, 1e-4, 0.5)
    return np.asarray(np.exp(-(x**2) / (2 * (1 + r)) + y**2 / (2 * (1 - r))))


def mehler(
    phi: Expansion,
    at_x: Int64[Integers, "pairs"],
    psi: Expansion,
    at_y: Int64[Integers, "pairs"],
    correlation: Float64[Array, "pairs"],
) -> Line:
    """Σ_k ρᵏ a_k b_k, for the laws with indices `at_x` in one expansion and `at_y` in the other."""
    value = np.zeros_like(correlation)
    for a, b in zip(phi.coefficients[::-1], psi.coefficients[::-1], strict=True):
        value = value * correlation + a[at_x] * b[at_y]
    x, y = phi.take(at_x), psi.take(at_y)
    rest, size = np.abs(correlation) ** TERMS * x.missed * y.missed, x.norm * y.norm
    return Line(value, rest + x.error * y.norm + x.norm * y.error + x.error * y.error + ROUNDING * size, size)
