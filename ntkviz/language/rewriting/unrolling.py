"""Unrolling: writes out repeated layers, with the number of the layer in the names of its parameters."""

from __future__ import annotations

import dataclasses

from ...errors import ProgramError
from ..instructions import Captured, Carry, Constant, Op, Repeat, Source
from ..program import Instruction, Parameter, Program, check_length, method


@method("unrolled")
def unrolled(program: Program) -> Program:
    """The program with each repeated layer written out; `ProgramError` if it gets too long, or a name is taken."""
    return _Unroller(program).result()


class _Unroller:
    """Rewrites a program with each repeated layer written out."""

    def __init__(self, program: Program):
        self.program = program
        self.instructions: list[Instruction] = []
        self.parameters: list[Parameter] = []
        self.names: set[str] = set()

    def result(self) -> Program:
        indices = self._copy(self.program, {}, "")
        return dataclasses.replace(
            self.program,
            instructions=tuple(self.instructions),
            parameters=tuple(self.parameters),
            output=indices[self.program.output],
        )

    def _copy(self, program: Program, given: dict[Op, int], suffix: str) -> dict[int, int]:
        """Append `program`, with `given` as the inputs of a repeated layer; returns the new index of each value."""
        indices: dict[int, int] = {}
        new_parameters: dict[int, int] = {}
        for index, instruction in enumerate(program.instructions):
            op = instruction.op
            if op in given:
                indices[index] = given[op]
                continue
            args = tuple(indices[a] for a in instruction.args)
            if isinstance(op, Repeat):
                indices[index] = self._repeat(op, program.instructions[instruction.args[0]], args)
                continue
            if isinstance(op, Source):
                if op.parameter not in new_parameters:
                    new_parameters[op.parameter] = self._parameter(program.parameters[op.parameter], indices, suffix)
                op = dataclasses.replace(op, parameter=new_parameters[op.parameter])
            indices[index] = len(self.instructions)
            self.instructions.append(dataclasses.replace(instruction, op=op, args=args))
        return indices

    def _parameter(self, parameter: Parameter, indices: dict[int, int], suffix: str) -> int:
        name = parameter.name + suffix
        if name in self.names:
            raise ProgramError(
                f"Parameter {name} is declared twice, by this name and in a repeated layer; rename one of them."
            )
        self.names.add(name)
        self.parameters.append(
            dataclasses.replace(
                parameter,
                name=name,
                std=indices[parameter.std],
                multiplier=indices[parameter.multiplier],
                lr=indices[parameter.lr],
            )
        )
        return len(self.parameters) - 1

    def _repeat(self, op: Repeat, times: Instruction, args: tuple[int, ...]) -> int:
        assert isinstance(times.op, Constant)
        _, carry, *captured = args
        count = int(self.program.constants[times.op.index])
        check_length(count * len(op.body.instructions))
        for layer in range(count):
            given: dict[Op, int] = {Carry(): carry} | {Captured(k): index for k, index in enumerate(captured)}
            carry = self._copy(op.body, given, f"[{layer + 1}]")[op.body.output]
        return carry
