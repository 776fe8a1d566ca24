"""Primitives that move axes: reshape, transpose, broadcast, slice, concatenate, pad and the like.

They act on block shapes. A reshape that splits a width axis, into heads or groups, requires smaller blocks; one that
merges it with a neighbour makes more of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...language.axes import Shape
from ...language.values import Scalar
from .. import expressions as ex
from ..jaxprs import Equation, width_axes
from ..values import Known, Numbers, Par, Readouts, SmallerBlocksError, Vectors
from .outputs import moved_outputs, split_outputs
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk

Movable = Numbers | Vectors | Par


def movable(walk: Walk, a: Any) -> Movable:
    """A known array as numbers of the program; other values are returned unchanged."""
    return walk.numbers(a) if isinstance(a, Known) else a


def moved(
    walk: Walk,
    a: Movable,
    fn: Callable[[Any], Any],
    shape: Shape,
    *,
    axes: dict[int, int] | None = None,
    sizes: Shape = (),
    inner: int = 1,
) -> Movable:
    """A value rearranged by `fn`.

    Args:
        walk: The walk.
        a: The value.
        fn: A function that rearranges an array, or a handle, of its block shape.
        shape: The new block shape.
        axes: The new width axes, each with the old one that it comes from.
        sizes: The new shape at the first width.
        inner: The number of blocks that are interleaved along the width axis.
    """
    axes = axes or {}
    if isinstance(a, Numbers):
        if isinstance(a.e, ex.Literal):
            return Numbers(ex.Literal(np.broadcast_to(fn(np.broadcast_to(a.e.value, a.shape)), shape)), shape, a.order)
        return Numbers(ex.Leaf(fn(walk.scalar(a))), shape, a.order)
    if isinstance(a, Par):
        return a.changed(entries=fn(a.entries), axes={new: a.axes[old] for new, old in axes.items()}, sizes=sizes)
    (axis,) = axes
    return Vectors(ex.Leaf(fn(walk.vector(a))), shape, axis, sizes[axis], a.sources, a.order, inner)


def block_axes(a: Movable) -> tuple[Shape, dict[int, int]]:
    """The block shape, and the width axes as a mapping from each to itself."""
    if isinstance(a, Par):
        return a.entries.shape, {k: k for k in a.axes}
    return a.shape, {a.axis: a.axis} if isinstance(a, Vectors) else {}


def sources_of(a: Par | Vectors, axis: int) -> frozenset[tuple[int, int]]:
    """The axes of parameters from which a width axis comes."""
    return frozenset([(a.leaf, a.axes[axis])]) if isinstance(a, Par) else a.sources


def inner_of(walk: Walk, a: Par | Vectors, axis: int) -> int:
    """The number of blocks that are interleaved along a width axis."""
    if isinstance(a, Vectors):
        return a.inner
    return walk.findings.blocks.get((a.leaf, a.axes[axis]), (0, 1))[1]


# --- transposes and reshapes -----------------------------------------------------------------------------------


@rule("transpose")
def transpose(walk: Walk, eq: Equation, a: Any) -> Any:
    """A permutation of axes."""
    if isinstance(a, Readouts):
        return moved_outputs(eq, a)
    return permuted(walk, movable(walk, a), tuple(eq.params["permutation"]))


def permuted(walk: Walk, a: Movable, order: tuple[int, ...]) -> Movable:
    """A value with its axes permuted: the new axis k is the old axis `order[k]`."""
    if order == tuple(range(len(order))):
        return a
    shape, axes = block_axes(a)
    new = {order.index(k): k for k in axes}
    old = (
        a.sizes
        if isinstance(a, Par)
        else tuple(a.size if isinstance(a, Vectors) and k in axes else size for k, size in enumerate(shape))
    )
    sizes = tuple(old[k] for k in order)
    inner = a.inner if isinstance(a, Vectors) else 1
    target = tuple(shape[k] for k in order)
    return moved(walk, a, lambda x: x.transpose(order), target, axes=new, sizes=sizes, inner=inner)


def expanded(walk: Walk, a: Movable, axis: int, sizes: Shape) -> Movable:
    """A value with a new axis of one entry; `sizes` is the new shape at the first width."""
    old, axes = block_axes(a)
    shape = (*old[:axis], 1, *old[axis:])
    inner = a.inner if isinstance(a, Vectors) else 1
    there = {k + (k >= axis): k for k in axes}
    return moved(walk, a, lambda x: x.reshape(shape), shape, axes=there, sizes=sizes, inner=inner)


@rule("reshape", "squeeze", "expand_dims")
def reshape(walk: Walk, eq: Equation, a: Any) -> Any:
    """A reshape, which is treated separately for each group of axes that is mapped to another group."""
    if isinstance(a, Readouts):
        return moved_outputs(eq, a)
    a = movable(walk, a)
    (old, old2), (new, new2) = eq.ins[0], eq.outs[0]
    groups = axis_groups(old, new)
    if groups != axis_groups(old2, new2):
        walk.refuse("A reshape groups axes differently at the two widths{where}.")
    shape, _ = block_axes(a)
    if isinstance(a, Numbers):
        return _reshaped_numbers(walk, a, groups, width_axes(old, old2), width_axes(new, new2), old, new)
    target, axes, inner = list(new), dict[int, int](), 1
    for before, after in groups:
        here = [k for k in before if old[k] != old2[k]]
        if not here:
            continue
        there = [k for k in after if new[k] != new2[k]]
        if len(here) > 1 or len(there) != 1:
            walk.refuse("A reshape merges or splits width axes{where}; a vector of a tensor program has only one.")
        (k,), (j,) = here, there
        target[j], turns = _blocks_after(walk, a, k, (old, before), j, (new, after), shape)
        if isinstance(a, Par) and turns != inner_of(walk, a, k):
            walk.refuse("A reshape of a parameter merges its width axis with the axis after it{where}.")
        axes[j], inner = k, turns
    if tuple(target) == shape and tuple(axes.values()) == tuple(axes):
        return (
            a
            if isinstance(a, Vectors) and a.inner == inner
            else moved(walk, a, lambda x: x, shape, axes=axes, sizes=new, inner=inner)
        )
    block_shape = tuple(target)
    return moved(walk, a, lambda x: x.reshape(block_shape), block_shape, axes=axes, sizes=new, inner=inner)


def _blocks_after(
    walk: Walk,
    a: Par | Vectors,
    k: int,
    old: tuple[Shape, list[int]],
    j: int,
    new: tuple[Shape, list[int]],
    shape: Shape,
) -> tuple[int, int]:
    """The number of blocks of the width axis k after it has become j, and the number of interleaved ones."""
    (sizes, before), (new_sizes, after) = old, new
    behind = math.prod(sizes[i] for i in before if i > k)
    behind_new = math.prod(new_sizes[i] for i in after if i > j)
    inner = inner_of(walk, a, k)
    block = sizes[k] // shape[k]
    sources = sources_of(a, k)
    turns, rest = divmod(inner * behind, behind_new)
    if rest:  # the coordinates are distributed over the axes after it, so the blocks must be interleaved
        if inner == behind == 1:
            raise SmallerBlocksError(sources, math.gcd(block, new_sizes[j]), behind_new)
        walk.refuse("A reshape splits a width axis other than into whole blocks{where}.")
    if new_sizes[j] % (block * turns):
        raise SmallerBlocksError(sources, math.gcd(block, new_sizes[j] // turns), inner)
    return new_sizes[j] // block, turns


def _reshaped_numbers(
    walk: Walk, a: Numbers, groups: list[Any], old_axes: Shape, new_axes: Shape, old: Shape, new: Shape
) -> Movable:
    target = list(new)
    for before, after in groups:
        here, there = [k for k in before if k in old_axes], [k for k in after if k in new_axes]
        if not here:
            continue
        (k,), (j,) = here, there
        times = math.prod(old[i] for i in before if i > k) == math.prod(new[i] for i in after if i > j)
        if a.shape[k] == 1 and len(before) == len(after) == 1:
            target[j] = 1
        elif all(a.shape[i] == 1 for i in before):  # all numbers are equal
            for i in after:
                target[i] = 1
        elif times and new[j] % (old[k] // a.shape[k]) == 0:
            target[j] = new[j] // (old[k] // a.shape[k])
        else:
            walk.refuse("A reshape mixes numbers that are equal in all coordinates with others{where}.")
    small = tuple(target)
    if math.prod(small) != math.prod(a.shape):
        walk.refuse("A reshape mixes numbers that are equal in all coordinates with others{where}.")
    full = tuple(t if j in new_axes else size for j, (t, size) in enumerate(zip(small, new, strict=True)))

    def fn(x: Any) -> Any:
        x = x.reshape(small)
        return x if small == full else x.broadcast_to(full) if isinstance(x, Scalar) else np.broadcast_to(x, full)

    return moved(walk, a, fn, full)


def axis_groups(old: Shape, new: Shape) -> list[tuple[list[int], list[int]]]:
    """The smallest groups of adjacent axes that a reshape maps to each other."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(old) or j < len(new):
        before, after, a, b = list[int](), list[int](), 1, 1
        while a != b or not before or not after:
            if (a <= b and i < len(old) and (a < b or not before)) or j == len(new):
                if i == len(old):
                    break
                before.append(i)
                a *= old[i]
                i += 1
            else:
                after.append(j)
                b *= new[j]
                j += 1
        groups.append((before, after))
    return groups


