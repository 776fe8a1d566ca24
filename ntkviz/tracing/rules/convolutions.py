"""Convolutions and pooling windows: sums over the offsets of a window."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...language.axes import Shape
from ...language.functions import concatenate, stack
from ...language.values import Vector
from .. import expressions as ex
from ..jaxprs import Contraction, Equation, width_axes
from ..values import Known, Numbers, Par, Readouts, Vectors
from .depthwise import at, depthwise, in_window, windows
from .elementwise import larger
from .inputs import from_data
from .joining import joined
from .matrices import multiplied
from .moving import padded, part, permuted
from .reductions import as_value, of_numbers
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk

Padding = tuple[tuple[int, int], ...]


@rule("conv_general_dilated")
def convolution(walk: Walk, eq: Equation, x: Any, par: Any) -> Any:
    """A convolution, with the axes of its arrays in the order (batch, *space, channels) and (*window, in, out)."""
    p, numbers = eq.params, eq.params["dimension_numbers"]
    if not isinstance(par, Par | Known) or isinstance(x, Par | Readouts):
        walk.refuse("The model convolves{where} with something other than a parameter.")
    if p["batch_group_count"] != 1:
        walk.refuse("The model convolves groups of examples with each other{where}; nv.trace cannot write that.")
    lhs, rhs, out = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    orders = (lhs[0], *lhs[2:], lhs[1]), (*rhs[2:], rhs[1], rhs[0]), (out[0], *out[2:], out[1])
    seen: Any = permuted(walk, as_value(walk, x), orders[0])
    kernel: Any = _in_axes(par, orders[1]) if isinstance(par, Known) else permuted(walk, par, orders[1])
    sizes = [_in_order(s, o) for s, o in zip((*eq.ins, eq.outs[0]), orders, strict=True)]
    if p["feature_group_count"] != eq.second.params["feature_group_count"]:
        made: Any = depthwise(walk, seen, kernel, p, sizes)
    elif isinstance(kernel, Known) and isinstance(seen, Numbers) and not any(width_axes(*s) for s in sizes):
        made = _of_data(walk, seen, walk.numbers(kernel), p, sizes[2][0])
    else:
        made = _in_groups(walk, seen, kernel, p, sizes)
    back = [0] * len(orders[2])
    for j, k in enumerate(orders[2]):
        back[k] = j
    return permuted(walk, made, tuple(back))


def _in_axes(a: Known, order: Shape) -> Known:
    return Known(a.first.transpose(order), a.second.transpose(order))


def _of_data(walk: Walk, x: Numbers, kernel: Numbers, p: dict[str, Any], shape: Shape) -> Numbers:
    """A convolution of the data with known numbers, as a sum over offsets and the channels of each group."""
    (*sides, channels, out), groups = kernel.shape, p["feature_group_count"]
    patches = walk.scalar(_patches(walk, x, tuple(sides), p, shape[1:-1]))
    terms = patches.reshape((*shape[:-1], -1, groups, channels, 1))
    weights = walk.scalar(kernel).reshape((-1, channels, groups, out // groups)).transpose((0, 2, 1, 3))
    made = (terms * weights).sum((len(shape) - 1, len(shape) + 1)).reshape(shape)
    return Numbers(ex.Leaf(made), shape, x.order + kernel.order)


def _in_order(shapes: tuple[Shape, Shape], order: Shape) -> tuple[Shape, Shape]:
    first, second = (tuple(s[k] for k in order) for s in shapes)
    return first, second


def _in_groups(walk: Walk, x: Any, kernel: Any, p: dict[str, Any], sizes: list[tuple[Shape, Shape]]) -> Any:
    """A convolution in a fixed number of groups of channels, which are joined after it."""
    if not isinstance(kernel, Par):
        walk.refuse("The model convolves{where} with something other than a parameter.")
    if not kernel.axes:
        walk.numbers(kernel)  # refuses random ones
        walk.refuse(f"The filter {walk.parameters.name(kernel.leaf)} does not grow with the width{{where}}.")
    groups = p["feature_group_count"]
    if groups == 1:
        return _of_one_group(walk, x, kernel, p, sizes[2][0])
    (seen, seen2), (own, own2), (out, out2) = sizes
    parts: list[Any] = []
    for g in range(groups):
        some_seen = _last_part(walk, x, g, groups, (seen, seen2))
        some_kernel: Any = _last_part(walk, kernel, g, groups, (own, own2))
        parts.append(_of_one_group(walk, some_seen, some_kernel, p, (*out[:-1], out[-1] // groups)))
    one = (*out[:-1], out[-1] // groups), (*out2[:-1], out2[-1] // groups)
    return joined(walk, tuple(parts), [one] * groups, len(out) - 1, (out, out2))


def _last_part(walk: Walk, a: Any, g: int, groups: int, sizes: tuple[Shape, Shape]) -> Any:
    """The g-th of equal parts of the last axis."""
    first, second = sizes
    size = first[-1] // groups
    entries = [*((0, s, 1) for s in first[:-1]), (g * size, (g + 1) * size, 1)]
    return part(walk, a, entries, first, ((*first[:-1], size), (*second[:-1], second[-1] // groups)))


def _of_one_group(walk: Walk, x: Any, kernel: Par, p: dict[str, Any], shape: Shape) -> Numbers | Vectors:
    """A convolution as a sum over offsets, each with its own matrix; for data, as a product with patches."""
    n, name = len(shape) - 2, walk.parameters.name(kernel.leaf)
    if isinstance(x, Numbers):
        if x.is_zero and n + 1 in kernel.axes:  # the first state of a recurrence
            zeros = np.zeros((*shape[:-1], 1))
            return Numbers(ex.Literal(zeros), zeros.shape)
        if set(kernel.axes) != {n + 1}:
            walk.refuse(f"The filter {name} is applied to numbers that are equal in all coordinates{{where}}.")
        patches = _patches(walk, x, kernel.sizes[:n], p, shape[1:-1])
        return from_data(walk, _flat(kernel, n), patches, (n + 1, n + 2), (0, 1), shape)
    if set(kernel.axes) != {n, n + 1} or x.axis != n + 1:
        walk.refuse(f"The filter {name} has no width axis for its inputs or for its outputs{{where}}.")
    return _of_vectors(walk, x, kernel, p, shape)


def _flat(kernel: Par, n: int) -> Par:
    """A filter with its window axes merged, `(offsets, in, out)`."""
    entries = kernel.entries.reshape((-1, *kernel.entries.shape[n:]))
    axes = {k - n + 1: own for k, own in kernel.axes.items()}
    return kernel.changed(entries=entries, axes=axes, sizes=(len(entries), *kernel.sizes[n:]))


def _patches(walk: Walk, x: Numbers, sides: Shape, p: dict[str, Any], space: Shape) -> Numbers:
    """The patches of the data in the window of each position, `(batch, *space, offsets, channels)`."""
    h = in_window(walk.scalar(x), p)
    steps, dilation = tuple(p["window_strides"]), tuple(p["rhs_dilation"])
    parts = [at(h, (slice(None), *places, slice(None))) for _, places in windows(sides, steps, dilation, space)]
    seen = stack(parts, axis=len(space) + 1)
    return Numbers(ex.Leaf(seen), seen.shape, x.order)


def _of_vectors(walk: Walk, x: Vectors, kernel: Par, p: dict[str, Any], shape: Shape) -> Vectors:
    """The sum of a product for each offset in the window."""
    n = len(shape) - 2
    h: Vector = in_window(walk.vector(x), p)
    steps, dilation = tuple(p["window_strides"]), tuple(p["rhs_dilation"])
    axes = Contraction(((0,), (n + 1,)), ((), ()))
    fan_in = math.prod(kernel.sizes[: n + 1])
    made: Vectors | None = None
    for offset, places in windows(kernel.sizes[:n], steps, dilation, shape[1:-1]):
        part = at(h, (slice(None), *places, slice(None)))
        here = dataclasses.replace(x, e=ex.Leaf(part), shape=part.shape)
        own = {k - n: axis for k, axis in kernel.axes.items()}
        matrix = kernel.changed(entries=kernel.entries[offset], axes=own, sizes=kernel.sizes[n:])
        product = multiplied(walk, matrix, here, axes, shape, False, fan_in)
        total = walk.vector(product) if made is None else walk.vector(made) + walk.vector(product)
        made = dataclasses.replace(product, e=ex.Leaf(total))
    assert made is not None
    return made


@rule("reduce_window_sum", "reduce_window_max", "reduce_window_min")
def pooling(walk: Walk, eq: Equation, a: Any) -> Any:
    """A sum, maximum or minimum over windows of positions."""
    p = eq.params
    if isinstance(a, Readouts):
        walk.refuse(f"The output of a readout is used further ({eq.name}{{where}}); make it the last operation.")
    a = as_value(walk, a)
    if isinstance(a, Numbers):
        return _pooled_numbers(walk, eq, a)
    sides, steps = tuple(p["window_dimensions"]), tuple(p["window_strides"])
    if sides[a.axis] != 1 or steps[a.axis] != 1:
        walk.refuse(f"The model pools over coordinates ({eq.name}{{where}}); pool over positions only.")
    if any(d != 1 for d in p["base_dilation"]):
        walk.refuse("nv.trace cannot write pooling with a dilated base{where}.")
    padding: Padding = tuple(map(tuple, p["padding"]))
    sums, pick = eq.name == "reduce_window_sum", larger(eq.name == "reduce_window_max")
    h: Vector = walk.vector(a)
    counts = tuple(a.shape[k] if k == a.axis else s for k, s in enumerate(eq.outs[0][0]))
    if not sums and any(map(any, padding)):
        for k, (side, count) in enumerate(zip(sides, counts, strict=True)):
            window = side, steps[k], p["window_dilation"][k], padding[k][0]
            h = _extreme_along(walk, h, k, window, count, pick) if side > 1 or steps[k] > 1 or any(padding[k]) else h
        return Vectors(ex.Leaf(h), h.shape, a.axis, a.size, a.sources, a.order, a.inner)
    h = padded(h, [(low, high, 0) for low, high in padding])
    parts = [at(h, places) for _, places in windows(sides, steps, tuple(p["window_dilation"]), counts)]
    made = functools.reduce(operator.add if sums else pick, parts)
    return Vectors(ex.Leaf(made), made.shape, a.axis, a.size, a.sources, a.order, a.inner)


def _extreme_along(
    walk: Walk, h: Vector, axis: int, window: tuple[int, int, int, int], count: int, pick: Callable[..., Vector]
) -> Vector:
    """The extreme in each window along one axis, of the positions that are there: padding is by −∞ or ∞.

    `window` has its size, the step between windows, its dilation, and the number of positions before the first.
    """
    side, step, dilation, low = window
    there = [
        tuple(place for o in range(side) if 0 <= (place := i * step + o * dilation - low) < h.shape[axis])
        for i in range(count)
    ]
    if not all(there):
        walk.refuse("The model takes the maximum of padding alone{where}; use less padding.")
    parts = []
    for _, run in itertools.groupby(there, key=len):
        columns = np.transpose(list(run))  # the positions at each offset, for windows of equal size
        parts.append(functools.reduce(pick, (h[(slice(None),) * axis + (places,)] for places in columns)))
    return parts[0] if len(parts) == 1 else concatenate(parts, axis=axis)


def _pooled_numbers(walk: Walk, eq: Equation, a: Numbers) -> Any:
    """Pooled data, and the counts of positions in a window, by which average pooling divides."""
    if not width_axes(*eq.ins[0]):
        return of_numbers(walk, eq, a)
    if a.number is None:
        walk.refuse("nv.trace cannot write pooling of numbers that are equal in all coordinates{where}.")
    one = eq.first.primitive.bind(np.ones(eq.ins[0][0], np.float32), **eq.params)
    first = np.asarray(one, float) * (a.number if eq.name == "reduce_window_sum" else 1.0)
    axes = width_axes(*eq.outs[0])
    for axis in axes:
        first = first.take([0], axis)
    return Numbers(ex.Literal(first), first.shape, a.order)
