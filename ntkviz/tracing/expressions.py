"""Expressions of vectors and numbers that are applied coordinate by coordinate, and the functions that they become.

A traced model applies one primitive at a time. These are collected into expressions, so that `x * sigmoid(x)` is one
nonlinearity. Equal expressions become the same function object: programs compare functions by identity, and the engine
can detect loops over time and share compiled code between layers only if these are equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive

from ..language.handle import Value
from ..language.nonlinearities import nonlinearity as nl
from ..language.nonlinearities.recognition import Formula, formula_of

ELEMENTWISE = frozenset(
    [
        "add",
        "sub",
        "mul",
        "div",
        "max",
        "min",
        "pow",
        "neg",
        "abs",
        "sign",
        "exp",
        "exp2",
        "log",
        "log1p",
        "expm1",
        "tanh",
        "logistic",
        "erf",
        "erfc",
        "erf_inv",
        "sin",
        "cos",
        "tan",
        "asin",
        "acos",
        "atan",
        "sinh",
        "cosh",
        "asinh",
        "acosh",
        "atanh",
        "sqrt",
        "rsqrt",
        "cbrt",
        "square",
        "integer_pow",
        "select_n",
        "gt",
        "lt",
        "ge",
        "le",
        "eq",
        "ne",
        "and",
        "or",
        "not",
        "xor",
        "is_finite",
        "clamp",
        "floor",
        "ceil",
        "round",
        "rem",
        "atan2",
        "convert_element_type",
        "copy",
        "copy_p",
        "stop_gradient",
        "add_any",
        "lgamma",
        "digamma",
    ]
)
"""Primitives that act on every entry of their arguments separately."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """A value that is already an instruction of the program."""

    handle: Value


@dataclass(frozen=True, eq=False)
class Literal:
    """A number, or an array of numbers, that is known while tracing."""

    value: np.ndarray

    @property
    def number(self) -> float | None:
        """The number, if all entries are equal; otherwise `None`."""
        flat = np.ravel(self.value)
        return float(flat[0]) if flat.size and np.all(flat == flat[0]) else None


@dataclass(frozen=True, eq=False)
class Apply:
    """A primitive applied to expressions; `kinds` are the kinds of dtypes it takes: "f", "i" (or "u") or "b"."""

    primitive: Primitive
    params: dict[str, Any]
    args: tuple[Expression, ...]
    kinds: tuple[str, ...]

    @property
    def name(self) -> str:
        """The primitive's name."""
        return str(self.primitive.name)


Expression = Leaf | Literal | Apply


def leaves(*expressions: Expression) -> list[Value]:
    """The instructions that expressions use, without duplicates, in the order of their first use."""
    found: dict[int, Value] = {}
    seen: set[int] = set()

    def visit(e: Expression) -> None:
        if id(e) in seen:
            return
        seen.add(id(e))
        if isinstance(e, Leaf):
            found.setdefault(e.handle._index, e.handle)
        elif isinstance(e, Apply):
            for arg in e.args:
                visit(arg)

    for e in expressions:
        visit(e)
    return list(found.values())


# --- affine functions a·x + b -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """An affine function a·x + b, where x is a leaf, or an expression that is not itself of this form."""

    base: Expression
    slope: float
    shift: float


def line(e: Expression) -> Line:
    """An expression as an affine function of an inner one; `Line(e, 1, 0)` if it is not of this form."""
    if not isinstance(e, Apply):
        return Line(e, 1.0, 0.0)
    match e.name, [arg.number if isinstance(arg, Literal) else None for arg in e.args]:
        case ("mul", [None, float(a)]):
            return _line_of(e.args[0], a, 0.0)
        case ("mul", [float(a), None]):
            return _line_of(e.args[1], a, 0.0)
        case ("div", [None, float(a)]) if a:
            return _line_of(e.args[0], 1 / a, 0.0)
        case ("add" | "add_any", [None, float(b)]):
            return _line_of(e.args[0], 1.0, b)
        case ("add" | "add_any", [float(b), None]):
            return _line_of(e.args[1], 1.0, b)
        case ("sub", [None, float(b)]):
            return _line_of(e.args[0], 1.0, -b)
        case ("sub", [float(b), None]):
            return _line_of(e.args[1], -1.0, b)
        case ("neg", [None]):
            return _line_of(e.args[0], -1.0, 0.0)
    return Line(e, 1.0, 0.0)


