"""The infinite-width limit in general: the Z calculus of forward and backward pass.

The gradients are a tensor program too (`ntkviz.language.gradients.backward`), so the Master Theorem for programs with a
matrix and its transpose (Tensor Programs III) gives the limit whether or not the Simple GIA Check passes. Two results
can be computed and compared: the *correct* one, and the one *as if the GIA held*, in which the matrices of the backward
pass are independent copies.

Expectations are exact if the program stays within the algebra of `ntkviz.calculus.symbolic.expressions`; otherwise they
are sampled, with a standard error.
"""

from __future__ import annotations

import functools
from typing import NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float64

from ..execution.memory_limit import bounded
from ..execution.ragged import Data
from ..execution.trace_signature import TraceSignature, trace_signature
from ..gaussian.certified.jumps import check_slopes
from ..gaussian.error import Error, scaled
from ..gaussian.error_kind import ErrorKind
from ..gaussian.sobol import replicates
from ..language import instructions as ops
from ..language.gradients.backward import BackwardProgram, backward
from ..language.program import Program
from ..networks.sampling import passes
from .checked import SampleStatistics, check_second_moments, watched
from .limit_kernels import LimitKernels, Reason
from .sampled import Table, VirtualNetwork, dimensions, sampled_kernels
from .symbolic.exact import exact_kernels

REPLICATES = 16  # independent scrambles, whose spread is the reported standard error
LOG2_SAMPLES = 12


def general_kernels(program: Program, program_bar: Program, *, assume_gia: bool, exact: bool) -> LimitKernels:
    """NNGP and NTK between the outputs of two stacks of runs of one architecture.

    The programs have no repeats (`Program.unrolled`), and their data have an additional first axis, over the stack:
    many examples one by one, or one whole batch. The kernels are `(stack·outputs, stack·outputs)`. `exact` selects the
    algebra, which must cover all expectations (see `beyond_algebra`).

    Raises `NotIntegrableError` for a nonlinearity with a jump that JAX's derivative ignores.
    """
    check_differentiable(program)
    if exact:
        return _exact(program, program_bar, assume_gia)
    return _as_limit_kernels(sample(program, program_bar, assume_gia=assume_gia))


def check_differentiable(program: Program) -> None:
    """Raise `NotIntegrableError` for a nonlinearity with a jump that JAX's derivative ignores."""
    for instruction in program.instructions:
        if isinstance(instruction.op, ops.Nonlin):
            check_slopes(instruction.op.phi, len(instruction.args) - instruction.op.phi.arity)


@functools.lru_cache(maxsize=256)
def differentiated(structure: Program, assume_gia: bool) -> BackwardProgram:
    """The program followed by its gradients; with `assume_gia`, these use independent matrices."""
    return backward(structure, independent_copy=assume_gia)


def with_gradients(program: Program, assume_gia: bool) -> BackwardProgram:
    """The program followed by its gradients, with the numbers of the program."""
    derived = differentiated(program.structure, assume_gia)
    whole = derived.program.with_numbers(program.constants, program.data)
    return BackwardProgram(whole, derived.uses, derived.forward_length)


# --- exact, pair by pair -----------------------------------------------------------------------------


def _signature_of_one(program: Program, program_bar: Program) -> TraceSignature:
    """The trace signature of a pair of runs, one from each stack."""
    one, other = (p.with_data(*(d[0] for d in p.data)) for p in (program, program_bar))
    return trace_signature(one, other)


def beyond_algebra(program: Program, program_bar: Program, assume_gia: bool) -> tuple[Reason, ...]:
    """The reasons why exact algebra does not cover these programs, from the trace that also computes the limit."""
    return _traced(_signature_of_one(program, program_bar), assume_gia).refused


def exact_error_kind(program: Program, program_bar: Program, assume_gia: bool) -> ErrorKind:
    """The kind of the error of exact algebra for these programs."""
    return _traced(_signature_of_one(program, program_bar), assume_gia).error.kind


@functools.lru_cache(maxsize=256)
def _traced(signature: TraceSignature, assume_gia: bool) -> LimitKernels:
    pair = functools.partial(_exact_pair, assume_gia=assume_gia)
    return cast(LimitKernels, jax.eval_shape(pair, *signature.programs()))


@functools.partial(jax.jit, static_argnames="assume_gia", inline=True)  # the check and the computation share a trace
def _exact_pair(program: Program, program_bar: Program, *, assume_gia: bool) -> LimitKernels:
    both = with_gradients(program, assume_gia), with_gradients(program_bar, assume_gia)
    return exact_kernels(both, passes(program))