@rule("broadcast_in_dim")
def broadcast(walk: Walk, eq: Equation, a: Any, *_: Any) -> Any:
    """Repetition along new axes."""
    if isinstance(a, Readouts):
        return moved_outputs(eq, a)
    a = movable(walk, a)
    (new, new2), places = eq.outs[0], tuple(eq.params["broadcast_dimensions"])
    shape, axes = block_axes(a)
    there = {places[k]: k for k in axes}
    grows = width_axes(new, new2)
    if not isinstance(a, Numbers) and set(grows) != set(there):
        walk.refuse("The model makes an array with two width axes{where}, but a tensor program has only vectors.")
    kept = {d: shape[k] for k, d in enumerate(places)}
    target = tuple((kept.get(k, 1) if k in grows else size) for k, size in enumerate(new))
    grown = tuple(kept.get(k, 1) for k in range(len(new)))

    def fn(x: Any) -> Any:
        x = x if x.shape == grown else x.reshape(grown)
        return np.broadcast_to(x, target) if isinstance(x, np.ndarray) else x.broadcast_to(target)

    inner = a.inner if isinstance(a, Vectors) else 1
    return moved(walk, a, fn, target, axes=there, sizes=new, inner=inner)


def padded(x: Any, config: Sequence[tuple[int, int, int]]) -> Any:
    """Zeros put before, after and between the entries along each axis; a negative number takes entries away."""
    for k, (low, high, between) in enumerate(config):
        before, size = (slice(None),) * k, x.shape[k]
        if between and size > 1:
            places = np.full((size - 1) * (between + 1) + 1, size)
            places[:: between + 1] = np.arange(size)  # the others are the zero that is put behind
            x = _with_zeros(x, k, 0, 1)[(*before, places)]
        x = _with_zeros(x, k, max(low, 0), max(high, 0))
        if low < 0 or high < 0:
            x = x[(*before, slice(max(-low, 0), x.shape[k] - max(-high, 0)))]
    return x


