"""Whether a batch is many inputs or one: does each output depend on its own example alone?

Most architectures treat the examples of a batch one by one, and a kernel entry then needs two
examples only. Batch normalisation does not: there a batch is one input. Nothing is declared: the
program is run with one example's data made NaN, and we look which outputs it reaches.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..language import instructions as ops
from ..language.architecture import Architecture
from ..language.program import Program


def examples_are_separate(arch: Architecture, data: tuple[np.ndarray, ...]) -> bool:
    """Whether output i depends on example i alone."""
    two = tuple(d[:2] if len(d) > 1 else np.concatenate([d, d]) for d in data)
    return _separate(arch.trace(two).with_numbers())


def traced(
    arch: Architecture, data1: tuple[np.ndarray, ...], data2: tuple[np.ndarray, ...], separate: bool
) -> tuple[Program, Program]:
    """The programs of two batches; of one example of each where examples are separate. One batch is traced once."""
    first, second = (tuple(d[:1] for d in data) if separate else data for data in (data1, data2))
    program = arch.trace(first)
    return program, program if data1 is data2 else arch.trace(second)


@functools.lru_cache(maxsize=512)
def _separate(structure: Program) -> bool:
    once = (1,) * sum(isinstance(i.op, ops.Constant) for i in structure.instructions)  # each repeated layer once
    reached = _poisoned_outputs(structure.with_numbers(once).unrolled(), example=0)
    return bool(reached[0] and not reached[1])


def _poisoned_outputs(program: Program, example: int) -> np.ndarray:
    """Which outputs are NaN when one example is; vectors have one coordinate, matrices are 1."""
    values: list[Any] = []
    for instruction in program.instructions:
        op, args = instruction.op, [values[a] for a in instruction.args]
        extra = (1,) if instruction.kind == "vector" else ()
        match op:
            case ops.Data():
                value = np.ones(instruction.shape)
                value[example] = np.nan
            case ops.Constant() | ops.InitialVector():
                value = np.ones((*instruction.shape, *extra))
            case ops.InputMatMul():
                value = np.sum(args[0], axis=-1, keepdims=True)
            case ops.MatMul():
                value = args[0]
            case ops.Nonlin():  # not φ itself: a step of NaN is 0
                vectors, scalars = args[: op.phi.arity], [s[..., None] for s in args[op.phi.arity :]]
                value = np.sum(np.broadcast_arrays(*vectors, *scalars), axis=0)
            case ops.BatchNorm(axis):
                value = np.broadcast_to(np.sum(args[0], axis=axis, keepdims=True), args[0].shape)
            case _:
                value = np.asarray(op.evaluate(*args))
        values.append(value)
    return np.isnan(values[program.output]).reshape(-1)


def block_slices(size: int, block: int) -> Iterator[slice]:
    """Consecutive slices of at most `block` that cover `range(size)`."""
    return (slice(start, min(start + block, size)) for start in range(0, size, block))


LANES = 8
"""Float64 numbers that a processor takes at once, at most."""


class Piece(NamedTuple):
    """Some examples in a row, the first `known` of which are in the piece before too."""

    examples: slice
    known: int

    @property
    def new(self) -> slice:
        """The examples that no piece before has."""
        return slice(self.examples.start + self.known, self.examples.stop)


def equal_pieces(size: int, most: int) -> list[Piece]:
    """Pieces of one length, at most `most`, that cover `range(size)`, so that one compilation does for all.

    Where the length does not divide `size`, neighbours overlap a little: also to make it a multiple of `LANES`, which
    spares the compiler, and the processor, the loops over what is left.
    """
    count = -(-size // most)
    length = min(most, size, -(-size // count // LANES) * LANES)
    starts = [k * (size - length) // max(1, count - 1) for k in range(count)]
    ends = [0, *(start + length for start in starts)]
    return [Piece(slice(start, start + length), end - start) for start, end in zip(starts, ends, strict=False)]