# A long formula gives a few numbers for each pair, so compilation takes most of the time: LLVM does not optimise.
@bounded(static_argnames="assume_gia", compiler_options={"xla_backend_optimization_level": 0})
def _exact_pairs(program: Program, program_bar: Program, assume_gia: bool) -> LimitKernels:
    def pair(data: Data, data_bar: Data) -> LimitKernels:
        programs = program.with_data(*data), program_bar.with_data(*data_bar)
        return cast(LimitKernels, _exact_pair(*programs, assume_gia=assume_gia))

    if len(program.data[0]) == len(program_bar.data[0]) == 1:  # `vmap` would take as long as the trace
        kernels = pair(tuple(d[0] for d in program.data), tuple(d[0] for d in program_bar.data))
        return cast(LimitKernels, jax.tree.map(lambda part: part[None, None], kernels))
    rows = jax.vmap(jax.vmap(pair, in_axes=(None, 0)), in_axes=(0, None))
    return rows(program.data, program_bar.data)


def _exact(program: Program, program_bar: Program, assume_gia: bool) -> LimitKernels:
    kernels = _exact_pairs(program, program_bar, assume_gia)
    return LimitKernels(_as_matrix(kernels.nngp), _as_matrix(kernels.ntk), kernels.error)


def _as_matrix(
    blocks: Float64[Array | np.ndarray, "stack stack_bar outputs outputs_bar"],
) -> Float64[Array | np.ndarray, "rows columns"]:
    """Blocks `(stack, stack, outputs, outputs)` as one matrix."""
    rows, columns, *inner = blocks.shape
    return blocks.transpose(0, 2, 1, 3).reshape(rows * inner[0], columns * inner[1])


# --- sampled, all at once ------------------------------------------------------------------------------


class Sampled(NamedTuple):
    """Kernels averaged over independent scrambles.

    Attributes:
        nngp: The NNGP.
        ntk: The NTK.
        nngp_error: The standard error of each entry of the NNGP.
        ntk_error: The standard error of each entry of the NTK.
        missed: The largest relative difference between second moments of samples and certified ones.
    """

    nngp: Float64[Array, "outputs outputs_bar"]
    ntk: Float64[Array, "outputs outputs_bar"]
    nngp_error: Float64[Array, "outputs outputs_bar"]
    ntk_error: Float64[Array, "outputs outputs_bar"]
    missed: float


def sample(program: Program, program_bar: Program, *, assume_gia: bool, seed: int = 0) -> Sampled:
    """The kernels by sampling, even if exact algebra applies; arguments as for `general_kernels`."""
    programs, rows, columns = _joined(program, program_bar)
    dimension = sum(dimensions(differentiated(p.structure, assume_gia).program, len(p.data[0])) for p in programs)
    scrambles = replicates(dimension, LOG2_SAMPLES, seed, REPLICATES)
    draws = [_one_draw(programs, assume_gia, jnp.asarray(normals)) for normals in scrambles]
    *kernels, found = zip(*draws, strict=True)
    nngps, ntks = (jnp.stack([k[rows, columns] for k in part]) for part in kernels)
    errors = (jnp.std(part, axis=0, ddof=1) / REPLICATES**0.5 for part in (nngps, ntks))
    missed = max(
        check_second_moments(differentiated(p.structure, assume_gia).program, _watched(p, assume_gia), of_program)
        for p, of_program in zip(programs, zip(*found, strict=True), strict=True)
    )
    nngp_error, ntk_error = errors
    return Sampled(nngps.mean(axis=0), ntks.mean(axis=0), nngp_error, ntk_error, missed)


def _watched(program: Program, assume_gia: bool) -> tuple[int, ...]:
    return watched(differentiated(program.structure, assume_gia).program)


def _as_limit_kernels(kernels: Sampled) -> LimitKernels:
    scale = jnp.maximum(jnp.max(jnp.abs(kernels.nngp)), jnp.max(jnp.abs(kernels.ntk)))
    error = jnp.maximum(jnp.max(kernels.nngp_error), jnp.max(kernels.ntk_error))
    relative = jnp.maximum(scaled(error, scale), kernels.missed)
    return LimitKernels(kernels.nngp, kernels.ntk, Error(relative, "standard error"))


def _joined(program: Program, program_bar: Program) -> tuple[tuple[Program, ...], slice, slice]:
    """The programs, as one stack if they have the same structure, and the positions of their outputs in the kernels."""
    outputs = [len(p.data[0]) * p.instructions[p.output].shape[0] for p in (program, program_bar)]
    rows, columns = slice(0, outputs[0]), slice(outputs[0], sum(outputs))
    if all(a is b for a, b in zip(program.data, program_bar.data, strict=True)):
        return (program,), rows, rows
    if program.structure != program_bar.structure:
        return (program, program_bar), rows, columns
    data = (np.concatenate([a, b]) for a, b in zip(program.data, program_bar.data, strict=True))
    return (program.with_data(*data),), rows, columns


@bounded(static_argnames="assume_gia")
def _one_draw(
    programs: tuple[Program, ...], assume_gia: bool, normals: Float64[Array, "dimensions samples"]
) -> tuple[Float64[Array, "outputs outputs"], Float64[Array, "outputs outputs"], list[list[SampleStatistics]]]:
    both_passes = tuple(with_gradients(program, assume_gia) for program in programs)
    indices = tuple(_watched(program, assume_gia) for program in programs)
    z = VirtualNetwork(Table(normals))
    return sampled_kernels(both_passes, passes(programs[0]), z, watched=indices)
