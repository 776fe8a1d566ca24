"""The backward program, generated instruction by instruction (Tensor Programs II, §"Backprop").

Every gradient is a vector of order one: dx := √n ∂f/∂x for a readout f = vᵀx/√n, and dx := n ∂f/∂x for an output of
scale 1/n. The gradient of a scalar θ is dθ := ∂f/∂θ (times 1/√n or 1), itself a Moment, and that of the output is
df := δ, the identity over outputs. With these, the chain rule is again a tensor program:

- g = Wx gives dx += Wᵀdg, a MatMul with the transpose;
- x = φ(y; θ) gives dy += φ′·dx, a Nonlin, and dθ += (1/n) Σ_α dx_α ∂φ/∂θ, a Moment;
- θ = (1/n) Σ_α x_α gives dx += dθ in every coordinate;
- a linear map of leading axes gives its transpose.

Gradients have an additional first axis, which runs over the outputs that are differentiated.
"""

from __future__ import annotations

import dataclasses
import operator
from dataclasses import dataclass

import numpy as np

from ...errors import ProgramError
from .. import axes
from .. import instructions as ops
from ..axes import AxesMap, Shape
from ..instructions import Op
from ..nonlinearities.nonlinearity import multiply
from ..program import Instruction, Kind, Parameter, Program
from ..rules import Rules
from . import instructions as grads
from .gia import readout_parameter


@dataclass(frozen=True)
class Use:
    """One use of a parameter: its gradient is the sum of outer products a bᵀ over leading axes.

    The pair (a, b) is (dg, x) for g = Wx and (x, dg) for g = Wᵀx. For an input matrix b is the data (a scalar of the
    program); for a parameter vector there is no b. `a` and `b` are indices, and `gradient_first` says whether `a` is
    the gradient, which has the axis of outputs.
    """

    parameter: int
    index: Shape
    a: int
    b: int | None
    gradient_first: bool = True


@dataclass(frozen=True)
class BackwardProgram:
    """A program followed by its gradients: `program` computes both, `uses` lists the uses of each parameter."""

    program: Program
    uses: tuple[Use, ...]
    forward_length: int


def backward(program: Program, *, independent_copy: bool = False) -> BackwardProgram:
    """Append to a program without repeats (`Program.unrolled`) the instructions that compute its gradients.

    With `independent_copy` each matrix is replaced, in the backward pass only, by an independent one of the same law:
    the gradient independence assumption, taken literally.

    Raises `ProgramError` if a derivative is not a function (as for a step function), and for a program that already has
    its gradients.
    """
    if program.gradients:
        raise ProgramError("This program already has its gradients; differentiate the forward program instead.")
    return Pullback(program, independent_copy).result()


# --- the chain rule ------------------------------------------------------------------------------


