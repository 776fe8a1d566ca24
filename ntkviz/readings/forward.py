"""The infinite-width limit by the tangent of the forward kernels (the Simple GIA Check passing).

Two copies of the network read X and X̄. For the limits Z of their vectors we track second
moments E[Z^x Z^y] within and between copies. Let the copies' parameters be ρ-correlated; by
Price's theorem d/dρ E[f f̄] at ρ = 1 is Σ_i std_i² E[∂_i f ∂_i f̄]: the NTK is the *tangent* of
the forward kernels. So every cross moment carries a tangent, and the rules are

- parameter matrix: K ↦ m²s²n·K, tangent ↦ m²s²n·K̇ + lr·m²n·K;
- Nonlin: K ↦ E[φφ̄], tangent ↦ E[φ′φ̄′] K̇ (Price);
- Moment: a constant of its own copy, tangent 0;
- linear instructions: applied to both sides of K and of K̇.

For an MLP this is the textbook recursion (Jacot et al. 2018); no architecture has its own.
"""

from __future__ import annotations

import math
from typing import Any

import jax.numpy as jnp
from jax import Array

from ..errors import NoForwardLimitError
from ..language import instructions as ops
from ..language.program import Program
from ..language.rolling import Rolled, roll
from .dual import Dual
from .kernels import LimitKernels
from .loops import EntangledStepsError, LoopMoments
from .moments import ForwardMoments


def forward_kernels(program: Program, program_bar: Program) -> LimitKernels:
    """The limit NNGP and NTK between a network on X and on X̄ (Tensor Programs II, Theorem "NTK limit").

    The two programs come from one architecture. Raises `NoForwardLimitError` when second moments
    do not determine the limit, naming the instruction.
    """
    refuse_correction_terms(program)
    rolled, rolled_bar = roll(program), roll(program_bar)
    if rolled or rolled_bar:
        try:
            return kernels_from(LoopMoments((rolled or Rolled(program, ()), rolled_bar or Rolled(program_bar, ()))))
        except (EntangledStepsError, NoForwardLimitError):
            pass  # pair by pair it is, or refused with the place the author knows
    return kernels_from(ForwardMoments((program, program_bar)))


def kernels_from(moments: ForwardMoments) -> LimitKernels:
    """The kernels that the moments of two copies give, errors as of `forward_kernels`."""
    program, program_bar = moments.programs
    v, x = program.instructions[program.output].args
    v_bar, x_bar = program_bar.instructions[program_bar.output].args
    readout = moments.gaussian_pair(0, v, 1, v_bar, equal_places=True)
    assert readout is not None  # one parameter in both copies
    parameter = moments.parameter(0, v)
    k = _same_position(moments, v, x, x_bar)
    # f = Σ_p v_pᵀx_p/√(fan n): with v independent of x only equal positions p meet.
    v2 = _first(readout.value) / parameter.fan
    nngp = v2 * k.value
    ntk = jnp.zeros_like(nngp) if readout.tangent is None else _first(readout.tangent) / parameter.fan * k.value
    if k.tangent is not None:
        ntk = ntk + v2 * k.tangent
    return LimitKernels(nngp, ntk, moments.relative_error())


def refuse_correction_terms(program: Program) -> None:
    """Wᵀ on what W made gives Z^{Wᵀy} a part Ż that is not Gaussian (Tensor Programs III, Theorem 2.10)."""
    made_by: list[set[tuple[Any, ...]]] = []  # the matrices each value was made with
    for place, instruction in enumerate(program.instructions):
        op, made = instruction.op, set().union(*(made_by[a] for a in instruction.args))
        if isinstance(op, ops.MatMul):
            if (op.parameter, op.index, not op.transpose) in made:
                raise NoForwardLimitError(
                    f"Instruction {place} multiplies by the transpose of matrix "
                    f"{program.parameters[op.parameter].name} what that matrix made, which adds terms that the "
                    "forward kernels do not have; use the general reading."
                )
            made.add((op.parameter, op.index, op.transpose))
        if isinstance(op, ops.Repeat):
            refuse_correction_terms(op.body)
        made_by.append(made)


def _first(diagonal: Array) -> Array:
    return diagonal.ravel()[0]


def _same_position(moments: ForwardMoments, v: int, x: int, x_bar: int) -> Dual:
    """Σ_p E[x_p x̄_p] for all pairs of outputs, p the positions with a readout of their own."""
    positions = moments.instruction(0, v).shape
    shapes = moments.instruction(0, x).shape, moments.instruction(1, x_bar).shape
    a, b = (shape[: len(shape) - len(positions)] for shape in shapes)
    if math.prod(a) == math.prod(b) == 1:
        k = moments.aligned((0, x), (1, x_bar))
        return Dual(jnp.zeros(a + b)) if k is None else k.map(lambda m: m.sum().reshape(a + b))
    k = moments.moment(0, x, 1, x_bar)
    if k is None:
        return Dual(jnp.zeros(a + b))
    size = math.prod(positions)
    return k.map(lambda m: jnp.einsum("apbp->ab", m.reshape((math.prod(a), size, math.prod(b), size))).reshape(a + b))