def _line_of(e: Expression, a: float, b: float) -> Line:
    below = line(e)
    return Line(below.base, below.slope * a, below.shift * a + b)


def lines_over_leaves(e: Expression) -> dict[int, set[tuple[float, float]]]:
    """For each leaf, by index, the affine functions (a, b) of it that an expression consists of."""
    found: dict[int, set[tuple[float, float]]] = {}
    for part in _parts(e):
        below = line(part)
        assert isinstance(below.base, Leaf)
        found.setdefault(below.base.handle._index, set()).add((below.slope, below.shift))
    return found


def _parts(e: Expression) -> Iterator[Expression]:
    """The largest affine functions of leaves in an expression."""
    waiting, seen = [e], set[int]()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(line(part).base, Leaf):
            yield part
        elif isinstance(part, Apply):
            waiting += part.args


def with_lines_as(e: Expression, new: dict[int, Leaf]) -> Expression:
    """The expression with each affine function of a leaf whose index is in `new` replaced by the leaf given there."""
    done: dict[int, Expression] = {}

    def again(part: Expression) -> Expression:
        if id(part) not in done:
            below = line(part).base
            if isinstance(below, Leaf) and below.handle._index in new:
                done[id(part)] = new[below.handle._index]
            elif isinstance(part, Apply):
                args = tuple(again(arg) for arg in part.args)
                done[id(part)] = Apply(part.primitive, part.params, args, part.kinds)
            else:
                done[id(part)] = part
        return done[id(part)]

    return again(e)


# --- functions ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Canonical:
    """An expression of numbered arguments; equal ones are the same object."""

    run: Callable[[tuple[Any, ...], dict[int, Any]], Any]
    name: str


_canonical: dict[Any, _Canonical] = {}
_functions: dict[Any, Callable[..., Any]] = {}
_nonlinearities: dict[Any, nl.Nonlinearity] = {}


def function(e: Expression, args: list[Value]) -> Callable[..., Any]:
    """An expression as a function of the arrays of `args`, whose results have their precision."""
    key = _canonical_form(e, {a._index: k for k, a in enumerate(args)}), len(args)
    if key not in _functions:
        form = key[0]

        def fn(*arrays: Any) -> Any:
            out = jnp.asarray(_evaluated(form, arrays, {}))
            return out.astype(_float_type(arrays))

        fn.__name__ = fn.__qualname__ = form.name
        _functions[key] = fn
    return _functions[key]


def nonlinearity(e: Expression, vectors: Sequence[Value], scalars: Sequence[Value]) -> nl.Nonlinearity:
    """An expression as a nonlinearity of these vectors and scalars; a built-in one if they are equal."""
    fn = function(e, [*vectors, *scalars])
    if fn not in _nonlinearities:
        known = None if scalars else _built_in(fn, e, len(vectors))
        _nonlinearities[fn] = known or nl.Nonlinearity(fn.__name__, fn, len(vectors), smooth=not _has_kinks(e))
    return _nonlinearities[fn]


def _built_in(fn: Callable[..., Any], e: Expression, arity: int) -> nl.Nonlinearity | None:
    if arity == 2 and isinstance(e, Apply) and e.name == "mul" and all(isinstance(a, Leaf) for a in e.args):
        return nl.multiply
    if arity != 1:
        return None
    if isinstance(e, Apply) and e.name in ("tanh", "logistic") and isinstance(e.args[0], Leaf):
        return nl.tanh if e.name == "tanh" else nl.sigmoid
    formula = formula_of(fn)
    if formula is None:
        return None
    return next((phi for phi in nl.BY_NAME.values() if phi.formula is not None and _equal(phi.formula, formula)), None)


