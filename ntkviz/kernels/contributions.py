"""The NTK split into contributions: of each parameter, and of each pair of its uses on two inputs.

A parameter used several times (a matrix shared over time, a filter shared over positions) has a
gradient that is a sum over its uses, ∂f/∂W = Σ_t dh^t (s^{t−1})ᵀ up to scale. So its part of the NTK is
a sum over *pairs* of uses, one on each input (Tensor Programs II, §"NTK from backprop"):

    ⟨∂f/∂W, ∂f̄/∂W⟩ = Σ_t Σ_t̄ ⟨dh^t, dh̄^t̄⟩ ⟨s^{t−1}, s̄^{t̄−1}⟩.

At infinite width the forward kernels give the terms too. There the NTK is a tangent, linear in the terms that pairs of
uses add to it. Each term gets a factor, its share; the derivative of the NTK with respect to the share of a pair is the
contribution of that pair.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float, Float64

from ..errors import InputError, NoForwardLimitError
from ..execution.memory_limit import bounded
from ..language import instructions as ops
from ..language.architecture import Architecture, check_architecture, check_data
from ..language.axes import Shape
from ..language.program import Instruction, Parameter, Program
from ..language.rewriting.shorthand import in_full
from ..networks.finite import uses_of_parameters
from ..networks.parameters import check_same_network
from ..networks.sampling import at_readout_scale, check_width, full_precision_products, random_key, sample_parameters
from ..networks.uses import gradient_scale
from .forward.kernel_pair import KernelPair
from .forward.kernels import correction_terms, kernels_from
from .forward.moments import Moments, of_all_pairs
from .forward.views import Vector, View

Shares = dict[tuple[int, int], Array]  # for a pair of indices, one in each program, the shares of all pairs of entries


def infinite_contributions(
    arch: Architecture, x1: Any, x2: Any = None
) -> dict[str, Float[np.ndarray, "outputs outputs_bar"]]:
    """The limit NTK of two inputs, parameter by parameter and use by use.

    A bias is used once for each vector that it is added to. Each matrix of an array of matrices, such as those of a
    filter, is named with its index. Changing hyper-parameters of the same architecture does not recompile.

    Source: Tensor Programs II (arXiv:2006.14548), §"NTK from backprop".

    Args:
        arch: An architecture whose limit the forward kernels give (`nv.infinite_ntk` with the method `"forward"`).
        x1: One input, with a batch axis of length 1.
        x2: Another input, possibly of another shape, such as a sequence of another length; `None` means `x1` again.

    Returns:
        For each parameter's name, an array `(uses on x1, uses on x2)`, with uses in the order of the program. The sum
        of all entries of all arrays is the NTK.

    Raises:
        NoForwardLimitError: The forward kernels do not give the limit.
        InputError: The data cannot be used, or a batch has more than one input.
        NtkvizError: Whatever else `infinite_ntk` raises.
    """
    programs = _programs(arch, x1, x2)
    split = _split(*programs)
    return {name: np.asarray(part) for name, part in split.items()}


def empirical_contributions(
    arch: Architecture, x1: Any, x2: Any = None, *, width: int, key: Any
) -> dict[str, Float[Array, "outputs outputs_bar"]]:
    """The empirical NTK of two inputs of one random network, parameter by parameter and use by use.

    Source: Tensor Programs II (arXiv:2006.14548), §"NTK from backprop".

    Args:
        arch: Any architecture.
        x1: One input, with a batch axis of length 1.
        x2: Another input, possibly of another shape; `None` means `x1` again.
        width: n ≥ 1.
        key: A JAX random key, or an integer seed.

    Returns:
        For each parameter's name, an array `(uses on x1, uses on x2)`, as from `infinite_contributions`. The sum of all
        entries of all arrays is the entry of `empirical_ntk` for the same key.

    Raises:
        HyperparameterError: The width is below 1, or the key cannot be used.
        InputError: The data cannot be used, or a batch has more than one input.
        ProgramError: A rule of the language is broken.
        TooLargeError: The computation would need more memory than is free.
    """
    programs = _programs(arch, x1, x2)
    check_width(width)
    return _split_network(*programs, int(width), random_key(key))


def _programs(arch: Architecture, x1: Any, x2: Any) -> tuple[Program, Program]:
    """The programs of the two inputs, with every bias written as an input matrix."""
    check_architecture(arch)
    data1 = check_data(x1, "x1")
    data2 = data1 if x2 is None else check_data(x2, "x2")
    for name, data in (("x1", data1), ("x2", data2)):
        if len(data[0]) != 1:
            raise InputError(f"{name} is a batch of {len(data[0])}; contributions need a batch of one input.")
    first = arch.trace(data1)
    second = first if data1 is data2 else arch.trace(data2)
    check_same_network(arch, first, second)
    first, second = (biases_as_inputs(in_full(program).unrolled()) for program in (first, second))
    return first, second


def biases_as_inputs(program: Program) -> Program:
    """The same network with each bias b written as an input matrix applied to the number 1.

    A bias is one vector that broadcasting adds to many. As an input matrix it has a use for each of them, and the same
    coordinates for the same random key.
    """
    biases = {k for k in range(len(program.parameters)) if _is_bias(program, k)}
    instructions: list[Instruction] = []
    constants = list(program.constants)
    indices: dict[int, int] = {}
    declared: dict[int, int] = {}
    for index, instruction in enumerate(program.instructions):
        if isinstance(instruction.op, ops.InitialVector) and instruction.op.parameter in biases:
            declared[index] = instruction.op.parameter
            continue
        args = []
        for a in instruction.args:
            if a in declared:
                shape = instruction.shape
                instructions.append(Instruction(ops.Constant(len(constants)), (), "scalar", (*shape, 1)))
                constants.append(np.ones((*shape, 1)))
                one = (len(instructions) - 1,)
                instructions.append(Instruction(ops.InputMatMul(declared[a]), one, "vector", shape))
            args.append(len(instructions) - 1 if a in declared else indices[a])
        indices[index] = len(instructions)
        instructions.append(dataclasses.replace(instruction, args=tuple(args)))
    parameters = [dataclasses.replace(p, kind="input") if k in biases else p for k, p in enumerate(program.parameters)]
    return program.written_again(instructions, indices.__getitem__, parameters=parameters, constants=tuple(constants))


def _is_bias(program: Program, parameter: int) -> bool:
    declared = program.parameters[parameter]
    users = [u for index in program.uses(parameter) for u in program.users(index)]
    return (
        declared.kind == "vector"
        and not declared.shape
        and all(isinstance(program.instructions[u].op, ops.Add) for u in users)
    )


# --- infinite width ----------------------------------------------------------------------------------


class _Shared(View):
    """Two networks in which the term of each pair of uses in the tangent is multiplied by its share."""

    def __init__(self, programs: tuple[Program, Program], shares: Shares):
        super().__init__(programs)
        self.shares = shares

    def own_tangent(self, left: Vector, right: Vector, own: Array) -> Array:
        return own * self.shares[left[1], right[1]]

    def at_equal_positions(self, m: Moments, left: Vector, right: Vector) -> KernelPair:
        return of_all_pairs(m, left, right)  # positions are not interchangeable, as every pair has its own share


@bounded
def _split(program: Program, program_bar: Program) -> dict[str, Array]:
    indices, indices_bar = _indices_of_uses(program), _indices_of_uses(program_bar)
    pairs = [(a, b) for name in indices for a in indices[name] for b in indices_bar.get(name, [])]
    shapes = {(a, b): program.instructions[a].shape + program_bar.instructions[b].shape for a, b in pairs}

    def ntk(shares: Shares) -> Array:
        found = kernels_from(Moments(_Shared((program, program_bar), shares)))
        for reason in (*correction_terms(program), *found.refused):
            raise NoForwardLimitError(reason.text)
        return found.ntk[0, 0]

    terms = jax.grad(ntk)({pair: jnp.ones(shape) for pair, shape in shapes.items()})
    return {
        name: jnp.block([[_matrix(terms[a, b], program, a) for b in indices_bar[name]] for a in indices[name]])
        for name in indices
        if name in indices_bar  # a sequence of one token never uses W
    }


def _matrix(term: Float64[Array, "..."], program: Program, a: int) -> Float64[Array, "uses uses_bar"]:
    return term.reshape(int(np.prod(program.instructions[a].shape, dtype=int)), -1)


def _indices_of_uses(program: Program) -> dict[str, list[int]]:
    """The instructions that use each trained parameter, in order."""
    found: dict[str, list[int]] = {}
    for index, instruction in enumerate(program.instructions):
        if isinstance(instruction.op, ops.Source):
            parameter = program.parameters[instruction.op.parameter]
            if parameter.trainable:
                found.setdefault(_label(parameter, instruction.op.index), []).append(index)
    return found


def _label(parameter: Parameter, index: Shape) -> str:
    """The parameter's name, with the index of a matrix in an array of matrices."""
    return parameter.name + "".join(f"[{i}]" for i in index)


# --- finite width ------------------------------------------------------------------------------------


@bounded(static_argnames="width")
def _split_network(
    program: Program, program_bar: Program, width: int, key: Array
) -> dict[str, Float[Array, "uses uses_bar"]]:
    parameters = sample_parameters(program, width, key)
    here, there = (uses_of_parameters(p, parameters, example_outputs=1) for p in (program, program_bar))
    split: dict[str, Array] = {}
    for use, one in here.items():
        if use not in there:
            continue
        declared, other = program.parameters[use[0]], there[use]
        rate = gradient_scale(program, use[0], width)
        scale = 1 if at_readout_scale(program) else width
        with full_precision_products():
            split[_label(declared, use[1])] = rate * scale * (one.a[0] @ other.a[0].T) * (one.b[0] @ other.b[0].T)
    return split
