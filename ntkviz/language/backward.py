"""The program of the gradients, generated instruction by instruction (Tensor Programs II, §"Backprop").

Every gradient is a vector of order one: dx := √n ∂f/∂x for a readout f = vᵀx/√n, and
dx := n ∂f/∂x for an output of scale 1/n. A scalar θ has dθ := ∂f/∂θ (times 1/√n or 1), itself a
Moment, and the output df := δ, the identity over outputs. With these, the chain rule is again a tensor program:

- g = Wx gives dx += Wᵀdg, a MatMul with the transpose;
- x = φ(y; θ) gives dy += φ′·dx, a Nonlin, and dθ += (1/n) Σ_α dx_α ∂φ/∂θ, a Moment;
- θ = (1/n) Σ_α x_α gives dx += dθ in every coordinate;
- a linear map of leading axes gives its transpose.

Gradients carry one more leading axis, the first: which output of the batch is differentiated.
"""

from __future__ import annotations

import dataclasses
import operator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import ProgramError
from . import instructions as ops
from .gia import readout_parameter
from .instructions import Op, Rule, Shape
from .nonlinearities import Nonlinearity, multiply
from .program import Instruction, Kind, Parameter, Program


@dataclass(frozen=True)
class Use:
    """One use of a parameter: its gradient is the sum of outer products a bᵀ over leading axes.

    For g = Wx that is (dg, x), for g = Wᵀx it is (x, dg); for an input matrix b is the data
    (a scalar of the program), for a parameter vector there is no b. `gradient_first` says
    whether `a` is the gradient, which has the axis of outputs.
    """

    parameter: int
    index: Shape
    a: int
    b: int | None
    gradient_first: bool = True


@dataclass(frozen=True)
class BackwardProgram:
    """A program followed by its gradients: `program` computes both, `uses` says where they meet."""

    program: Program
    uses: tuple[Use, ...]
    forward_length: int


def backward(program: Program, *, independent_copy: bool = False) -> BackwardProgram:
    """Append to a program (repeats written out) the instructions that compute its gradients.

    With `independent_copy` each matrix is replaced, in the backward pass only, by an independent
    one of the same law: the gradient independence assumption, taken at its word.

    Raises `ProgramError` where a derivative is not a function (that of a step), and for a program
    that has its gradients already.
    """
    if program.gradients:
        raise ProgramError("This program is followed by its gradients already; take those of the forward program.")
    return _Backward(program, independent_copy).result()


# --- instructions that only gradients need -------------------------------------------------------


@dataclass(frozen=True)
class Identity(Op):
    """The identity matrix over outputs f, as scalars; in their precision, which all gradients get from it."""

    def evaluate(self, f):
        return jnp.eye(len(f), dtype=f.dtype)


@dataclass(frozen=True)
class OverRoot(Op):
    """θ/√fan: the share of each position in a readout of several."""

    fan: int

    def evaluate(self, theta):
        return theta / self.fan**0.5


@dataclass(frozen=True)
class Fill(Op):
    """The vector whose coordinates all equal θ; it has as many of them as x."""

    def evaluate(self, theta, x):
        theta = jnp.asarray(theta)[..., None]
        return jnp.broadcast_to(theta, (*theta.shape[:-1], x.shape[-1]))


@dataclass(frozen=True)
class Slope(ops.Nonlin):
    """∂φ/∂(argument `which`) of the nonlinearity `of`, a Nonlin again."""

    of: Nonlinearity
    which: int


@dataclass(frozen=True)
class Transposed(Op):
    """The transpose of a linear instruction in its `which`-th vector, for each output.

    `shapes` are the leading shapes of its vectors, `shape_out` that of its value.
    """

    op: Op
    which: int
    shapes: tuple[Shape, ...]
    shape_out: Shape
    linear = True

    def evaluate(self, gradient, *scalars):
        def forward(*vectors):
            return self.op.evaluate(*vectors, *scalars)

        def one(g):
            zeros = [jnp.zeros((*s, *g.shape[g.ndim - self._coordinate_axes :]), g.dtype) for s in self.shapes]
            return jax.vjp(forward, *zeros)[1](g)[self.which]

        return jax.vmap(one)(gradient)

    _coordinate_axes = 1


@dataclass(frozen=True)
class TransposedOnScalars(Transposed):
    """The same for a rearrangement of scalars, which have no coordinates."""

    _coordinate_axes = 0


@dataclass(frozen=True)
class SumTo(Rule):
    """Sum out what broadcasting repeated: from `(outputs, *big)` to `(outputs, *shape)`."""

    shape: Shape

    def __call__(self, x, ndim):
        axes = tuple(1 + k for k in broadcast_axes(self.shape, x.shape[1:ndim]))
        return x.sum(axis=axes).reshape((x.shape[0], *self.shape, *x.shape[ndim:]))


def broadcast_axes(small: Shape, big: Shape) -> Shape:
    """The axes of `big` along which broadcasting repeats an array of shape `small`."""
    extra = len(big) - len(small)
    return tuple(k for k, size in enumerate(big) if k < extra or (small[k - extra] == 1 and size != 1))