def _equal(one: Formula, other: Formula) -> bool:
    pieces = zip(one.pieces, other.pieces, strict=False)
    return one.breaks == other.breaks and all(a.terms == b.terms for a, b in pieces)


_KINKS = {"max", "min", "abs", "sign", "select_n", "clamp", "floor", "ceil", "round", "rem"}


def _has_kinks(e: Expression) -> bool:
    return isinstance(e, Apply) and (e.name in _KINKS or any(map(_has_kinks, e.args)))


def _canonical_form(e: Expression, numbers: dict[int, int]) -> _Canonical:
    done: dict[int, _Canonical] = {}

    def form(part: Expression) -> _Canonical:
        if id(part) not in done:
            done[id(part)] = make(part)
        return done[id(part)]

    def make(part: Expression) -> _Canonical:
        if isinstance(part, Leaf):
            k = numbers[part.handle._index]
            return _interned(("argument", k), lambda: _Canonical(lambda arrays, known: arrays[k], "φ"))
        if isinstance(part, Literal):
            value = part.value
            python = value.item() if value.ndim == 0 else value
            key = ("literal", value.dtype.kind, value.shape, value.tobytes() if value.ndim else python)
            return _interned(key, lambda: _Canonical(lambda arrays, known: python, "φ"))
        args = tuple(map(form, part.args))
        applied = ("apply", part.name, frozen(part.params), part.kinds, tuple(map(id, args)))
        return _interned(applied, lambda: _applied(part, args))

    return form(e)


def _interned(key: Any, make: Callable[[], _Canonical]) -> _Canonical:
    if key not in _canonical:
        _canonical[key] = make()
    return _canonical[key]


def _applied(part: Apply, args: tuple[_Canonical, ...]) -> _Canonical:
    def run(arrays: tuple[Any, ...], known: dict[int, Any]) -> Any:
        return bound(part, _float_type(arrays), [_evaluated(arg, arrays, known) for arg in args])

    return _Canonical(run, part.name)


def _evaluated(form: _Canonical, arrays: tuple[Any, ...], known: dict[int, Any]) -> Any:
    if id(form) not in known:
        known[id(form)] = form.run(arrays, known)
    return known[id(form)]


def _float_type(arrays: tuple[Any, ...]) -> Any:
    floats = [a.dtype for a in map(jnp.asarray, arrays) if jnp.issubdtype(a.dtype, jnp.floating)]
    return jnp.result_type(*floats) if floats else jnp.result_type(float)


def bound(part: Apply, wide: Any, args: list[Any]) -> Any:
    """A primitive applied to arrays, with floating-point numbers of dtype `wide`, whatever the model's precision."""
    given = [_cast(arg, kind, wide) for arg, kind in zip(args, part.kinds, strict=True)]
    params = part.params
    if part.name == "convert_element_type":
        kind = np.dtype(params["new_dtype"]).kind
        truncated = jnp.trunc(given[0]) if kind in "iu" and part.kinds[0] == "f" else given[0]
        return _cast(truncated, kind, wide)
    if part.name in ELEMENTWISE and len(given) > 1:
        given = list(jnp.broadcast_arrays(*given))
    return part.primitive.bind(*given, **params)


def _cast(a: Any, kind: str, wide: Any) -> jax.Array:
    array = jnp.asarray(a)
    if kind == "b":
        return array if array.dtype == bool else array != 0
    if kind in "iu":
        return array.astype(int) if array.dtype.kind in "iub" else jnp.round(array).astype(int)
    return array.astype(wide)


def frozen(value: Any) -> Any:
    """A parameter of a primitive in a hashable form, which is equal for equal parameters."""
    match value:
        case np.ndarray():
            return value.shape, str(value.dtype), value.tobytes()
        case dict():
            return tuple(sorted((k, frozen(v)) for k, v in value.items()))
        case list() | tuple():
            return tuple(map(frozen, value))
    try:
        hash(value)
    except TypeError:
        return str(value)
    return value
