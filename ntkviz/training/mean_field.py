"""The program that is trained, whose output F has the scale 1/n, and the gradients of its loss.

Training moves features at infinite width if the output is f = F/γ with F = vᵀx/n, which is vᵀx/√n divided by √n γ
(mean-field scale, or μP: Yang and Hu 2020, arXiv:2011.14522). An output that fails the Simple GIA Check is at this
scale already. The gradients dx := n ∂F/∂x are those of `ntkviz.language.gradients.backward`, whichever scale f has.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import ProgramError
from ..language import instructions as ops
from ..language.axes import Sum
from ..language.gradients.backward import BackwardProgram, Pullback, depends_on_parameters
from ..language.gradients.gia import readout_parameter
from ..language.nonlinearities.nonlinearity import multiply
from ..language.program import Program
from ..language.rewriting.shorthand import Writer


def mean_field(program: Program) -> Program:
    """A program with the output F = Σ_p v_pᵀx_p/(n√P) instead of Σ_p v_pᵀx_p/√(nP); it must have no repeats.

    Raises `ProgramError` if an input matrix is applied to numbers that depend on parameters, whose gradients would be
    missing.
    """
    random = depends_on_parameters(program)
    for index, instruction in enumerate(program.instructions):
        if isinstance(instruction.op, ops.InputMatMul) and random[instruction.args[0]]:
            raise ProgramError(
                f"Instruction {index} applies an input matrix to scalars that depend on parameters, which are not "
                "differentiated; apply it to data."
            )
    if not program.output_is_readout:
        return program
    writer, indices, constants = Writer(), list[int](), list(program.constants)
    for index, instruction in enumerate(program.instructions):
        args = tuple(indices[a] for a in instruction.args)
        if index == program.output:
            v, x = args
            readout = readout_parameter(program)
            indices.append(_at_mean_field_scale(writer, constants, v, x, 1 if readout is None else readout.fan))
        else:
            indices.append(writer.write(instruction.op, args, instruction.kind, instruction.shape))
    return program.written_again(writer.instructions, indices.__getitem__, constants=tuple(constants))


def _at_mean_field_scale(writer: Writer, constants: list[Any], v: int, x: int, fan: int) -> int:
    """Write Σ_p v_pᵀx_p/(n√fan)."""
    positions, shape = (writer.instructions[index].shape for index in (v, x))
    index = writer.write(ops.Nonlin(multiply), (v, x), "vector", shape)
    index = writer.write(ops.Moment(), (index,), "scalar", shape)
    if positions:
        batch = shape[: -len(positions)]
        how = Sum(tuple(range(len(batch), len(shape))))
        index = writer.write(ops.Rearrange(how, shape, batch), (index,), "scalar", batch)
    if fan != 1:
        constants.append(np.asarray(fan**-0.5))
        root = writer.write(ops.Constant(len(constants) - 1), (), "scalar", ())
        times = ops.ScalarFunction(operator.mul, "*", 0)
        index = writer.write(times, (index, root), "scalar", writer.instructions[index].shape)
    return index


def loss_gradients(program: Program) -> BackwardProgram:
    """A program of `mean_field`, followed by the gradients dx = n Σ_i χ_i ∂F_i/∂x, each with a first axis of length 1.

    The first instruction after the forward pass stands for dF = χ, `(1, outputs)`, which has to be supplied.
    """
    return _OfLoss(program, independent_copy=False).result()


class _OfLoss(Pullback):
    """The gradients of a sum over outputs with given weights."""

    def __init__(self, program: Program, independent_copy: bool):
        super().__init__(program, independent_copy)
        self.outputs = 1

    def start(self) -> int:
        entries = sum(isinstance(i.op, ops.Data) for i in self.program.instructions)
        return self.emit(ops.Data(entries), (), "scalar", (1, *self.program.instructions[self.program.output].shape))
