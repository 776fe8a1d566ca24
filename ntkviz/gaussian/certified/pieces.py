"""The x axis cut into pieces, on each of which a nonlinearity is nearly a polynomial or may not be analytic.

A piece is accepted if the continuation of φ to a disc of twice its half-width is not bounded by much more than φ on the
piece itself; otherwise it is halved. This gives the Gauss–Legendre error on the piece and on any part of it
(`gauss_error`), as in the self-validating adaptive integration of Petras (2002) and Johansson (2018). Pieces with a
kink, a jump or a pole are never accepted, so that bisection isolates these; then pieces end there.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from ntkviz.gaussian.certified.enclosures import Traced
from ntkviz.gaussian.certified.functions import Array, Integers

NODES = 20
"""The number of Gauss–Legendre nodes on each piece."""
WIDENING = 2.0
"""The radius of the disc on which φ is bounded, in half-widths of its piece.

The disc contains an ellipse with ρ = 2 + √3, for which (ρ⁻²)¹⁹ = 2e-22.
"""
MOST_GROWTH = 1e5
"""The largest bound of φ on the disc, relative to φ on the piece, for which that error is small enough."""
LEAST_NOISE = 1e18
"""The same relative to φ's rounding errors: a smaller bound would gain nothing."""
MOST_PIECES = 2**15
SMALLEST = 1e-300
"""Numbers closer to 0 form a single piece."""
SAMPLES = np.array([-0.9, -0.5, 0.0, 0.5, 0.9])
OUTWARDS = 1.05
"""The ratio of successive intervals beyond the pieces, where only the range is known."""