@dataclass(frozen=True)
class PairMoment(Op):
    """θ = (1/n) Σ_α of an `einsum` of two arrays of vectors over leading axes (never a joint one over α)."""

    subscripts: str

    def evaluate(self, x, y):
        operands, out = self.subscripts.split("->")
        a, b = operands.split(",")
        return jnp.einsum(f"{a}Z,{b}Z->{out}", x, y) / x.shape[-1]


@dataclass(frozen=True)
class ScalarGradient(Op):
    """The gradient of a function of scalars of given shapes in its `which`-th argument, for each output."""

    fn: Any
    name: str
    which: int
    shapes: tuple[Shape, ...]

    def evaluate(self, gradient, *args):
        arrays = [jnp.asarray(a, gradient.dtype) for a in args]
        value, pullback = jax.vjp(self.fn, *arrays)
        return jax.vmap(lambda g: pullback(g.reshape(value.shape))[self.which])(gradient)


@dataclass(frozen=True)
class BatchNormGradient(Op):
    """dx = (dy − mean dy − x̂ mean(x̂ dy))/std over the batch axis, x̂ the normalised batch."""

    axis: int

    def evaluate(self, x, gradient):
        return jax.vmap(jax.vjp(ops.BatchNorm(self.axis).evaluate, x)[1])(gradient)[0]


# --- the chain rule ------------------------------------------------------------------------------


