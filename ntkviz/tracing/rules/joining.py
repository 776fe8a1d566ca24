"""Joining arrays along an axis, and padding."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import phrase
from ...language.axes import Shape
from ...language.functions import concatenate
from .. import expressions as ex
from ..jaxprs import Equation, width_axes
from ..values import Joined, Numbers, Par, Readouts, SmallerBlocksError, Vectors
from .elementwise import is_frozen
from .moving import block_axes, expanded, movable, moved, padded
from .outputs import joined_outputs
from .reductions import as_value
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk


_SEGMENTS = phrase(
    "Vectors and an array of a size that does not grow with the width are joined along the width{where}, as an LSTM "
    "joins its state and its input; multiply each by its own parameter, and add the products, since with one parameter "
    "of variance 1/fan_in the part of the array vanishes as the width grows."
)


@rule("concatenate")
def concatenated(walk: Walk, eq: Equation, *args: Any) -> Any:
    """Arrays concatenated along an axis."""
    axis = eq.params["dimension"]
    filled = [k for k, (shape, _) in enumerate(eq.ins) if shape[axis]]
    args, ins = tuple(args[k] for k in filled), [eq.ins[k] for k in filled]
    if len(args) == 1:
        return args[0]
    if any(isinstance(a, Readouts) for a in args):
        return joined_outputs(walk, args, functools.partial(np.concatenate, axis=axis))
    if all(isinstance(a, Par) for a in args) and any(a.entries.ndim > 1 for a in args):
        return Joined(args, axis, ins, eq.outs[0])
    return joined(walk, args, ins, axis, eq.outs[0])


def written_joined(walk: Walk, a: Joined) -> Numbers | Vectors:
    """Joined parameters as vectors, if each has one width axis, which a tensor program may use in any way."""
    if any(len(p.axes) > 1 for p in a.parts):
        names = " and ".join(walk.parameters.name(p.leaf) for p in a.parts)
        walk.refuse(f"The joined parameters {names} are used other than in a product{{where}}; only multiply by them.")
    return joined(walk, a.parts, a.ins, a.axis, a.out)


@rule("stack")
def stacked(walk: Walk, eq: Equation, *args: Any) -> Numbers | Vectors | Readouts:
    """Arrays stacked along a new axis."""
    axis = eq.params["axis"]
    if any(isinstance(a, Readouts) for a in args):
        return joined_outputs(walk, args, functools.partial(np.stack, axis=axis))
    parts, shapes = [], []
    for a, (first, second) in zip(args, eq.ins, strict=True):
        sizes, other = ((*s[:axis], 1, *s[axis:]) for s in (first, second))
        parts.append(expanded(walk, as_value(walk, a), axis, sizes))
        shapes.append((sizes, other))
    return joined(walk, tuple(parts), shapes, axis, eq.outs[0])


def joined(
    walk: Walk, args: tuple[Any, ...], ins: list[tuple[Shape, Shape]], axis: int, out: tuple[Shape, Shape]
) -> Numbers | Vectors:
    """Values joined along an axis; `ins` and `out` are the shapes at both widths."""
    new, new2 = out
    grows = width_axes(new, new2)
    values = [walk.vectors(a) if isinstance(a, Par) and a.axes and not is_frozen(walk, a) else a for a in args]
    values = [v if isinstance(v, Vectors) else walk.numbers(v) for v in values]
    vectors = [v for v in values if isinstance(v, Vectors)]
    if not vectors:
        if axis in grows and any(first[axis] == second[axis] for first, second in ins):
            walk.refuse(_SEGMENTS)
        return _joined_numbers(walk, values, axis, axis in grows)
    width = vectors[0].axis
    if len(grows) != 1 or any(v.axis != width or v.order != vectors[0].order for v in vectors):
        walk.refuse("Vectors with different width axes or of different orders in n are joined{where}.")
    block = math.gcd(*(v.block for v in vectors))
    sizes = [(a, shapes[0][width], shapes[1][width]) for a, shapes in zip(values, ins, strict=True)]
    for v, first, second in sizes:
        if first == second:
            walk.refuse(_SEGMENTS)
        if isinstance(v, Vectors) and (v.block != block or v.inner > 1):
            raise SmallerBlocksError(v.sources, block)
    handles = []
    for v, first, _ in sizes:
        shape = tuple(first // block if k == width else s for k, s in enumerate(v.shape))
        if isinstance(v, Numbers):
            zero = (walk.vector(vectors[0]).reshape((-1,))[:1] * 0.0).reshape((1,) * len(shape)).broadcast_to(shape)
            handles.append(zero + walk.scalar(Numbers(v.e, v.shape)))
        else:
            handles.append(walk.vector(v))
    h = concatenate(handles, axis=axis)
    sources = frozenset[tuple[int, int]]().union(*(v.sources for v in vectors))
    return Vectors(ex.Leaf(h), h.shape, width, new[width], sources, vectors[0].order)


def _joined_numbers(walk: Walk, values: list[Any], axis: int, along_width: bool) -> Numbers:
    if along_width and any(v.number is None or v.number != values[0].number for v in values):
        walk.refuse("Different numbers are joined along the width{where}.")
    if along_width:
        return Numbers(values[0].e, values[0].shape, values[0].order)
    if len({v.order for v in values}) > 1:
        walk.refuse("Numbers of different orders in n are joined{where}.")
    made = concatenate([walk.scalar(v) for v in values], axis=axis)
    return Numbers(ex.Leaf(made), made.shape, values[0].order)


@rule("pad")
def pad(walk: Walk, eq: Equation, a: Any, fill: Any) -> Any:
    """Padding along axes other than the width; padding of vectors with zeros only."""
    a = walk.vectors(a) if isinstance(a, Par) and a.axes else movable(walk, a)
    config = eq.params["padding_config"]
    if any(config[k] != (0, 0, 0) for k in width_axes(*eq.outs[0])):
        walk.refuse("The model pads along the width{where}, but a tensor program treats all coordinates alike.")
    number, fills = walk.numbers(fill), any(size > 0 for entry in config for size in entry)
    if fills and not number.is_zero:
        shown = "a number of its own" if number.number is None else f"{number.number:g}"
        walk.refuse(
            f"The model pads with {shown}{{where}}, as for a maximum, a mask or attention, where nv.trace can write "
            "only zeros; add the number after padding with zeros, or leave the positions out."
        )
    axes = block_axes(a)[1]
    inner = a.inner if isinstance(a, Vectors) else 1
    shape = padded(np.zeros(a.shape), config).shape
    return moved(walk, a, lambda x: padded(x, config), shape, axes=axes, sizes=eq.outs[0][0], inner=inner)
