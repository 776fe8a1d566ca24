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
from ..language.program import Instruction, Program
from ..language.rules import Rules
from ..language.shorthand import in_full


def examples_are_separate(arch: Architecture, data: tuple[np.ndarray, ...]) -> bool:
    """Whether output i depends on example i alone."""
    two = tuple(d[:2] if len(d) > 1 else np.concatenate([d, d]) for d in data)
    return _separate(arch.trace(two).with_numbers())


def traced(
    arch: Architecture,
    data1: tuple[np.ndarray, ...],
    data2: tuple[np.ndarray, ...],
    separate: bool,
    *,
    written_out: bool = False,
) -> tuple[Program, Program]:
    """The programs of two batches; of one example of each where examples are separate. One batch is traced once."""

    def program(data: tuple[np.ndarray, ...]) -> Program:
        found = arch.trace(tuple(d[:1] for d in data) if separate else data)
        return found.unrolled() if written_out else found

    first = program(data1)
    return first, first if data1 is data2 else program(data2)


@functools.lru_cache(maxsize=512)
def _separate(structure: Program) -> bool:
    once = (1,) * sum(isinstance(i.op, ops.Constant) for i in structure.instructions)  # each repeated layer once
    reached = _poisoned_outputs(in_full(structure.with_numbers(once)).unrolled(), example=0)
    return bool(reached[0] and not reached[1])


def _poisoned_outputs(program: Program, example: int) -> np.ndarray:
    """Which outputs are NaN when one example is; vectors have one coordinate, matrices are 1."""
    values: list[Any] = []
    for place, instruction in enumerate(program.instructions):
        args = [values[a] for a in instruction.args]
        values.append(poisoned.of(instruction.op, place)(instruction.op, instruction, example, *args))
    return np.isnan(values[program.output]).reshape(-1)


poisoned = Rules("its dependence on examples")
"""A value that is NaN where it depends on the NaN of one example, by `(instruction, example, *arguments)`."""
poisoned.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
poisoned.refuse(ops.Delayed, why="the loops of a program are found later")


poisoned.rule(ops.Op)(lambda op, instruction, example, *args: np.asarray(op.evaluate(*args)))


@poisoned.rule(ops.Data)
def _(op: ops.Data, instruction: Instruction, example: int) -> np.ndarray:
    value = np.ones(instruction.shape)
    value[example] = np.nan
    return value


poisoned.rule(ops.Constant)(lambda op, instruction, example: np.ones(instruction.shape))
poisoned.rule(ops.InitialVector)(lambda op, instruction, example: np.ones((*instruction.shape, 1)))
poisoned.rule(ops.InputMatMul)(lambda op, instruction, example, data: np.sum(data, axis=-1, keepdims=True))
poisoned.rule(ops.MatMul)(lambda op, instruction, example, x: x)


@poisoned.rule(ops.Nonlin)  # not φ itself: a step of NaN is 0
def _(op: ops.Nonlin, instruction: Instruction, example: int, *args: np.ndarray) -> np.ndarray:
    vectors, scalars = args[: op.phi.arity], [s[..., None] for s in args[op.phi.arity :]]
    return np.sum(np.broadcast_arrays(*vectors, *scalars), axis=0)


@poisoned.rule(ops.BatchNorm)
def _(op: ops.BatchNorm, instruction: Instruction, example: int, x: np.ndarray) -> np.ndarray:
    return np.broadcast_to(np.sum(x, axis=op.axis, keepdims=True), x.shape)


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
