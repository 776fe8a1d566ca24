"""E[φ(x) ψ(y)] on pieces: by Mehler's formula where it is accurate enough, otherwise by nested integrals.

The outer one is over x, the inner one over y given x.
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float64, Int64

from ntkviz.gaussian.certified.adaptive import (
    NODES_AT_ONCE,
    REACH,
    ROUNDING,
    SQRT_TAU,
    Cut,
    Expansion,
    Known,
    Laws,
    Line,
    _beyond,
    _gauss,
    _inexact,
    _mass,
    _nodes,
    _total,
    _unresolved,
    cut,
    ellipse,
    expand,
    in_parts,
    mehler,
    met,
)  # fmt: skip
from ntkviz.gaussian.certified.functions import Array, Booleans, Integers
from ntkviz.gaussian.certified.pieces import NODES, WIDENING, Pieces

ENOUGH = 1e-12
"""An error of Mehler's formula, relative to ‖φ‖‖ψ‖, that is small enough."""
INNER_REACH, INNER_LONGEST = 9.0, 3.0
BUDGET = 2**27
"""The largest number of function values in one call; when it is spent, pairs keep the result of Mehler's formula."""
CHUNK, PAIRS_AT_ONCE = 2**20, 64
NEGLIGIBLE = 1e-18
"""Stretches that contribute less than this, relative to ‖φ‖‖ψ‖, are added to the error instead of the value."""


def pairs(
    phi: Known, psi: Known, x: Laws, y: Laws, correlation: Float64[Array, "laws"], sine: Float64[Array, "laws"]
) -> Line:
    """E[φ(x) ψ(y)] for laws and correlations ρ, (n,); `sine` is √(1 − ρ²), which must be zero only for ρ = ±1.

    For a function with itself, pass the same object as φ and ψ.
    """
    laws_x, at_x, laws_y, at_y, same = _numbered(phi, psi, x, y)
    keys = np.stack([at_x, at_y, correlation, sine])
    (at_x, at_y, correlation, sine), which = np.unique(keys, axis=1, return_inverse=True)
    at_x, at_y = at_x.astype(int), at_y.astype(int)
    expansion = expand(phi, laws_x)
    other = expansion if same else expand(psi, laws_y)
    found = mehler(expansion, at_x, other, at_y, correlation)
    laws = laws_x.take(at_x), laws_y.take(at_y)
    _improved(found, phi, psi, *laws, correlation, sine, expansion.take(at_x), other.take(at_y))
    return Line(*(part[which.reshape(-1)] for part in found))


def _numbered(
    phi: Known, psi: Known, x: Laws, y: Laws
) -> tuple[Laws, Int64[Integers, "pairs"], Laws, Int64[Integers, "pairs"], bool]:
    """The distinct laws, the indices of those of x and y, and whether φ and ψ are the same object.

    If they are, the indices of each pair are sorted, since E[φ(x)φ(y)] = E[φ(y)φ(x)].
    """
    if phi is not psi:
        (laws_x, at_x), (laws_y, at_y) = _unique(x), _unique(y)
        return laws_x, at_x, laws_y, at_y, False
    laws, places = _unique(Laws(*(np.concatenate(both) for both in zip(x, y, strict=True))))
    first, second = np.split(places, 2)
    return laws, np.minimum(first, second), laws, np.maximum(first, second), True


def _unique(laws: Laws) -> tuple[Laws, Int64[Integers, "laws"]]:
    rows, places = np.unique(np.stack(laws), axis=1, return_inverse=True)
    return Laws(*rows), places.reshape(-1)


def _improved(
    found: Line,
    phi: Known,
    psi: Known,
    x: Laws,
    y: Laws,
    correlation: Float64[Array, "laws"],
    sine: Float64[Array, "laws"],
    of_x: Expansion,
    of_y: Expansion,
) -> None:
    """Improve, in place, the values and errors for which Mehler's formula is not accurate enough."""
    poor = ~(found.error <= ENOUGH * found.size)
    at = np.flatnonzero(poor & (sine == 0))
    if len(at):
        for some in in_parts(at, len(phi.pieces.half) + len(psi.pieces.half)):
            _put(found, some, diagonal(phi, psi, x.take(some), y.take(some), correlation[some]))
    rest = np.flatnonzero(poor & (sine > 0))
    if not len(rest):
        return
    plane = Plane(phi, psi, float(np.max(of_x.norm)), float(np.max(of_y.norm)))
    for at in np.array_split(rest, math.ceil(len(rest) / PAIRS_AT_ONCE)):
        tail = np.sqrt(_beyond(phi.pieces, x.take(at), 2, 0.5)) * of_y.norm[at]
        outside = tail + of_x.norm[at] * of_y.noise[at]
        _put(found, at, plane(x.take(at), y.take(at), correlation[at], sine[at], outside))


