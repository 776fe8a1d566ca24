"""Decides which closed forms a nonlinearity has: those of f, if it is φ(x) = a f(bx + c) + d.

Built-in nonlinearities are recognised by identity, all others by their formula, whatever their names.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ntkviz.gaussian import closed_forms as cf
from ntkviz.gaussian.exponential_sums import ExponentialSum, exponential_sum
from ntkviz.language.nonlinearities import nonlinearity as nl
from ntkviz.language.nonlinearities.formulas import Exact, Smooth
from ntkviz.language.nonlinearities.nonlinearity import Nonlinearity
from ntkviz.language.nonlinearities.recognition import Formula, X


class Powers(NamedTuple):
    """Σ cₖ xᵏ."""

    coefficients: tuple[float, ...]


class Exponential(NamedTuple):
    """eˣ."""


class Gelu(NamedTuple):
    """x Φ(x)."""


class GeluSlope(NamedTuple):
    """Φ(x) + x φ(x)."""


Function = cf.Kink | cf.Jump | cf.Erf | cf.Bump | cf.Wave | Powers | Exponential | Gelu | GeluSlope


class Family(NamedTuple):
    """φ(x) = factor · function(rise · x + shift) + offset."""

    function: Function
    rise: float = 1.0
    shift: float = 0.0
    factor: float = 1.0
    offset: float = 0.0


READY: dict[Nonlinearity, Callable[..., Function]] = {
    nl.relu: lambda: cf.Kink(1.0, 0.0),
    nl.abs: lambda: cf.Kink(1.0, -1.0),
    nl.leaky_relu: lambda slope=0.2: cf.Kink(1.0, slope),
    nl.step: lambda: cf.Jump(1.0, 0.0, 0.0),
    nl.sign: lambda: cf.Jump(1.0, -1.0, 0.0),
    nl.leaky_step: lambda slope=0.2: cf.Jump(1.0, slope, slope),
    nl.erf: lambda: cf.Erf(0.0, 1.0),
    nl.erf_gate: lambda: cf.Erf(0.5, 0.5),
    nl.erf_slope: lambda: cf.Bump(2 / math.sqrt(math.pi)),
    nl.erf_gate_slope: lambda: cf.Bump(1 / math.sqrt(math.pi)),
    nl.sin: lambda: cf.Wave(1.0, 0.0),
    nl.cos: lambda: cf.Wave(0.0, 1.0),
    nl.minus_sin: lambda: cf.Wave(-1.0, 0.0),
    nl.exp: Exponential,
    nl.gelu: Gelu,
    nl.gelu_slope: GeluSlope,
}
"""The functions of the built-in nonlinearities, given their parameters θ."""


def family_of(phi: Nonlinearity, theta: tuple[Array, ...] = ()) -> Family | None:
    """The family of φ(·; θ); `None` if it has no closed forms."""
    if phi in READY:
        return Family(READY[phi](*theta))
    if phi.coefficients:
        return Family(Powers(phi.coefficients))
    return None if theta else _recognised(phi)


def as_exponential_sum(phi: Nonlinearity, theta: tuple[Array, ...]) -> ExponentialSum | None:
    """φ as a sum of polynomials times exponentials of quadratics; `None` if it does not have that form."""
    return None if theta or _has_no_formula(phi) else _exponential_sum(phi)


def _has_no_formula(phi: Nonlinearity) -> bool:
    return phi.formula is None or bool(phi.formula.breaks)


@functools.lru_cache(maxsize=1024)
def _exponential_sum(phi: Nonlinearity) -> ExponentialSum | None:
    assert phi.formula is not None
    return exponential_sum(phi.formula.pieces[0])


@functools.lru_cache(maxsize=1024)
def _recognised(phi: Nonlinearity) -> Family | None:
    formula = phi.formula
    if formula is None:
        return None
    try:
        if formula.breaks:
            return _broken(formula, phi)
        (smooth,) = formula.pieces
        rules = _powers, _exponential, _bump, _wave, _erf, _gelu, _gelu_slope
        return next((family for rule in rules if (family := rule(smooth)) is not None), None)
    except OverflowError:  # a number is beyond the range of floats
        return None


def _broken(formula: Formula, phi: Nonlinearity) -> Family | None:
    """The family of two straight lines that meet in a kink, or of two constants with a jump between them."""
    if len(formula.breaks) > 1:
        return None
    (at,), (before, after) = formula.breaks, (_coefficients(piece) for piece in formula.pieces)
    if before is None or after is None or max(len(before), len(after)) > 2:
        return None
    (start, left), (end, right) = (*before, 0.0)[:2], (*after, 0.0)[:2]
    with jax.ensure_compile_time_eval():
        there = float(phi.fn(jnp.asarray(float(at))))
    if left == right == 0:
        return Family(cf.Jump(end, start, there), shift=-float(at))
    sides = [piece.at(at) for piece in formula.pieces]
    if abs(sides[0] - sides[1]) > 1e-14 * max(map(abs, sides)):
        return None
    return Family(cf.Kink(right, left), shift=-float(at), offset=sides[0])


# --- smooth functions, by their terms -------------------------------------------------------------


def _coefficients(smooth: Smooth) -> tuple[float, ...] | None:
    """The coefficients of a polynomial; `None` for other functions."""
    if smooth.terms.keys() - {(None, ())}:
        return None
    return tuple(float(c.re) for c in smooth.terms.get((None, ()), ())) or (0.0,)


def _powers(smooth: Smooth) -> Family | None:
    coefficients = _coefficients(smooth)
    return None if coefficients is None else Family(Powers(coefficients))


def _only_term(smooth: Smooth) -> tuple[tuple[Exact, ...], float] | None:
    """The exponent and the factor of a real multiple of an exponential; `None` for other functions."""
    if len(smooth.terms) != 1:
        return None
    (((erf, exponent), p),) = smooth.terms.items()
    return None if erf or len(p) != 1 or any(c.im for c in (*exponent, *p)) else (exponent, float(p[0].re))


def _exponential(smooth: Smooth) -> Family | None:
    term = _only_term(smooth)
    if term is None or len(term[0]) != 2:
        return None
    return Family(Exponential(), rise=float(term[0][1].re), shift=float(term[0][0].re), factor=term[1])


def _bump(smooth: Smooth) -> Family | None:
    term = _only_term(smooth)
    if term is None or len(term[0]) != 3 or term[0][2].re > 0:
        return None
    offset, slope, curvature = (c.re for c in term[0])
    centre = -slope / (2 * curvature)
    height = math.exp(offset - curvature * centre * centre)
    rise = math.sqrt(-curvature)
    return Family(cf.Bump(height * term[1]), rise=rise, shift=-rise * float(centre))


def _wave(smooth: Smooth) -> Family | None:
    """A sin(wx) + B cos(wx), which is the sum of a multiple of e^{i(wx + δ)} and its conjugate."""
    if len(smooth.terms) != 2:
        return None
    for (erf, exponent), p in smooth.terms.items():
        if erf or len(p) != 1 or len(exponent) != 2 or any(c.re for c in exponent):
            return None
        if exponent[1].im > 0:
            turn = complex(math.cos(exponent[0].im), math.sin(exponent[0].im))
            height = 2 * complex(p[0].re, p[0].im) * turn
            return Family(cf.Wave(-height.imag, height.real), rise=float(exponent[1].im))
    return None


def _bends(smooth: Smooth) -> tuple[tuple[Fraction, Fraction], tuple[Exact, ...], Smooth] | None:
    """(b, c), P and the remainder r of a function P(x) erf(bx + c) + r(x)."""
    found = [(erf, exponent) for erf, exponent in smooth.terms if erf]
    if len(found) != 1 or found[0][1]:
        return None
    ((erf, exponent),) = found
    rest = {atom: p for atom, p in smooth.terms.items() if atom != (erf, exponent)}
    return erf, smooth.terms[erf, exponent], Smooth(rest)


def _erf(smooth: Smooth) -> Family | None:
    bends = _bends(smooth)
    offset = None if bends is None or len(bends[1]) != 1 else _coefficients(bends[2])
    if bends is None or offset is None or len(offset) != 1:
        return None
    (b, c), (height,), _ = bends
    return Family(cf.Erf(offset[0], float(height.re)), rise=float(b), shift=float(c))


def _gelu(smooth: Smooth) -> Family | None:
    """a x (±1 + erf(bx)) = ±a√2/b · gelu(±√2 b x)."""
    bends = _bends(smooth)
    if bends is None or bends[0][1] or len(bends[1]) != 2 or bends[1][0]:
        return None
    (b, _), p, rest = bends
    for sign in (1, -1):
        if rest == X.pieces[0] * Smooth.polynomial(p[1]) * Smooth.constant(sign):
            return Family(Gelu(), rise=sign * math.sqrt(2) * float(b), factor=float(p[1].re) * math.sqrt(2) / float(b))
    return None


def _gelu_slope(smooth: Smooth) -> Family | None:
    """a (±1 + erf(bx)) + 2ab/√π x exp(−b²x²) = ±2a gelu′(±√2 b x)."""
    bends = _bends(smooth)
    if bends is None or bends[0][1] or len(bends[1]) != 1:
        return None
    (b, _), (a,), rest = bends
    level = rest.terms.get((None, ()), ())
    others = [(exponent, q) for (_, exponent), q in rest.terms.items() if exponent]
    if len(others) != 1 or len(level) != 1 or level[0] not in (a, -a):
        return None
    ((exponent, q),) = others
    size = 2 * float(a.re) * float(b) / math.sqrt(math.pi)
    bump = len(exponent) == 3 and not exponent[0] and not exponent[1] and _near(exponent[2], -(float(b) ** 2))
    if not bump or len(q) != 2 or q[0] or not _near(q[1], size):
        return None
    sign = 1 if level[0] == a else -1
    return Family(GeluSlope(), rise=sign * math.sqrt(2) * float(b), factor=sign * 2 * float(a.re))


def _near(number: Exact, expected: float) -> bool:
    """Whether two numbers are equal up to rounding."""
    return not number.im and abs(float(number.re) - expected) <= 1e-15 * 4 * abs(expected)


def relu_factor(phi: Nonlinearity) -> float:
    """The number a > 0 such that φ(x) = a x₊; 0 if there is none."""
    match family_of(phi):
        case Family(cf.Kink(float(right), 0.0), 1.0, 0.0, 1.0, 0.0) if right > 0:
            return right
    return 0.0
