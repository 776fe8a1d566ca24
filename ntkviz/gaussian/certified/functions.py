"""Functions of one argument: their values, their ranges on intervals, and bounds of their variation on a disc.

Every function here is real on the real axis, so discs around real centres c suffice. Its continuation is described by a
single bound, that of |f(z) − f(c)| for |z − c| ≤ r.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Range = Callable[[Array, Array], tuple[Array, Array]]
"""Maps the ends of intervals to those of the function's range on them."""


def least_square(c: Array, r: Array) -> Array:
    """The least real part of z² for |z − c| ≤ r."""
    c = np.abs(c)
    return np.where(c >= 2 * r, (c - r) ** 2, c * c / 2 - r * r)


class Function(NamedTuple):
    """A function f of one argument.

    Attributes:
        value: f(x).
        range: The range of f over [lo, hi].
        radius: A bound of |f(z) − f(c)| for |z − c| ≤ r, given c and r; infinite if f is not analytic there.
    """

    value: Callable[[Array], Array]
    range: Range
    radius: Callable[[Array, Array], Array]


def _rising(f: Callable[[Array], Array]) -> Range:
    return lambda lo, hi: (f(lo), f(hi))


def _falling(f: Callable[[Array], Array]) -> Range:
    return lambda lo, hi: (f(hi), f(lo))


def _even(f: Callable[[Array], Array]) -> Range:
    """The range of an even function that increases for positive arguments."""

    def over(lo: Array, hi: Array) -> tuple[Array, Array]:
        near = np.where((lo <= 0) & (hi >= 0), 0.0, np.minimum(np.abs(lo), np.abs(hi)))
        return f(near), f(np.maximum(np.abs(lo), np.abs(hi)))

    return over


def _within(c: Array, r: Array, bound: Array) -> Array:
    """`bound` where r < c, so that the disc excludes 0 and the negative axis; infinity elsewhere."""
    return np.where(r < c, bound, np.inf)


def _erf(x: Array) -> Array:
    from scipy.special import erf  # slow to import, and few functions need it

    return np.asarray(erf(x))


def _erfc(x: Array) -> Array:
    from scipy.special import erfc

    return np.asarray(erfc(x))


def _erf_inv(x: Array) -> Array:
    from scipy.special import erfinv

    return np.asarray(erfinv(x))


def normal_cdf(x: Array) -> Array:
    """The distribution function of the standard normal law."""
    from scipy.special import ndtr

    return np.asarray(ndtr(x))


def _logistic(x: Array) -> Array:
    return np.exp(-np.logaddexp(0, -x))


def _exp_radius(c: Array, r: Array) -> Array:
    return np.where(r < 1, np.exp(c) * np.expm1(r), np.exp(c + r))


def _hyperbolic_radius(c: Array, r: Array) -> Array:
    """A bound of both |cosh(c + δ) − cosh c| and |sinh(c + δ) − sinh c|, by the addition theorems."""
    return np.asarray(np.cosh(c) * (2 * np.sinh(r / 2) ** 2 + np.sinh(r)))


def _tanh_radius(c: Array, r: Array) -> Array:
    """The least of three bounds of |tanh(c + δ) − tanh c|.

    The difference is τ(1 − t²)/(1 + tτ) with t = tanh c and |τ| = |tanh δ| ≤ tan r; it is also sinh δ/(cosh z cosh c);
    and for c > r both values are close to 1.
    """
    c = np.abs(c)
    t, slope, tan = np.tanh(c), 1 / np.cosh(c) ** 2, np.where(r < math.pi / 2, np.tan(r), np.inf)
    near = np.where(t * tan < 1, tan * slope / (1 - t * tan), np.inf)
    between = np.sinh(r) / np.cosh(c) / np.sqrt(_least_cosh_squared(c, r))
    far = np.where(c > r, 2 / np.expm1(2 * (c - r)) + 2 * np.exp(-2 * c), np.inf)
    return np.fmin(np.fmin(near, between), far)


def _least_cosh_squared(c: Array, r: Array) -> Array:
    """A lower bound of |cosh z|² = sinh² x + cos² y on the disc, which is cut into horizontal strips."""
    least = np.full(np.broadcast_shapes(np.shape(c), np.shape(r)), np.inf)
    for low, high in itertools.pairwise(np.linspace(0, 1, 17)):
        x = np.maximum(c - r * math.sqrt(1 - low**2), 0)
        cosine = np.where(r * high < math.pi / 2, np.cos(r * high), 0.0)
        least = np.fmin(least, np.sinh(x) ** 2 + cosine**2)
    return least