def _with_zeros(x: Any, axis: int, low: int, high: int) -> Any:
    widths = [(low, high) if k == axis else (0, 0) for k in range(x.ndim)]
    return x if not low and not high else np.pad(x, widths) if isinstance(x, np.ndarray) else x.pad(widths)


@rule("tile")
def tile(walk: Walk, eq: Equation, a: Any) -> Any:
    """Whole arrays repeated one after the other along axes; along a width axis, their blocks are repeated."""
    if isinstance(a, Readouts):
        return moved_outputs(eq, a)
    a = movable(walk, a)
    shape, axes = block_axes(a)
    new, new2 = eq.outs[0]
    places = []
    for k, (times, times2) in enumerate(zip(eq.params["reps"], eq.second.params["reps"], strict=True)):
        equal_in_all = isinstance(a, Numbers) and shape[k] == 1 and new[k] != new2[k]
        if times != times2 and not equal_in_all:
            walk.refuse(
                "The model repeats an array a number of times that grows with the width{where}, but a tensor program "
                "treats all coordinates alike and has only one width axis."
            )
        places.append(np.tile(np.arange(shape[k]), 1 if equal_in_all else times))
    inner = a.inner if isinstance(a, Vectors) else 1

    def fn(x: Any) -> Any:
        for k, index in enumerate(places):
            x = x if len(index) == shape[k] else x[(slice(None),) * k + (index,)]
        return x

    target = tuple(map(len, places))
    return moved(walk, a, fn, target, axes=axes, sizes=new, inner=inner)