class Pullback:
    """Appends the gradients to a program, from its output backwards; the rules of `pullback` record through it."""

    def __init__(self, program: Program, independent_copy: bool):
        self.program = program
        self.instructions = list(program.instructions)
        self.parameters = list(program.parameters)
        self.independent_copy = independent_copy
        self.outputs = program.instructions[program.output].shape[0]
        self.gradients: dict[int, int] = {}
        self.copies: dict[int, int] = {}
        self.uses: list[Use] = []
        self.random = depends_on_parameters(program)
        self.trained = depends_on_parameters(program, trainable=True)

    def result(self) -> BackwardProgram:
        """The program and its gradients."""
        self.gradients[self.program.output] = self.start()
        for index in reversed(range(len(self.program))):
            if index in self.gradients:
                instruction = self.program.instructions[index]
                pullback.of(instruction.op, index)(instruction.op, self, instruction, self.gradients[index])
        whole = dataclasses.replace(
            self.program,
            instructions=tuple(self.instructions),
            parameters=tuple(self.parameters),
            gradients=tuple(sorted(self.gradients.items())),
        )
        return BackwardProgram(whole, tuple(self.uses), len(self.program))

    def start(self) -> int:
        """Append the gradient of the output, from which all others follow."""
        return self.emit(grads.Identity(), (self.program.output,), "scalar", (self.outputs, self.outputs))

    def emit(self, op: Op, args: tuple[int, ...], kind: Kind, shape: Shape) -> int:
        """Append an instruction."""
        self.instructions.append(Instruction(op, args, kind, shape))
        return len(self.instructions) - 1

    def shape(self, index: int) -> Shape:
        """The leading shape of a value."""
        return self.instructions[index].shape

    def rearranged(self, index: int, how: AxesMap) -> int:
        """A value with its leading axes rearranged."""
        instruction = self.instructions[index]
        shape = axes.rearranged_shape(how, instruction.shape)
        return self.emit(ops.Rearrange(how, instruction.shape, shape), (index,), instruction.kind, shape)

    def multiply(self, vector: int, gradient: int) -> int:
        """x ⊙ dy."""
        shape = np.broadcast_shapes(self.shape(vector), self.shape(gradient))
        return self.emit(ops.Nonlin(multiply), (vector, gradient), "vector", shape)

    def moment(self, vector: int) -> int:
        """(1/n) Σ_α of a vector."""
        return self.emit(ops.Moment(), (vector,), "scalar", self.shape(vector))

    def add(self, index: int, gradient: int) -> None:
        """Add to the gradient of a value, after summing over the axes that broadcasting repeated."""
        target = (self.outputs, *self.program.instructions[index].shape)
        if self.shape(gradient) != target:
            gradient = self.rearranged(gradient, axes.SumTo(target[1:]))
        if index in self.gradients:
            kind = self.instructions[gradient].kind
            plus: Op = ops.Add() if kind == "vector" else ops.ScalarFunction(operator.add, "+")
            gradient = self.emit(plus, (self.gradients[index], gradient), kind, target)
        self.gradients[index] = gradient

    def use(self, use: Use) -> None:
        """Record a use of a parameter, with its gradient."""
        if self.program.parameters[use.parameter].trainable:
            self.uses.append(use)

    def backward_matrix(self, parameter: int) -> int:
        """The matrix that the backward pass multiplies by: the same, or its independent copy."""
        if not self.independent_copy:
            return parameter
        if parameter not in self.copies:
            original: Parameter = self.parameters[parameter]
            self.parameters.append(dataclasses.replace(original, name=original.name + "′"))
            self.copies[parameter] = len(self.parameters) - 1
        return self.copies[parameter]


# --- the rules: how the gradient of a value adds to those of its arguments ------------------------

pullback: Rules[None] = Rules("a gradient")
pullback.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
pullback.refuse(ops.Delayed, why="a loop is differentiated in its original form, step by step")
pullback.refuse(grads.OfGradients, why="gradients are not differentiated again")


@pullback.rule(ops.Data, ops.Constant)
def _(op: Op, to: Pullback, instruction: Instruction, gradient: int) -> None:
    """It depends on no parameter, so the gradient ends here."""


@pullback.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, to: Pullback, instruction: Instruction, gradient: int) -> None:
    to.use(Use(op.parameter, (), gradient, instruction.args[0]))


@pullback.rule(ops.InitialVector)
def _(op: ops.InitialVector, to: Pullback, instruction: Instruction, gradient: int) -> None:
    to.use(Use(op.parameter, (), gradient, None))


@pullback.rule(ops.MatMul)
def _(op: ops.MatMul, to: Pullback, instruction: Instruction, gradient: int) -> None:
    (x,) = instruction.args
    first = not op.transpose
    a, b = (gradient, x) if first else (x, gradient)
    to.use(Use(op.parameter, op.index, a, b, gradient_first=first))
    if to.random[x]:
        back = ops.MatMul(to.backward_matrix(op.parameter), op.index, not op.transpose)
        to.add(x, to.emit(back, (gradient,), "vector", to.shape(gradient)))


@pullback.rule(ops.Nonlin)
def _(op: ops.Nonlin, to: Pullback, instruction: Instruction, gradient: int) -> None:
    args = instruction.args
    for which, argument in enumerate(args):
        if not to.random[argument]:
            continue
        if op.phi is multiply:
            product = to.multiply(args[1 - which], gradient)
        else:
            slope = op.phi.derivative(which)
            if slope is None and not to.trained[argument]:
                continue  # as of a mask, whose jump nothing is trained through
            if slope is None:
                raise ProgramError(
                    f"The derivative of {op.phi.name} is not a function, so there is no NTK; "
                    "use a continuous nonlinearity."
                )
            product = to.multiply(
                to.emit(grads.Slope(slope, op.phi, which), args, "vector", instruction.shape), gradient
            )
        to.add(argument, product if which < op.phi.arity else to.moment(product))


