"""Evaluation of a nonlinearity's jaxpr in NumPy: its values at points, or rigorous enclosures on whole intervals.

Quadrature samples a function only at nodes, between which the function could be anything. An enclosure covers a whole
interval, so error bounds that follow from enclosures hold for every function. `Traced` evaluates the jaxpr of a
function on plain numbers or on `Cell`s; this needs neither JAX nor a device, and may run inside a callback.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal
from numpy.typing import NDArray

from ntkviz.errors import NotIntegrableError
from ntkviz.gaussian.certified import cells as p
from ntkviz.gaussian.certified.cells import Cell, Rearrangement, Truth
from ntkviz.gaussian.certified.functions import FUNCTIONS, Array, Function, power, real_power

CALLS = {
    **dict.fromkeys(("jit", "pjit", "remat2", "checkpoint"), "jaxpr"),
    **dict.fromkeys(("closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"), "call_jaxpr"),
}
"""Primitives that only call another jaxpr, with the parameter that holds it."""


class Traced:
    """The jaxpr of a function φ(x; θ…) of numbers.

    Raises `NotIntegrableError` for a primitive without an enclosure.
    """

    def __init__(self, fn: Callable[..., Any], arguments: int):
        number = jax.ShapeDtypeStruct((), float)
        self.jaxpr = jax.make_jaxpr(fn)(*(number,) * arguments)
        if any(isinstance(c, jax.core.Tracer) for c in self.jaxpr.consts):
            raise NotIntegrableError(
                "A nonlinearity uses a number from outside that JAX is tracing; make it a parameter of the function."
            )
        _check_known(self.jaxpr.jaxpr)

    def values(self, *args: Array | float) -> Array:
        """φ at points, which are one-dimensional arrays that broadcast."""
        points = [np.atleast_1d(np.asarray(a, dtype=float)) for a in args]
        return np.broadcast_to(self._evaluate(points), np.broadcast_shapes(*(a.shape for a in points)))

    def cells(self, lo: Array, hi: Array, centre: Array, radius: Array, *theta: Array) -> Cell:
        """The enclosures of φ for x in [lo, hi], and for complex x in the disc around `centre`."""
        return self.cells_of_several([(lo, hi, centre, radius)], *theta)

    def cells_of_several(self, sides: Sequence[tuple[Array, Array, Array, Array]], *theta: Array | float) -> Cell:
        """The enclosures of a φ of several x on boxes with these sides, and for complex x in the discs around them."""
        xs = [Cell(*side, p.cell(*side).tag) for side in sides]
        shape = np.shape(sides[0][0])
        found = self._evaluate([*xs, *(p.points(np.asarray(t)) for t in theta)])
        if isinstance(found, Cell):
            return found._replace(excess=None).map(lambda a: np.broadcast_to(a, shape))
        return p.points(found).map(lambda a: np.broadcast_to(a, shape))

    def _evaluate(self, args: list[Any]) -> Any:
        with np.errstate(all="ignore"):
            (result,) = _run(self.jaxpr.jaxpr, self.jaxpr.consts, args)
        if isinstance(result, Truth):
            return _to_number(result)
        return result if isinstance(result, Cell) else np.asarray(result, dtype=float)


@functools.lru_cache(maxsize=1024)
def traced(fn: Callable[..., Any], parameters: int) -> Traced:
    """The jaxpr of φ(x; θ…), traced once for each function."""
    return Traced(fn, 1 + parameters)


def _check_known(jaxpr: Jaxpr) -> None:
    for equation in jaxpr.eqns:
        name = equation.primitive.name
        if name in CALLS:
            _check_known(_inner(equation).jaxpr)
        elif name not in RULES:
            raise NotIntegrableError(
                f"Expectations of a function with the primitive {name} cannot be bounded, since there is no rule for "
                "its enclosure on intervals; write the function with others, such as exp, tanh, erf, sin, maximum and "
                "where."
            )


def _inner(equation: Any) -> ClosedJaxpr:
    inner = equation.params[CALLS[equation.primitive.name]]
    return inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, ())


def _run(jaxpr: Jaxpr, consts: Any, args: list[Any]) -> list[Any]:
    values: dict[Any, Any] = dict(zip(jaxpr.constvars, (np.asarray(c)[None] for c in consts), strict=True))
    values.update(zip(jaxpr.invars, args, strict=True))

    def read(variable: Any) -> Any:
        return np.asarray(variable.val)[None] if isinstance(variable, Literal) else values[variable]

    for equation in jaxpr.eqns:
        name, inputs = equation.primitive.name, [read(v) for v in equation.invars]
        if name in CALLS:
            inner = _inner(equation)
            if _is_log_add_exp(inner.jaxpr) and any(isinstance(a, Cell) for a in inputs):
                results = [p.log_add_exp(*_aligned(inputs))]
            else:
                results = _run(inner.jaxpr, inner.consts, inputs)
        else:
            found = _apply(name, inputs, equation.params)
            results = found if isinstance(found, list) else [found]
        values.update(zip(equation.outvars, results, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _is_log_add_exp(jaxpr: Jaxpr) -> bool:
    """Whether a jaxpr is JAX's logaddexp, max(x, y) + log1p(exp(−|x − y|)), which is smooth although max is not."""
    steps = "max", "sub", "ne", "add", "abs", "neg", "exp", "log1p", "add", "select_n"
    return jaxpr.debug_info.func_name == "logaddexp" and tuple(e.primitive.name for e in jaxpr.eqns) == steps


