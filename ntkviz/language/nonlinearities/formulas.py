"""Formulas of one variable in a normal form: piecewise sums Σ P(x) erf(bx + c) exp(q₂x² + q₁x + q₀).

The P are polynomials, and the factor erf may be absent. Polynomials, exp, sin, cos, Gaussian bumps, their sums and
products, and the derivatives of all these are of this form, and so are relu, abs, step, erf and gelu. All numbers are
exact complex rationals (as every float is), so that equal functions have equal formulas, and terms that cancel vanish.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Generic, TypeVar

MOST_TERMS, MOST_POWERS = 48, 24
"""The largest numbers of terms in a sum and of coefficients in a polynomial; larger formulas cost more than they save.
"""


class NoFormulaError(Exception):
    """The result is not of the form of this module."""


@dataclass(frozen=True)
class Exact:
    """A complex number with rational parts."""

    re: Fraction = Fraction(0)
    im: Fraction = Fraction(0)

    def __add__(self, other: Exact) -> Exact:
        return Exact(self.re + other.re, self.im + other.im)

    def __mul__(self, other: Exact) -> Exact:
        return Exact(self.re * other.re - self.im * other.im, self.re * other.im + self.im * other.re)

    def __neg__(self) -> Exact:
        return Exact(-self.re, -self.im)

    def __bool__(self) -> bool:
        return bool(self.re or self.im)

    def number(self) -> float | complex:
        """The nearest float, or a complex number if it is not real."""
        return complex(self.re, self.im) if self.im else float(self.re)


ZERO, ONE, ROOT_OF_MINUS_ONE = Exact(), Exact(Fraction(1)), Exact(Fraction(0), Fraction(1))

Polynomial = tuple[Exact, ...]
"""The coefficients, the constant term first; the last is not 0."""
Atom = tuple[tuple[Fraction, Fraction] | None, Polynomial]
"""The factors erf(bx + c) exp(Q(x)): (b, c) with b > 0, or `None` without an erf, and the polynomial Q."""


def trimmed(coefficients: Iterable[Exact]) -> Polynomial:
    """The polynomial with these coefficients, without trailing zeros."""
    kept = list(coefficients)
    while kept and not kept[-1]:
        kept.pop()
    if len(kept) > MOST_POWERS:
        raise NoFormulaError
    return tuple(kept)


def add_polynomials(p: Polynomial, q: Polynomial) -> Polynomial:
    """p + q."""
    size = max(len(p), len(q))
    return trimmed((p[k] if k < len(p) else ZERO) + (q[k] if k < len(q) else ZERO) for k in range(size))


def multiply_polynomials(p: Polynomial, q: Polynomial) -> Polynomial:
    """p·q."""
    product = [ZERO] * max(0, len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            product[i + j] += a * b
    return trimmed(product)


def about(p: Polynomial, centre: Fraction) -> Polynomial:
    """The coefficients of p in powers of x − centre (Horner's rule with x = centre + u)."""
    shifted: Polynomial = ()
    for coefficient in reversed(p):
        shifted = add_polynomials(multiply_polynomials(shifted, (Exact(centre), ONE)), (coefficient,))
    return shifted


class Smooth:
    """A sum Σ P(x) erf(bx + c) exp(Q(x)) with one polynomial P for each atom; equal functions compare equal."""

    def __init__(self, terms: dict[Atom, Polynomial]):
        self.terms = {atom: p for atom, p in terms.items() if p}
        if len(self.terms) > MOST_TERMS:
            raise NoFormulaError

    @classmethod
    def polynomial(cls, *coefficients: Exact) -> Smooth:
        """Σ cₖ xᵏ."""
        return cls({(None, ()): trimmed(coefficients)})

    @classmethod
    def constant(cls, number: float) -> Smooth:
        """A number."""
        if not math.isfinite(number):
            raise NoFormulaError
        return cls.polynomial(Exact(Fraction(number)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Smooth) and self.terms == other.terms

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Smooth) -> Smooth:
        terms = dict(self.terms)
        for atom, p in other.terms.items():
            terms[atom] = add_polynomials(terms.get(atom, ()), p)
        return Smooth(terms)

    def __neg__(self) -> Smooth:
        return Smooth({atom: tuple(-c for c in p) for atom, p in self.terms.items()})

    def __sub__(self, other: Smooth) -> Smooth:
        return self + -other

    def __mul__(self, other: Smooth) -> Smooth:
        total = Smooth({})
        for (erf, exponent), p in self.terms.items():
            for (other_erf, other_exponent), q in other.terms.items():
                if erf and other_erf:
                    raise NoFormulaError
                atom = erf or other_erf, add_polynomials(exponent, other_exponent)
                total = total + Smooth({atom: multiply_polynomials(p, q)})
        return total

    def times_i(self) -> Smooth:
        """√−1 times the function."""
        return self * Smooth.polynomial(ROOT_OF_MINUS_ONE)

    def power(self, exponent: int) -> Smooth:
        """The function to an integer power; negative powers exist only for numbers and exponentials."""
        if not -MOST_POWERS <= exponent <= MOST_POWERS:
            raise NoFormulaError
        base, result = self if exponent >= 0 else self.reciprocal(), Smooth.polynomial(ONE)
        for _ in range(abs(exponent)):
            result = result * base
        return result

    def reciprocal(self) -> Smooth:
        """The reciprocal of a function c exp(Q(x))."""
        if len(self.terms) != 1:
            raise NoFormulaError
        (((erf, exponent), p),) = self.terms.items()
        if erf or len(p) != 1 or p[0].im:
            raise NoFormulaError
        return Smooth({(None, tuple(-c for c in exponent)): (Exact(1 / p[0].re),)})

    def as_polynomial(self) -> Polynomial:
        """The coefficients of a function that is a polynomial."""
        if self.terms.keys() - {(None, ())}:
            raise NoFormulaError
        return self.terms.get((None, ()), ())

    def as_affine(self) -> tuple[Fraction, Fraction]:
        """(b, c) for a function bx + c."""
        p = self.as_polynomial()
        if len(p) > 2:
            raise NoFormulaError
        c, b = (*p, ZERO, ZERO)[:2]
        return b.re, c.re

    def exp(self) -> Smooth:
        """exp of a polynomial of degree at most two."""
        exponent = self.as_polynomial()
        if len(exponent) > 3:
            raise NoFormulaError
        if len(exponent) <= 1:
            (q,) = exponent or (ZERO,)
            e, turn = math.exp(q.re), (math.cos(q.im), math.sin(q.im))
            return Smooth.polynomial(Exact(Fraction(e * turn[0]), Fraction(e * turn[1])))
        return Smooth({(None, exponent): (ONE,)})

    def erf(self) -> Smooth:
        """erf of bx + c."""
        b, c = self.as_affine()
        if not b:
            return Smooth.constant(math.erf(c))
        sign = 1 if b > 0 else -1
        return Smooth({((sign * b, sign * c), ()): (Exact(Fraction(sign)),)})

    def at(self, x: Fraction) -> float:
        """The value at x."""
        total = 0j
        for (erf, exponent), p in self.terms.items():
            power = sum((c * Exact(x**k) for k, c in enumerate(exponent)), ZERO)
            factor = sum((c * Exact(x**k) for k, c in enumerate(p)), ZERO)
            bend = math.erf(erf[0] * x + erf[1]) if erf else 1.0
            turn = complex(math.cos(power.im), math.sin(power.im))
            total += complex(factor.re, factor.im) * bend * math.exp(power.re) * turn
        return total.real


T = TypeVar("T")


class Piecewise(Generic[T]):
    """Pieces between breaks, with equal neighbours merged; the values at the breaks themselves are not specified."""

    def __init__(self, breaks: Iterable[Fraction], pieces: Iterable[T]):
        first, *others = pieces
        self.breaks: list[Fraction] = []
        self.pieces: list[T] = [first]
        for at, piece in zip(breaks, others, strict=True):
            if piece != self.pieces[-1]:
                self.breaks.append(at)
                self.pieces.append(piece)

    def intervals(self) -> list[tuple[Fraction | None, Fraction | None]]:
        """The ends of the pieces; `None` stands for infinity."""
        return list(zip([None, *self.breaks], [*self.breaks, None], strict=True))

    def on(self, left: Fraction | None, right: Fraction | None) -> T:
        """The piece that holds between `left` and `right`, inside which there is no break."""
        for (_, end), piece in zip(self.intervals(), self.pieces, strict=True):
            if end is None or (right is not None and right <= end):
                return piece
        raise AssertionError("the last piece has no end")


def combined(function: Callable[..., Any], *values: Piecewise[Any]) -> Piecewise[Any]:
    """`function` applied piece by piece; its results may have further breaks."""
    breaks = sorted({at for value in values for at in value.breaks})
    found_breaks: list[Fraction] = []
    found: list[Any] = []
    for left, right in zip([None, *breaks], [*breaks, None], strict=True):
        result = function(*(value.on(left, right) for value in values))
        inner = result if isinstance(result, Piecewise) else Piecewise([], [result])
        cuts = [at for at in inner.breaks if (left is None or left < at) and (right is None or at < right)]
        for start, end in zip([left, *cuts], [*cuts, right], strict=True):
            if found:
                assert start is not None
                found_breaks.append(start)
            found.append(inner.on(start, end))
    return Piecewise(found_breaks, found)


def where_positive(f: Smooth, positive: T, negative: T) -> Piecewise[T]:
    """`positive` where f > 0 and `negative` elsewhere, for f = bx + c."""
    b, c = f.as_affine()
    if not b:
        return Piecewise([], [positive if c > 0 else negative])
    pieces = [negative, positive] if b > 0 else [positive, negative]
    return Piecewise([-c / b], pieces)
