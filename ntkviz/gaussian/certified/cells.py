"""Enclosures: the range of a number over an interval of x, and that of its continuation to a complex disc around it.

A `Cell` encloses a number that depends on x, for *all* x of an interval, and its analytic continuation for all x of a
disc around that interval. Ranges are computed in interval arithmetic (Moore 1966), the continuation in circular
arithmetic (Gargantini and Henrici 1972), with real centres, since every function is real on the real axis. All bounds
are rounded outwards.

Where a branch is undecided on the interval, only the range is known and the disc is infinite, since the function may
have a kink or a jump there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ntkviz.gaussian.certified.functions import FUNCTIONS, Array, Booleans, Function, Integers

ROUND = 2.0**-50
"""A bound of the relative error of NumPy's and SciPy's functions."""
_tags = itertools.count(1)
Rearrangement = Callable[[NDArray[Any]], NDArray[Any]]


class Cell(NamedTuple):
    """Arrays of one shape, whose first axis runs over cells, or has length 1 for a number that is the same in all.

    Attributes:
        lo: The lower end of the range over the interval.
        hi: The upper end.
        centre: The centre of a disc that contains the continuation.
        radius: The radius of the disc.
        tag: The identity of the number; equal tags mean equal numbers.
        excess: The difference from another number, if that is known more precisely than both.
    """

    lo: Array
    hi: Array
    centre: Array
    radius: Array
    tag: Integers
    excess: Excess | None = None

    def map(self, change: Rearrangement) -> Cell:
        """The cells with all arrays rearranged."""
        excess = None if self.excess is None else Excess(change(self.excess.over), self.excess.amount.map(change))
        lo, hi, centre, radius, tag = map(change, self[:5])
        return Cell(lo, hi, centre, radius, tag, excess)


class Excess(NamedTuple):
    """A number is the one with the tag `over`, plus `amount`."""

    over: Integers
    amount: Cell


class Truth(NamedTuple):
    """Whether a condition holds for all x of a cell (`yes`), or for none (`no`)."""

    yes: Booleans
    no: Booleans

    def map(self, change: Rearrangement) -> Truth:
        return Truth(*(change(part) for part in self))


def cell(lo: Array, hi: Array, centre: Array, radius: Array) -> Cell:
    """A new number, with bounds rounded outwards; NaN bounds become infinite."""
    lo, hi, centre, radius = np.broadcast_arrays(lo, hi, centre, radius)
    lo, hi = lo - ROUND * np.abs(lo), hi + ROUND * np.abs(hi)
    unknown = np.isnan(lo) | np.isnan(hi)
    lo, hi = np.where(unknown, -np.inf, lo), np.where(unknown, np.inf, hi)
    lost = ~np.isfinite(centre) | np.isnan(radius)
    radius = np.where(lost, np.inf, radius * (1 + ROUND) + ROUND * np.abs(np.where(lost, 0.0, centre)))
    return Cell(lo, hi, np.where(lost, 0.0, centre), radius, _new_tags(lo.shape))


def constant(value: Any) -> Cell:
    """A number that does not depend on x."""
    return points(np.asarray(value, dtype=float)[None])


def points(a: Array) -> Cell:
    """Exactly known numbers, with the first axis over cells."""
    a = np.atleast_1d(np.asarray(a, dtype=float))
    return Cell(a, a, a, np.zeros_like(a), _new_tags(a.shape))


def _new_tags(shape: tuple[int, ...]) -> Integers:
    entries = math.prod(shape[1:])
    tags = np.fromiter(itertools.islice(_tags, entries), int, entries).reshape(1, *shape[1:])
    return np.broadcast_to(tags, shape)


def apply(f: Function, x: Cell) -> Cell:
    """f(x)."""
    lo, hi = f.range(x.lo, x.hi)
    radius = np.where(np.isfinite(x.radius), f.radius(x.centre, x.radius), np.inf)
    return cell(lo, hi, f.value(x.centre), radius)


# --- arithmetic ------------------------------------------------------------------------------------


def negative(x: Cell) -> Cell:
    return cell(-x.hi, -x.lo, -x.centre, x.radius)


def add(x: Cell, y: Cell) -> Cell:
    return cell(x.lo + y.lo, x.hi + y.hi, x.centre + y.centre, x.radius + y.radius)


def subtract(x: Cell, y: Cell) -> Cell:
    difference = cell(x.lo - y.hi, x.hi - y.lo, x.centre - y.centre, x.radius + y.radius)
    if y.excess is None:
        return difference
    return pick(y.excess.over == x.tag, negative(y.excess.amount), difference)


def multiply(x: Cell, y: Cell) -> Cell:
    ends = np.stack(np.broadcast_arrays(*(a * b for a in (x.lo, x.hi) for b in (y.lo, y.hi))))
    ends = np.where(np.isnan(ends), 0.0, ends)  # 0 · ∞ is 0, since an infinite end stands for a finite number
    radius = np.abs(x.centre) * y.radius + np.abs(y.centre) * x.radius + x.radius * y.radius
    nothing = _is_zero(x) | _is_zero(y)
    return cell(ends.min(0), ends.max(0), x.centre * y.centre, np.where(nothing, 0.0, radius))


def _is_zero(x: Cell) -> Booleans:
    return np.asarray((x.centre == 0) & (x.radius == 0))


def reciprocal(x: Cell) -> Cell:
    free = (x.lo > 0) | (x.hi < 0)
    lo, hi = np.where(free, 1 / x.hi, -np.inf), np.where(free, 1 / x.lo, np.inf)
    c = np.abs(x.centre)
    return cell(lo, hi, 1 / x.centre, np.where(x.radius < c, x.radius / (c * (c - x.radius)), np.inf))


def log_add_exp(x: Cell, y: Cell) -> Cell:
    """log(eˣ + eʸ) = max(x, y) + softplus(−|x − y|), which is smooth, although JAX computes it with max and |·|.

    The larger of x and y at the centre is taken on the whole disc, and the excess over it is kept for the derivative
    eˣ/(eˣ + eʸ), which is exp(x − log(eˣ + eʸ)).
    """
    d = subtract(x, y)
    first = d.centre > 0
    larger, gap = pick(first, x, y), pick(first, negative(d), d)
    amount = apply(FUNCTIONS["softplus"], gap)
    return add(larger, amount)._replace(excess=Excess(larger.tag, amount))


# --- decisions --------------------------------------------------------------------------------------


def _hull(x: Cell, y: Cell) -> Cell:
    """Encloses both x and y."""
    lo, hi = np.minimum(x.lo, y.lo), np.maximum(x.hi, y.hi)
    return cell(lo, hi, np.zeros_like(lo), np.full_like(lo, np.inf))


def pick(which: Booleans, x: Cell, y: Cell) -> Cell:
    """x where `which` is true, y elsewhere."""
    if np.all(which):
        return x
    lo, hi, centre, radius, tag = (np.where(which, a, b) for a, b in zip(x[:5], y[:5], strict=True))
    return Cell(lo, hi, centre, radius, tag)


def select(truth: Truth, if_no: Cell, if_yes: Cell) -> Cell:
    same = if_yes.tag == if_no.tag
    if np.all(truth.no | same):
        return if_no
    decided = pick(truth.yes | same, if_yes, if_no)
    return pick(truth.yes | truth.no | same, decided, _hull(if_no, if_yes))


def is_less(x: Cell, y: Cell) -> Truth:
    """x < y."""
    same = (x.tag == y.tag) | (_is_point(x, y) & (x.lo == y.lo))
    return Truth(x.hi < y.lo, (x.lo > y.hi) | same)


def is_at_most(x: Cell, y: Cell) -> Truth:
    """x ≤ y."""
    return opposite(is_less(y, x))


def _is_point(x: Cell, y: Cell) -> Booleans:
    return np.asarray((x.lo == x.hi) & (y.lo == y.hi))


def is_equal(x: Cell | Truth, y: Cell | Truth) -> Truth:
    if isinstance(x, Truth) or isinstance(y, Truth):
        assert isinstance(x, Truth)
        assert isinstance(y, Truth)
        return agree(x, y)
    apart = (x.hi < y.lo) | (x.lo > y.hi)
    return Truth((x.tag == y.tag) | (_is_point(x, y) & (x.lo == y.lo)), apart)


def agree(x: Truth, y: Truth) -> Truth:
    """Whether both conditions hold or both fail."""
    return Truth((x.yes & y.yes) | (x.no & y.no), (x.yes & y.no) | (x.no & y.yes))


def opposite(truth: Truth) -> Truth:
    return Truth(truth.no, truth.yes)


def both(x: Truth, y: Truth) -> Truth:
    return Truth(x.yes & y.yes, x.no | y.no)


def either(x: Truth, y: Truth) -> Truth:
    return opposite(both(opposite(x), opposite(y)))


def largest(x: Cell, y: Cell) -> Cell:
    """max(x, y); where it is undecided, with a tighter range than the hull."""
    chosen = select(is_less(x, y), x, y)
    return chosen._replace(lo=np.maximum(x.lo, y.lo), hi=np.maximum(x.hi, y.hi))


def smallest(x: Cell, y: Cell) -> Cell:
    """min(x, y)."""
    chosen = select(is_less(x, y), y, x)
    return chosen._replace(lo=np.minimum(x.lo, y.lo), hi=np.minimum(x.hi, y.hi))


def absolute(x: Cell) -> Cell:
    size = largest(x, negative(x))
    return size._replace(lo=np.maximum(size.lo, 0.0))


def stepwise(f: Callable[[Array], Array]) -> Callable[[Cell], Cell]:
    """The rule of a function that is constant between upward jumps, such as floor and sign."""

    def of(x: Cell) -> Cell:
        lo, hi = f(x.lo), f(x.hi)
        touches = (x.lo != x.hi) & ((f(np.nextafter(x.lo, -np.inf)) != lo) | (f(np.nextafter(x.hi, np.inf)) != hi))
        flat = (lo == hi) & ~touches
        return cell(lo, hi, np.where(flat, lo, 0.0), np.where(flat, 0.0, np.inf))

    return of
