"""Training as a tensor program: the steps of gradient descent, written one after the other.

Gradient descent adds to a matrix outer products Σ a bᵀ of vectors of the program, one for each use (`Use`). So the
product of the trained matrix with a vector is that of the initial one, plus a combination of earlier vectors whose
coefficients are Moments (Yang and Hu 2020, arXiv:2011.14522, §"TP for training"):

    W_t x = W_0 x − Σ_{s<t} rate Σ_uses a_s ⟨b_s, x⟩/n,   rate = ηγ·lr·multiplier²/fan,

where a_s has the factor χ of the loss. Input matrices and parameter vectors are updated likewise.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..errors import ProgramError
from ..language import instructions as ops
from ..language.axes import Index, Reshape, Shape
from ..language.gradients import instructions as grads
from ..language.gradients.backward import BackwardProgram, Use, depends_on_parameters
from ..language.instructions import Op
from ..language.lazy_jax import jnp
from ..language.program import MOST_INSTRUCTIONS, Instruction, Program
from ..language.rewriting.shorthand import Writer
from ..language.rules import Rules
from ..networks.parameters import check_same_network
from .losses import SLOPES
from .mean_field import loss_gradients, mean_field
from .task import Task, checked_task

Matrix = tuple[int, Shape]


def training_program(
    arch: Any,
    x: Any,
    y: Any,
    x_test: Any = None,
    *,
    steps: int,
    learning_rate: float,
    richness: float = 1.0,
    loss: str = "squared",
    batches: Any = None,
) -> Program:
    """The training of an architecture by gradient descent, as one tensor program.

    The output is f = F/γ. For a readout vᵀx/√n, F = vᵀx/n; an output that fails the Simple GIA Check already has the
    scale 1/n, and is F itself. A step is ω ← ω − ηnγ²·lr·∂L/∂ω, with the richness γ, the learning rate η, the
    parameter's own factor lr, and L the sum of the loss over training inputs. At finite width the program computes
    gradient descent, up to rounding; its limit is the limit of training in which features move (`feature_learning`
    computes it faster).

    ```python
    x, y = [[1.0, 0.5], [-0.7, 1.0], [0.3, -1.2]], [1.0, -1.0, 0.5]
    arch = nv.architectures.mlp(depth=2, nonlinearity="tanh")
    program = nv.training_program(arch, x, y, steps=2, learning_rate=0.4)
    limit = nv.limit_law(program).scalars[program.output]  # (steps + 1, train)
    ```

    Source: Yang & Hu 2020 (arXiv:2011.14522), §7; Bordelon & Pehlevan 2022 (arXiv:2205.09653) for γ.

    Args:
        arch: An architecture. That of a traced model (`nv.trace`) is trained as the model is, with the rates
            `learning_rates(n)` times ηnγ²; n is the largest width that divides those of all its layers.
        x: Training inputs, all of one shape. If examples are mixed, as by batch normalisation, the batch is one input.
        y: Their targets, `(train,)`.
        x_test: Inputs whose outputs are recorded too; a separate input if examples are mixed.
        steps: The number of steps, ≥ 0.
        learning_rate: η ≥ 0, in units of 1/λ.
        richness: γ > 0, dimensionless; as γ → 0 training becomes that with a constant NTK, and features stay still.
        loss: `"squared"`, ½(f − y)², or `"logistic"`, log(1 + e^{−yf}) for targets ±1.
        batches: For each step, a list of the numbers of the training inputs over which L is a sum; `None` means all.

    Returns:
        The program. Its output is f at each step, `(steps + 1, train + test)`; its data are x, y and x_test.

    Raises:
        HyperparameterError: A number, the loss or the batches are invalid.
        InputError: The inputs or targets cannot be used, or batches are given for an architecture that mixes examples.
        ProgramError: A rule of the language is broken, a derivative is not a function, or the program is too long.
    """
    task = checked_task(
        arch,
        x,
        y,
        x_test,
        steps=steps,
        learning_rate=learning_rate,
        richness=richness,
        loss=loss,
        batches=batches,
    )
    train = task.arch.trace(task.train)
    test = None if task.test is None else task.arch.trace(task.test)
    if test is not None:
        check_same_network(task.arch, train, test)
    return _Training(task, train.unrolled(), test and test.unrolled()).program()


class Part:
    """A program whose forward pass is written at every step: that of the training or of the test inputs.

    Attributes:
        program: The program.
        data: The number of data of the written program that precede those of this program.
        constants: The number of its constants that precede those of this program.
        random: For each value, whether it depends on parameters.
        fixed: The written indices of values that do not depend on parameters, which are written once.
    """

    def __init__(self, program: Program, data: int, constants: int):
        self.program, self.data, self.constants = program, data, constants
        self.random = depends_on_parameters(program)
        self.fixed: dict[int, int] = {}


class _Training(Writer):
    """Writes the training program; the rules of `trained` append to it."""

    def __init__(self, task: Task, train: Program, test: Program | None):
        super().__init__()
        self.task = task
        self.gradients: BackwardProgram = loss_gradients(mean_field(train))
        whole = self.gradients.program
        self.constants: list[Any] = list(whole.constants)
        self.train = Part(whole, 0, 0)
        self.test = None
        if test is not None:
            test = mean_field(test)
            self.test = Part(test, len(task.train) + 1, len(self.constants))
            self.constants += test.constants
        self.vectors: dict[int, int] = {}
        self.outer: dict[Matrix, tuple[int, int]] = {}  # for each matrix, the rows a times −rate, and the rows b
        self.inputs: dict[int, list[tuple[int, int]]] = {}  # the same for input matrices and each step; b are data
        self.inputs_so_far: dict[tuple[int, int], tuple[int, int]] = {}  # the number of steps included, and the value
        self.rates: dict[int, int] = {}
        self.bias: int | None = None  # of the output, after the first step

    def program(self) -> Program:
        """The whole training program."""
        numbers = self.task.learning_rate, self.task.richness
        self.learning_rate, self.richness = (self.number(np.asarray(n)) for n in numbers)
        targets = self.write(ops.Data(len(self.task.train)), (), "scalar", self.task.targets.shape)
        outputs = []
        for step in range(self.task.steps + 1):
            values: dict[int, int] = {}
            self.forward(self.train, values)
            f = self.output(values[self.train.program.output])
            outputs.append(f if self.test is None else self.with_test(f))
            if step < self.task.steps:
                self.descend(values, self.slope(f, targets, self.task.weights[step]))
            if len(self.instructions) > MOST_INSTRUCTIONS:
                raise ProgramError(
                    f"The program of {self.task.steps} steps has more than {MOST_INSTRUCTIONS:,} instructions; take "
                    "fewer steps, or use nv.feature_learning, which needs no such program."
                )
        shape = len(outputs), *self.instructions[outputs[0]].shape
        output = self.write(ops.Join(0, True), tuple(outputs), "scalar", shape)
        data = (*self.task.train, self.task.targets, *(self.task.test or ()))
        parameters = self.train.program.written_again((), lambda old: self.train.fixed.get(old, output)).parameters
        return Program(tuple(self.instructions), parameters, output, tuple(self.constants), data)

    # --- one step -------------------------------------------------------------------------------------

    def forward(self, part: Part, values: dict[int, int]) -> None:
        """Write the forward pass of a part with the current parameters."""
        count = self.gradients.forward_length if part is self.train else len(part.program)
        for index, instruction in enumerate(part.program.instructions[:count]):
            if part.random[index] or index not in part.fixed:
                values[index] = self.copy(part, instruction, values)
            if not part.random[index]:
                values[index] = part.fixed.setdefault(index, values.get(index, -1))

    def copy(self, part: Part, instruction: Instruction, values: dict[int, int]) -> int:
        """Write an instruction with the current parameters."""
        args = tuple(values[a] for a in instruction.args)
        return trained(instruction.op, self, part, instruction, *args)

    def output(self, index: int) -> int:
        """f = F/γ, plus a bias."""
        shape = self.instructions[index].shape
        f = self.write(ops.ScalarFunction(operator.truediv, "/", 0), (index, self.richness), "scalar", shape)
        if self.bias is None:
            return f
        return self.write(ops.ScalarFunction(operator.add, "+", 0), (f, self.bias), "scalar", shape)

    def with_test(self, f: int) -> int:
        """The outputs on training inputs, followed by those on test inputs."""
        assert self.test is not None
        values: dict[int, int] = {}
        self.forward(self.test, values)
        other = self.output(values[self.test.program.output])
        count = self.instructions[f].shape[0] + self.instructions[other].shape[0]
        return self.write(ops.Join(0, False), (f, other), "scalar", (count,))

    def slope(self, f: int, targets: int, weights: Any) -> int:
        """χ, the derivative of the loss, `(1, train)`."""
        shape = self.instructions[f].shape
        op = ops.ScalarFunction(SLOPES[self.task.loss], f"∂{self.task.loss}", 0)
        return self.rearranged(
            self.write(op, (f, targets, self.number(weights)), "scalar", shape), Index((None,)), (1, *shape)
        )

    def descend(self, values: dict[int, int], slope: int) -> None:
        """Write the gradients, and record the changes of the parameters."""
        part, start = self.train, self.gradients.forward_length
        values[start] = slope
        biases, rate = self.task.output_biases
        if biases:
            before = self.number(np.asarray(0.0)) if self.bias is None else self.bias
            numbers = before, slope, self.learning_rate, self.number(np.asarray(rate))
            self.bias = self.write(ops.ScalarFunction(_bias_after, "b − rate·Σχ"), numbers, "scalar", ())
        for index, instruction in enumerate(part.program.instructions[start + 1 :], start=start + 1):
            values[index] = self.copy(part, instruction, values)
        steps: dict[Matrix, list[tuple[int, int]]] = {}
        for use in self.gradients.uses:
            kind, name = part.program.parameters[use.parameter].kind, part.program.parameters[use.parameter].name
            if name in biases:
                continue
            if kind == "vector":
                self.add_to_vector(use, values[use.a])
            else:
                assert use.b is not None
                rows = self.scaled(use.parameter, self.rows(values[use.a])), self.rows(values[use.b], kind == "input")
                steps.setdefault((use.parameter, use.index), []).append(rows)
        for matrix, several in steps.items():
            rows = self.joined(several)
            if part.program.parameters[matrix[0]].kind == "input":
                self.inputs.setdefault(matrix[0], []).append(rows)
            else:
                self.outer[matrix] = self.joined([self.outer[matrix], rows]) if matrix in self.outer else rows

    def add_to_vector(self, use: Use, gradient: int) -> None:
        """v ← v − rate·dv."""
        shape = self.instructions[gradient].shape[1:]
        change = self.scaled(use.parameter, self.rearranged(gradient, Index((0,)), shape))
        self.vectors[use.parameter] = self.plus(self.vectors[use.parameter], change)

    # --- pieces ------------------------------------------------------------------------------------------

    def number(self, value: Any) -> int:
        """Write a constant."""
        self.constants.append(value)
        return self.write(ops.Constant(len(self.constants) - 1), (), "scalar", np.shape(value))

    def rearranged(self, index: int, how: Any, shape: Shape) -> int:
        """A value with its leading axes rearranged."""
        instruction = self.instructions[index]
        return self.write(ops.Rearrange(how, instruction.shape, shape), (index,), instruction.kind, shape)

    def reshaped(self, index: int, shape: Shape) -> int:
        """A value reshaped to another leading shape."""
        return index if self.instructions[index].shape == shape else self.rearranged(index, Reshape(shape), shape)

    def rows(self, index: int, of_data: bool = False) -> int:
        """An array of vectors with a single leading axis, or data `(rows, d)`."""
        shape = self.instructions[index].shape
        return self.reshaped(index, (_count(shape[:-1]), shape[-1]) if of_data else (_count(shape),))

    def joined(self, several: list[tuple[int, int]]) -> tuple[int, int]:
        """The concatenation of the rows a, and that of the rows b."""
        if len(several) == 1:
            return several[0]
        a, b = (self._concatenated(side) for side in zip(*several, strict=True))
        return a, b

    def _concatenated(self, several: tuple[int, ...]) -> int:
        first, *_ = (self.instructions[index] for index in several)
        rows = sum(self.instructions[index].shape[0] for index in several)
        return self.write(ops.Join(0, False), several, first.kind, (rows, *first.shape[1:]))

    def scaled(self, parameter: int, vectors: int) -> int:
        """Vectors multiplied by −rate of a parameter."""
        if parameter not in self.rates:
            declared = self.train.program.parameters[parameter]
            fan = 1 if declared.kind == "vector" else declared.fan
            of_parameter = (self.train.fixed[index] for index in (declared.lr, declared.multiplier))
            numbers = self.learning_rate, self.richness, *of_parameter, self.number(np.asarray(1 / fan))
            self.rates[parameter] = self.write(ops.ScalarFunction(_rate, "−rate", 0), numbers, "scalar", ())
        return self.write(ops.Scale(), (vectors, self.rates[parameter]), "vector", self.instructions[vectors].shape)

    def plus(self, x: int, y: int) -> int:
        """x + y, for vectors of equal shapes."""
        return self.write(ops.Add(), (x, y), "vector", self.instructions[x].shape)

    def changed(self, base: int, coefficients: int, vectors: int) -> int:
        """`base` plus combinations of `vectors`, with a row of coefficients for each vector of `base`."""
        shape = self.instructions[base].shape
        count = self.instructions[coefficients].shape[0]
        change = self.write(ops.Contract("sr,r->s"), (vectors, coefficients), "vector", (count,))
        return self.plus(base, self.reshaped(change, shape))


def _count(shape: Shape) -> int:
    return int(np.prod(shape, dtype=int))


def _rate(learning_rate: Any, richness: Any, lr: Any, multiplier: Any, over_fan: Any) -> Any:
    return -learning_rate * richness * lr * multiplier**2 * over_fan


def _bias_after(bias: Any, slopes: Any, learning_rate: Any, rate: Any) -> Any:
    return bias - learning_rate * rate * jnp.sum(slopes)


def _inner_of_data(data: Any, other: Any) -> Any:
    return jnp.einsum("sd,rd->sr", data, other)


# --- the rules: an instruction with the current parameters -----------------------------------------------------

trained: Rules[int] = Rules("training")
"""Rules `(op, writer, part, instruction, *indices of the arguments)` that write an instruction and return its index."""
trained.refuse(ops.OfLayers, why="write the repeated layers out first (Program.unrolled)")
trained.refuse(ops.Delayed, why="a loop is trained in its original form, step by step")


@trained.rule(Op)
def _(op: Op, to: _Training, part: Part, instruction: Instruction, *args: int) -> int:
    return to.write(op, args, instruction.kind, instruction.shape)


@trained.rule(ops.Data)
def _(op: ops.Data, to: _Training, part: Part, instruction: Instruction) -> int:
    return to.write(ops.Data(part.data + op.index), (), instruction.kind, instruction.shape)


@trained.rule(ops.Constant)
def _(op: ops.Constant, to: _Training, part: Part, instruction: Instruction) -> int:
    return to.write(ops.Constant(part.constants + op.index), (), instruction.kind, instruction.shape)


@trained.rule(ops.InitialVector)
def _(op: ops.InitialVector, to: _Training, part: Part, instruction: Instruction) -> int:
    if op.parameter not in to.vectors:
        to.vectors[op.parameter] = to.write(op, (), instruction.kind, instruction.shape)
    return to.vectors[op.parameter]


@trained.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, to: _Training, part: Part, instruction: Instruction, data: int) -> int:
    if (op.parameter, data) in to.inputs_so_far:
        steps, value = to.inputs_so_far[op.parameter, data]
    else:
        steps, value = 0, to.write(op, (data,), "vector", instruction.shape)
    changes = to.inputs.get(op.parameter, [])
    for a, b in changes[steps:]:
        count = _count(instruction.shape), to.instructions[a].shape[0]
        inner = ops.ScalarFunction(_inner_of_data, "⟨ξ, ξ⟩")
        value = to.changed(value, to.write(inner, (to.rows(data, of_data=True), b), "scalar", count), a)
    to.inputs_so_far[op.parameter, data] = len(changes), value
    return value


@trained.rule(ops.MatMul)
def _(op: ops.MatMul, to: _Training, part: Part, instruction: Instruction, x: int) -> int:
    value = to.write(op, (x,), "vector", instruction.shape)
    if op.matrix not in to.outer:
        return value
    a, b = to.outer[op.matrix]
    if op.transpose:
        a, b = b, a
    count = _count(instruction.shape), to.instructions[a].shape[0]
    coefficients = to.write(grads.PairMoment("s,r->sr"), (to.rows(x), b), "scalar", count)
    return to.changed(value, coefficients, a)