def _apply(name: str, inputs: list[Any], params: dict[str, Any]) -> Any:
    of_points, of_cells = RULES[name]
    if any(isinstance(a, Cell | Truth) for a in inputs):
        return of_cells(params, *_aligned(inputs))
    return of_points(params, *_same_rank(inputs))


def _same_rank(inputs: list[Any]) -> list[Any]:
    """The inputs with as many axes each: scalars, which JAX allows together with arrays, get axes of length 1."""
    most = max(np.ndim(a) for a in inputs)
    return [a.reshape(*a.shape, *(1,) * (most - a.ndim)) if a.ndim == 1 else a for a in inputs]


def _aligned(inputs: list[Any]) -> list[Any]:
    """All inputs as cells, with as many axes each."""
    cells = [a if isinstance(a, Cell | Truth) else _as_cell(a) for a in inputs]
    most = max(a[0].ndim for a in cells)
    return [a.map(lambda v: v.reshape(*v.shape, *(1,) * (most - v.ndim))) if a[0].ndim == 1 else a for a in cells]


def _as_cell(a: NDArray[Any]) -> Cell | Truth:
    if a.dtype.kind == "b":
        return Truth(a, ~a)
    return p.points(a)


def _to_number(truth: Truth) -> Cell:
    lo, hi = truth.yes.astype(float), 1.0 - truth.no.astype(float)
    return p.cell(lo, hi, lo, np.where(lo == hi, 0.0, np.inf))


# --- one rule for each primitive: for numbers, and for cells -----------------------------------------

Rule = tuple[Callable[..., Any], Callable[..., Any]]


def _elementwise(of_points: Callable[..., NDArray[Any]], of_cells: Callable[..., Any]) -> Rule:
    return lambda _, *args: of_points(*args), lambda _, *args: of_cells(*args)


def _function(f: Function) -> Rule:
    return _elementwise(f.value, functools.partial(p.apply, f))


def _same_for_all_parts(change: Callable[..., Rearrangement]) -> Rule:
    """The rule of a rearrangement, applied to all parts of a cell; `change(params)` takes arrays with cells first."""
    return lambda params, a: change(params)(a), lambda params, x: x.map(change(params))


def _broadcast(params: Any) -> Rearrangement:
    shape, axes = params["shape"], params["broadcast_dimensions"]

    def of(a: NDArray[Any]) -> NDArray[Any]:
        own = [1] * len(shape)
        for axis, size in zip(axes, a.shape[1:], strict=True):
            own[axis] = size
        return np.broadcast_to(a.reshape(len(a), *own), (len(a), *shape))

    return of


def _reshape(params: Any) -> Rearrangement:
    return lambda a: a.reshape(len(a), *params["new_sizes"])


def _squeeze(params: Any) -> Rearrangement:
    return lambda a: np.squeeze(a, tuple(axis + 1 for axis in params["dimensions"]))


