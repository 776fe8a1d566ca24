"""Decides from a function's jaxpr whether it is elementwise, and gives a text that identifies the function.

The function is traced on arrays of shape `SHAPE`, whose lengths no other array has by chance, so that the shape of each
intermediate array tells which of its axes are axes of the function's argument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...errors import ProgramError, shown
from ..lazy_jax import jax

SHAPE = (101, 103)
"""Primes: an axis whose length is a multiple of one is an axis of the function's argument, perhaps repeated."""
MIXES: dict[str, tuple[str, str]] = {
    "reduce_sum": ("adds up", "axes"),
    "reduce_prod": ("multiplies", "axes"),
    "reduce_max": ("takes the largest of", "axes"),
    "reduce_min": ("takes the smallest of", "axes"),
    "reduce_and": ("tests all of", "axes"),
    "reduce_or": ("tests all of", "axes"),
    "argmax": ("takes the largest of", "axes"),
    "argmin": ("takes the smallest of", "axes"),
    "cumsum": ("adds up", "axis"),
    "cumprod": ("multiplies", "axis"),
    "cummax": ("takes the largest of", "axis"),
    "cummin": ("takes the smallest of", "axis"),
    "cumlogsumexp": ("adds up", "axis"),
    "sort": ("sorts", "dimension"),
    "rev": ("reverses", "dimensions"),
    "concatenate": ("moves", "dimension"),
}
"""Primitives that mix entries along some axes: a verb for the error message, and the parameter that names the axes."""
CUTS = {"slice", "dynamic_slice", "gather", "pad", "top_k", "transpose"}
"""Primitives that move or select entries, unless they leave the lengths of the argument's axes as they were."""
ALWAYS = {
    "conv_general_dilated",
    "fft",
    "eigh",
    "cholesky",
    "triangular_solve",
    "reduce_window",
    "select_and_scatter_add",
}
"""Primitives that combine different entries whatever their parameters are."""


def traced_elementwise(fn: Callable[..., Any], name: str, vectors: int, parameters: int) -> str:
    """The jaxpr of a function of `vectors` arrays and `parameters` numbers, as text; different functions differ in it.

    Raises `ProgramError` if the function cannot be traced, mixes different entries, or does not return float64 for
    float64. `name` is the function's name in messages.
    """
    arrays = [jax.ShapeDtypeStruct(SHAPE, np.float64)] * vectors
    numbers = [jax.ShapeDtypeStruct((SHAPE[0], 1), np.float64)] * parameters
    try:
        # Wrapped in a new function, since JAX caches traces by function, and what this one reads may have changed.
        traced = jax.make_jaxpr(lambda *args: fn(*args))(*arrays, *numbers)
    except jax.errors.TracerArrayConversionError as problem:
        raise ProgramError(f"{name} calls NumPy, which JAX cannot trace; write it with jax.numpy.") from problem
    except Exception as problem:
        raise ProgramError(f"{name} fails on arrays: {shown(str(problem))}.") from problem
    _check_result(name, traced.out_avals)
    for doing in _mixing(traced.jaxpr):
        raise ProgramError(
            f"{name} {doing} different coordinates; a nonlinearity must act on each coordinate separately (for "
            "averages over coordinates, use nv.moment)."
        )
    consts = [np.asarray(c) for c in _constants(traced)]
    values = [(c.dtype.str, c.shape, c.tobytes()) for c in consts]
    return re.sub(r" at 0x[0-9a-f]+", "", f"{traced}{values}")


def _check_result(name: str, outs: list[Any]) -> None:
    if len(outs) != 1:
        raise ProgramError(f"{name} returns {len(outs)} arrays; a nonlinearity must return one.")
    (out,) = outs
    if out.dtype != np.float64:
        raise ProgramError(f"{name} returns {out.dtype} for float64; it must return the dtype of its arguments.")
    if out.shape != SHAPE[len(SHAPE) - len(out.shape) :] and out.shape != (SHAPE[0], 1):
        raise ProgramError(
            f"{name} returns shape {out.shape} for {SHAPE}; a nonlinearity must act on each coordinate separately."
        )


def _jaxprs(value: Any) -> Iterator[Any]:
    """The jaxprs contained in a parameter of a primitive."""
    if isinstance(value, tuple | list):
        for item in value:
            yield from _jaxprs(item)
    elif hasattr(value, "eqns"):
        yield getattr(value, "jaxpr", value)


def _constants(closed: Any) -> Iterator[Any]:
    """The constant arrays of a jaxpr and of the jaxprs inside it."""
    yield from closed.consts
    for equation in closed.jaxpr.eqns:
        for value in equation.params.values():
            for item in value if isinstance(value, tuple | list) else [value]:
                if hasattr(item, "consts"):
                    yield from _constants(item)


def _mixing(jaxpr: Any) -> Iterator[str]:
    """A verb for each operation that mixes different entries of the argument."""
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            for inner in _jaxprs(value):
                yield from _mixing(inner)
        own = [v.aval.shape for v in equation.invars if any(map(_is_own, v.aval.shape))]
        if own:
            yield from _mixed_by(equation, own)


def _is_own(size: int) -> bool:
    """Whether an axis of this length is an axis of the function's argument."""
    return size > 0 and any(size % own == 0 for own in SHAPE)


def _mixed_by(equation: Any, shapes: list[tuple[int, ...]]) -> Iterator[str]:
    primitive, params, shape = equation.primitive.name, equation.params, shapes[0]
    if primitive in MIXES:
        doing, where = MIXES[primitive]
        axes = params[where]
        if any(_is_own(shape[a]) for a in (axes if isinstance(axes, tuple | list) else (axes,))):
            yield doing
    elif primitive == "dot_general":
        for v, axes in zip(equation.invars, params["dimension_numbers"][0], strict=True):
            if any(_is_own(v.aval.shape[a]) for a in axes):
                yield "adds up"
    elif primitive == "scan" and params["num_carry"]:
        first = params["num_consts"] + params["num_carry"]
        if any(v.aval.shape and _is_own(v.aval.shape[0]) for v in equation.invars[first:]):
            yield "scans over"
    elif primitive in CUTS:
        out = equation.outvars[0].aval.shape
        if [s for s in out if _is_own(s)] != [s for s in shape if _is_own(s)]:
            yield "moves or selects"
    elif primitive in ALWAYS:
        yield "combines"
