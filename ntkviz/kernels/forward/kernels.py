"""The infinite-width limit by the forward kernels and their tangents, for programs that pass the Simple GIA Check.

Two copies of the network read X and X̄. For the limits Z of their vectors we compute second moments E[Z^x Z^y] within
and between copies. If the parameters of the copies have the correlation ρ, then by Price's theorem d/dρ E[f f̄] at ρ = 1
is Σ_i std_i² E[∂_i f ∂_i f̄]: the NTK is the *tangent* of the forward kernels. So every moment between copies has a
tangent, and the rules are

- parameter matrix: K ↦ m²s²n·K, tangent ↦ m²s²n·K̇ + lr·m²n·K;
- Nonlin: K ↦ E[φφ̄], tangent ↦ E[φ′φ̄′] K̇ (Price);
- Moment: a constant in each copy, tangent 0;
- linear instructions: applied to both sides of K and of K̇.

For an MLP this is the textbook recursion (Jacot et al. 2018). No rule is specific to an architecture.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import Array

from ...calculus.limit_kernels import LimitKernels, Reason
from ...execution.trace_signature import TraceSignature, trace_signature
from ...language import instructions as ops
from ...language.program import Program
from ...language.rewriting.folding import Folded, fold
from ...language.rewriting.rolling import Rolled, roll
from ...language.zero import linear, written
from . import repeats  # noqa: F401  registers its rules in the tables
from .kernel_pair import KernelPair
from .loops import Loops
from .moments import Moments
from .rules import gaussian_pair
from .views import Vector, View


@runtime_checkable
class KernelsOfTwo(Protocol):
    """A jitted function that computes the kernels between a network on X and on X̄."""

    def __call__(self, program: Program, program_bar: Program, /) -> LimitKernels: ...
    def trace(self, program: Program, program_bar: Program, /) -> jax.stages.Traced: ...
    def __hash__(self) -> int: ...


def forward_kernels(program: Program, program_bar: Program) -> LimitKernels:
    """The limit NNGP and NTK between a network on X and on X̄ (Tensor Programs II, Theorem "NTK limit").

    The two programs must come from one architecture. If second moments do not determine the limit, `refused` of the
    result names the instruction.
    """
    return kernels_of(trace_signature(program, program_bar))(program, program_bar)


@functools.partial(jax.jit, inline=True)  # so that the check and the computation share one trace
def pair_by_pair(program: Program, program_bar: Program) -> LimitKernels:
    """The kernels by the rules alone, with each pair of steps of a loop over time evaluated separately."""
    found = kernels_from(Moments(View((program, program_bar))))
    return dataclasses.replace(found, refused=(*correction_terms(program), *found.refused))


@functools.partial(jax.jit, inline=True)
def over_time(program: Program, program_bar: Program) -> LimitKernels:
    """The kernels by one scan over the steps of each loop."""
    rolled = roll(program) or Rolled(program, ()), roll(program_bar) or Rolled(program_bar, ())
    return kernels_from(Moments(Loops(rolled)))


@functools.partial(jax.jit, inline=True)
def layer_by_layer(program: Program, program_bar: Program) -> LimitKernels:
    """The kernels by one loop over the alike layers of a program, so that a layer is compiled once."""
    folded = fold(program) or Folded(program, ()), fold(program_bar) or Folded(program_bar, ())
    return kernels_from(Moments(View((folded[0].program, folded[1].program))))


@functools.lru_cache(maxsize=512)
def kernels_of(signature: TraceSignature) -> KernelsOfTwo:
    """The function that computes the kernels of such programs: with a loop over time or over layers, if one applies."""
    loop = _loop_of(*signature.structures)
    return pair_by_pair if loop is None or refusals(loop, signature) else loop


def _loop_of(first: Program, second: Program) -> KernelsOfTwo | None:
    """The function that may evaluate loops of the programs, over time or over layers."""
    if correction_terms(first):
        return None
    if roll(first) or roll(second):
        return over_time
    folded = fold(first), fold(second)
    alike = folded[0] and folded[1] and folded[0].parameters == folded[1].parameters
    return layer_by_layer if alike else None


def refusals(kernels: KernelsOfTwo, signature: TraceSignature) -> tuple[Reason, ...]:
    """The reasons why a reading does not give the limit of such programs, from the trace that also computes it."""
    found: LimitKernels = jax.eval_shape(kernels, *signature.programs())
    return found.refused


def kernels_from(moments: Moments) -> LimitKernels:
    """The kernels from the moments of two copies; `refused` as in `forward_kernels`."""
    (v, x), (v_bar, x_bar) = (
        [(copy, a) for a in program.instructions[program.output].args] for copy, program in enumerate(moments.programs)
    )
    readout = gaussian_pair(moments, v, v_bar, equal_positions=True)
    fan = moments.parameter(v).fan
    k = _same_position(moments, v, x, x_bar)
    # f = Σ_p v_pᵀx_p/√(fan n): with v independent of x, only equal positions p contribute.
    v2, own = (linear(lambda part: part.ravel()[0] / fan, part) for part in (readout.value, readout.tangent))
    shape = moments.programs[0].outputs, moments.programs[1].outputs
    kxx = written(k.value, shape)
    nngp, ntk = v2 * kxx, own * kxx + v2 * k.tangent
    return LimitKernels(nngp, written(ntk, shape), moments.error(), tuple(moments.refused))


def correction_terms(program: Program) -> list[Reason]:
    """Why a program needs correction terms, if it does.

    Wᵀ applied to a function y of Wx gives Z^{Wᵀy} a part Ż that is not Gaussian (Tensor Programs III, Thm. 2.10).
    """
    made_by: list[set[ops.MatMul]] = []  # the matrices that each value was made with
    for index, instruction in enumerate(program.instructions):
        op, made = instruction.op, set().union(*(made_by[a] for a in instruction.args))
        if isinstance(op, ops.MatMul):
            if op.opposite in made:
                return [
                    Reason(
                        "general",
                        f"Instruction {index} applies the transpose of matrix {program.parameter_of(index).name} to "
                        "values made with that matrix, which adds a correction term that the forward kernels do not "
                        "have; use method='general'.",
                    )
                ]
            made.add(op)
        if isinstance(op, ops.Repeat) and (below := correction_terms(op.body)):
            return below
        made_by.append(made)
    return []


def _same_position(m: Moments, v: Vector, x: Vector, x_bar: Vector) -> KernelPair:
    """Σ_p E[x_p x̄_p] for all pairs of outputs, over the positions p that have a readout vector of their own."""
    positions = m.shape(v)
    a, b = (m.shape(side)[: len(m.shape(side)) - len(positions)] for side in (x, x_bar))
    if math.prod(a) == math.prod(b) == 1:
        return m.at_equal_positions(x, x_bar).map(lambda k: k.sum().reshape(a + b))
    size = math.prod(positions)

    def trace(k: Array) -> Array:
        return jnp.einsum("apbp->ab", k.reshape((math.prod(a), size, math.prod(b), size))).reshape(a + b)

    return m.moment(x, x_bar).map(trace)