def _put(found: Line, at: Int64[Integers, "some"], other: Line) -> None:
    better = ~(other.error >= found.error[at])
    for part, new in zip(found[:2], other[:2], strict=True):
        part[at[better]] = new[better]


# --- correlation ±1 --------------------------------------------------------------------------------------


def diagonal(phi: Known, psi: Known, x: Laws, y: Laws, sign: Float64[Array, "laws"]) -> Line:
    """E[φ(m + d z) ψ(m̄ ± d̄ z)] by a single integral, cut at the ends of the pieces of both functions."""
    count = len(sign)
    mirrored = Laws(y.mean, y.deviation * np.sign(sign))
    law, start, stop = _both_cut(cut(phi.pieces, x, REACH, 2.4), cut(psi.pieces, y, REACH, 2.4), sign)
    sides = [(f, laws, _placed(f.pieces, laws, law, start, stop)) for f, laws in ((phi, x), (psi, mirrored))]
    stretches = sides[0][2]
    z, _, weights = _nodes(stretches, x)
    weights = weights * np.exp(-z * z / 2) / SQRT_TAU
    value, kappa = weights, np.full(len(law), np.inf)
    bound, most = np.ones((2, len(law)))
    noises = []
    for f, laws, placed in sides:
        values = f.values(_nodes(placed, laws)[1])
        noise = f.noise(_nodes(placed, laws)[1], _inexact(Laws(laws.mean, np.abs(laws.deviation)), law, z))
        value = value * values
        noises.append((np.abs(values), noise))
        still = (laws.deviation == 0)[law]
        bound = bound * np.where(still, f.pieces.most[placed.piece], f.pieces.bound[placed.piece])
        most = most * _about(f.pieces, placed.piece)
        kappa = np.minimum(kappa, ellipse(f.pieces, Laws(laws.mean, np.abs(laws.deviation)), _signed(placed, laws)))
    (a, da), (b, db) = noises
    noise = (weights * (da * (b + db) + a * db)).sum(1)
    size = _total(np.abs(value).sum(1), law, count)
    smooth = _gauss(bound, kappa, stretches, 4.0) + noise
    error = _unresolved(np.isfinite(bound) & (kappa >= 1.5), 2 * most, smooth, stretches)
    tails = np.sqrt(_beyond(phi.pieces, x, 2, 0.5) * _beyond(psi.pieces, y, 2, 0.5))
    return Line(_total(value.sum(1), law, count), _total(error, law, count) + tails + ROUNDING * size, size)


def _signed(placed: Cut, laws: Laws) -> Cut:
    """The stretches, reflected to −z where the deviation is negative."""
    flip = np.where(laws.deviation < 0, -1.0, 1.0)[placed.law]
    ends = flip * placed.start, flip * placed.stop
    return placed._replace(start=np.minimum(*ends), stop=np.maximum(*ends))


def _both_cut(
    first: Cut, second: Cut, sign: Float64[Array, "laws"]
) -> tuple[Int64[Integers, "stretches"], Float64[Array, "stretches"], Float64[Array, "stretches"]]:
    """The laws, starts and stops of the common refinement of two sets of stretches."""
    flip = np.where(sign < 0, -1.0, 1.0)[second.law]
    law = np.concatenate([first.law, first.law, second.law, second.law])
    z = np.concatenate([first.start, first.stop, flip * second.start, flip * second.stop])
    order = np.lexsort((z, law))
    law, z = law[order], z[order]
    real = (law[1:] == law[:-1]) & (z[1:] > z[:-1])
    return law[:-1][real], z[:-1][real], z[1:][real]


def _placed(
    pieces: Pieces,
    laws: Laws,
    law: Int64[Integers, "stretches"],
    start: Float64[Array, "stretches"],
    stop: Float64[Array, "stretches"],
) -> Cut:
    m, d = laws.take(law)
    piece = np.searchsorted(pieces.edges, m + d * (start + stop) / 2, "right") - 1
    return Cut(law, start, stop, np.clip(piece, 0, len(pieces.half) - 1))


def _about(pieces: Pieces, piece: Int64[Integers, "stretches"]) -> Float64[Array, "stretches"]:
    """A bound of |φ| on a piece and its neighbours, since rounding may have selected the wrong one of them."""
    last = len(pieces.half) - 1
    return np.asarray(np.max([pieces.most[np.clip(piece + k, 0, last)] for k in (-1, 0, 1)], axis=0))


# --- the plane -------------------------------------------------------------------------------------------