class _Backward:
    def __init__(self, program: Program, independent_copy: bool):
        self.program = program
        self.instructions = list(program.instructions)
        self.parameters = list(program.parameters)
        self.independent_copy = independent_copy
        self.outputs = program.instructions[program.output].shape[0]
        self.gradients: dict[int, int] = {}
        self.copies: dict[int, int] = {}
        self.uses: list[Use] = []
        self.random = _depends_on_parameters(program)

    def result(self) -> BackwardProgram:
        self._start()
        for place in reversed(range(len(self.program))):
            if place in self.gradients and place != self.program.output:
                self._chain(place, self.program.instructions[place], self.gradients[place])
        whole = dataclasses.replace(
            self.program,
            instructions=tuple(self.instructions),
            parameters=tuple(self.parameters),
            gradients=tuple(sorted(self.gradients.items())),
        )
        return BackwardProgram(whole, tuple(self.uses), len(self.program))

    # --- writing -----------------------------------------------------------------------------

    def _emit(self, op: Op, args: tuple[int, ...], kind: Kind, shape: Shape) -> int:
        self.instructions.append(Instruction(op, args, kind, shape))
        return len(self.instructions) - 1

    def _shape(self, place: int) -> Shape:
        return self.instructions[place].shape

    def _rearranged(self, place: int, rule: Rule) -> int:
        instruction = self.instructions[place]
        shape = ops.rearranged_shape(rule, instruction.shape)
        return self._emit(ops.Rearrange(rule, instruction.shape, shape), (place,), instruction.kind, shape)

    def _multiply(self, vector: int, gradient: int) -> int:
        shape = np.broadcast_shapes(self._shape(vector), self._shape(gradient))
        return self._emit(ops.Nonlin(multiply), (vector, gradient), "vector", shape)

    def _add(self, place: int, gradient: int) -> None:
        """Add to the gradient of a value, summing out what broadcasting repeated."""
        if not self.random[place]:
            return
        target = (self.outputs, *self.program.instructions[place].shape)
        if self._shape(gradient) != target:
            gradient = self._rearranged(gradient, SumTo(target[1:]))
        if place in self.gradients:
            kind = self.instructions[gradient].kind
            plus: Op = ops.Add() if kind == "vector" else ops.ScalarFunction(operator.add, "+")
            gradient = self._emit(plus, (self.gradients[place], gradient), kind, target)
        self.gradients[place] = gradient

    # --- the rules ---------------------------------------------------------------------------

    def _start(self) -> None:
        output = self.program.instructions[self.program.output]
        delta = self._emit(Identity(), (self.program.output,), "scalar", (self.outputs, self.outputs))
        self.gradients[self.program.output] = delta
        if not isinstance(output.op, ops.Readout):
            self._chain(self.program.output, output, delta)
            return
        v, x = output.args
        if positions := len(self._shape(v)):
            delta = self._rearranged(delta, ops.Index((Ellipsis, *(None,) * positions)))
        readout = readout_parameter(self.program)
        if readout is not None and readout.fan != 1:
            delta = self._emit(OverRoot(readout.fan), (delta,), "scalar", self._shape(delta))
        for this, other in ((v, x), (x, v)):
            shape = np.broadcast_shapes(self._shape(delta), self._shape(other))
            self._add(this, self._emit(ops.Scale(), (other, delta), "vector", shape))

    def _chain(self, place: int, instruction: Instruction, gradient: int) -> None:
        match instruction.op:
            case ops.InputMatMul(parameter):
                self._use(Use(parameter, (), gradient, instruction.args[0]))
            case ops.InitialVector(parameter):
                self._use(Use(parameter, (), gradient, None))
            case ops.MatMul():
                self._through_matrix(instruction, gradient)
            case ops.Nonlin():
                self._through_nonlinearity(instruction, gradient)
            case ops.BatchNorm(axis):
                (x,) = instruction.args
                op = BatchNormGradient(axis)
                self._add(x, self._emit(op, (x, gradient), "vector", self._shape(gradient)))
            case ops.Moment():
                (x,) = instruction.args
                self._add(x, self._emit(Fill(), (gradient, x), "vector", self._shape(gradient)))
            case ops.Shift():
                x, shift = instruction.args
                self._add(x, self._rearranged(gradient, SumTo(self._shape(x))))
                if self.random[shift]:
                    self._add(shift, self._emit(ops.Moment(), (gradient,), "scalar", self._shape(gradient)))
            case ops.ScalarFunction(fn, name):
                shapes = tuple(self._shape(a) for a in instruction.args)
                for which, argument in enumerate(instruction.args):
                    if self.random[argument]:
                        shape = (self.outputs, *shapes[which])
                        back = ScalarGradient(fn, name, which, shapes)
                        self._add(argument, self._emit(back, (gradient, *instruction.args), "scalar", shape))
            case _ if instruction.op.linear:
                self._through_linear(instruction, gradient)
            case ops.Data() | ops.Constant():
                pass
            case other:
                raise ProgramError(f"Instruction {place} ({type(other).__name__}) has no gradient rule.")

    def _use(self, use: Use) -> None:
        if self.program.parameters[use.parameter].trainable:
            self.uses.append(use)

    def _through_matrix(self, instruction: Instruction, gradient: int) -> None:
        op, (x,) = instruction.op, instruction.args
        first = not op.transpose
        a, b = (gradient, x) if first else (x, gradient)
        self._use(Use(op.parameter, op.index, a, b, gradient_first=first))
        if self.random[x]:
            back = ops.MatMul(self._backward_matrix(op.parameter), op.index, not op.transpose)
            self._add(x, self._emit(back, (gradient,), "vector", self._shape(gradient)))

    def _backward_matrix(self, parameter: int) -> int:
        if not self.independent_copy:
            return parameter
        if parameter not in self.copies:
            original: Parameter = self.parameters[parameter]
            self.parameters.append(dataclasses.replace(original, name=original.name + "′"))
            self.copies[parameter] = len(self.parameters) - 1
        return self.copies[parameter]

    def _through_nonlinearity(self, instruction: Instruction, gradient: int) -> None:
        op, args = instruction.op, instruction.args
        for which, argument in enumerate(args):
            if not self.random[argument]:
                continue
            if op.phi is multiply:
                product = self._multiply(args[1 - which], gradient)
            else:
                slope = op.phi.derivative(which)
                if slope is None:
                    raise ProgramError(f"{op.phi.name} has no derivative that is a function, so there is no NTK.")
                slopes = self._emit(Slope(slope, op.phi, which), args, "vector", instruction.shape)
                product = self._multiply(slopes, gradient)
            if which >= op.phi.arity:
                product = self._emit(ops.Moment(), (product,), "scalar", self._shape(product))
            self._add(argument, product)

    def _through_linear(self, instruction: Instruction, gradient: int) -> None:
        op = instruction.op
        of_kind = [a for a in instruction.args if self.instructions[a].kind == instruction.kind]
        others = tuple(a for a in instruction.args if a not in of_kind)
        shapes = tuple(self._shape(a) for a in of_kind)
        transposed = Transposed if instruction.kind == "vector" else TransposedOnScalars
        for which, argument in enumerate(of_kind):
            if self.random[argument]:
                back = transposed(op, which, shapes, instruction.shape)
                place = self._emit(back, (gradient, *others), instruction.kind, (self.outputs, *shapes[which]))
                self._add(argument, place)
        for coefficients in others:
            if self.random[coefficients]:
                self._add(coefficients, self._coefficient_gradient(instruction, gradient, coefficients))

    def _coefficient_gradient(self, instruction: Instruction, gradient: int, coefficients: int) -> int:
        """dθ of Σ θ x: the Moment of dy·x, over the axes that θ does not have."""
        x = instruction.args[0]
        if isinstance(instruction.op, ops.Scale):
            product = self._multiply(x, gradient)
            return self._emit(ops.Moment(), (product,), "scalar", self._shape(product))
        theta, vectors, out = ops.split_subscripts(instruction.op.subscripts)
        subscripts = f"O{out},{vectors}->O{theta}"
        return self._emit(PairMoment(subscripts), (gradient, x), "scalar", (self.outputs, *self._shape(coefficients)))


def _depends_on_parameters(program: Program) -> list[bool]:
    """Which values depend on a parameter: only through them do gradients go further."""
    depends: list[bool] = []
    for instruction in program.instructions:
        made = isinstance(instruction.op, ops.InputMatMul | ops.InitialVector)
        depends.append(made or any(depends[a] for a in instruction.args))
    return depends