# --- slices -------------------------------------------------------------------------------------


@rule("slice")
def slice_(walk: Walk, eq: Equation, a: Any) -> Any:
    """A part, with or without strides."""
    if isinstance(a, Readouts):
        return moved_outputs(eq, a)
    start, limit = eq.params["start_indices"], eq.params["limit_indices"]
    strides = eq.params["strides"] or (1,) * len(start)
    n1, n2 = walk.options.widths
    for one, other in ((start, eq.second.params["start_indices"]), (limit, eq.second.params["limit_indices"])):
        for k, (at, at2) in enumerate(zip(one, other, strict=True)):
            grows = eq.ins[0][0][k] != eq.ins[0][1][k] and eq.outs[0][0][k] != eq.outs[0][1][k]
            if at * n2 != at2 * n1 if grows else at != at2:
                walk.refuse("The model slices an array at a place that depends on the width{where}.")
    return part(walk, movable(walk, a), list(zip(start, limit, strides, strict=True)), eq.ins[0][0], eq.outs[0])


def part(walk: Walk, a: Movable, entries: list[tuple[int, int, int]], old: Shape, new: tuple[Shape, Shape]) -> Movable:
    """The entries from `start` to `limit` in steps, along each axis; along a width axis, these must be whole blocks."""
    shape, axes = block_axes(a)
    key = []
    for k, (start, limit, step) in enumerate(entries):
        whole = (start, limit, step) == (0, old[k], 1)
        if whole or (isinstance(a, Numbers) and shape[k] == 1):
            key.append(slice(None))
        elif k in axes:
            key.append(_blocks_of_part(walk, a, k, (start, limit, step), old[k], new))
        elif isinstance(a, Numbers) and new[0][k] != new[1][k]:
            walk.refuse("The model slices numbers that differ from block to block{where}.")
        else:
            key.append(slice(start, limit, step))
    if all(k == slice(None) for k in key):
        return a
    index = tuple(key)
    target = np.empty(shape, bool)[index].shape
    inner = a.inner if isinstance(a, Vectors) else 1
    return moved(walk, a, lambda x: x[index], target, axes=axes, sizes=new[0], inner=inner)


def _blocks_of_part(
    walk: Walk, a: Any, k: int, entries: tuple[int, int, int], old: int, new: tuple[Shape, Shape]
) -> slice:
    start, limit, step = entries
    shape, _ = block_axes(a)
    if new[0][k] == new[1][k] or step != 1 or inner_of(walk, a, k) > 1:
        walk.refuse(
            "The model selects single coordinates{where}, but a tensor program treats all coordinates alike; read them "
            "out with a random vector."
        )
    block = old // shape[k]
    if start % block or limit % block:
        raise SmallerBlocksError(sources_of(a, k), math.gcd(block, start, limit))
    return slice(start // block, limit // block)


@rule("split")
def split(walk: Walk, eq: Equation, a: Any) -> list[Any]:
    """Parts along an axis."""
    if isinstance(a, Readouts):
        return split_outputs(eq, a)
    a, at, outs = movable(walk, a), 0, []
    for size, new in zip(eq.params["sizes"], eq.outs, strict=True):
        entries = [(0, s, 1) for s in eq.ins[0][0]]
        entries[eq.params["axis"]] = (at, at + size, 1)
        outs.append(part(walk, a, entries, eq.ins[0][0], new))
        at += size
    return outs


@rule("rev")
def reverse(walk: Walk, eq: Equation, a: Any) -> Any:
    """Axes reversed."""
    if isinstance(a, Readouts):
        return moved_outputs(eq, a)
    a = movable(walk, a)
    shape, axes = block_axes(a)
    dimensions = set(eq.params["dimensions"])
    if dimensions & (set(axes) | set(width_axes(*eq.ins[0]))):
        walk.refuse("The model reverses coordinates{where}, but a tensor program treats all coordinates alike.")
    index = tuple(slice(None, None, -1) if k in dimensions else slice(None) for k in range(len(shape)))
    inner = a.inner if isinstance(a, Vectors) else 1
    return moved(walk, a, lambda x: x[index], shape, axes=axes, sizes=eq.outs[0][0], inner=inner)
