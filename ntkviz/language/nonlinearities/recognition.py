"""The formula of a function, derived from its jaxpr, whatever its name and however it is written.

The jaxpr is a list of primitive operations, which are evaluated on formulas (`formulas.py`) instead of numbers, each by
its rule in `RULES`. Other primitives may act only on constants; otherwise the function has no formula.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from ..lazy_jax import core, jax
from .formulas import ONE, ZERO, NoFormulaError, Piecewise, Smooth, combined, where_positive

Formula = Piecewise[Smooth]
X = Piecewise([], [Smooth.polynomial(ZERO, ONE)])
HALF = Smooth.constant(0.5)


def formula_of(fn: Callable[..., Any]) -> Formula | None:
    """The formula of a function of one number; `None` if none is found.

    The formula does not give the values at the breaks themselves; those are the function's.
    """
    try:
        traced = jax.make_jaxpr(lambda x: fn(x))(jax.ShapeDtypeStruct((), np.float64))
        (out,) = _run(traced.jaxpr, traced.consts, [X])
    except Exception:  # an error in an author's function is raised again when it is called
        return None
    return out if isinstance(out.pieces[0], Smooth) else None


def jumps_of(formula: Formula) -> bool:
    """Whether the values on the two sides of some break differ by more than rounding."""
    for at, left, right in zip(formula.breaks, formula.pieces, formula.pieces[1:], strict=False):
        values = left.at(at), right.at(at)
        if abs(values[0] - values[1]) > 1e-12 * max(1.0, *map(abs, values)):
            return True
    return False


def _run(jaxpr: Any, consts: Any, args: list[Any]) -> list[Any]:
    """Evaluate a jaxpr on formulas."""
    known: dict[Any, Any] = dict(zip(jaxpr.invars, args, strict=True))
    known |= {v: _number(c) for v, c in zip(jaxpr.constvars, consts, strict=True)}

    def read(v: Any) -> Any:
        return _number(v.val) if isinstance(v, core.Literal) else known[v]

    for equation in jaxpr.eqns:
        results = _apply(equation, [read(v) for v in equation.invars])
        known |= dict(zip(equation.outvars, results, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _apply(equation: Any, args: list[Any]) -> list[Any]:
    name, params = equation.primitive.name, equation.params
    inner = params.get("call_jaxpr", params.get("jaxpr"))
    if name in CALLS and inner is not None:
        return _run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), args)
    for v in (*equation.invars, *equation.outvars):
        if v.aval.dtype not in (np.float64, np.bool_, np.int32, np.int64):  # lower precision rounds
            raise NoFormulaError
    if name in RULES:
        return [RULES[name](params, *args)]
    numbers = [_constant(arg) for arg in args]
    with jax.ensure_compile_time_eval():
        return [_number(equation.primitive.bind(*numbers, **params))]


def _constant(x: Any) -> np.ndarray:
    """The value of a constant formula."""
    (piece,) = x.pieces
    slope, value = piece.as_affine()
    if slope:
        raise NoFormulaError
    return np.asarray(float(value))


def _number(value: Any) -> Any:
    """A number, or an array whose entries are all equal, as a formula."""
    array = np.asarray(value)
    if array.size == 0 or np.any(array != array.flat[0]):
        raise NoFormulaError
    number = array.flat[0]
    return Piecewise([], [bool(number) if array.dtype == bool else Smooth.constant(float(number))])


# --- the rules ------------------------------------------------------------------------------------


def _each(function: Callable[..., Any]) -> Callable[..., Any]:
    """The rule of an operation on smooth pieces, whose result may again be piecewise."""
    return lambda params, *args: combined(function, *args)


def _sin(f: Smooth) -> Smooth:
    """(e^{if} − e^{−if}) / 2i."""
    forth, back = f.times_i().exp(), (-f.times_i()).exp()
    return -((forth - back) * HALF).times_i()


def _cos(f: Smooth) -> Smooth:
    return (f.times_i().exp() + (-f.times_i()).exp()) * HALF


def _divided(f: Smooth, g: Smooth) -> Smooth:
    return f * g.reciprocal()


def _power(f: Smooth, g: Smooth) -> Smooth:
    slope, exponent = g.as_affine()
    if slope or exponent.denominator != 1:
        raise NoFormulaError
    return f.power(int(exponent))


def _one_of(f: Any, g: Any, choose: Callable[[Any, Any], Any]) -> Any:
    """max or min: one of f and g, chosen by the sign of f − g."""
    return f if f == g else where_positive(f - g, *choose(f, g))


def _compare(if_more: bool, if_less: bool, if_equal: bool) -> Callable[..., Any]:
    def compare(f: Any, g: Any) -> Any:
        if isinstance(f, bool):
            return (if_equal if f == g else if_more) if if_more == if_less else _raise()
        return if_equal if f == g else where_positive(f - g, if_more, if_less)

    return _each(compare)


def _raise() -> Any:
    raise NoFormulaError


def _select(params: Any, which: Piecewise[Any], *cases: Piecewise[Any]) -> Piecewise[Any]:
    if len(cases) != 2:
        raise NoFormulaError
    return combined(lambda w, no, yes: yes if w is True else no if w is False else _raise(), which, *cases)


def _converted(params: Any, x: Piecewise[Any]) -> Piecewise[Any]:
    """Conversion between dtypes that keeps the numbers; truth values become 0 or 1."""
    kind = np.dtype(params["new_dtype"]).kind
    if isinstance(x.pieces[0], bool):
        return x if kind == "b" else combined(lambda piece: Smooth.constant(float(piece)), x)
    if kind == "f":
        return x
    raise NoFormulaError


def _same(params: Any, x: Any, *sizes: Any) -> Any:
    """The rule of an operation that changes only the shape, since all entries of an array are equal here."""
    return x


def _logic(function: Callable[..., bool]) -> Callable[..., Any]:
    return _each(lambda *truths: function(*truths) if all(isinstance(t, bool) for t in truths) else _raise())


_LARGER, _SMALLER = (lambda f, g: (f, g)), (lambda f, g: (g, f))
CALLS = {
    "jit",
    "pjit",
    "closed_call",
    "core_call",
    "custom_jvp_call",
    "custom_vjp_call",
    "custom_vjp_call_jaxpr",
    "checkpoint",
    "remat2",
}
"""Primitives that only call another jaxpr."""
RULES: dict[str, Callable[..., Any]] = {
    "add": _each(operator.add),
    "add_any": _each(operator.add),
    "sub": _each(operator.sub),
    "mul": _each(operator.mul),
    "neg": _each(operator.neg),
    "div": _each(_divided),
    "square": _each(lambda f: f * f),
    "integer_pow": lambda params, x: combined(lambda f: f.power(params["y"]), x),
    "pow": _each(_power),
    "exp": _each(Smooth.exp),
    "exp2": _each(lambda f: (f * Smooth.constant(math.log(2))).exp()),
    "expm1": _each(lambda f: f.exp() - Smooth.polynomial(ONE)),
    "sin": _each(_sin),
    "cos": _each(_cos),
    "sinh": _each(lambda f: (f.exp() - (-f).exp()) * HALF),
    "cosh": _each(lambda f: (f.exp() + (-f).exp()) * HALF),
    "erf": _each(Smooth.erf),
    "erfc": _each(lambda f: Smooth.polynomial(ONE) - f.erf()),
    "sqrt": lambda params, x: _number(math.sqrt(_constant(x))),
    "log": lambda params, x: _number(math.log(_constant(x))),
    "max": _each(lambda f, g: _one_of(f, g, _LARGER)),
    "min": _each(lambda f, g: _one_of(f, g, _SMALLER)),
    "clamp": lambda params, low, x, high: RULES["max"](params, RULES["min"](params, x, high), low),
    "abs": _each(lambda f: where_positive(f, f, -f)),
    "sign": _each(lambda f: where_positive(f, Smooth.constant(1.0), Smooth.constant(-1.0)) if f.terms else f),
    "gt": _compare(True, False, False),
    "ge": _compare(True, False, True),
    "lt": _compare(False, True, False),
    "le": _compare(False, True, True),
    "eq": _compare(False, False, True),
    "ne": _compare(True, True, False),
    "and": _logic(operator.and_),
    "or": _logic(operator.or_),
    "not": _logic(operator.not_),
    "is_finite": _each(lambda f: True),
    "select_n": _select,
    "convert_element_type": _converted,
    "broadcast_in_dim": _same,
    "reshape": _same,
    "squeeze": _same,
    "copy": _same,
    "copy_p": _same,
    "stop_gradient": _same,
}
