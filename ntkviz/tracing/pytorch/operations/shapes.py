"""Operations that make, rearrange, join, index and write parts of arrays."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from ....errors import TraceError
from .table import axes_of, operation

_LAST = 2**62
"""Ends of slices beyond this stand for the end of the axis."""


# --- new arrays -----------------------------------------------------------------------------------------------


@operation("zeros", "new_zeros", "zeros_like")
def _zeros(*given: Any, dtype: Any = None) -> Any:
    return np.zeros(_shape(given))


@operation("ones", "new_ones", "ones_like")
def _ones(*given: Any, dtype: Any = None) -> Any:
    return np.ones(_shape(given))


@operation("full", "new_full", "full_like")
def _full(*given: Any, dtype: Any = None) -> Any:
    return np.full(_shape(given[:-1]), given[-1])


def _shape(given: tuple[Any, ...]) -> tuple[int, ...]:
    last = given[-1]
    return tuple(last) if isinstance(last, list | tuple) else tuple(last.shape)


@operation("scalar_tensor")
def _scalar_tensor(value: Any, *, dtype: Any = None) -> Any:
    return np.asarray(value)


@operation("arange", "arange.start", "arange.start_step")
def _arange(*given: Any, dtype: Any = None) -> Any:
    return np.arange(*given)


@operation("linspace")
def _linspace(start: Any, end: Any, steps: int, *, dtype: Any = None) -> Any:
    return np.linspace(start, end, steps)


@operation("eye", "eye.m")
def _eye(rows: int, columns: int | None = None, *, dtype: Any = None) -> Any:
    return np.eye(rows, columns)


# --- shapes and order of axes ---------------------------------------------------------------------------------


@operation("view", "reshape", "_unsafe_view")
def _view(x: Any, shape: Any) -> Any:
    return jnp.reshape(x, tuple(shape))


@operation("flatten.using_ints")
def _flatten(x: Any, start: int, end: int) -> Any:
    if not x.ndim:
        return x.reshape((1,))
    start, end = start % x.ndim, end % x.ndim
    return x.reshape((*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


@operation("unflatten.int")
def _unflatten(x: Any, dim: int, sizes: Any) -> Any:
    dim %= x.ndim
    sizes = [s if s != -1 else x.shape[dim] // -math.prod(sizes) for s in sizes]
    return x.reshape((*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


@operation("permute")
def _permute(x: Any, dims: Any) -> Any:
    return jnp.transpose(x, [d % x.ndim for d in dims])


@operation("transpose.int", "swapaxes")
def _transpose(x: Any, a: int, b: int) -> Any:
    return jnp.swapaxes(x, a, b) if x.ndim else x


@operation("t", "numpy_T", "mT")
def _t(x: Any) -> Any:
    return jnp.swapaxes(x, -1, -2) if x.ndim > 1 else x


@operation("movedim.intlist")
def _movedim(x: Any, source: Any, destination: Any) -> Any:
    return jnp.moveaxis(x, source, destination)


@operation("unsqueeze")
def _unsqueeze(x: Any, dim: int) -> Any:
    return jnp.expand_dims(x, dim)


@operation("squeeze", "squeeze.dim", "squeeze.dims")
def _squeeze(x: Any, dims: Any = None) -> Any:
    """Axes that have more than one entry are kept, also if they are named."""
    return jnp.squeeze(x, tuple(k for k in axes_of(dims, x.ndim) if x.shape[k] == 1))


@operation("expand")
def _expand(x: Any, sizes: Any, *, implicit: bool) -> Any:
    """A size of −1 keeps that of the array."""
    new = len(sizes) - x.ndim
    return jnp.broadcast_to(x, tuple(x.shape[k - new] if s == -1 else s for k, s in enumerate(sizes)))


@operation("expand_as")
def _expand_as(x: Any, other: Any) -> Any:
    return jnp.broadcast_to(x, other.shape)


@operation("repeat")
def _repeat(x: Any, repeats: Any) -> Any:
    return jnp.tile(x, tuple(repeats))


@operation("tile")
def _tile(x: Any, repeats: Any) -> Any:
    return jnp.tile(x, tuple(repeats))


@operation("repeat_interleave.self_int")
def _repeat_interleave(x: Any, times: int, dim: Any, *, output_size: Any) -> Any:
    return jnp.repeat(x, times, dim)


@operation("flip")
def _flip(x: Any, dims: Any) -> Any:
    return jnp.flip(x, tuple(dims))


@operation("roll")
def _roll(x: Any, shifts: Any, dims: Any) -> Any:
    return jnp.roll(x, tuple(shifts), tuple(dims)) if dims else jnp.roll(x, shifts[0])


@operation("tril")
def _tril(x: Any, diagonal: int) -> Any:
    return jnp.where(np.tril(np.ones(x.shape[-2:], bool), diagonal), x, jnp.zeros((), x.dtype))


@operation("triu")
def _triu(x: Any, diagonal: int) -> Any:
    return jnp.where(np.triu(np.ones(x.shape[-2:], bool), diagonal), x, jnp.zeros((), x.dtype))


@operation("diagonal", "diagonal_copy")
def _diagonal(x: Any, offset: int, one: int, two: int) -> Any:
    return jnp.diagonal(x, offset, one, two)


# --- joining and splitting ------------------------------------------------------------------------------------


@operation("cat")
def _cat(parts: Any, dim: int) -> Any:
    """Parts of shape (0,) are left out, as in PyTorch."""
    return jnp.concatenate([p for p in parts if p.shape != (0,)] or parts[:1], dim)


@operation("stack")
def _stack(parts: Any, dim: int) -> Any:
    return jnp.stack(parts, dim)


@operation("split.Tensor")
def _split(x: Any, size: int, dim: int) -> Any:
    return [_slice(x, dim, start, start + size, 1) for start in range(0, x.shape[dim], size)]


@operation("split_with_sizes", "split.sizes")
def _split_with_sizes(x: Any, sizes: Any, dim: int) -> Any:
    ends = np.cumsum([0, *sizes]).tolist()
    return [_slice(x, dim, start, end, 1) for start, end in itertools.pairwise(ends)]


@operation("chunk")
def _chunk(x: Any, chunks: int, dim: int) -> Any:
    """Chunks of equal size, rounded up; the last may be smaller, and there may be fewer than asked for."""
    return _split(x, -(-x.shape[dim] // chunks), dim)


@operation("unbind.int")
def _unbind(x: Any, dim: int) -> Any:
    return [_select(x, dim, k) for k in range(x.shape[dim])]


# --- parts of arrays ------------------------------------------------------------------------------------------


def _bounds(size: int, start: Any, end: Any, step: int) -> tuple[int, int, int]:
    """The slice as Python means it."""
    return slice(start, None if end is None or end > _LAST else end, step).indices(size)


@operation("slice.Tensor")
def _slice(x: Any, dim: int, start: Any, end: Any, step: int) -> Any:
    at = slice(*_bounds(x.shape[dim], start, end, step))
    return x[(slice(None),) * (dim % x.ndim) + (at,)]


@operation("narrow")
def _narrow(x: Any, dim: int, start: int, length: int) -> Any:
    start %= max(x.shape[dim], 1)
    return _slice(x, dim, start, start + length, 1)


@operation("select.int")
def _select(x: Any, dim: int, index: int) -> Any:
    at = index % x.shape[dim]
    return jnp.squeeze(_slice(x, dim, at, at + 1, 1), dim)


@operation("slice_scatter")
def _slice_scatter(x: Any, part: Any, dim: int, start: Any, end: Any, step: int) -> Any:
    """The array with a slice replaced: its parts before, in and after it, joined."""
    dim %= x.ndim
    start, end, step = _bounds(x.shape[dim], start, end, step)
    part = jnp.asarray(part).astype(x.dtype)
    if step != 1:
        return jnp.asarray(x).at[(slice(None),) * dim + (slice(start, end, step),)].set(part)
    end = max(start, end)
    if end - start == x.shape[dim]:
        return jnp.broadcast_to(part, x.shape)
    before, after = _slice(x, dim, 0, start, 1), _slice(x, dim, end, None, 1)
    return jnp.concatenate([p for p in (before, part, after) if p.shape[dim]], dim)


@operation("select_scatter")
def _select_scatter(x: Any, part: Any, dim: int, index: int) -> Any:
    at = index % x.shape[dim]
    shape = x.shape[: dim % x.ndim] + x.shape[dim % x.ndim + 1 :]
    return _slice_scatter(x, jnp.expand_dims(jnp.broadcast_to(part, shape), dim % x.ndim), dim, at, at + 1, 1)


def _within(index: Any, size: int) -> Any:
    """Indices counted from the front."""
    if isinstance(index, np.ndarray):
        return np.where(index < 0, index + size, index)
    return jnp.where(index < 0, index + size, index)


@operation("index.Tensor")
def _index(x: Any, indices: Any) -> Any:
    return x[_places(x, indices)]


def _places(x: Any, indices: Any) -> tuple[Any, ...]:
    """ATen's indices, none of which are whole axes, as an index of JAX; masks must be known."""
    places: list[Any] = []
    axis = 0
    for index in indices:
        if index is None:
            places.append(slice(None))
        elif index.dtype == bool:
            if not isinstance(index, np.ndarray):
                raise TraceError("The model selects entries by a mask of its data{where}, whose number is not known.")
            places += np.nonzero(index)
            axis += index.ndim - 1
        else:
            places.append(_within(index, x.shape[axis]))
        axis += 1
    return tuple(places)


