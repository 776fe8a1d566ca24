"""Indexing: by numbers that are known while tracing, and of the rows of an embedding by data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.lax import GatherScatterMode

from ...language.axes import Shape
from ...language.functions import einsum
from ...language.values import Scalar
from .. import expressions as ex
from ..jaxprs import Equation, width_axes
from ..values import Joined, Known, Numbers, Par, Readouts, SmallerBlocksError, Vectors
from .inputs import from_data
from .moving import block_axes, expanded, movable, moved, part, permuted
from .outputs import moved_outputs
from .reductions import LETTERS, as_value, of_numbers
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk


@rule("gather")
def gather(walk: Walk, eq: Equation, a: Any, where: Any) -> Any:
    """One axis indexed by an array of whole numbers."""
    d, operand = eq.params["dimension_numbers"], eq.ins[0][0]
    if isinstance(a, Readouts | Joined):
        walk.refuse("The output of a readout is indexed{where}; return all outputs, and choose one with output=.")
    if isinstance(where, Known) and not np.array_equal(where.first, where.second):
        walk.refuse("The model is indexed by numbers that depend on the width{where}.")
    component = _only_component(eq)
    if isinstance(where, Known) and d.operand_batching_dims:
        where = walk.numbers(where)
    if isinstance(where, Known) and component is None:
        return _by_known(walk, eq, movable(walk, a), where.first)
    if isinstance(a, Known | Numbers) and not isinstance(where, Known):
        return of_numbers(walk, eq, a, where)
    if component is None:
        walk.refuse(
            "nv.trace cannot write this kind of indexing{where}; index one axis at a time, examples by jax.vmap."
        )
    a, axis = movable(walk, a), d.start_index_map[component]
    _, axes = block_axes(a)
    if axis in axes or operand[axis] != eq.ins[0][1][axis]:
        walk.refuse("The model selects single coordinates{where}, but a tensor program treats all coordinates alike.")
    offset, new, ones = tuple(d.offset_dims), eq.outs[0][0], axis not in d.collapsed_slice_dims
    if ones:  # the indexed axis is kept, with one entry: it is left out first, and put back afterwards
        (at,) = (o for o, k in zip(offset, _kept(d, operand), strict=True) if k == axis)
        offset = tuple(o - (o > at) for o in offset if o != at)
        new = (*new[:at], *new[at + 1 :])
    if isinstance(where, Known):
        index = _in_bounds(walk, eq, where.first[..., component], operand[axis])
        made = _taken(walk, a, axis, index, offset, new)
    elif isinstance(a, Vectors):
        made = _by_one_hot(walk, eq, a, axis, _one_hot(walk, eq, where, component, operand[axis]), offset, len(new))
    elif not isinstance(a, Par) or len(a.axes) != 1 or axis != 0 or a.entries.ndim != 2:
        walk.refuse("The model indexes a parameter by its data{where}; only the rows of an embedding can be.")
    else:
        hot = _one_hot(walk, eq, where, component, operand[0])
        made = from_data(walk, a, hot, (len(eq.ins[1][0]) - 1,), (0,), new, 1)
    return expanded(walk, made, at, eq.outs[0][0]) if ones else made


def _only_component(eq: Equation) -> int | None:
    """The component of the indices that selects single entries, while all other axes are whole; `None` if it is not so.

    Along whole axes, clipped indices have no effect.
    """
    d, clips = eq.params["dimension_numbers"], eq.params["mode"] != GatherScatterMode.FILL_OR_DROP
    sizes = zip(eq.params["slice_sizes"], eq.second.params["slice_sizes"], *eq.ins[0], strict=True)
    whole = [one == all_of_one and two == all_of_two for one, two, all_of_one, all_of_two in sizes]
    taken = [j for j, k in enumerate(d.start_index_map) if not (whole[k] and clips and len(d.start_index_map) > 1)]
    if len(taken) != 1:
        return None
    axis = d.start_index_map[taken[0]]
    rest = [k for k in range(len(whole)) if k != axis and k not in d.operand_batching_dims]
    others = [whole[k] and k not in d.collapsed_slice_dims for k in rest]
    return taken[0] if eq.params["slice_sizes"][axis] == 1 and all(others) else None


def _kept(d: Any, operand: Shape) -> list[int]:
    return [k for k in range(len(operand)) if k not in (*d.collapsed_slice_dims, *d.operand_batching_dims)]


def _in_bounds(walk: Walk, eq: Equation, index: np.ndarray, rows: int) -> np.ndarray:
    if eq.params["mode"] == GatherScatterMode.FILL_OR_DROP and np.any((index < 0) | (index >= rows)):
        walk.refuse("The model is indexed by numbers that are out of bounds{where}.")
    return np.asarray(np.clip(index, 0, rows - 1))


def _by_one_hot(walk: Walk, eq: Equation, a: Vectors, axis: int, hot: Numbers, offset: Shape, ndim: int) -> Vectors:
    """Vectors indexed by data along an axis, as their product with rows of the unit matrix."""
    d = eq.params["dimension_numbers"]
    of_where = LETTERS[: len(hot.shape) - 1]
    own = [*LETTERS[len(of_where) : len(of_where) + len(a.shape)]]
    own[axis] = "z"
    for k, j in zip(d.operand_batching_dims, d.start_indices_batching_dims, strict=True):
        own[k] = of_where[j]
    kept = [k for k in _kept(d, eq.ins[0][0]) if k != axis]
    out = dict(zip(offset, (own[k] for k in kept), strict=True))
    others = iter(of_where)
    result = "".join(out.get(o) or next(others) for o in range(ndim))
    h = einsum(f"{of_where}z,{''.join(own)}->{result}", walk.scalar(hot), walk.vector(a))
    return Vectors(ex.Leaf(h), h.shape, result.index(own[a.axis]), a.size, a.sources, a.order, a.inner)


def _one_hot(walk: Walk, eq: Equation, where: Any, component: int, rows: int) -> Numbers:
    """Indices as rows of the unit matrix."""
    index = walk.scalar(walk.numbers(where))
    index = index if index.shape[-1] == 1 else index[..., component : component + 1]
    places = walk.net.scalar(np.arange(rows, dtype=float))
    fn = _is_at if eq.params["mode"] == GatherScatterMode.FILL_OR_DROP else _is_nearest
    hot = walk.net.scalar_function(fn, index, places, name="one-hot", mixes=0)
    return Numbers(ex.Leaf(hot), hot.shape)


def _is_at(index: Any, places: Any) -> Any:
    """Rows of the unit matrix; NaN for indices out of bounds, as in JAX."""
    hot = (abs(index - places) < 0.5).astype(jax.numpy.result_type(float))
    outside = (index < -0.5) | (index > places[-1] + 0.5)
    return jax.numpy.where(outside, jax.numpy.nan, hot)


def _is_nearest(index: Any, places: Any) -> Any:
    """Rows of the unit matrix, with indices clipped to its bounds."""
    near = jax.numpy.clip(index, places[0], places[-1])
    return (abs(near - places) < 0.5).astype(jax.numpy.result_type(float))


def _taken(walk: Walk, a: Any, axis: int, index: np.ndarray, offset: Shape, new: Shape) -> Any:
    """The entries at `index` along an axis; in the result, the axes that are not in `offset` are those of `index`."""
    shape, axes = block_axes(a)
    rest = [k for k in range(len(shape)) if k != axis]
    there = {(k if k < axis else k - 1 + index.ndim): k for k in axes}
    target = (*shape[:axis], *index.shape, *shape[axis + 1 :])
    flat = index.ravel()

    def fn(x: Any) -> Any:
        return x[(slice(None),) * axis + (flat,)].reshape(target)

    order = [0] * len(new)
    behind = [k for k in range(len(new)) if k not in offset]
    for j, k in enumerate(behind):
        order[k] = axis + j
    for j, k in enumerate(offset):
        order[k] = rest[j] if rest[j] < axis else rest[j] - 1 + index.ndim
    sizes = [0] * len(new)
    for k, old in enumerate(order):
        sizes[old] = new[k]
    inner = a.inner if isinstance(a, Vectors) else 1
    made = moved(walk, a, fn, target, axes=there, sizes=tuple(sizes), inner=inner)
    return permuted(walk, made, tuple(order))


def _by_known(walk: Walk, eq: Equation, a: Any, index: np.ndarray) -> Any:
    """A gather that is a slice, with a single start for each of its axes."""
    d, sizes, (operand, _) = eq.params["dimension_numbers"], eq.params["slice_sizes"], eq.ins[0]
    if index.size != len(d.start_index_map) or d.operand_batching_dims or isinstance(a, Readouts):
        walk.refuse("nv.trace cannot write this kind of indexing{where}; index one axis at a time.")
    start = dict(zip(d.start_index_map, (int(i) for i in index.ravel()), strict=True))
    entries = []
    for k, (size, whole) in enumerate(zip(sizes, operand, strict=True)):
        at = min(max(start.get(k, 0), 0), whole - size)
        entries.append((at, at + size, 1))
    kept = _kept(d, operand)
    second = [eq.outs[0][1][kept.index(k)] if k in kept else 1 for k in range(len(operand))]
    made = part(walk, a, entries, operand, (tuple(sizes), tuple(second)))
    shape, axes = block_axes(made)
    there = {kept.index(k): k for k in axes}
    target = tuple(shape[k] for k in kept)
    inner = made.inner if isinstance(made, Vectors) else 1
    return moved(walk, made, lambda x: x.reshape(target), target, axes=there, sizes=eq.outs[0][0], inner=inner)


@rule("dynamic_slice")
def dynamic_slice(walk: Walk, eq: Equation, a: Any, *starts: Any) -> Any:
    """A slice whose start is known while tracing."""
    if isinstance(a, Readouts):
        if all(isinstance(s, Known) for s in starts):
            walk.refuse("The output of a readout is indexed{where}; return all outputs, and choose one with output=.")
        return moved_outputs(eq, a)
    if not all(isinstance(s, Known) and np.array_equal(s.first, s.second) for s in starts):
        walk.refuse("The model slices an array at a place that depends on its data or on the width{where}.")
    old, entries = eq.ins[0][0], []
    for start, size, whole in zip(starts, eq.params["slice_sizes"], old, strict=True):
        at = int(np.clip(int(start.first), 0, whole - size))
        entries.append((at, at + size, 1))
    return part(walk, movable(walk, a), entries, old, eq.outs[0])


@rule("scatter", "scatter-add")
def scatter(walk: Walk, eq: Equation, a: Any, where: Any, new: Any) -> Any:
    """Values that replace others, or are added to them, at places that are known while tracing."""
    values = [as_value(walk, v) for v in (a, new)]
    vectors = [v for v in values if isinstance(v, Vectors)]
    if not vectors:
        return of_numbers(walk, eq, a, where, new)
    if not isinstance(where, Known) or not np.array_equal(where.first, where.second):
        walk.refuse("The model writes to places that depend on its data{where}; multiply by a one-hot matrix instead.")
    places = _places_of_updates(walk, eq, where.first)
    return _placed(walk, eq, values, places, eq.ins[2], replaces=eq.name == "scatter")


@rule("dynamic_update_slice")
def dynamic_update_slice(walk: Walk, eq: Equation, a: Any, new: Any, *starts: Any) -> Any:
    """A block of values that replaces others, from a start that is known while tracing."""
    if not all(isinstance(s, Known) and np.array_equal(s.first, s.second) for s in starts):
        walk.refuse("The model writes to places that depend on its data{where}; multiply by a one-hot matrix instead.")
    values = [as_value(walk, v) for v in (a, new)]
    vectors = [v for v in values if isinstance(v, Vectors)]
    if not vectors:
        return of_numbers(walk, eq, a, new, *starts)
    (old, _), (sizes, _) = eq.ins[:2]
    index = [
        slice(at := int(np.clip(int(start.first), 0, whole - size)), at + size)
        for start, size, whole in zip(starts, sizes, old, strict=True)
    ]
    return _placed(walk, eq, values, _numbered(eq)[tuple(index)], eq.ins[1], replaces=True)


def _numbered(eq: Equation) -> np.ndarray:
    """The numbers, from 1, of all positions of the first argument, equal in all coordinates."""
    first, second = eq.ins[0]
    shape = tuple(1 if a != b else a for a, b in zip(first, second, strict=True))
    return np.broadcast_to(np.arange(1.0, 1 + math.prod(shape)).reshape(shape), first)


def _places_of_updates(walk: Walk, eq: Equation, where: np.ndarray) -> np.ndarray:
    """For each entry of the updates, the number of its place; 0 if it has none."""
    params = eq.params | {"update_jaxpr": None, "update_consts": ()}

    def add(new: Any) -> Any:
        return jax.lax.scatter_add_p.bind(jax.numpy.zeros(eq.ins[0][0]), jax.numpy.asarray(where), new, **params)

    (found,) = jax.linear_transpose(add, jax.ShapeDtypeStruct(eq.ins[2][0], float))(jax.numpy.asarray(_numbered(eq)))
    return np.asarray(found)


def _placed(
    walk: Walk, eq: Equation, values: list[Any], places: np.ndarray, new: tuple[Shape, Shape], replaces: bool
) -> Vectors:
    """Updates, of shape `new`, written to or added at the places with these numbers."""
    (axis, *more), (own, *others) = (*width_axes(*eq.ins[0]), -1), (*width_axes(*new), -1)
    whole = len(more) == len(others) == 1 and places.shape[own] == eq.ins[0][0][axis]
    if not whole or np.any(places != places.take([0], own)):
        walk.refuse("The model writes to single coordinates{where}, but a tensor program treats all coordinates alike.")
    vectors = [v for v in values if isinstance(v, Vectors)]
    block = math.gcd(*(v.block for v in vectors))
    for v in vectors:
        if v.block != block or v.inner > 1:
            raise SmallerBlocksError(v.sources, block)
    orders = {v.order for v in values if not (isinstance(v, Numbers) and v.is_zero)}
    target = places.take(0, own).astype(int).ravel()
    there = target[target > 0] - 1
    if len(orders) != 1 or (replaces and len(set(there)) < len(there)):
        walk.refuse("The model writes twice to one place, or values of different orders in n{where}.")
    rest = tuple(s for k, s in enumerate(eq.ins[0][0]) if k != axis)
    at = np.zeros((math.prod(rest), len(target)))
    at[there, np.flatnonzero(target)] = 1.0
    kept = walk.net.scalar(1.0 - at.sum(1)[:, None]) if replaces else 1.0
    h = _by_position(walk, values[0], axis) * kept + _sent(walk, at, _by_position(walk, values[1], own))
    h = h.reshape((*rest, h.shape[-1]))
    order = (*range(axis), len(rest), *range(axis, len(rest)))
    h = h if order == tuple(range(h.ndim)) else h.transpose(order)
    sources = frozenset[tuple[int, int]]().union(*(v.sources for v in vectors))
    return Vectors(ex.Leaf(h), h.shape, axis, eq.outs[0][0][axis], sources, orders.pop())


def _sent(walk: Walk, at: np.ndarray, new: Any) -> Any:
    """Σ_j at_ij new_j, for vectors or numbers `(positions, blocks)`."""
    if isinstance(new, Scalar):
        return (walk.net.scalar(at[:, :, None]) * new.reshape((1, *new.shape))).sum(1)
    return einsum("ij,jz->iz", at, new)


def _by_position(walk: Walk, a: Numbers | Vectors, axis: int) -> Any:
    """Values as an array `(positions, blocks)`."""
    order = (*(k for k in range(len(a.shape)) if k != axis), axis)
    h: Any = walk.vector(a) if isinstance(a, Vectors) else walk.scalar(a)
    h = h if order == tuple(range(h.ndim)) else h.transpose(order)
    return h.reshape((-1, a.shape[axis]))


@rule("iota")
def iota(walk: Walk, eq: Equation) -> Known:
    """0, 1, 2, … along an axis."""
    first, second = (np.asarray(e.primitive.bind(**e.params)) for e in (eq.first, eq.second))
    return Known(first, second)