class _Extremes:
    """The minimum (or maximum) over runs of consecutive entries, from a table for runs of 1, 2, 4, … entries."""

    def __init__(self, values: Float64[Array, "pieces"], of: np.ufunc):
        self.of, self.table = of, [values]
        while len(self.table[-1]) > 2 ** (len(self.table) - 1):
            step, last = 2 ** (len(self.table) - 1), self.table[-1]
            self.table.append(of(last[:-step], last[step:]))

    def __call__(self, first: Int64[Integers, "runs"], last: Int64[Integers, "runs"]) -> Float64[Array, "runs"]:
        level = np.log2(last - first + 1).astype(int)
        out = np.empty(len(first))
        for k in np.unique(level):
            at = level == k
            out[at] = self.of(self.table[k][first[at]], self.table[k][last[at] - 2**k + 1])
        return out


class Plane:
    """∫ φ(x) g(x) N(x) dx with g(x) = E[ψ(y) | x], by Gauss–Legendre on stretches on which both are analytic.

    g is entire. The better of two bounds of it on a disc of radius R in z is used. Let t = ρR, a bound of the imaginary
    part of y's mean, and s the conditional standard deviation. First, |N| grows by at most exp(t²/2s²). Second, if ψ
    itself is analytic up to that height at all relevant y, the path of integration over y can be moved there.
    """

    def __init__(self, phi: Known, psi: Known, norm: float, norm_psi: float):
        self.phi, self.psi = phi, psi
        self.least = NEGLIGIBLE * norm * norm_psi, NEGLIGIBLE * norm_psi
        pieces = psi.pieces
        strip = math.sqrt(WIDENING**2 - 1) * pieces.half
        self.strip = _Extremes(np.where(np.isfinite(pieces.bound), strip, 0.0), np.minimum)
        self.bound = _Extremes(pieces.bound, np.maximum)
        self.left = BUDGET

    def __call__(
        self,
        x: Laws,
        y: Laws,
        correlation: Float64[Array, "laws"],
        sine: Float64[Array, "laws"],
        outside: Float64[Array, "laws"],
    ) -> Line:
        count, phi = len(sine), self.phi.pieces
        given = Laws(y.mean, y.deviation * correlation), y.deviation * sine
        stretches, inner_bound = self._stretches(x, *given, correlation / sine)
        value, size, error = (np.zeros(count) for _ in range(3))
        most = phi.most[stretches.piece] * self._size(*self._means(stretches, *given)) * _mass(stretches)
        little = most <= self.least[0]
        error += _total(most[little], stretches.law[little], count)
        stretches, inner_bound = stretches.take(~little), inner_bound[~little]
        some = max(1, CHUNK // (8 * NODES**2))
        for at in range(0, len(stretches.law), some):
            part, bound = stretches.take(np.arange(at, min(at + some, len(stretches.law)))), inner_bound[at : at + some]
            found = self._sums(part, bound, x, *given) if self.left >= 0 else None
            if found is None or self.left < 0:  # the budget is spent
                return Line(value, np.full(count, np.inf), size)
            values, sizes, errors = found
            for whole, these in zip((value, size, error), (values, sizes, errors), strict=True):
                whole += _total(these, part.law, count)
        return Line(value, error + outside + ROUNDING * size, size)

    def _stretches(
        self, x: Laws, mean: Laws, deviation: Float64[Array, "laws"], steepness: Float64[Array, "laws"]
    ) -> tuple[Cut, Float64[Array, "stretches"]]:
        """Stretches of z, and for each a bound of g on the disc around it with a radius of `WIDENING` half-lengths."""
        todo, done, bounds = cut(self.phi.pieces, x, REACH, 2.4), [], []
        while len(todo.law):
            bound, good = self._inner(todo, mean, deviation, steepness)
            done.append(todo.take(good))
            bounds.append(bound[good])
            todo = todo.take(~good).divided(np.full((~good).sum(), 2))
            if sum(len(c.law) for c in done) * NODES**2 > self.left:
                self.left = -1
                break
        order = np.argsort(np.concatenate([c.law for c in done]), kind="stable")
        return Cut(*(np.concatenate(part)[order] for part in zip(*done, strict=True))), np.concatenate(bounds)[order]

    def _inner(
        self, stretches: Cut, mean: Laws, deviation: Float64[Array, "laws"], steepness: Float64[Array, "laws"]
    ) -> tuple[Float64[Array, "stretches"], Bool[Booleans, "stretches"]]:
        law, pieces = stretches.law, self.psi.pieces
        radius = WIDENING * stretches.half
        (m, slope), s = mean.take(law), deviation[law]
        centre, shift = m + slope * stretches.middle, np.abs(slope) * radius
        height = np.abs(steepness[law]) * radius
        grown = np.exp(np.minimum(height**2 / 2, 700))
        bound = grown * self._size(np.abs(centre) + shift, s)
        away = shift + np.sqrt(shift**2 + (9.5 * s) ** 2)
        last = len(pieces.half) - 1
        ends = (np.searchsorted(pieces.edges, centre + side * away) - 1 for side in (-1, 1))
        first, final = (np.clip(e, 0, last) for e in ends)
        final = np.maximum(first, final)
        inside = (centre - away >= pieces.edges[0]) & (centre + away <= pieces.edges[-1])
        free = inside & (shift <= self.strip(first, final))
        moved = self.bound(first, final) * 1.01 + 1e-15 * self._size(np.abs(centre) + shift, s)
        good = (height <= 5) | free
        return np.where(free, np.minimum(moved, bound), bound), good

    def _means(
        self, stretches: Cut, mean: Laws, deviation: Float64[Array, "laws"]
    ) -> tuple[Float64[Array, "stretches"], Float64[Array, "stretches"]]:
        """The largest |mean| of y given x on each stretch, and its standard deviation."""
        m, slope = mean.take(stretches.law)
        return np.abs(m + slope * stretches.middle) + np.abs(slope) * stretches.half, deviation[stretches.law]

    def _size(self, mean: Float64[Array, "laws"], deviation: Float64[Array, "laws"]) -> Float64[Array, "laws"]:
        """A bound of E|ψ(y)| for y with this mean and standard deviation."""
        laws = Laws(mean, deviation)
        return self.psi.pieces.within(laws.reach(INNER_REACH)) + _beyond(self.psi.pieces, laws, 1, 0.5, INNER_REACH)

    def _sums(
        self,
        stretches: Cut,
        inner_bound: Float64[Array, "stretches"],
        x: Laws,
        mean: Laws,
        deviation: Float64[Array, "laws"],
    ) -> tuple[Float64[Array, "stretches"], ...]:
        z, at, weights = _nodes(stretches, x)
        values = self.phi.values(at)
        weights = weights * np.exp(-z * z / 2) / SQRT_TAU
        (m, slope), s = mean.take(stretches.law), deviation[stretches.law]
        conditional = Laws((m[:, None] + slope[:, None] * z).ravel(), np.repeat(s, NODES))
        inner = self._given(conditional)
        g, g_error, g_size = (part.reshape(z.shape) for part in inner)
        noise = self.phi.noise(at, _inexact(x, stretches.law, z))
        phi = self.phi.pieces
        bound = phi.bound[stretches.piece]
        width = (phi.hi - phi.lo)[stretches.piece]
        kappa = np.minimum(ellipse(phi, x, stretches), WIDENING)
        outer = _gauss(bound * inner_bound, kappa, stretches, 0.0)
        rough = width * inner_bound
        smooth = outer + (weights * noise * g_size).sum(1)
        error = _unresolved(np.isfinite(bound), rough, smooth, stretches)
        error += (weights * np.abs(values) * g_error).sum(1)
        return (weights * values * g).sum(1), (weights * np.abs(values) * g_size).sum(1), error

    def _given(self, laws: Laws) -> Line:
        """E[ψ(y)] for many laws of y; the error is infinite if the budget is spent.

        The rounding errors of ψ are not included; `ROUNDING` covers them.
        """
        first, final = met(self.psi.pieces, laws, INNER_REACH)
        parts = np.cumsum(final - first + 1) * NODES // NODES_AT_ONCE
        found = []
        for at in np.split(np.arange(len(parts)), np.flatnonzero(np.diff(parts)) + 1):
            if self.left < 0:
                return Line(np.zeros(len(parts)), np.full(len(parts), np.inf), np.zeros(len(parts)))
            found.append(self._given_some(laws.take(at)))
        return Line(*(np.concatenate(part) for part in zip(*found, strict=True)))

    def _given_some(self, laws: Laws) -> Line:
        pieces, count = self.psi.pieces, len(laws.mean)
        stretches = cut(pieces, laws, INNER_REACH, INNER_LONGEST)
        most = pieces.most[stretches.piece] * _mass(stretches)
        little = most <= self.least[1]
        beyond = _beyond(pieces, laws, 1, 0.5, INNER_REACH) + _total(most[little], stretches.law[little], count)
        stretches = stretches.take(~little)
        self.left -= len(stretches.law) * NODES
        z, y, weights = _nodes(stretches, laws)
        terms = self.psi.values(y) * weights * np.exp(-z * z / 2) / SQRT_TAU
        bound = pieces.bound[stretches.piece]
        smooth = _gauss(bound, ellipse(pieces, laws, stretches), stretches, 4.0)
        error = _unresolved(np.isfinite(bound), (pieces.hi - pieces.lo)[stretches.piece], smooth, stretches)
        return Line(
            _total(terms.sum(1), stretches.law, count),
            _total(error, stretches.law, count) + beyond,
            _total(np.abs(terms).sum(1), stretches.law, count),
        )