class Pieces(NamedTuple):
    """The pieces, with bounds of φ.

    Attributes:
        edges: The ends of the n pieces, ascending, (n + 1,).
        lo: The lower end of φ's range on each piece, (n,).
        hi: The upper end, (n,).
        bound: A bound of |φ| on the disc of each piece; infinite if φ may not be analytic there, (n,).
        inner: The distances of the pieces from 0, ascending, (n,).
        most_so_far: A bound of |φ| on all pieces up to that distance, (n,).
        outwards: Distances from 0 that continue beyond the pieces, where intervals on both sides begin, ascending.
        envelope: A bound of |φ| on all of these intervals up to each.
    """

    edges: Float64[Array, "ends"]
    lo: Float64[Array, "pieces"]
    hi: Float64[Array, "pieces"]
    bound: Float64[Array, "pieces"]
    inner: Float64[Array, "pieces"]
    most_so_far: Float64[Array, "pieces"]
    outwards: Float64[Array, "intervals"]
    envelope: Float64[Array, "intervals"]

    @property
    def centre(self) -> Float64[Array, "pieces"]:
        return (self.edges[1:] + self.edges[:-1]) / 2

    @property
    def half(self) -> Float64[Array, "pieces"]:
        return (self.edges[1:] - self.edges[:-1]) / 2

    @property
    def most(self) -> Float64[Array, "pieces"]:
        """A bound of |φ| on each piece."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    @property
    def breaks(self) -> Int64[Integers, "breaks"]:
        """The indices of the pieces on which φ may not be analytic."""
        return np.flatnonzero(~np.isfinite(self.bound))

    def within(self, reach: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
        """A bound of |φ| on [−reach, reach]; infinite beyond the last interval."""
        of_pieces = self.most_so_far[np.searchsorted(self.inner, reach, "right") - 1]
        of_intervals = self.envelope[np.searchsorted(self.outwards, reach, "right") - 1]
        return np.where(reach <= self.edges[-1], np.minimum(of_pieces, of_intervals), of_intervals)


def find_pieces(traced: Traced, theta: tuple[float, ...], reach: float) -> Pieces:
    """The pieces of φ(·; θ) on [−2ᵏ, 2ᵏ], the smallest such interval that contains [−reach, reach]."""
    return _find_pieces(traced, theta, 2.0 ** np.ceil(np.log2(max(reach, 1.0))))


@functools.lru_cache(maxsize=256)
def _find_pieces(traced: Traced, theta: tuple[float, ...], reach: float) -> Pieces:
    about = np.concatenate([np.geomspace(SMALLEST, reach * 2.0**-8, 2), reach * 2.0 ** np.arange(-7.0, 1)])
    edges = np.concatenate([-about[::-1], about])
    pieces = _halved(traced, theta, edges)
    breaks = [(a, b) for a, b in _joined(pieces) if a > -SMALLEST or b < SMALLEST]
    if breaks:
        ends = np.unique(np.ravel(breaks))
        inside = np.zeros(len(edges), bool)
        for a, b in breaks:
            inside |= (edges > a) & (edges < b)
        pieces = _halved(traced, theta, np.unique(np.concatenate([edges[~inside], ends])))
    start, stop, lo, hi, bound = pieces
    near = np.where((start < 0) & (stop > 0), 0.0, np.minimum(np.abs(start), np.abs(stop)))
    order = np.argsort(near)
    most = np.maximum.accumulate(np.maximum(np.abs(lo), np.abs(hi))[order])
    outwards = np.append(0.0, reach * OUTWARDS ** np.arange(-100.0, 30))
    sides = [_range(traced, theta, s * outwards[:-1], s * outwards[1:]) for s in (1, -1)]
    largest = np.maximum(*(np.maximum(np.abs(a), np.abs(b)) for a, b in sides))
    envelope = np.append(np.maximum.accumulate(largest), np.inf)
    return Pieces(np.append(start, stop[-1]), lo, hi, bound, near[order], most, outwards, envelope)


def _range(
    traced: Traced, theta: tuple[float, ...], a: Float64[Array, "intervals"], b: Float64[Array, "intervals"]
) -> tuple[Float64[Array, "intervals"], Float64[Array, "intervals"]]:
    lo, hi = np.minimum(a, b), np.maximum(a, b)
    found = traced.cells(lo, hi, (lo + hi) / 2, np.full_like(lo, np.inf), *map(np.asarray, theta))
    return found.lo, found.hi


def _halved(
    traced: Traced, theta: tuple[float, ...], edges: Float64[Array, "ends"]
) -> tuple[Float64[Array, "pieces"], ...]:
    """The starts, ends, ranges and bounds of pieces: the given ones, halved until they are accepted or tiny."""
    constants = tuple(map(np.asarray, theta))
    a, b, done = edges[:-1], edges[1:], []
    finished = 0
    while len(a):
        c, h = a + (b - a) / 2, (b - a) / 2
        found = traced.cells(a, b, c, WIDENING * h * (1 + 1e-12), *constants)
        bound = np.abs(found.centre) + found.radius
        samples = np.abs(traced.values((c + h * SAMPLES[:, None]).ravel(), *constants).reshape(len(SAMPLES), -1))
        undefined = np.isnan(samples).all(0)
        noise = _noise(traced, c, constants)
        good = bound <= MOST_GROWTH * samples.max(0, initial=0, where=~np.isnan(samples)) + LEAST_NOISE * noise
        tiny = h <= 64 * np.spacing(np.maximum(np.abs(a), np.abs(b))) + SMALLEST
        ends = good | tiny | undefined | (finished + len(a) > MOST_PIECES)
        bound = np.where(good, bound, np.inf)
        done.append([part[ends] for part in (a, b, found.lo, found.hi, np.where(undefined, np.nan, bound))])
        finished += int(ends.sum())
        a, b, c = a[~ends], b[~ends], c[~ends]
        a, b = np.concatenate([a, c]), np.concatenate([c, b])
    parts = [np.concatenate(column) for column in zip(*done, strict=True)]
    order = np.argsort(parts[0])
    return tuple(part[order] for part in parts)


def _noise(traced: Traced, x: Float64[Array, "pieces"], theta: tuple[Array, ...]) -> Float64[Array, "pieces"]:
    """The rounding error of φ(x)."""
    found = traced.cells(x, x, x, np.full_like(x, np.inf), *theta)
    return np.asarray(np.minimum(found.hi - found.lo, np.abs(found.hi) + np.abs(found.lo)) + SMALLEST)


def _joined(pieces: tuple[Float64[Array, "pieces"], ...]) -> list[tuple[float, float]]:
    """The intervals that contain breaks: pieces that were not accepted, with adjacent ones joined."""
    start, stop, *_, bound = pieces
    joined: list[tuple[float, float]] = []
    for a, b in zip(start[np.isinf(bound)], stop[np.isinf(bound)], strict=True):
        if joined and joined[-1][1] == a:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def first_jump(traced: Traced, theta: tuple[float, ...], reach: float) -> float | None:
    """The jump of φ on [−reach, reach] that is closest to 0; `None` if its one-sided limits agree everywhere."""
    jumps = all_jumps(traced, theta, reach)
    return float(np.mean(min(jumps, key=lambda ends: abs(sum(ends))))) if jumps else None


def all_jumps(traced: Traced, theta: tuple[float, ...], reach: float) -> list[tuple[float, float]]:
    """Tiny intervals that contain all points of [−reach, reach] where φ's limits from left and right differ."""
    pieces = find_pieces(traced, theta, reach)
    breaks = _joined((pieces.edges[:-1], pieces.edges[1:], pieces.bound))
    if not breaks:
        return []
    ends = np.array(breaks)
    left, right = traced.values(ends.ravel(), *map(np.asarray, theta)).reshape(-1, 2).T
    apart = np.abs(right - left) > SAME_LIMIT * (np.abs(left) + np.abs(right)) + STEEPEST * (ends[:, 1] - ends[:, 0])
    return [(float(a), float(b)) for a, b in ends[apart]]


SAME_LIMIT, STEEPEST = 1e-7, 1e6
"""Limits count as equal if they differ by less than this relatively, or by less than a slope of this would explain."""


def gauss_error(ellipse: Float64[Array, "*shape"], nodes: int = NODES) -> Float64[Array, "*shape"]:
    """The error of `nodes` Gauss–Legendre nodes on [−1, 1], relative to a bound of the integrand on an ellipse.

    The ellipse has the foci ±1 and the major semi-axis κ = `ellipse`, so its semi-axes add up to ρ = κ + √(κ² − 1)
    (Trefethen, Approximation Theory and Approximation Practice, Theorem 19.3).
    """
    kappa = np.maximum(ellipse, 1.0)
    rho = kappa + np.sqrt(kappa**2 - 1)
    with np.errstate(divide="ignore"):
        error = 64 / 15 * rho ** (-2.0 * (nodes - 1)) / np.maximum(1 - rho**-2.0, 0)
    return np.asarray(error)
