"""Convolutions and pooling windows: sums over the offsets of a window."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...language.axes import Shape
from ...language.functions import stack
from ...language.values import Vector
from .. import expressions as ex
from ..jaxprs import Equation, width_axes
from ..values import Numbers, Par, Readouts, Vectors
from .contraction import Contraction
from .elementwise import larger
from .inputs import from_data
from .matrices import multiplied
from .moving import permuted
from .reductions import as_value, of_numbers
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk

Padding = tuple[tuple[int, int], ...]


def windows(sides: Shape, strides: Shape, dilation: Shape, counts: Shape) -> Iterator[tuple[Shape, tuple[slice, ...]]]:
    """For each offset in a window, the positions at that offset from all windows, as slices."""
    for offset in itertools.product(*map(range, sides)):
        yield (
            offset,
            tuple(
                slice(o * d, o * d + (count - 1) * step + 1, step)
                for o, d, count, step in zip(offset, dilation, counts, strides, strict=True)
            ),
        )


@rule("conv_general_dilated")
def convolution(walk: Walk, eq: Equation, x: Any, par: Any) -> Any:
    """A convolution as a sum over offsets, each with its own matrix; for data, as a product with patches."""
    if not isinstance(par, Par) or isinstance(x, Par | Readouts):
        walk.refuse("The model convolves{where} with something other than a parameter.")
    p, name = eq.params, walk.parameters.name(par.leaf)
    if not par.axes:
        walk.numbers(par)  # refuses random ones
        walk.refuse(f"The filter {name} does not grow with the width{{where}}.")
    if p["feature_group_count"] != 1 or p["batch_group_count"] != 1:
        walk.refuse(
            f"The convolution with {name}{{where}} has groups, as depthwise ones do; nv.trace cannot write them."
        )
    if any(d != 1 for d in p["lhs_dilation"]):
        walk.refuse(f"The convolution with {name}{{where}} is a transposed one; nv.trace cannot write it.")
    numbers = p["dimension_numbers"]
    lhs, rhs, out = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
    seen: Any = permuted(walk, as_value(walk, x), (lhs[0], *lhs[2:], lhs[1]))  # (batch, *space, channels)
    kernel = permuted(walk, par, (*rhs[2:], rhs[1], rhs[0]))  # (*window, in, out)
    assert isinstance(kernel, Par)
    space = tuple(eq.outs[0][0][k] for k in out[2:])
    n = len(space)
    shape = (eq.outs[0][0][out[0]], *space, eq.outs[0][0][out[1]])
    made: Vectors
    if isinstance(seen, Numbers):
        patches = _patches(walk, seen, kernel.sizes[:n], p, space)
        made = from_data(walk, _flat(kernel, n), patches, (n + 1, n + 2), (0, 1), shape)
    elif set(kernel.axes) == {n, n + 1} and seen.axis == n + 1:
        made = _of_vectors(walk, seen, kernel, p, shape)
    else:
        walk.refuse(f"The filter {name} has no width axis for its inputs or for its outputs{{where}}.")
    back = [0] * (n + 2)
    for j, k in enumerate((out[0], *out[2:], out[1])):
        back[k] = j
    return permuted(walk, made, tuple(back))


def _flat(kernel: Par, n: int) -> Par:
    """A filter with its window axes merged, `(offsets, in, out)`."""
    entries = kernel.entries.reshape((-1, *kernel.entries.shape[n:]))
    axes = {k - n + 1: own for k, own in kernel.axes.items()}
    return kernel.changed(entries=entries, axes=axes, sizes=(len(entries), *kernel.sizes[n:]))


def _padded(walk: Walk, h: Any, p: dict[str, Any]) -> Any:
    """Values padded with zeros along their spatial axes."""
    padding = tuple(map(tuple, p["padding"]))
    if any(low < 0 or high < 0 for low, high in padding):
        walk.refuse("nv.trace cannot write a convolution with negative padding{where}.")
    return h.pad(((0, 0), *padding, (0, 0))) if any(map(any, padding)) else h


def _patches(walk: Walk, x: Numbers, sides: Shape, p: dict[str, Any], space: Shape) -> Numbers:
    """The patches of the data in the window of each position, `(batch, *space, offsets, channels)`."""
    h = _padded(walk, walk.scalar(x), p)
    steps, dilation = tuple(p["window_strides"]), tuple(p["rhs_dilation"])
    parts = [_at(h, (slice(None), *places, slice(None))) for _, places in windows(sides, steps, dilation, space)]
    seen = stack(parts, axis=len(space) + 1)
    return Numbers(ex.Leaf(seen), seen.shape, x.order)


def _of_vectors(walk: Walk, x: Vectors, kernel: Par, p: dict[str, Any], shape: Shape) -> Vectors:
    """The sum of a product for each offset in the window."""
    n = len(shape) - 2
    h: Vector = _padded(walk, walk.vector(x), p)
    steps, dilation = tuple(p["window_strides"]), tuple(p["rhs_dilation"])
    axes = Contraction(((0,), (n + 1,)), ((), ()))
    fan_in = math.prod(kernel.sizes[: n + 1])
    made: Vectors | None = None
    for offset, places in windows(kernel.sizes[:n], steps, dilation, shape[1:-1]):
        part = _at(h, (slice(None), *places, slice(None)))
        here = dataclasses.replace(x, e=ex.Leaf(part), shape=part.shape)
        own = {k - n: axis for k, axis in kernel.axes.items()}
        matrix = kernel.changed(entries=kernel.entries[offset], axes=own, sizes=kernel.sizes[n:])
        product = multiplied(walk, matrix, here, axes, shape, False, fan_in)
        total = walk.vector(product) if made is None else walk.vector(made) + walk.vector(product)
        made = dataclasses.replace(product, e=ex.Leaf(total))
    assert made is not None
    return made


def _at(h: Any, key: tuple[slice, ...]) -> Any:
    """A part of an array; the array itself, without an instruction, if the part is the whole."""
    whole = all(range(*k.indices(s)) == range(s) for k, s in zip(key, h.shape, strict=True))
    return h if whole else h[key]


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
    sums = eq.name == "reduce_window_sum"
    if not sums and any(low or high for low, high in padding):
        walk.refuse("nv.trace cannot write padded max-pooling{where}; pad before it.")
    h: Vector = walk.vector(a)
    h = h.pad(padding) if any(low or high for low, high in padding) else h
    counts = tuple(a.shape[k] if k == a.axis else s for k, s in enumerate(eq.outs[0][0]))
    parts = [_at(h, places) for _, places in windows(sides, steps, tuple(p["window_dilation"]), counts)]
    made = functools.reduce(operator.add if sums else larger(eq.name == "reduce_window_max"), parts)
    return Vectors(ex.Leaf(made), made.shape, a.axis, a.size, a.sources, a.order, a.inner)


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