def _transpose(params: Any) -> Rearrangement:
    return lambda a: np.transpose(a, (0, *(axis + 1 for axis in params["permutation"])))


def _slice(params: Any) -> Rearrangement:
    steps = params["strides"] or (1,) * len(params["start_indices"])
    cut = zip(params["start_indices"], params["limit_indices"], steps, strict=True)
    places = (slice(None), *(slice(*c) for c in cut))
    return lambda a: a[places]


def _at(place: int, axis: SupportsIndex) -> Rearrangement:
    return lambda a: np.take(a, place, axis)


def _reduction(of_points: Callable[..., NDArray[Any]], of_cells: Callable[[Cell, Cell], Cell]) -> Rule:
    def points(params: Any, a: NDArray[Any]) -> NDArray[Any]:
        return of_points(a, axis=tuple(axis + 1 for axis in params["axes"]))

    def cells(params: Any, x: Cell) -> Cell:
        for axis in sorted(params["axes"], reverse=True):
            parts = [x.map(_at(k, axis + 1)) for k in range(x.lo.shape[axis + 1])]
            x = functools.reduce(of_cells, parts)
        return x

    return points, cells


def _concatenate(params: Any, *args: Any) -> Any:
    axis = params["dimension"] + 1
    if not isinstance(args[0], Cell):
        most = max(len(a) for a in args)
        return np.concatenate([np.broadcast_to(a, (most, *a.shape[1:])) for a in args], axis)
    most = max(len(a.lo) for a in args)
    parts = (
        [np.broadcast_to(v, (most, *v.shape[1:])) for v in part] for part in zip(*(a[:5] for a in args), strict=True)
    )
    lo, hi, centre, radius, tag = (np.concatenate(part, axis) for part in parts)
    return Cell(lo, hi, centre, radius, tag)


def _stack(params: Any, *args: Any) -> Any:
    axis = params["axis"]
    longer = [
        a.map(lambda v: np.expand_dims(v, axis + 1)) if isinstance(a, Cell) else np.expand_dims(a, axis + 1)
        for a in args
    ]
    return _concatenate({"dimension": axis}, *longer)


def _unstack(params: Any, x: Any) -> list[Any]:
    axis = params["axis"] + 1
    parts = range((x.lo if isinstance(x, Cell) else x).shape[axis])
    return [x.map(_at(k, axis)) if isinstance(x, Cell) else x.take(k, axis) for k in parts]


