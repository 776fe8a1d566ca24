"""A recurrent network over time: the distance between its states on two sequences, and its gates.

Two sequences that differ only in their first token give different states; the rate at which the difference fades is the
rate at which the network forgets. With gates the limit of a state is not Gaussian (it contains products of a gate and a
state), so at infinite width it is sampled, as `nv.limit_law` does for any program.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float64

from ..errors import HyperparameterError, InputError
from ..execution.memory_limit import bounded
from ..gaussian.sobol import sobol_normal
from ..language import instructions as ops
from ..language.architecture import Architecture, check_architecture, check_data, whole_number
from ..language.nonlinearities.nonlinearity import multiply
from ..language.program import Program
from ..networks.sampling import check_width, random_key, run, sample_parameters
from .results import Recurrence
from .sampled import Table, VirtualNetwork, dimensions

LOG2_SAMPLES = 11


def recurrence(arch: Architecture, x: Any, *, width: int, key: Any) -> Recurrence:
    """One random network of width n over time.

    Args:
        arch: `nv.architectures.rnn`, `gru` or `lstm`, or one written like them: the readout is of the last state, and
            the first matrix is applied to the states.
        x: Two sequences, `(2, T, d)`, T ≥ 2.
        width: n ≥ 1.
        key: A JAX random key, or an integer seed.

    Returns:
        The distance between the states, `(T,)`, and the gates, `(steps, n)`, by name.

    Raises:
        InputError: `x` is not two sequences of two steps or more.
        HyperparameterError: The architecture has no such states, the width is below 1, or the key cannot be used.
        ProgramError: A rule of the language is broken.
        TooLargeError: The computation would need more memory than is free.
    """
    program = _program(arch, x)
    check_width(width)
    return _network(program, int(width), random_key(key))


def recurrence_limit(arch: Architecture, x: Any, *, scramble: int = 0) -> Recurrence:
    """The limit of `recurrence`, from 2048 samples of the Z's.

    Changing hyper-parameters of the same architecture does not recompile.

    Args:
        arch: As for `recurrence`.
        x: Two sequences, `(2, T, d)`, T ≥ 2.
        scramble: The number ≥ 0 of a set of samples; different sets are independent, and their spread gives the
            standard error.

    Returns:
        The distance between the states, `(T,)`, and the gates, `(steps, samples)`, by name.

    Raises:
        InputError: `x` is not two sequences of two steps or more.
        HyperparameterError: The architecture has no such states, or `scramble` is not a whole number ≥ 0.
        ProgramError: A rule of the language is broken.
        TooLargeError: The computation would need more memory than is free.
    """
    program = _program(arch, x)
    scramble = whole_number(scramble, "scramble", at_least=0)
    normals = sobol_normal(dimensions(program, 1), LOG2_SAMPLES, seed=scramble)
    return _limit(program.with_data(*(np.asarray(d)[None] for d in program.data)), jnp.asarray(normals))


def _program(arch: Architecture, x: Any) -> Program:
    data = check_data(x)
    if len(data) != 1 or data[0].ndim != 3 or len(data[0]) != 2 or data[0].shape[1] < 2:
        raise InputError(f"x has shape {data[0].shape}; it must be two sequences of two steps or more, (2, time, d).")
    program = check_architecture(arch).trace(data).unrolled()
    if not program.output_is_readout or not any(isinstance(i.op, ops.MatMul) for i in program.instructions):
        raise HyperparameterError(
            f"{arch.fn.__name__} has no matrix that multiplies its states, or does not read out the last one; use an "
            "architecture like nv.architectures.rnn."
        )
    return program


@bounded(static_argnames="width")
def _network(program: Program, width: int, key: Array) -> Recurrence:
    return _over_time(program, run(program, sample_parameters(program, width, key)).values)


@bounded
def _limit(stack_of_one: Program, normals: Float64[Array, "dimensions samples"]) -> Recurrence:
    return _over_time(stack_of_one, [value[0] for value in VirtualNetwork(Table(normals)).run(stack_of_one)])


def _over_time(program: Program, values: Sequence[Array]) -> Recurrence:
    states = jnp.stack([values[index] for index in _states(program)])
    gates = {name: jnp.stack([values[p][0] for p in indices]) for name, indices in _gates(program).items()}
    return Recurrence(jnp.sqrt(jnp.mean((states[:, 0] - states[:, 1]) ** 2, axis=-1)), gates)


def _states(program: Program) -> list[int]:
    """The indices of the states s¹, …, s^T: the arguments of the first matrix, and the argument of the readout."""
    products = [(i.op.parameter, i.args[0]) for i in program.instructions if isinstance(i.op, ops.MatMul)]
    multiplied = [x for parameter, x in products if parameter == products[0][0]]
    return [*multiplied, program.instructions[program.output].args[1]]


def _gates(program: Program) -> dict[str, list[int]]:
    """The indices of the gates: nonlinearities of a sum with an input matrix `U_name`, by `name`."""
    found: dict[str, list[int]] = {}
    for index, instruction in enumerate(program.instructions):
        if isinstance(instruction.op, ops.Nonlin) and instruction.op.phi is not multiply:
            for name in _inputs_of(program, instruction.args[0]):
                found.setdefault(name.removeprefix("U_"), []).append(index)
    return found


def _inputs_of(program: Program, index: int) -> set[str]:
    """The names of the input matrices in a sum."""
    instruction = program.instructions[index]
    if isinstance(instruction.op, ops.InputMatMul):
        return {program.parameters[instruction.op.parameter].name}
    if not (instruction.op.linear or isinstance(instruction.op, ops.Shift)):
        return set()
    return set().union(*(_inputs_of(program, a) for a in instruction.args))
