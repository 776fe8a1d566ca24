"""How wide is wide enough: the constant c in ‖Θ_n − Θ‖/‖Θ‖ ≈ c/√n of any architecture, without sampling networks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..calculus.general import check_differentiable
from ..calculus.influence import Influence, Kernel, influence, pairs_of
from ..calculus.virtual import Stacks
from ..errors import NotFiniteError, phrase
from ..execution.finiteness import check_batches, check_finite
from ..language import instructions as ops
from ..language.architecture import Architecture, number, one_of
from ..language.program import Program
from .constants import scalars_of_stack
from .results import Fluctuation, RequiredWidth

MOST_ENTRIES = 36
"""The largest number of entries of a kernel whose covariance is computed; of a larger kernel, fields are drawn."""
FEWEST_ROWS = 6
LARGEST_ERROR = 0.1
"""The largest relative error of c; that of well-behaved networks is 0.01. Numerical choices must not change c by more
either."""
SMALLEST_SHARE = 0.3
"""The smallest share of the variance that must be due to all but a thousandth of the samples.

If nearly all of it is due to rare samples, most sets of samples miss them, and the error means nothing. The share is
0.96 for relu networks, 0.5 for cubes, 0.4 with batchnorm over six rows, 0.2 for exp ∘ exp.
"""


def fluctuation(arch: Architecture, x: Any, *, kernel: Kernel = "ntk") -> Fluctuation:
    """How far the kernel of a random network of width n is from its limit: c/√n, and the Gaussian field behind c.

    It holds to leading order in 1/√n. Changing hyper-parameters of the same architecture does not recompile.

    Source: the infinitesimal jackknife (Efron 1982) of the Z calculus of Tensor Programs III (arXiv:2009.10685), which
    on n samples has the law of a network of width n. For relu networks Hanin and Nica 2019 (arXiv:1909.05989) have
    moments of Θ_n in closed form.

    Args:
        arch: An architecture.
        x: A batch of inputs, an array or a list.
        kernel: `"ntk"`, or `"nngp"` for the covariance of f given its last hidden layer, (σ²/n) Σ_α x_α x̄_α. For an
            output that fails the Simple GIA Check, they are the kernels whose limits `infinite_ntk` gives.

    Returns:
        The constant with its standard error, and the covariance of all entries, or draws of the field.

    Raises:
        NotFiniteError: The variance of entries times n has no finite limit, as with batch normalisation of fewer than
            six rows; or it cannot be determined, because samples or numerical choices disagree; or the limit itself is
            zero or not finite.
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
    check_finite(found.kernels, phrase("The limit"))
    norms = np.linalg.norm(found.kernels, axis=(1, 2))
    if not np.all(norms):
        raise NotFiniteError("The limit is zero, so deviations relative to it are infinite.")
    constants = _mean_norms(found) / norms  # both from one scramble, whose errors have the same sign and partly cancel
    check_finite(constants, phrase("The fluctuation"))
    c, error = float(constants.mean()), float(constants.std(ddof=1) / len(constants) ** 0.5)
    if error > LARGEST_ERROR * c or found.shares.mean() < SMALLEST_SHARE:
        raise NotFiniteError(
            "The variance of this kernel at width n differs so much between sets of samples that it may be infinite, "
            "so it is uncertain whether the 1/√n law holds; use nonlinearities that grow more slowly, or normalise "
            "over more rows."
        )
    assert found.coarser is not None
    coarser = _mean_norms(found.coarser) / norms[: len(found.coarser.kernels)]
    if not abs(coarser.mean() - constants[: len(coarser)].mean()) <= LARGEST_ERROR * c:
        raise NotFiniteError(
            "The fluctuation of this kernel depends on whether vectors that are nearly dependent count as dependent, "
            "so it cannot be determined; leave out inputs or tokens that nearly repeat others, or make them equal."
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
    """The width at which the average distance of random networks from their limit is `relative`: n = (c/relative)².

    Source: that of `fluctuation`.

    Args:
        arch: An architecture.
        x: A batch of inputs, an array or a list.
        relative: E‖Θ_n − Θ‖_F / ‖Θ‖_F, greater than 0; at most a few per cent, as the law holds to leading order.
        kernel: That of `fluctuation`.

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
    """Refuse batch normalisation of so few rows that the influences have no finite variance.

    The influence of a coordinate grows like 1/std² of its rows. With B rows the density of r = std near 0 is like
    r^{B−2}, so the variance of the influence is like ∫ r^{B−2} r^{−4} dr, which is infinite for B ≤ 5.
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
    """E‖G‖_F of the field G, for each scramble."""
    if found.covariances is None:
        return np.asarray(np.linalg.norm(found.draws, axis=(-2, -1)).mean(-1))
    rows, columns = pairs_of(found.kernels.shape[-1])
    times = np.where(rows == columns, 1.0, 2.0) ** 0.5  # an entry off the diagonal occurs twice
    return np.array([mean_norm(np.linalg.eigvalsh(v * times[:, None] * times)) for v in found.covariances])


def mean_norm(eigenvalues: np.ndarray) -> float:
    """E √(Σ λ_k g_k²) for independent standard normals g_k.

    It follows from √q = (1/2√π) ∫₀^∞ (1 − e^{−qt}) t^{−3/2} dt and E e^{−λg²t} = (1 + 2λt)^{−1/2}, by the trapezoidal
    rule in log t, which converges exponentially.
    """
    total = np.sum(np.maximum(eigenvalues, 0.0))
    if not total > 0:
        return float(total)
    log_t = np.arange(-70.0, 70.0, 0.1)
    logs = -0.5 * np.log1p(2 * np.exp(log_t)[:, None] * np.maximum(eigenvalues, 0.0) / total).sum(-1)
    integral = np.sum(-np.expm1(logs) * np.exp(-log_t / 2)) * 0.1
    return float(total**0.5 * integral / (2 * math.pi**0.5))


def _places(size: int) -> np.ndarray:
    """The position of each entry of a symmetric matrix among those of `pairs_of`."""
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