def _logistic_radius(c: Array, r: Array) -> Array:
    """From that of tanh, since σ(z) = (1 + tanh(z/2))/2."""
    return _tanh_radius(c / 2, r / 2) / 2


def _erf_radius(c: Array, r: Array) -> Array:
    return 2 / math.sqrt(math.pi) * r * np.exp(-least_square(c, r))


def _sine(shift: float) -> Range:
    """The range of sin(x + shift), with its extrema inside the interval."""

    def over(lo: Array, hi: Array) -> tuple[Array, Array]:
        turns_lo, turns_hi = ((x + shift) / (2 * math.pi) for x in (lo, hi))
        slack = 1e-15 * (1 + np.abs(turns_lo) + np.abs(turns_hi))
        ends = np.sin(lo + shift), np.sin(hi + shift)

        def holds(phase: float) -> Booleans:  # whether the interval contains phase plus a whole number, in turns
            return np.floor(turns_hi - phase + slack) >= np.ceil(turns_lo - phase - slack)

        lo_, hi_ = np.minimum(*ends) - slack * 7, np.maximum(*ends) + slack * 7
        return np.where(holds(0.75), -1.0, lo_), np.where(holds(0.25), 1.0, hi_)

    return over


def _sine_radius(value: Callable[[Array], Array], slope: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    return lambda c, r: np.abs(value(c)) * 2 * np.sinh(r / 2) ** 2 + np.abs(slope(c)) * np.sinh(r)


def _from_pole(distance: Callable[[Array], Array]) -> Callable[[Array, Array], Array]:
    """The bound for a function with |f′(z)| ≤ 1/(d − |z − c|), where d = `distance`(c)."""
    return lambda c, r: np.where(r < distance(c), -np.log1p(-r / distance(c)), np.inf)


def _atan_radius(c: Array, r: Array) -> Array:
    d = np.sqrt(1 + c * c)
    return np.where(r < d, r / (d * (d - r)), np.inf)


def _erf_inv_radius(c: Array, r: Array) -> Array:
    """Exact: all derivatives are positive for positive arguments, since the coefficients of the series at 0 are."""
    c = np.abs(c)
    return np.where(c + r < 1, _erf_inv(c + r) - _erf_inv(c), np.inf)


def _log_radius(c: Array, r: Array) -> Array:
    return _within(c, r, -np.log1p(-r / c))


def _softplus(x: Array) -> Array:
    return np.logaddexp(x, 0.0)


def _softplus_radius(c: Array, r: Array) -> Array:
    """A bound for log(1 + eᶻ), from its derivative σ or, for small eᶻ, from |log(1 + w)| ≤ −log(1 − |w|)."""
    small = np.exp(np.minimum(c + r, 0.0))
    far = np.where(small < 1, -np.log1p(-small) + _softplus(c), np.inf)
    return np.fmin(far, r * (_logistic(c) + _logistic_radius(c, r)))


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
    "softplus": Function(_softplus, _rising(_softplus), _softplus_radius),
    "erf": Function(_erf, _rising(_erf), _erf_radius),
    "erf_inv": Function(_erf_inv, _rising(_erf_inv), _erf_inv_radius),
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
    """x ↦ xⁿ for a whole number n ≥ 0."""
    n = int(exponent)
    rise = _even(lambda x: x**n) if n % 2 == 0 else _rising(lambda x: x**n)
    constant_one = lambda lo, hi: (np.ones_like(lo), np.ones_like(hi))  # noqa: E731
    return Function(lambda x: x**n, rise if n else constant_one, lambda c, r: (np.abs(c) + r) ** n - np.abs(c) ** n)


def real_power(exponent: float) -> Function:
    """x ↦ xᵖ for x > 0, where |f′| is largest at one end of the disc's real diameter."""
    p = float(exponent)

    def radius(c: Array, r: Array) -> Array:
        steepest = np.maximum((c - r) ** (p - 1), (c + r) ** (p - 1))
        return _within(c, r, np.abs(p) * r * steepest)

    return Function(lambda x: x**p, (_rising if p >= 0 else _falling)(lambda x: x**p), radius)
