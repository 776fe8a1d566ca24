"""The windows of convolutions, and depthwise convolutions: products with vectors, coordinate by coordinate."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...language.axes import Shape
from ...language.functions import stack
from .. import expressions as ex
from ..values import Known, Numbers, Par, SmallerBlocksError, Vectors
from .moving import inner_of, padded

if TYPE_CHECKING:
    from ..walk import Walk


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


def at(h: Any, key: tuple[slice, ...]) -> Any:
    """A part of an array; the array itself, without an instruction, if the part is the whole."""
    whole = all(range(*k.indices(s)) == range(s) for k, s in zip(key, h.shape, strict=True))
    return h if whole else h[key]


def in_window(h: Any, p: dict[str, Any]) -> Any:
    """Values `(batch, *space, channels)` with zeros around and, for transposed convolutions, between the positions."""
    between = [d - 1 for d in p["lhs_dilation"]]
    config = [(low, high, b) for (low, high), b in zip(p["padding"], between, strict=True)]
    return padded(h, [(0, 0, 0), *config, (0, 0, 0)])


def depthwise(walk: Walk, x: Any, kernel: Any, p: dict[str, Any], sizes: list[tuple[Shape, Shape]]) -> Vectors:
    """A convolution with a filter of its own for each channel: a sum of products with vectors, one for each offset.

    With m outputs for each channel, these are interleaved: the channels of the result are ordered as (channel, m).

    Args:
        walk: The walk.
        x: The values, `(batch, *space, channels)`.
        kernel: The filter, `(*window, 1, channels × m)`.
        p: The parameters of the convolution.
        sizes: The shapes of the values, of the filter and of the result, at both widths.
    """
    (seen, _), (window, window2), (out, _) = sizes
    n = len(out) - 2
    if window[n] != 1 or window2[n] != 1 or not isinstance(x, Vectors) or x.axis != n + 1:
        walk.refuse(
            "The model convolves in groups{where} whose number grows with the width while each has several channels; "
            "take a fixed number of groups, or as many as channels."
        )
    times = out[-1] // seen[-1]
    h, steps = in_window(walk.vector(x), p), (tuple(p["window_strides"]), tuple(p["rhs_dilation"]))
    parts = {o: at(h, (slice(None), *places, slice(None))) for o, places in windows(window[:n], *steps, out[1:-1])}
    if isinstance(kernel, Known) and _takes_patches(kernel, times):
        made = stack(list(parts.values()), axis=n + 2)
    else:
        filters = _filters(walk, x, kernel, times, n, math.prod(window[:n]))
        made = functools.reduce(operator.add, (_spread(here, times) * filters[o] for o, here in parts.items()))
    made = made if times == 1 else made.reshape((*made.shape[: n + 1], -1))
    sources, order = x.sources, x.order
    if isinstance(kernel, Par):
        sources, order = sources | kernel.sources, order + kernel.order + walk.parameters.order(kernel.leaf)
    return Vectors(ex.Leaf(made), made.shape, n + 1, out[-1], sources, order, x.inner * times)


def _takes_patches(kernel: Known, times: int) -> bool:
    """Whether a known filter picks each offset of the window once, for each channel, as local connections do."""
    if math.prod(kernel.first.shape[:-2]) != times:
        return False
    return all(np.all(k.reshape((times, -1, times)) == np.eye(times)[:, None]) for k in (kernel.first, kernel.second))


def _spread(h: Any, times: int) -> Any:
    return h if times == 1 else h.reshape((*h.shape, 1)).broadcast_to((*h.shape, times))


def _filters(walk: Walk, x: Vectors, kernel: Any, times: int, n: int, fan_in: int) -> Any:
    """The filter as vectors `(*window, blocks)`, or `(*window, blocks, m)`; as numbers if it is known."""
    kernel = walk.numbers(kernel) if isinstance(kernel, Known) else kernel
    if isinstance(kernel, Numbers):
        if kernel.shape[-1] != 1 or kernel.order:
            walk.refuse("The model convolves{where} with known numbers that differ from channel to channel.")
        return walk.scalar(kernel).reshape((*kernel.shape[:n], 1) if times == 1 else (*kernel.shape[:n], 1, 1))
    block, inner = kernel.sizes[n + 1] // kernel.entries.shape[n + 1], inner_of(walk, kernel, n + 1)
    if (block, inner) != (x.block, x.inner * times):
        if block < x.block:
            raise SmallerBlocksError(x.sources, math.gcd(block, x.block), x.inner)
        raise SmallerBlocksError(kernel.sources, math.gcd(block, x.block), x.inner * times)
    made = walk.vectors(kernel, fan_in=fan_in)
    shape = kernel.entries.shape[:n]
    blocks = kernel.entries.shape[n + 1] // times
    return walk.vector(made).reshape((*shape, blocks) if times == 1 else (*shape, blocks, times))