@pullback.rule(ops.BatchNorm)
def _(op: ops.BatchNorm, to: Pullback, instruction: Instruction, gradient: int) -> None:
    (x,) = instruction.args
    to.add(x, to.emit(grads.BatchNormGradient(op.axis), (x, gradient), "vector", to.shape(gradient)))


@pullback.rule(ops.Moment)
def _(op: ops.Moment, to: Pullback, instruction: Instruction, gradient: int) -> None:
    (x,) = instruction.args
    to.add(x, to.emit(grads.Fill(), (gradient, x), "vector", to.shape(gradient)))


@pullback.rule(ops.Shift)
def _(op: ops.Shift, to: Pullback, instruction: Instruction, gradient: int) -> None:
    x, shift = instruction.args
    if to.random[x]:
        to.add(x, to.rearranged(gradient, axes.SumTo(to.shape(x))))
    if to.random[shift]:
        to.add(shift, to.moment(gradient))


@pullback.rule(ops.ScalarFunction)
def _(op: ops.ScalarFunction, to: Pullback, instruction: Instruction, gradient: int) -> None:
    shapes = tuple(to.shape(a) for a in instruction.args)
    for which, argument in enumerate(instruction.args):
        if to.random[argument]:
            back = grads.ScalarGradient(op.fn, op.name, which, shapes)
            to.add(argument, to.emit(back, (gradient, *instruction.args), "scalar", (to.outputs, *shapes[which])))


@pullback.rule(ops.Linear)
def _(op: Op, to: Pullback, instruction: Instruction, gradient: int) -> None:
    of_kind = [a for a in instruction.args if to.instructions[a].kind == instruction.kind]
    scalars = tuple(a for a in instruction.args if a not in of_kind)
    shapes = tuple(to.shape(a) for a in of_kind)
    transposed = grads.Transposed if instruction.kind == "vector" else grads.TransposedOnScalars
    for which, argument in enumerate(of_kind):
        if to.random[argument]:
            back = transposed(op, which, shapes, instruction.shape)
            to.add(argument, to.emit(back, (gradient, *scalars), instruction.kind, (to.outputs, *shapes[which])))
    for coefficients in scalars:
        if to.random[coefficients]:
            to.add(coefficients, coefficient_gradient(op, to, instruction, gradient))


coefficient_gradient: Rules[int] = Rules("the gradient of its coefficients")
"""dθ of a linear instruction y = Σ θ x: the Moment of dy·x, summed over the axes that θ does not have."""


@coefficient_gradient.rule(ops.Scale)
def _(op: ops.Scale, to: Pullback, instruction: Instruction, gradient: int) -> int:
    return to.moment(to.multiply(instruction.args[0], gradient))


@coefficient_gradient.rule(ops.Contract)
def _(op: ops.Contract, to: Pullback, instruction: Instruction, gradient: int) -> int:
    x, coefficients = instruction.args
    theta, vectors, out = ops.split_subscripts(op.subscripts)
    product = grads.PairMoment(f"O{out},{vectors}->O{theta}")
    return to.emit(product, (gradient, x), "scalar", (to.outputs, *to.shape(coefficients)))


@pullback.rule(ops.Readout)
def _(op: ops.Readout, to: Pullback, instruction: Instruction, delta: int) -> None:
    v, x = instruction.args
    if positions := len(to.shape(v)):
        delta = to.rearranged(delta, axes.Index((Ellipsis, *(None,) * positions)))
    readout = readout_parameter(to.program)
    if readout is not None and readout.fan != 1:
        delta = to.emit(grads.OverRoot(readout.fan), (delta,), "scalar", to.shape(delta))
    for this, other in ((v, x), (x, v)):
        if to.random[this]:
            shape = np.broadcast_shapes(to.shape(delta), to.shape(other))
            to.add(this, to.emit(ops.Scale(), (other, delta), "vector", shape))


def depends_on_parameters(program: Program, trainable: bool = False) -> list[bool]:
    """For each value, whether it depends on a parameter; only such values have gradients.

    With `trainable`, whether it depends on a parameter that is trained.
    """
    depends: list[bool] = []
    for index, instruction in enumerate(program.instructions):
        if trainable:
            made = isinstance(instruction.op, ops.Source) and program.parameter_of(index).trainable
        else:
            made = isinstance(instruction.op, ops.InputMatMul | ops.InitialVector)
        depends.append(made or any(depends[a] for a in instruction.args))
    return depends
