"""Gradient descent on samples of the Z's, by a loop over one step that is compiled once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Float64

from ..calculus.checked import SampleStatistics, sample_statistics, watched
from ..calculus.general import with_gradients
from ..calculus.sampled import Table, VirtualNetwork, uses_of
from ..execution.memory_limit import bounded
from ..language import instructions as ops
from ..language.axes import Shape
from ..language.gradients.backward import BackwardProgram, Use
from ..language.program import Program
from ..networks.uses import gradient_scale, ntk_from_uses, pairs_of_uses
from .losses import SLOPES
from .matrices import NEW_DIRECTION, Known, Observed, Pair, TrainedInput, TrainedMatrix

Matrix = tuple[str, Shape]


class ReadOut(NamedTuple):
    """The vectors that are read out: their index, the number of their positions, and the index of the parameter v."""

    vectors: int
    positions: int
    parameter: int | None

    @classmethod
    def of(cls, program: Program) -> ReadOut | None:
        """The readout of a program before `mean_field`, which does not change these indices; `None` if it has none."""
        if not program.output_is_readout:
            return None
        v, x = program.instructions[program.output].args
        op = program.instructions[v].op
        parameter = op.parameter if isinstance(op, ops.InitialVector) else None
        return cls(x, math.prod(program.instructions[v].shape), parameter)


class State(NamedTuple):
    """All parameters before a step, by name; vectors as they are in the program, `(*shape, samples)`."""

    matrices: dict[Matrix, Known]
    inputs: dict[str, Array]
    vectors: dict[str, Array]
    output_bias: Array


class Step(NamedTuple):
    """The constants of a step, which are the same for all steps.

    - `together`: The forward program of training and test inputs in one stack; `None` if they have separate runs.
    - `parities`: 2 if each sample has a mirror image, 1 if not.
    - `output_biases`, `bias_rate`: As in `Task`.
    """

    train: BackwardProgram
    test: Program | None
    together: Program | None
    targets: Array
    learning_rate: Any
    richness: Any
    first: Array
    key: Array
    parities: int
    loss: str
    read_out: ReadOut | None
    output_biases: frozenset[str]
    bias_rate: Any


@bounded(static_argnames=("loss", "read_out", "mirrored", "output_biases"))
def descent(
    train: Program,
    test: Program | None,
    targets: Float64[Array | np.ndarray, "train"],
    weights: Float64[Array | np.ndarray, "times train"],
    learning_rate: float,
    richness: float,
    normals: Float64[Array, "normals samples"],
    key: Array,
    *,
    loss: str,
    read_out: ReadOut | None,
    mirrored: bool,
    output_biases: frozenset[str],
    bias_rate: float,
) -> tuple[
    Float64[Array, "times train"],
    Float64[Array, "times test"],
    Float64[Array, "times features features"],
    Float64[Array, "times train train"],
    list[SampleStatistics],
]:
    """Gradient descent for programs of `mean_field`, whose data are stacks.

    `normals` are those of the parameters and of the first step (`dimensions`); those of later steps are drawn. If
    `mirrored`, each sample has a mirror image, in which the readout has the opposite sign, and so have all gradients
    before the first step.

    Returns the outputs on training and test inputs, the features, the NTK, and the statistics of the samples for the
    watched instructions, each at all times.
    """
    whole = with_gradients(train, assume_gia=False)
    count = _of_parameters(train)
    step = Step(
        whole,
        test,
        _together(train, test),
        jnp.asarray(targets),
        learning_rate,
        richness,
        normals[count:],
        key,
        1 + mirrored,
        loss,
        read_out,
        output_biases,
        bias_rate,
    )
    of_parameters = _mirrored(train, normals[:count], read_out) if mirrored else normals[:count]
    found: tuple[Array, Array, Array, Array, list[SampleStatistics]] = _all_steps(
        step, of_parameters, jnp.asarray(weights)
    )
    return found


def _all_steps(step: Step, normals: Array, weights: Array) -> Any:
    """The steps, in a loop."""
    times = len(weights)

    def one(state: State, at: tuple[Array, Array]) -> tuple[State, Any]:
        return _step(step, state, *at)

    _, found = jax.lax.scan(one, _start(step, normals, times), (jnp.arange(times), weights))
    return found


def dimensions(train: Program, test: Program | None) -> int:
    """The number of rows of normals that the parameters and the first step take."""
    whole = with_gradients(train, assume_gia=False).program
    return _of_parameters(train) + sum(_of_step(p) for p in (whole, test) if p is not None)


def _of_parameters(program: Program) -> int:
    return sum(_of_parameter(program, k) for k in range(len(program.parameters)))


def _of_parameter(program: Program, index: int) -> int:
    declared = program.parameters[index]
    return {"matrix": 0, "input": declared.fan, "vector": math.prod(declared.shape)}[declared.kind]


def _of_step(program: Program) -> int:
    return sum(_rows(program, index) for index in range(len(program)))


def _rows(program: Program, index: int) -> int:
    """The number of vectors in the whole stack to which an instruction applies a matrix."""
    instruction = program.instructions[index]
    return len(program.data[0]) * math.prod(instruction.shape) if isinstance(instruction.op, ops.MatMul) else 0


def _mirrored(program: Program, normals: Array, read_out: ReadOut | None) -> Array:
    """The normals of the parameters, followed by those of the mirror images."""
    readout = None if read_out is None else read_out.parameter
    signs = [np.full(_of_parameter(program, k), -1 if k == readout else 1) for k in range(len(program.parameters))]
    return jnp.concatenate([normals, np.concatenate(signs)[:, None] * normals], axis=-1)


def _of_later_step(step: Step, number: Array) -> Array:
    """New normals; with two parities, those of the even parts, followed by those of the odd parts.

    In single precision, as of `Drawn`: in double precision they would take a seventh of all time.
    """
    rows, samples = step.first.shape
    shape = rows, step.parities * samples
    return jax.random.normal(jax.random.fold_in(step.key, number), shape, jnp.float32)


def _start(step: Step, normals: Array, times: int) -> State:
    """Before the first of so many steps."""
    program = step.train.program
    table, inputs, vectors = Table(normals), {}, {}
    for index, declared in enumerate(program.parameters):
        sigma, rows = program.variance(declared) ** 0.5, table.take(_of_parameter(program, index))
        if declared.kind == "input":
            inputs[declared.name] = sigma * rows
        elif declared.kind == "vector":  # `variance` divides by fan, which belongs to the readout
            scale = sigma * declared.fan**0.5
            vectors[declared.name] = scale * rows.reshape((*declared.shape, table.samples))
    return State(_nothing_known(step, table.samples, times), inputs, vectors, jnp.zeros(()))


def _nothing_known(step: Step, samples: int, times: int) -> dict[Matrix, Known]:
    """Of the matrices, with room for all that so many steps may take."""
    return {
        name: Known.nothing(times * there, times * back, samples, step.parities)
        for name, (there, back) in _rows_of_each(step).items()
    }


def _rows_of_each(step: Step) -> dict[Matrix, list[int]]:
    """How many rows each matrix and its transpose are applied to by training, in a step."""
    program, found = step.train.program, dict[Matrix, list[int]]()
    for one in (program, *(() if step.test is None else (step.test,))):
        for index, instruction in enumerate(one.instructions):
            if isinstance(instruction.op, ops.MatMul):
                rows = found.setdefault(_name(one, instruction.op), [0, 0])
                rows[int(instruction.op.transpose)] += _rows(one, index) if one is program else 0
    return found


def _name(program: Program, op: ops.MatMul) -> Matrix:
    return program.parameters[op.parameter].name, op.index


def _step(step: Step, state: State, number: Array, weights: Array) -> tuple[State, Any]:
    """One step of gradient descent, and what there is to see before it."""
    used = {name: TrainedMatrix(known) for name, known in state.matrices.items()}
    # Before the first step all vectors are even or odd, so that the normals of one parity are enough.
    normals = jnp.where(number == 0, jnp.tile(step.first, step.parities), _of_later_step(step, number))
    program, count = step.train.program, _of_step(step.train.program)
    z, of_test = _network(state, used, Table(normals[:count])), Table(normals[count:])
    values, output = _run(step, z, of_test)
    f, f_test = (part / step.richness + state.output_bias for part in (values[program.output], output))
    slopes = SLOPES[step.loss](f, step.targets.reshape(f.shape), weights.reshape(f.shape))
    uses = {use: sides for use, sides in uses_of(step.train, values, z).items() if not _is_output_bias(step, use[0])}
    of_bias = jnp.full((f.size, f.size), step.bias_rate * z.samples, float)
    ntk = ntk_from_uses(program, uses, uses, pairs_of_uses, width=z.samples, zero=of_bias) / z.samples
    return _descended(step, state, used, values, slopes), (
        f.ravel(),
        f_test,
        _features(step, values),
        ntk,
        sample_statistics(program, watched(program.structure), values),
    )


def _run(step: Step, z: VirtualNetwork, of_test: Table) -> tuple[list[Array], Array]:
    """The values of the forward and backward pass of training, and the outputs F on test inputs."""
    train, used = step.train.program, dict(z.matrices)
    rows = len(train.data[0])
    if step.together is not None:
        z.matrices = _observed(used, (rows, len(step.together.data[0])), of_test)
        values = z.run(step.together)
        z.matrices = used
        f_test = values[step.together.output][rows:]
        return z.run(train, start=[value[:rows] for value in values]), f_test.ravel()
    values = z.run(train)
    if step.test is None:
        return values, jnp.zeros(0)
    z.matrices = _observed(used, (0, 1), of_test)
    f_test = z.run(step.test)[step.test.output]
    z.matrices = used
    return values, f_test.ravel()


def _observed(used: Mapping[Any, Any], share: tuple[int, int], normals: Table) -> dict[Any, Any]:
    return {
        name: Observed(matrix, share, normals) if isinstance(matrix, TrainedMatrix) else matrix
        for name, matrix in used.items()
    }


def _together(train: Program, test: Program | None) -> Program | None:
    """The program of a stack of training and test inputs; `None` unless it applies each matrix only once.

    A test input must not affect training. But if a matrix is applied again, what it makes of training inputs the second
    time would depend on what it made of test inputs the first time.
    """
    products = [_name(train, i.op) for i in train.instructions if isinstance(i.op, ops.MatMul)]
    if test is None or test.structure != train.structure or len(set(products)) < len(products):
        return None
    return train.with_data(*(jnp.concatenate(data) for data in zip(train.data, test.data, strict=True)))


def _is_output_bias(step: Step, parameter: int) -> bool:
    return step.train.program.parameters[parameter].name in step.output_biases


def _network(state: State, used: Mapping[Matrix, TrainedMatrix], normals: Table) -> VirtualNetwork:
    """The network with the current parameters."""
    z = VirtualNetwork(normals, threshold=NEW_DIRECTION)
    z.matrices |= used  # type: ignore[arg-type]  # they have the methods of `RandomMatrix` that the rules use
    z.matrices |= {name: TrainedInput(u) for name, u in state.inputs.items()}  # type: ignore[misc]
    z.vectors |= state.vectors
    return z


def _features(step: Step, values: list[Array]) -> Array:
    """Σ_p⟨x_p, x̄_p⟩/(nP) between training inputs; an empty matrix without a readout."""
    if step.read_out is None:
        return jnp.zeros((0, 0))
    x = values[step.read_out.vectors]
    x = x.reshape(step.targets.size, step.read_out.positions, x.shape[-1])
    return jnp.einsum("ipz,jpz->ij", x, x) / (x.shape[1] * x.shape[2])


def _descended(
    step: Step, state: State, used: Mapping[Matrix, TrainedMatrix], values: list[Array], slopes: Array
) -> State:
    """All parameters after the step."""
    program, inputs, vectors = step.train.program, dict(state.inputs), dict(state.vectors)
    changes: dict[Matrix, list[Pair]] = {name: [] for name in state.matrices}
    for use in step.train.uses:
        if _is_output_bias(step, use.parameter):
            continue
        declared = program.parameters[use.parameter]
        rate = -step.learning_rate * step.richness * gradient_scale(program, use.parameter)
        if declared.kind == "matrix":
            name = declared.name, use.index
            a, b = _weighted(use, _coefficients(step, used[name], use, values), slopes)
            changes[name].append((b, rate * a))
            continue
        a, b = _weighted(use, values, slopes)
        if b is None:
            vectors[declared.name] += rate * a.sum(axis=0)
        else:
            inputs[declared.name] += rate * b.reshape(-1, b.shape[-1]).T @ a.reshape(-1, a.shape[-1])
    matrices = {name: matrix.known.after(changes[name]) for name, matrix in used.items()}
    bias = state.output_bias - step.learning_rate * step.bias_rate * slopes.sum()
    return State(matrices, inputs, vectors, bias)


def _coefficients(step: Step, matrix: TrainedMatrix, use: Use, values: list[Array]) -> dict[int, Array]:
    """Those of both sides of a use of a matrix along its bases, `(stack, *leading, parities, room)`, by index.

    The matrix was applied to b, and its transpose to a, in the order of the program's instructions.
    """
    assert use.b is not None
    program, found = step.train.program, dict[int, Array]()
    for transpose, side in enumerate((use.b, use.a)):
        op = ops.MatMul(use.parameter, use.index, bool(transpose))
        inputs = [i.args[0] for i in program.instructions if i.op == op]
        rows = matrix.coefficients[transpose][inputs.index(side)]
        found[side] = rows.reshape((*values[side].shape[:-1], *rows.shape[1:]))
    return found


def _weighted(
    use: Use, values: Sequence[Array] | Mapping[int, Array], slopes: Float[Array, "stack outputs"]
) -> tuple[Array, Any]:
    """Both sides of a use, `(stack, *leading, …)` each, with the gradient summed over outputs with the weights χ."""

    def summed(gradient: int) -> Array:
        return jnp.einsum("so,so...->s...", slopes, values[gradient])

    if use.b is None:
        return summed(use.a), None
    return (summed(use.a), values[use.b]) if use.gradient_first else (values[use.a], summed(use.b))