def _convert_points(params: Any, a: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(a).astype(params["new_dtype"])


def _convert_cells(params: Any, x: Cell | Truth) -> Cell | Truth:
    dtype = np.dtype(params["new_dtype"])
    if isinstance(x, Truth):
        return x if dtype.kind == "b" else _to_number(x)
    if dtype.kind == "f":
        step = float(np.finfo(dtype).eps)
        return x if dtype == np.float64 else p.multiply(x, p.cell(*map(np.atleast_1d, (1 - step, 1 + step, 1.0, step))))
    if dtype.kind == "b":
        return p.opposite(p.is_equal(x, p.constant(np.zeros(x.lo.shape[1:]))))
    return p.stepwise(np.trunc)(x)


def _integer_power(n: int, x: Cell) -> Cell:
    found = p.apply(power(abs(n)), x)
    return found if n >= 0 else p.reciprocal(found)


def _power(_: Any, x: Cell, y: Cell) -> Cell:
    exponent = float(y.lo.flat[0])
    if np.all(y.lo == exponent) and np.all(y.hi == exponent):
        if exponent.is_integer() and abs(exponent) <= 64:
            return _integer_power(int(exponent), x)
        return p.apply(real_power(exponent), x)
    return p.apply(FUNCTIONS["exp"], p.multiply(y, p.apply(FUNCTIONS["log"], x)))


def _multiply(x: Cell, y: Cell) -> Cell:
    product = p.multiply(x, y)
    square = p.apply(power(2), x)
    return p.pick(x.tag == y.tag, square, product) if np.any(x.tag == y.tag) else product


def _select_points(_: Any, which: NDArray[Any], *cases: NDArray[Any]) -> NDArray[Any]:
    return np.select([which.astype(int) == k for k in range(len(cases))], np.broadcast_arrays(*cases))


def _clamp(low: Cell, x: Cell, high: Cell) -> Cell:
    return p.smallest(p.largest(x, low), high)


def _remainder(x: Cell, y: Cell) -> Cell:
    """x − y·trunc(x/y)."""
    return p.subtract(x, _multiply(y, p.stepwise(np.trunc)(p.multiply(x, p.reciprocal(y)))))


def _tan(x: Cell) -> Cell:
    return p.multiply(p.apply(FUNCTIONS["sin"], x), p.reciprocal(p.apply(FUNCTIONS["cos"], x)))


def _round_points(params: Any, a: Array) -> Array:
    away = int(params["rounding_method"]) == 0
    return np.trunc(a + np.copysign(0.5, a)) if away else np.rint(a)


RULES: dict[str, Rule] = {
    **{name: _function(f) for name, f in FUNCTIONS.items()},
    "tan": _elementwise(np.tan, _tan),
    "add": _elementwise(np.add, p.add),
    "add_any": _elementwise(np.add, p.add),
    "sub": _elementwise(np.subtract, p.subtract),
    "mul": _elementwise(np.multiply, _multiply),
    "div": _elementwise(np.true_divide, lambda x, y: p.multiply(x, p.reciprocal(y))),
    "rem": _elementwise(np.fmod, _remainder),
    "neg": _elementwise(np.negative, p.negative),
    "square": _function(power(2)),
    "integer_pow": (
        lambda params, x: np.asarray(x, dtype=float) ** params["y"],
        lambda params, x: _integer_power(params["y"], x),
    ),
    "pow": (lambda _, x, y: np.power(np.asarray(x, dtype=float), y), _power),
    "abs": _elementwise(np.abs, p.absolute),
    "sign": _elementwise(np.sign, p.stepwise(np.sign)),
    "floor": _elementwise(np.floor, p.stepwise(np.floor)),
    "ceil": _elementwise(np.ceil, p.stepwise(np.ceil)),
    "round": (_round_points, lambda params, x: p.stepwise(functools.partial(_round_points, params))(x)),
    "max": _elementwise(np.maximum, p.largest),
    "min": _elementwise(np.minimum, p.smallest),
    "clamp": _elementwise(lambda low, x, high: np.minimum(np.maximum(x, low), high), _clamp),
    "lt": _elementwise(np.less, p.is_less),
    "le": _elementwise(np.less_equal, p.is_at_most),
    "gt": _elementwise(np.greater, lambda x, y: p.is_less(y, x)),
    "ge": _elementwise(np.greater_equal, lambda x, y: p.is_at_most(y, x)),
    "eq": _elementwise(np.equal, p.is_equal),
    "ne": _elementwise(np.not_equal, lambda x, y: p.opposite(p.is_equal(x, y))),
    "xor": _elementwise(np.logical_xor, lambda x, y: p.opposite(p.agree(x, y))),
    "and": _elementwise(np.logical_and, p.both),
    "or": _elementwise(np.logical_or, p.either),
    "not": _elementwise(np.logical_not, p.opposite),
    "is_finite": _elementwise(
        np.isfinite, lambda x: Truth(np.isfinite(x.lo) & np.isfinite(x.hi), np.zeros(x.lo.shape, bool))
    ),
    "select_n": (_select_points, lambda _, which, if_no, if_yes: p.select(which, if_no, if_yes)),
    "convert_element_type": (_convert_points, _convert_cells),
    "copy": (lambda _, a: a, lambda _, x: x),
    "copy_p": (lambda _, a: a, lambda _, x: x),
    "stop_gradient": (lambda _, a: a, lambda _, x: x),
    "broadcast_in_dim": _same_for_all_parts(_broadcast),
    "reshape": _same_for_all_parts(_reshape),
    "squeeze": _same_for_all_parts(_squeeze),
    "transpose": _same_for_all_parts(_transpose),
    "slice": _same_for_all_parts(_slice),
    "concatenate": (_concatenate, _concatenate),
    "stack": (_stack, _stack),
    "unstack": (_unstack, _unstack),
    "reduce_sum": _reduction(np.sum, p.add),
    "reduce_prod": _reduction(np.prod, p.multiply),
    "reduce_max": _reduction(np.max, p.largest),
    "reduce_min": _reduction(np.min, p.smallest),
}
