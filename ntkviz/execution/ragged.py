"""Inputs of different shapes in one batch: sequences of different lengths, graphs of different sizes.

A program is for inputs of one shape, but a kernel compares two inputs at a time, and their two programs may differ in
length as long as their parameters are the same. So a list of inputs is grouped by shape, and every pair of groups is
computed separately.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from ..errors import InputError
from ..language.architecture import check_data

if TYPE_CHECKING:
    from jax import Array

Data = tuple[np.ndarray, ...]
K = TypeVar("K")


class Group(NamedTuple):
    """Inputs of one shape: their positions in the batch, `(size,)`, and their data, batch first."""

    members: np.ndarray
    data: Data


def group_by_shape(x: Any, what: str) -> list[Group]:
    """Group a batch by the shapes of its inputs: one group for an array, possibly more for a list of arrays.

    `x` is an array, a list of arrays (for example of shape `(time, d)` each), or a tuple of these (such as the features
    and adjacency matrices of graphs). Raises `InputError` as `check_data` does.
    """
    entries = x if isinstance(x, tuple) else (x,)
    if not any(_is_ragged(entry) for entry in entries):
        data = check_data(x, what)
        return [Group(np.arange(len(data[0])), data)]
    if len({len(entry) for entry in entries}) > 1:
        raise InputError(f"The parts of {what} have different batch sizes {[len(entry) for entry in entries]}.")
    shapes = [tuple(np.shape(part) for part in parts) for parts in zip(*entries, strict=True)]
    groups = []
    for shape in dict.fromkeys(shapes):
        members = [k for k, other in enumerate(shapes) if other == shape]
        parts = tuple([entry[k] for k in members] for entry in entries)
        groups.append(Group(np.array(members), check_data(parts, what)))
    return groups


def _is_ragged(entry: Any) -> bool:
    try:
        return isinstance(entry, list) and len({np.shape(part) for part in entry}) > 1
    except ValueError:  # one input is itself ragged, which `check_data` refuses
        return False


def between_groups(
    groups1: list[Group], groups2: list[Group], kernel: Callable[[Data, Data], K], transposed: Callable[[K], K]
) -> list[list[K]]:
    """`kernel(data1, data2)` for every pair of groups; if both lists are the same object, half of them by symmetry."""
    blocks: list[list[K]] = []
    for i, one in enumerate(groups1):
        known = [transposed(row[i]) for row in blocks] if groups2 is groups1 else []
        blocks.append(known + [kernel(one.data, other.data) for other in groups2[len(known) :]])
    return blocks


def joined(blocks: Sequence[Sequence[Array]], groups1: list[Group], groups2: list[Group]) -> Array:
    """Join the blocks between groups into one kernel, with rows and columns in the order of the batches."""
    if len(groups1) == len(groups2) == 1:
        return blocks[0][0]
    rows, columns = (np.argsort(np.concatenate([g.members for g in groups])) for groups in (groups1, groups2))
    concat: Callable[..., Array] = blocks[0][0].__array_namespace__().concat
    return concat([concat(row, axis=1) for row in blocks], axis=0)[np.ix_(rows, columns)]
