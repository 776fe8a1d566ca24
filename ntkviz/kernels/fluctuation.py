"""How wide is wide enough: the constant c in |Θ_n − Θ| ≈ c/√n of any architecture, without drawing a network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..calculus.general import check_differentiable
from ..calculus.influence import Influence, Kernel, influence, pairs_of
from ..calculus.virtual import Stacks
from ..errors import NotFiniteError
from ..execution.finiteness import check_batches, check_finite
from ..language import instructions as ops
from ..language.architecture import Architecture, number, one_of
from ..language.program import Program
from .constants import scalars_of_stack
from .results import Fluctuation, RequiredWidth

MOST_ENTRIES = 36
"""Of a kernel whose covariance is calculated; of a larger one fields are drawn."""
FEWEST_ROWS = 6
LARGEST_ERROR = 0.1
"""Of c, relatively; that of tame networks is a hundredth. Numerical choices must not change c by more either."""
SMALLEST_SHARE = 0.3
"""Of the variance, that all but a thousandth of the samples must make. If few samples make nearly all of it, they are
hardly ever met, and errors say nothing. It is 0.96 for relu networks, 0.5 for cubes, 0.4 with batchnorm over six rows,
0.2 for exp ∘ exp."""


def fluctuation(arch: Architecture, x: Any, *, kernel: Kernel = "ntk") -> Fluctuation:
    """How far the kernel of a random network of width n is from its limit: c/√n, with the field that is behind c.

    Holds to leading order in 1/√n. Changing hyper-parameters of the same architecture compiles nothing new.

    Source: the infinitesimal jackknife (Efron 1982) of the Z calculus of Tensor Programs III (arXiv:2009.10685), which
    on n samples has the law of a network of width n. For relu networks Hanin and Nica 2019 (arXiv:1909.05989) have
    moments of Θ_n in closed form.

    Args:
        arch: An architecture.
        x: A batch of inputs, an array or a list.
        kernel: `"ntk"`, or `"nngp"` for the covariance of f given its last hidden layer, (σ²/n) Σ_α x_α x̄_α. Of an
            output that fails the Simple GIA Check, they are what `infinite_ntk` has the limits of.

    Returns:
        The constant with its standard error; the covariance of all entries, or draws of the field.

    Raises:
        NotFiniteError: The variance of entries times n has no finite limit, as with batch normalisation of fewer than
            six rows; or it cannot be told, as samples or numerical choices disagree; or the limit itself is zero or
            not finite.
        NotIntegrableError: A nonlinearity jumps, or its kinks cannot be found.
        NtkvizError: Whatever else `infinite_ntk` raises.
    """
    one_of(kernel, "The kernel", ("ntk", "nngp"))
    stacks = Stacks.of(arch, x)
    for program in stacks.programs:
        check_batches(program)
        _check_tails(program)
        check_differentiable(program)
    size = len(stacks.order)
    found = influence(stacks.programs, kernel, _limits(stacks), covariance=size * (size + 1) // 2 <= MOST_ENTRIES)
    check_finite(found.kernels, "The limit")
    norms = np.linalg.norm(found.kernels, axis=(1, 2))
    if not np.all(norms):
        raise NotFiniteError("The limit is zero, so deviations relative to it are infinite.")
    constants = _mean_norms(found) / norms  # of one scramble both, for their errors have the same sign
    check_finite(constants, "The fluctuation")
    c, error = float(constants.mean()), float(constants.std(ddof=1) / len(constants) ** 0.5)
    if error > LARGEST_ERROR * c or found.shares.mean() < SMALLEST_SHARE:
        raise NotFiniteError(
            "The variance of this kernel at width n differs so much between sets of samples that it may be infinite, "
            "so the 1/√n law cannot be told to hold; use nonlinearities that grow less, or normalise over more rows."
        )
    assert found.coarser is not None
    coarser = _mean_norms(found.coarser) / norms[: len(found.coarser.kernels)]
    if not abs(coarser.mean() - constants[: len(coarser)].mean()) <= LARGEST_ERROR * c:
        raise NotFiniteError(
            "The fluctuation of this kernel depends on whether vectors that are nearly dependent count as dependent, "
            "so it cannot be told; leave out inputs or tokens that nearly repeat others, or make them equal."
        )
    if found.covariances is None:
        draws = found.draws.reshape(-1, size, size)
        return Fluctuation(c, error, None, draws[:, stacks.order][:, :, stacks.order], None)
    assert found.influences is not None
    where, order = _places(size), np.ix_(stacks.order, stacks.order)
    covariance = found.covariances.mean(0)[where[:, :, None, None], where][np.ix_(*4 * (stacks.order,))]
    influences = found.influences.T[:, where[order]]
    return Fluctuation(c, error, covariance, _drawn(covariance), influences)


def width_for(arch: Architecture, x: Any, *, relative: float = 0.01, kernel: Kernel = "ntk") -> RequiredWidth:
    """The width at which random networks are, on average, as near to their limit as is asked: n = (c/relative)².

    Source: as of `fluctuation`.

    Args:
        arch: An architecture.
        x: A batch of inputs, an array or a list.
        relative: E‖Θ_n − Θ‖_F / ‖Θ‖_F, greater than 0. To leading order: for a few per cent or less.
        kernel: As of `fluctuation`.

    Returns:
        The width n, and its standard error.

    Raises:
        HyperparameterError: `relative` is not a number greater than 0.
        NtkvizError: Whatever else `fluctuation` raises.
    """
    wanted = float(number(relative, "relative", above=0))
    found = fluctuation(arch, x, kernel=kernel)
    width = (found.c / wanted) ** 2
    return RequiredWidth(max(1, math.ceil(width)), 2 * width * found.error / found.c if found.c else 0.0)


def _limits(stacks: Stacks) -> Any:
    limits = [scalars_of_stack(program) for program in stacks.programs]
    return None if any(known is None for known in limits) else tuple(limits)


def _check_tails(program: Program) -> None:
    """Refuse batch normalisation of so few rows that the NTK has no variance to speak of.

    The influence of a coordinate grows like 1/std² of its rows. With B rows std has a density like r^{B−2} near 0, so
    the variance of the influence is like ∫ r^{B−2} r^{−4} dr: infinite for B ≤ 5.
    """
    for instruction in program.instructions:
        op = instruction.op
        if isinstance(op, ops.BatchNorm) and instruction.shape[op.axis] < FEWEST_ROWS:
            raise NotFiniteError(
                f"With batchnorm over {instruction.shape[op.axis]} rows the NTK of wide networks has no variance that "
                f"falls like 1/n, so the 1/√n law does not hold; give it {FEWEST_ROWS} rows or more."
            )


# --- from covariances ----------------------------------------------------------------------------------


def _mean_norms(found: Influence) -> np.ndarray:
    """E‖G‖_F of the field, for each scramble."""
    if found.covariances is None:
        return np.asarray(np.linalg.norm(found.draws, axis=(-2, -1)).mean(-1))
    rows, columns = pairs_of(found.kernels.shape[-1])
    times = np.where(rows == columns, 1.0, 2.0) ** 0.5  # an entry beside the diagonal is there twice
    return np.array([mean_norm(np.linalg.eigvalsh(v * times[:, None] * times)) for v in found.covariances])


def mean_norm(eigenvalues: np.ndarray) -> float:
    """E √(Σ λ_k g_k²) of independent standard normals g_k.

    By √q = (1/2√π) ∫₀^∞ (1 − e^{−qt}) t^{−3/2} dt and E e^{−λg²t} = (1 + 2λt)^{−1/2}; the trapezoidal rule in log t
    converges exponentially.
    """
    total = np.sum(np.maximum(eigenvalues, 0.0))
    if not total > 0:
        return float(total)
    log_t = np.arange(-70.0, 70.0, 0.1)
    logs = -0.5 * np.log1p(2 * np.exp(log_t)[:, None] * np.maximum(eigenvalues, 0.0) / total).sum(-1)
    integral = np.sum(-np.expm1(logs) * np.exp(-log_t / 2)) * 0.1
    return float(total**0.5 * integral / (2 * math.pi**0.5))


def _places(size: int) -> np.ndarray:
    """Where each entry of a symmetric matrix is among those of `pairs_of`."""
    rows, columns = pairs_of(size)
    where = np.empty((size, size), int)
    where[rows, columns] = where[columns, rows] = np.arange(len(rows))
    return where


def _drawn(covariance: np.ndarray) -> np.ndarray:
    size = len(covariance)
    eigenvalues, vectors = np.linalg.eigh(covariance.reshape(size**2, size**2))
    roots = vectors * np.sqrt(np.maximum(eigenvalues, 0))
    fields = (np.random.default_rng(0).standard_normal((256, size**2)) @ roots.T).reshape(-1, size, size)
    return np.asarray((fields + fields.swapaxes(1, 2)) / 2)
