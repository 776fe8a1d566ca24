"""Decides whether a batch is many inputs or one: whether each output depends on its own example alone.

Most architectures treat the examples of a batch separately, so a kernel entry needs only two examples. Others mix
examples: by batch normalisation, a graph whose nodes are the batch, a mean over the batch, or code that uses its size.
For them a batch is *one* input. Authors declare nothing: the program of the whole batch is compared with that of one
example (`one_by_one.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..language.architecture import Architecture
from ..language.program import Program
from ..language.rewriting.shorthand import in_full
from .one_by_one import reads_one_by_one
from .ragged import Data, Group


class Traced(NamedTuple):
    """The programs of two batches: of one example of each if examples are `separate`, otherwise of whole batches."""

    first: Program
    second: Program
    separate: bool


def traced(arch: Architecture, data1: Data, data2: Data) -> Traced:
    """The programs for two batches; if their shapes are equal, only the first is traced."""
    whole, one = _whole_and_one(arch, data1)
    if data1 is data2:
        whole_bar, one_bar = whole, one
    elif _shapes(data1) == _shapes(data2):  # a program depends on nothing else
        whole_bar, one_bar = whole.with_data(*data2), one and one.with_data(*_first(data2))
    else:
        whole_bar, one_bar = _whole_and_one(arch, data2)
    if one is None or one_bar is None:
        return Traced(whole, whole_bar, False)
    return Traced(one, one_bar, True)


def _shapes(data: Data) -> list[tuple[int, ...]]:
    return [d.shape for d in data]


def _first(data: Data) -> Data:
    return tuple(d[:1] for d in data)


def one_example(arch: Architecture, data: Data) -> Program | None:
    """The program of a single example of a batch; `None` if examples are mixed."""
    return _whole_and_one(arch, data)[1]


def examples_are_separate(arch: Architecture, data: Data) -> bool:
    """Whether output i is the architecture's output for example i alone."""
    return one_example(arch, data) is not None


def _whole_and_one(arch: Architecture, data: Data) -> tuple[Program, Program | None]:
    whole = arch.trace(data)
    if len(data[0]) == 1:
        return whole, whole
    try:
        one = arch.trace(_first(data))
    except Exception:  # an author's code that needs a whole batch may fail in any way
        return whole, None
    return whole, one if reads_one_by_one(in_full(whole), in_full(one)) else None


def check_in_groups(arch: Architecture, groups: list[Group], what: str) -> None:
    """Raise `InputError` for inputs of several shapes if the architecture mixes examples."""
    if len(groups) > 1 and not separate_in_parts(arch, groups, lambda count: [count]):
        raise InputError(
            f"{arch.fn.__name__} treats a batch as one input, because of batch normalisation or the like, so all "
            f"inputs in {what} must have the same shape."
        )


def separate_in_parts(arch: Architecture, groups: list[Group], sizes: Callable[[int], Iterable[int]]) -> bool:
    """Whether examples are separate in each group, in a batch as large as all groups together, and in parts of a group.

    `sizes` maps the size of a group to the sizes of its parts. Errors that the architecture raises on a whole group are
    passed on; on batches of other sizes they mean that examples are not separate.
    """
    total = sum(len(group.members) for group in groups)
    return all(
        examples_are_separate(arch, group.data)
        and all(_separate_at_size(arch, group.data, size) for size in {total, *sizes(len(group.members))})
        for group in groups
    )


def _separate_at_size(arch: Architecture, data: Data, size: int) -> bool:
    try:
        return size == len(data[0]) or examples_are_separate(arch, _of_size(data, size))
    except Exception:  # an author's code may fail in any way at this size
        return False


def _of_size(data: Data, size: int) -> Data:
    """A batch of this size and of the shape of `data`: its first inputs, or the first one repeated."""
    if size <= len(data[0]):
        return tuple(d[:size] for d in data)
    return tuple(np.broadcast_to(d[:1], (size, *d.shape[1:])) for d in data)


def block_slices(size: int, block: int) -> Iterator[slice]:
    """Consecutive slices of at most `block` that cover `range(size)`."""
    return (slice(start, min(start + block, size)) for start in range(0, size, block))


LANES = 8
"""The largest number of float64 lanes of a SIMD register."""


class Piece(NamedTuple):
    """Consecutive examples, the first `known` of which are also in the previous piece."""

    examples: slice
    known: int

    @property
    def new(self) -> slice:
        """The examples that are in no previous piece."""
        return slice(self.examples.start + self.known, self.examples.stop)


def equal_pieces(size: int, most: int) -> list[Piece]:
    """Pieces of equal length, at most `most`, that cover `range(size)`, so that a single compilation suffices.

    Neighbours overlap a little if the length does not divide `size`. The length is a multiple of `LANES`, which
    avoids remainder loops in the compiled code.
    """
    count = -(-size // most)
    length = min(most, size, -(-size // count // LANES) * LANES)
    starts = [k * (size - length) // max(1, count - 1) for k in range(count)]
    ends = [0, *(start + length for start in starts)]
    return [Piece(slice(start, start + length), end - start) for start, end in zip(starts, ends, strict=False)]
