"""Checks that samples do not miss features of a program's functions that are narrower than their spacing.

A standard error is computed from the samples themselves, so it does not include what they miss. But for a function φ of
Gaussian vectors, E φ² has a certified bound (`ntkviz.gaussian.certified.boxes`). If samples miss a part b of φ, their
second moment is too small by E b². By the Cauchy–Schwarz inequality, the product of two missed parts changes an entry
of a kernel by at most √(E b² E b̄²), and the product of b with the rest of φ̄ by at most √(E b² E[φ̄² 1]), where 1 is
the indicator of the few points without samples nearby. So the difference of the second moments is reported as an error,
and a difference that is too large to be due to chance is refused.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import NotIntegrableError
from ..gaussian.certified.boxes import Law, has_jump, second_moment
from ..gaussian.certified.enclosures import Traced, traced
from ..language import instructions as ops
from ..language.gradients.instructions import Slope
from ..language.nonlinearities import nonlinearity as nonlinearities
from ..language.nonlinearities.nonlinearity import Nonlinearity, multiply
from ..language.program import Program
from .gaussianity import form

AIM, TOLERANCE = 1e-4, 1e-3
"""The relative error of E φ²: the one that is aimed at, and the largest that suffices, given that of samples."""
MOST_DEVIATIONS = 5.0


class SampleStatistics(NamedTuple):
    """The statistics of samples for one instruction φ(x; θ): means and covariances of x, θ, and the mean of φ²."""

    mean: Array
    covariance: Array
    theta: tuple[Array, ...]
    square: Array


@functools.lru_cache(maxsize=256)
def watched(structure: Program) -> tuple[int, ...]:
    """The indices of the instructions that apply an author's function to Gaussian vectors.

    Raises `NotIntegrableError` if a function of several vectors is applied to a non-Gaussian one, whose law is unknown.
    """
    gaussian = form(structure).gaussian
    return tuple(_watched(structure, gaussian))


def _watched(structure: Program, gaussian: frozenset[int]) -> Iterator[int]:
    for index, instruction in enumerate(structure.instructions):
        if not isinstance(instruction.op, ops.Nonlin) or _has_no_narrow_features(_origin(instruction.op)):
            continue
        phi = instruction.op.phi
        if all(a in gaussian for a in instruction.args[: phi.arity]):
            yield index
        elif phi.arity > 1:
            raise NotIntegrableError(
                f"{_origin(instruction.op).name} takes several vectors of which one is not Gaussian, so it cannot be "
                "checked whether samples miss a part of it; write it as a function of the Gaussian vectors W @ x below."
            )


def _origin(op: ops.Nonlin) -> Nonlinearity:
    return op.of if isinstance(op, Slope) else op.phi


def _has_no_narrow_features(phi: Nonlinearity) -> bool:
    """Whether a function is built-in, and so has no narrow features, or a polynomial."""
    return phi is multiply or bool(phi.coefficients) or getattr(nonlinearities, phi.name, None) is phi


def sample_statistics(program: Program, indices: Sequence[int], values: list[Array]) -> list[SampleStatistics]:
    """The statistics of samples for some instructions, arrays `(stack, *leading, …)` each."""

    def of(index: int) -> SampleStatistics:
        instruction, value = program.instructions[index], values[index]
        arity = instruction.op.phi.arity  # type: ignore[attr-defined]
        args = [values[a] for a in instruction.args]
        lead = value.shape[:-1]
        x = jnp.stack([_placed(v, value.ndim) + jnp.zeros(value.shape) for v in args[:arity]], axis=-2)
        mean = x.mean(axis=-1)
        covariance = jnp.einsum("...iz,...jz->...ij", x, x) / x.shape[-1] - mean[..., :, None] * mean[..., None, :]
        theta = tuple(jnp.broadcast_to(_placed(t, value.ndim - 1), lead) for t in args[arity:])
        return SampleStatistics(mean, covariance, theta, (value**2).mean(axis=-1))

    return [of(index) for index in indices]


def _placed(value: Array, axes: int) -> Array:
    """A value with axes of length 1 inserted after its stack axis, so that the others broadcast from the right."""
    return value.reshape(value.shape[0], *(1,) * (axes - value.ndim), *value.shape[1:])


def check_second_moments(
    program: Program, indices: Sequence[int], draws: Sequence[Sequence[SampleStatistics]]
) -> float:
    """The largest relative difference between second moments from samples and certified ones.

    Args:
        program: The program.
        indices: The indices of the instructions to be checked.
        draws: The statistics of each of them, in independent draws.

    Returns:
        The difference, relative to the certified second moment.

    Raises:
        NotIntegrableError: Samples miss a part of a function, or its second moment cannot be bounded.
    """
    return max((_check(program.instructions[p].op, [d[k] for d in draws]) for k, p in enumerate(indices)), default=0.0)


def _check(op: Any, draws: list[SampleStatistics]) -> float:
    mean, covariance, *theta = (
        np.mean([np.asarray(part) for part in parts], axis=0)
        for parts in zip(*((d.mean, d.covariance, *d.theta) for d in draws), strict=True)
    )
    squares = np.array([np.asarray(d.square) for d in draws])
    deviation = squares.std(axis=0, ddof=1) / len(draws) ** 0.5
    far = 0.0
    for at in np.ndindex(*squares.shape[1:]):
        law, numbers = Law.of(mean[at], covariance[at]), tuple(float(t[at]) for t in theta)
        far = max(far, _check_one(op, law, numbers, squares.mean(axis=0)[at], deviation[at]))
    return far


def _check_one(op: Any, law: Law, theta: tuple[float, ...], square: float, deviation: float) -> float:
    phi = _origin(op)
    if isinstance(op, Slope) and _jumps(phi, law, theta):
        raise NotIntegrableError(
            f"{phi.name} jumps, so its derivative is not a function and there is no NTK; use a continuous nonlinearity."
        )
    value, error = second_moment(_traced(op.phi, len(theta)), law, theta, AIM)
    if not error <= TOLERANCE * value:
        raise NotIntegrableError(
            f"The second moment of {op.phi.name} cannot be bounded, so it cannot be checked whether samples miss a "
            "part of it; write it as a sum of products of functions of one linear combination each, or without narrow "
            "features."
        )
    if abs(square - value) > max(MOST_DEVIATIONS * deviation + error, TOLERANCE * value):
        raise NotIntegrableError(
            f"Samples miss a part of {op.phi.name}: its second moment is {value:.4g}, but theirs is {square:.4g}; "
            "write it as a sum of products of functions of one linear combination each, or without narrow features."
        )
    return (abs(square - value) + error) / value if value else 0.0


@functools.lru_cache(maxsize=256)
def _traced(phi: Nonlinearity, parameters: int) -> Traced:
    return traced(phi.fn, phi.arity - 1 + parameters)


def _jumps(phi: Nonlinearity, law: Law, theta: tuple[float, ...]) -> bool:
    return has_jump(_traced(phi, len(theta)), law, theta)
