"""Instructions that abbreviate others: a reading without a rule for such an instruction evaluates its expansion."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from ..axes import Shape
from ..instructions import Op, Repeat
from ..program import Instruction, Kind, Program
from ..rules import Rules

short_for: Rules[int] = Rules("its expansion")
"""Rules `(op, writer, instruction, *indices of the arguments)` that write the expansion and return its index."""


class Writer:
    """Holds the instructions of the rewritten program; the rules of `short_for` append to them."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []

    def write(self, op: Op, args: tuple[int, ...], kind: Kind, shape: Shape) -> int:
        """Append an instruction; returns its index."""
        self.instructions.append(Instruction(op, args, kind, shape))
        return len(self.instructions) - 1


def in_full(program: Program) -> Program:
    """The program with all shorthands expanded, also in repeated layers."""
    return with_indices(program)[0]


def with_indices(program: Program) -> tuple[Program, Sequence[int]]:
    """The program with all shorthands expanded, and the new index of the value of each instruction."""
    structure, indices = _in_full(program.structure)
    if structure is program.structure:
        return program, indices
    return structure.with_numbers(program.constants, program.data), indices


@functools.lru_cache(maxsize=512)
def _in_full(program: Program) -> tuple[Program, Sequence[int]]:
    if not _has_shorthands(program):
        return program, range(len(program))
    writer = Writer()
    indices: list[int] = []
    for instruction in program.instructions:
        op, args = instruction.op, tuple(indices[a] for a in instruction.args)
        rule = short_for.entry(type(op))
        if callable(rule):
            indices.append(rule(op, writer, instruction, *args))
        else:
            op = dataclasses.replace(op, body=in_full(op.body)) if isinstance(op, Repeat) else op
            indices.append(writer.write(op, args, instruction.kind, instruction.shape))
    return program.written_again(writer.instructions, indices.__getitem__), indices


def _has_shorthands(program: Program) -> bool:
    operations = [instruction.op for instruction in program.instructions]
    if any(callable(short_for.entry(kind)) for kind in set(map(type, operations))):
        return True
    return any(_has_shorthands(op.body) for op in operations if isinstance(op, Repeat))