@operation("index_select")
def _index_select(x: Any, dim: int, index: Any) -> Any:
    return x[(slice(None),) * (dim % x.ndim) + (jnp.atleast_1d(index),)] if x.ndim else x


@operation("gather")
def _gather(x: Any, dim: int, index: Any, *, sparse_grad: bool) -> Any:
    """Entries along one axis; along the others, the first ones as far as there are indices."""
    dim %= x.ndim
    whole = x[tuple(slice(None) if k == dim else slice(s) for k, s in enumerate(index.shape))]
    return jnp.take_along_axis(whole, jnp.asarray(index), dim)


@operation("embedding")
def _embedding(table: Any, indices: Any, padding_idx: int, by_frequency: bool, sparse: bool) -> Any:
    if padding_idx >= 0 or by_frequency:
        raise TraceError(
            "The model has an embedding with gradients of its own{where}; leave out padding_idx and "
            "scale_grad_by_freq, and mask the positions of padding."
        )
    return table[indices]


@operation("index_put")
def _index_put(x: Any, indices: Any, values: Any, accumulate: bool) -> Any:
    if len(indices) == 1 and indices[0] is not None and indices[0].dtype == bool and not accumulate and not values.ndim:
        mask = indices[0].reshape((*indices[0].shape, *(1,) * (x.ndim - indices[0].ndim)))
        return jnp.where(mask, jnp.asarray(values).astype(x.dtype), x)
    written = jnp.asarray(x).at[_places(x, indices)]
    return written.add(values) if accumulate else written.set(values)


# --- padding --------------------------------------------------------------------------------------------------

_MODES = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


@operation("pad")
def _pad(x: Any, pad: Any, mode: str, value: Any) -> Any:
    """Amounts are listed from the last axis on, before and after; negative ones leave entries out."""
    amounts = [(0, 0)] * (x.ndim - len(pad) // 2) + [(pad[k], pad[k + 1]) for k in range(len(pad) - 2, -1, -2)]
    if mode in _MODES:
        return jnp.pad(x, amounts, _MODES[mode])
    cut = tuple(slice(max(-low, 0), s - max(-high, 0)) for s, (low, high) in zip(x.shape, amounts, strict=True))
    filled = [(max(low, 0), max(high, 0)) for low, high in amounts]
    return jnp.pad(x[cut], filled, constant_values=0 if value is None else value)


@operation("constant_pad_nd")
def _constant_pad(x: Any, pad: Any, value: Any) -> Any:
    return _pad(x, pad, "constant", value)
