"""What is known of each JAX primitive over a cell: its value, its range, and a disc around it in the complex plane.

A `Cell` holds, of a number that depends on x, what is certain for *all* x of an interval, and of its analytic
continuation to a disc around that interval. Real parts are interval arithmetic (Moore 1966). The continuation is
kept in circular arithmetic (Gargantini and Henrici 1972): as every function here is real on the real axis, discs can
have real centres, and for each function of one argument there is but one thing to know: how far f(z) is from f(c) for
|z − c| ≤ r. Every bound is rounded outwards.

Where a branch is undecided on the interval, only the range is known and the disc is infinite: the function may have a
kink or a jump there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
ROUND = 2.0**-50
"""Relative: more than any of these functions is off in NumPy or SciPy."""
_tags = itertools.count(1)


class Cell(NamedTuple):
    """Arrays of one shape, its first axis over cells, or of length 1 there for what is the same in all.

    - `lo`, `hi`: the range over the interval.
    - `centre`, `radius`: a disc that holds the continuation.
    - `tag`: which number it is; equal tags are equal numbers.
    """

    lo: Array
    hi: Array
    centre: Array
    radius: Array
    tag: Array

    def map(self, change: Callable[[Array], Array]) -> Cell:
        """The same numbers, rearranged."""
        return Cell(*(change(part) for part in self))


class Truth(NamedTuple):
    """Whether something holds for all x of a cell (`yes`), or for none (`no`)."""

    yes: Array
    no: Array

    def map(self, change: Callable[[Array], Array]) -> Truth:
        return Truth(*(change(part) for part in self))


def cell(lo: Array, hi: Array, centre: Array, radius: Array) -> Cell:
    """A new number, its bounds rounded outwards; what is not known at all is unbounded."""
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
    """Numbers known exactly, the first axis over cells."""
    a = np.atleast_1d(np.asarray(a, dtype=float))
    return Cell(a, a, a, np.zeros_like(a), _new_tags(a.shape))


def _new_tags(shape: tuple[int, ...]) -> Array:
    entries = math.prod(shape[1:])
    tags = np.fromiter(itertools.islice(_tags, entries), int, entries).reshape(1, *shape[1:])
    return np.broadcast_to(tags, shape)


def least_square(c: Array, r: Array) -> Array:
    """The least real part of z² for |z − c| ≤ r."""
    c = np.abs(c)
    return np.where(c >= 2 * r, (c - r) ** 2, c * c / 2 - r * r)


# --- functions of one argument: value, range and radius -------------------------------------------


class Function(NamedTuple):
    """f; its range over [lo, hi]; and a bound of |f(z) − f(c)| for |z − c| ≤ r, infinite where f is not analytic."""

    value: Callable[[Array], Array]
    range: Callable[[Array, Array], tuple[Array, Array]]
    radius: Callable[[Array, Array], Array]


def _rising(f):
    return lambda lo, hi: (f(lo), f(hi))


def _falling(f):
    return lambda lo, hi: (f(hi), f(lo))


def _even(f):
    """The range of an even function that rises from 0 on."""

    def over(lo, hi):
        near = np.where((lo <= 0) & (hi >= 0), 0.0, np.minimum(np.abs(lo), np.abs(hi)))
        return f(near), f(np.maximum(np.abs(lo), np.abs(hi)))

    return over


def _within(c: Array, r: Array, bound: Array) -> Array:
    """`bound` where r < c, which keeps 0 and the negative axis outside."""
    return np.where(r < c, bound, np.inf)


def _erf(x: Array) -> Array:
    from scipy.special import erf  # takes long to import, and few functions need it

    return erf(x)


def _erfc(x: Array) -> Array:
    from scipy.special import erfc

    return erfc(x)


def _logistic(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -x))


def _exp_radius(c: Array, r: Array) -> Array:
    return np.where(r < 1, np.exp(c) * np.expm1(r), np.exp(c + r))


def _hyperbolic_radius(c: Array, r: Array) -> Array:
    """|cosh(c + δ) − cosh c| and |sinh(c + δ) − sinh c|, by the addition theorems."""
    return np.cosh(c) * (2 * np.sinh(r / 2) ** 2 + np.sinh(r))


def _tanh_radius(c: Array, r: Array) -> Array:
    """The least of three bounds. tanh(c + δ) − t = τ(1 − t²)/(1 + tτ) with t = tanh c and |τ| = |tanh δ| ≤ tan r; it is
    sinh δ/(cosh z cosh c); and for c > r both are close to 1."""
    c = np.abs(c)
    t, slope, tan = np.tanh(c), 1 / np.cosh(c) ** 2, np.where(r < math.pi / 2, np.tan(r), np.inf)
    near = np.where(t * tan < 1, tan * slope / (1 - t * tan), np.inf)
    between = np.sinh(r) / np.cosh(c) / np.sqrt(_least_cosh_squared(c, r))
    far = np.where(c > r, 2 / np.expm1(2 * (c - r)) + 2 * np.exp(-2 * c), np.inf)
    return np.fmin(np.fmin(near, between), far)


def _least_cosh_squared(c: Array, r: Array) -> Array:
    """A lower bound of |cosh z|² = sinh² x + cos² y on the disc, from rows of it between two y."""
    least = np.full(np.broadcast_shapes(np.shape(c), np.shape(r)), np.inf)
    for low, high in itertools.pairwise(np.linspace(0, 1, 17)):
        x = np.maximum(c - r * math.sqrt(1 - low**2), 0)
        cosine = np.where(r * high < math.pi / 2, np.cos(r * high), 0.0)
        least = np.fmin(least, np.sinh(x) ** 2 + cosine**2)
    return least


def _logistic_radius(c: Array, r: Array) -> Array:
    """σ(z) = (1 + tanh(z/2))/2."""
    return _tanh_radius(c / 2, r / 2) / 2


def _erf_radius(c: Array, r: Array) -> Array:
    return 2 / math.sqrt(math.pi) * r * np.exp(-least_square(c, r))


def _sine(shift: float):
    """sin(x + shift): its range has the extrema that lie between."""

    def over(lo, hi):
        turns_lo, turns_hi = ((x + shift) / (2 * math.pi) for x in (lo, hi))
        slack = 1e-15 * (1 + np.abs(turns_lo) + np.abs(turns_hi))
        ends = np.sin(lo + shift), np.sin(hi + shift)

        def holds(phase):  # whether phase + whole number lies between
            return np.floor(turns_hi - phase + slack) >= np.ceil(turns_lo - phase - slack)

        lo_, hi_ = np.minimum(*ends) - slack * 7, np.maximum(*ends) + slack * 7
        return np.where(holds(0.75), -1.0, lo_), np.where(holds(0.25), 1.0, hi_)

    return over


def _sine_radius(value, slope):
    return lambda c, r: np.abs(value(c)) * 2 * np.sinh(r / 2) ** 2 + np.abs(slope(c)) * np.sinh(r)


def _from_pole(distance):
    """For |f′(z)| ≤ 1/(d − |z − c|) with d = `distance`(c)."""
    return lambda c, r: np.where(r < distance(c), -np.log1p(-r / distance(c)), np.inf)


def _atan_radius(c: Array, r: Array) -> Array:
    d = np.sqrt(1 + c * c)
    return np.where(r < d, r / (d * (d - r)), np.inf)


def _log_radius(c: Array, r: Array) -> Array:
    return _within(c, r, -np.log1p(-r / c))


LN2 = math.log(2)
FUNCTIONS: dict[str, Function] = {
    "exp": Function(np.exp, _rising(np.exp), _exp_radius),
    "exp2": Function(np.exp2, _rising(np.exp2), lambda c, r: _exp_radius(LN2 * c, LN2 * r)),
    "expm1": Function(np.expm1, _rising(np.expm1), _exp_radius),
    "log": Function(np.log, _rising(np.log), _log_radius),
    "log1p": Function(np.log1p, _rising(np.log1p), lambda c, r: _log_radius(1 + c, r)),
    "sin": Function(np.sin, _sine(0.0), _sine_radius(np.sin, np.cos)),
    "cos": Function(np.cos, _sine(math.pi / 2), _sine_radius(np.cos, np.sin)),
    "sinh": Function(np.sinh, _rising(np.sinh), _hyperbolic_radius),
    "cosh": Function(np.cosh, _even(np.cosh), _hyperbolic_radius),
    "tanh": Function(np.tanh, _rising(np.tanh), _tanh_radius),
    "logistic": Function(_logistic, _rising(_logistic), _logistic_radius),
    "erf": Function(_erf, _rising(_erf), _erf_radius),
    "erfc": Function(_erfc, _falling(_erfc), _erf_radius),
    "sqrt": Function(np.sqrt, _rising(np.sqrt), lambda c, r: _within(c, r, np.sqrt(c) * (1 - np.sqrt(1 - r / c)))),
    "rsqrt": Function(
        lambda x: 1 / np.sqrt(x),
        _falling(lambda x: 1 / np.sqrt(x)),
        lambda c, r: _within(c, r, 1 / np.sqrt(c - r) - 1 / np.sqrt(c)),
    ),
    "cbrt": Function(
        np.cbrt,
        _rising(np.cbrt),
        lambda c, r: _within(np.abs(c), r, np.cbrt(np.abs(c)) * (1 - np.cbrt(1 - r / np.abs(c)))),
    ),
    "atan": Function(np.arctan, _rising(np.arctan), _atan_radius),
    "asinh": Function(np.arcsinh, _rising(np.arcsinh), _from_pole(lambda c: np.sqrt(1 + c * c))),
    "atanh": Function(
        np.arctanh,
        _rising(np.arctanh),
        lambda c, r: _within(1 - np.abs(c), r, r / (1 - np.abs(c)) / (1 - np.abs(c) - r)),
    ),
    "asin": Function(np.arcsin, _rising(np.arcsin), _from_pole(lambda c: 1 - np.abs(c))),
    "acos": Function(np.arccos, _falling(np.arccos), _from_pole(lambda c: 1 - np.abs(c))),
}


def power(exponent: float) -> Function:
    """x ↦ xⁿ for a whole n ≥ 0, for a negative one by way of 1/x."""
    n = int(exponent)
    rise = _even(lambda x: x**n) if n % 2 == 0 else _rising(lambda x: x**n)
    constant_one = lambda lo, hi: (np.ones_like(lo), np.ones_like(hi))  # noqa: E731
    return Function(lambda x: x**n, rise if n else constant_one, lambda c, r: (np.abs(c) + r) ** n - np.abs(c) ** n)


def real_power(exponent: float) -> Function:
    """x ↦ xᵖ for x > 0: |f′| is largest at one end of the disc."""
    p = float(exponent)

    def radius(c, r):
        steepest = np.maximum((c - r) ** (p - 1), (c + r) ** (p - 1))
        return _within(c, r, np.abs(p) * r * steepest)

    return Function(lambda x: x**p, (_rising if p >= 0 else _falling)(lambda x: x**p), radius)


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
    return cell(x.lo - y.hi, x.hi - y.lo, x.centre - y.centre, x.radius + y.radius)


def multiply(x: Cell, y: Cell) -> Cell:
    ends = np.stack(np.broadcast_arrays(*(a * b for a in (x.lo, x.hi) for b in (y.lo, y.hi))))
    ends = np.where(np.isnan(ends), 0.0, ends)  # 0 · ∞: an unbounded range, not an infinite number
    radius = np.abs(x.centre) * y.radius + np.abs(y.centre) * x.radius + x.radius * y.radius
    nothing = _is_zero(x) | _is_zero(y)
    return cell(ends.min(0), ends.max(0), x.centre * y.centre, np.where(nothing, 0.0, radius))


def _is_zero(x: Cell) -> Array:
    return (x.centre == 0) & (x.radius == 0)


def reciprocal(x: Cell) -> Cell:
    free = (x.lo > 0) | (x.hi < 0)
    lo, hi = np.where(free, 1 / x.hi, -np.inf), np.where(free, 1 / x.lo, np.inf)
    c = np.abs(x.centre)
    return cell(lo, hi, 1 / x.centre, np.where(x.radius < c, x.radius / (c * (c - x.radius)), np.inf))


def log_add_exp(x: Cell, y: Cell) -> Cell:
    """log(eˣ + eʸ) = y + softplus(x − y), softplus′ = σ: smooth, though JAX writes it with max and |·|."""
    d, sigma = subtract(x, y), FUNCTIONS["logistic"]
    steepest = _logistic(d.centre) + sigma.radius(d.centre, d.radius)
    soft = cell(np.logaddexp(d.lo, 0), np.logaddexp(d.hi, 0), np.logaddexp(d.centre, 0), d.radius * steepest)
    return add(y, soft)


# --- decisions --------------------------------------------------------------------------------------


def _hull(x: Cell, y: Cell) -> Cell:
    """One or the other, here or there."""
    lo, hi = np.minimum(x.lo, y.lo), np.maximum(x.hi, y.hi)
    return cell(lo, hi, np.zeros_like(lo), np.full_like(lo, np.inf))


def pick(which: Array, x: Cell, y: Cell) -> Cell:
    """x where `which`, else y."""
    return Cell(*(np.where(which, a, b) for a, b in zip(x, y, strict=True)))


def select(truth: Truth, if_no: Cell, if_yes: Cell) -> Cell:
    same = if_yes.tag == if_no.tag
    decided = pick(truth.yes | same, if_yes, if_no)
    return pick(truth.yes | truth.no | same, decided, _hull(if_no, if_yes))


def is_less(x: Cell, y: Cell) -> Truth:
    """x < y."""
    same = (x.tag == y.tag) | (_is_point(x, y) & (x.lo == y.lo))
    return Truth(x.hi < y.lo, (x.lo > y.hi) | same)


def is_at_most(x: Cell, y: Cell) -> Truth:
    """x ≤ y."""
    return opposite(is_less(y, x))


def _is_point(x: Cell, y: Cell) -> Array:
    return (x.lo == x.hi) & (y.lo == y.hi)


def is_equal(x: Cell, y: Cell) -> Truth:
    apart = (x.hi < y.lo) | (x.lo > y.hi)
    return Truth((x.tag == y.tag) | (_is_point(x, y) & (x.lo == y.lo)), apart)


def opposite(truth: Truth) -> Truth:
    return Truth(truth.no, truth.yes)


def both(x: Truth, y: Truth) -> Truth:
    return Truth(x.yes & y.yes, x.no | y.no)


def either(x: Truth, y: Truth) -> Truth:
    return opposite(both(opposite(x), opposite(y)))


def largest(x: Cell, y: Cell) -> Cell:
    """max(x, y). Where it is undecided, its range is better known than the hull."""
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
    """A function that is constant between jumps and rises at them, such as floor and sign."""

    def of(x: Cell) -> Cell:
        lo, hi = f(x.lo), f(x.hi)
        touches = (x.lo != x.hi) & ((f(np.nextafter(x.lo, -np.inf)) != lo) | (f(np.nextafter(x.hi, np.inf)) != hi))
        flat = (lo == hi) & ~touches
        return cell(lo, hi, np.where(flat, lo, 0.0), np.where(flat, 0.0, np.inf))

    return of
