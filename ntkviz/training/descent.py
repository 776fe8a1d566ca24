"""Gradient descent on samples of the Z's, by a loop over one step that is compiled once."""

from __future__ import annotations

import math
from collections.abc import Mapping
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
from .matrices import Basis, Pair, TrainedInput, TrainedMatrix

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


Bases = dict[Matrix, tuple[Basis, Basis]]


class State(NamedTuple):
    """All parameters before a step, by name; vectors as they are in the program, `(*shape, samples)`."""

    matrices: Bases
    inputs: dict[str, Array]
    vectors: dict[str, Array]
    output_bias: Array


class Step(NamedTuple):
    """The constants of a step, which are the same for all steps.

    - `parities`: 2 if each sample has a mirror image, 1 if not.
    - `output_biases`, `bias_rate`: As in `Task`.
    """

    train: BackwardProgram
    test: Program | None
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
    """New normals; with two parities, those of the even parts, followed by those of the odd parts."""
    rows, samples = step.first.shape
    shape = rows, step.parities * samples
    return jax.random.normal(jax.random.fold_in(step.key, number), shape, step.first.dtype)


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


def _nothing_known(step: Step, samples: int, times: int) -> Bases:
    """Of the matrices, with room for all that so many steps may take."""
    return {
        name: (Basis.empty(times * there, samples, step.parities), Basis.empty(times * back, samples, step.parities))
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
    used = {name: TrainedMatrix(bases) for name, bases in state.matrices.items()}
    # Before the first step all vectors are even or odd, so that the normals of one parity are enough.
    normals = jnp.where(number == 0, jnp.tile(step.first, step.parities), _of_later_step(step, number))
    program, count = step.train.program, _of_step(step.train.program)
    z = _network(state, used, normals[:count])
    values = z.run(program)
    f = values[program.output] / step.richness + state.output_bias
    slopes = SLOPES[step.loss](f, step.targets.reshape(f.shape), weights.reshape(f.shape))
    after = _descended(step, state, used, values, slopes)
    f_test = jnp.zeros(0)
    if step.test is not None:
        f_test = _network(state, used, normals[count:]).run(step.test)[step.test.output].ravel() / step.richness
        f_test += state.output_bias
    uses = {use: sides for use, sides in uses_of(step.train, values, z).items() if not _is_output_bias(step, use[0])}
    of_bias = jnp.full((f.size, f.size), step.bias_rate * z.samples, float)
    ntk = ntk_from_uses(program, uses, uses, pairs_of_uses, width=z.samples, zero=of_bias) / z.samples
    return after, (
        f.ravel(),
        f_test,
        _features(step, values),
        ntk,
        sample_statistics(program, watched(program.structure), values),
    )


def _is_output_bias(step: Step, parameter: int) -> bool:
    return step.train.program.parameters[parameter].name in step.output_biases


def _network(state: State, used: Mapping[Matrix, TrainedMatrix], normals: Array) -> VirtualNetwork:
    """The network with the current parameters."""
    z = VirtualNetwork(Table(normals))
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
    outer: dict[Matrix, list[Pair]] = {name: [] for name in state.matrices}
    for use in step.train.uses:
        if _is_output_bias(step, use.parameter):
            continue
        declared = program.parameters[use.parameter]
        rate = -step.learning_rate * step.richness * gradient_scale(program, use.parameter)
        a, b = _weighted(use, values, slopes)
        if b is None:
            vectors[declared.name] += rate * a.sum(axis=0)
            continue
        a, b = rate * a.reshape(-1, a.shape[-1]), b.reshape(-1, b.shape[-1])
        if declared.kind == "input":
            inputs[declared.name] += b.T @ a
        else:
            outer[declared.name, use.index].append((b, a))
    matrices = {name: matrix.after(outer[name]) for name, matrix in used.items()}
    bias = state.output_bias - step.learning_rate * step.bias_rate * slopes.sum()
    return State(matrices, inputs, vectors, bias)


def _weighted(use: Use, values: list[Array], slopes: Float[Array, "stack outputs"]) -> tuple[Array, Array | None]:
    """Both sides of a use, `(stack, *leading, …)` each, with the gradient summed over outputs with the weights χ."""

    def summed(gradient: int) -> Array:
        return jnp.einsum("so,so...->s...", slopes, values[gradient])

    if use.b is None:
        return summed(use.a), None
    return (summed(use.a), values[use.b]) if use.gradient_first else (values[use.a], summed(use.b))
