"""The reading at finite width: sample every parameter, run the program, differentiate it.

The empirical NTK is Σ over trained parameters of lr·⟨∂f/∂ω, ∂f̄/∂ω⟩. The Jacobian is never formed: `uses.py` computes
the NTK from the gradient at each use of a parameter. One backward pass of JAX gives the gradients at all uses, as the
gradients with respect to zeros ("taps") that are added to the value of each use.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float

from ..errors import phrase
from ..execution.examples import block_slices, check_in_groups, traced
from ..execution.finiteness import check_finite
from ..execution.memory_limit import bounded
from ..execution.ragged import Data, between_groups, group_by_shape, joined
from ..language import instructions as ops
from ..language.architecture import Architecture, check_architecture
from ..language.instructions import Delayed
from ..language.program import Program
from ..language.rewriting.rolling import Loop, Rolled, roll
from .parameters import check_same_network
from .sampling import at_readout_scale, check_width, random_key, run, sample_parameters, width_of
from .uses import Matrix, Uses, concatenated, ntk_from_uses, of_vector, pairs_of_uses, without_output_biases


def empirical_ntk(
    arch: Architecture, x1: Any, x2: Any = None, *, width: int, key: Any
) -> Float[Array, "outputs outputs_bar"]:
    """The NTK Θ_n = Σ lr·⟨∂f/∂ω, ∂f̄/∂ω⟩ of one random network of a given width.

    Source: Jacot et al. 2018 (arXiv:1806.07572).

    Args:
        arch: An architecture.
        x1: A batch of inputs, an array or a list. If examples are mixed, the batch is one input, as for `infinite_ntk`.
        x2: Another batch; `None` means `x1` again.
        width: n ≥ 1.
        key: A JAX random key, or an integer seed.

    Returns:
        An array `(|x1|, |x2|)`, float32. For an output that fails the Simple GIA Check, and so is read at scale 1/n, it
        is n·⟨∇f, ∇f̄⟩, which has a limit.

    Raises:
        HyperparameterError: The width is below 1, or the key cannot be used.
        InputError: The data cannot be used.
        NotFiniteError: The NTK of this network is not finite.
        ProgramError: A rule of the language is broken.
        TooLargeError: The computation would need more memory than is free.
    """
    check_architecture(arch)
    check_width(width)
    key = random_key(key)
    groups1 = group_by_shape(x1, "x1")
    groups2 = groups1 if x2 is None else group_by_shape(x2, "x2")
    check_in_groups(arch, groups1, "x1")
    check_in_groups(arch, groups2, "x2")
    blocks = between_groups(groups1, groups2, lambda one, other: _between(arch, one, other, width, key), jnp.transpose)
    ntk = joined(blocks, groups1, groups2)
    check_finite(ntk, phrase(f"The NTK of this network of width {width}"))
    return ntk


def _between(
    arch: Architecture, data1: Data, data2: Data, width: int, key: Array
) -> Float[Array, "outputs outputs_bar"]:
    """The empirical NTK between two batches, each of inputs of one shape."""
    itself = data1 is data2
    first, second, separate = traced(arch, data1, data2)
    check_same_network(arch, first, second)
    first, second = (whole := first.unrolled()), whole if second is first else second.unrolled()
    if not separate:
        return _whole_batches(first, None if itself else second, width, key)
    most = min(_examples_at_once(program, width) for program in (first, second))
    blocks, blocks_bar = (
        [program.with_data(*(d[part] for d in data)) for part in block_slices(len(data[0]), most)]
        for program, data in ((first, data1), (second, data2))
    )
    rows: list[list[Array]] = []
    for i, block in enumerate(blocks):
        known = [row[i].T for row in rows] if itself else []
        rows.append(known)
        for j, block_bar in enumerate(blocks_bar[len(known) :], start=len(known)):
            other = None if itself and i == j else block_bar
            known.append(_separate_examples(block, other, width, key))
    return jnp.block(rows)


_LEAST = 256
_NUMBERS = 2**24


def _examples_at_once(program: Program, width: int) -> int:
    """The number of examples whose gradients are held at once; for each such block, the network is run on all others.

    Chosen so that the inputs and gradients of all uses, and the products of one parameter's uses, have at most 2²⁴
    entries, but never below 256 examples.
    """
    uses: Counter[Any] = Counter()
    held = 1
    for instruction in program.instructions:
        if isinstance(op := instruction.op, ops.Source) and program.parameters[op.parameter].trainable:
            declared, count = program.parameters[op.parameter], math.prod(instruction.shape)
            uses[op.matrix] += count
            held += count * (width + (declared.fan if declared.kind == "input" else width))
    return max(_LEAST, min(_NUMBERS // held, math.isqrt(_NUMBERS) // max(uses.values(), default=1)))


@bounded(static_argnames="width")
def _separate_examples(
    program: Program, program_bar: Program | None, width: int, key: Array
) -> Float[Array, "outputs outputs_bar"]:
    return ntk_of_examples(program, program_bar, sample_parameters(program, width, key), width)


def ntk_of_examples(
    program: Program, program_bar: Program | None, parameters: tuple[Array, ...], width: int
) -> Float[Array, "outputs outputs_bar"]:
    """The NTK at given parameters, of programs traced with one example and holding the data of many.

    `program_bar=None` means `program` again, whose network is then run and differentiated once.
    """

    def uses(prog: Program) -> dict[Matrix, Uses]:
        rolled = roll(prog) or Rolled(prog, ())

        def one(*data: Array) -> dict[Matrix, Uses]:
            example = rolled.program.with_data(*(d[None] for d in data))
            return uses_of_parameters(example, parameters, example_outputs=1, loops=rolled.loops)

        each = jax.vmap(one)(*prog.data)
        return {of: Uses(*(m.reshape((m.shape[0], *m.shape[2:])) for m in uses)) for of, uses in each.items()}

    return _contract(program, program_bar, uses, width)


@bounded(static_argnames="width")
def _whole_batches(
    program: Program, program_bar: Program | None, width: int, key: Array
) -> Float[Array, "outputs outputs_bar"]:
    return ntk_of_batches(program, program_bar, sample_parameters(program, width, key), width)


def ntk_of_batches(
    program: Program, program_bar: Program | None, parameters: tuple[Array, ...], width: int
) -> Float[Array, "outputs outputs_bar"]:
    """The NTK at given parameters, of programs traced with whole batches; `None` means `program` again."""

    def uses(prog: Program) -> dict[Matrix, Uses]:
        return uses_of_parameters(prog, parameters, example_outputs=len(prog.data[0]))

    return _contract(program, program_bar, uses, width)


def uses_of_parameters(
    program: Program, parameters: tuple[Array, ...], example_outputs: int, loops: tuple[Loop, ...] = ()
) -> dict[Matrix, Uses]:
    """For each parameter, the inputs of its uses and the gradients at their values, for each output.

    `loops` are those of the program if it is rolled, as in `run`.
    """
    width = width_of(program, parameters)
    dtype = parameters[0].dtype
    indices = [k for k in _parts_of_output(program) if _is_trained(program, k)]
    taps = {k: jnp.zeros((*program.instructions[k].shape, width), dtype) for k in indices}

    def outputs(taps: dict[int, Array]) -> tuple[Array, Sequence[Array]]:
        result = run(program, parameters, taps, loops)
        return result.output, result.values

    _, pullback, values = jax.vjp(outputs, taps, has_aux=True)
    (gradients,) = jax.vmap(pullback)(jnp.eye(example_outputs, dtype=dtype))

    def use(index: int) -> tuple[Matrix, Uses]:
        instruction = program.instructions[index]
        op: Any = instruction.op
        a = gradients[index].reshape(example_outputs, -1, width)
        if isinstance(op, ops.InitialVector):
            return op.matrix, of_vector(a)
        x = values[instruction.args[0]]
        b = jnp.broadcast_to(x.reshape(-1, x.shape[-1]), (example_outputs, a.shape[1], x.shape[-1]))
        transposed = isinstance(op, ops.MatMul) and op.transpose
        return op.matrix, Uses(b, a) if transposed else Uses(a, b)

    return concatenated(map(use, indices))


def _parts_of_output(program: Program) -> list[int]:
    """The indices that the output depends on. All other values have gradient 0, even if they are NaN."""
    found: set[int] = set()
    waiting = [program.output]
    while waiting:
        index = waiting.pop()
        if index not in found:
            found.add(index)
            instruction = program.instructions[index]
            waiting += instruction.args
            waiting += [instruction.op.source] if isinstance(instruction.op, Delayed) else []
    return sorted(found)


def _is_trained(program: Program, index: int) -> bool:
    return isinstance(program.instructions[index].op, ops.Source) and program.parameter_of(index).trainable


def _contract(
    program: Program, program_bar: Program | None, uses: Callable[[Program], dict[Matrix, Uses]], width: int
) -> Float[Array, "outputs outputs_bar"]:
    """The NTK from the uses in two programs, or in one with itself."""
    found = uses(program)
    other, found_bar = (program, found) if program_bar is None else (program_bar, uses(program_bar))
    zero = jnp.zeros((len(program.data[0]), len(other.data[0])), jnp.float32)
    found, rate = without_output_biases(program, found)
    ntk = rate + ntk_from_uses(program, found, found_bar, pairs_of_uses, width=width, zero=zero)
    return ntk if at_readout_scale(program) else ntk * width
