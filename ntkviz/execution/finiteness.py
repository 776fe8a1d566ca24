"""Refuses results that are not finite: divisions by zero, batches too small to be normalised, overflows."""

from __future__ import annotations

import functools
from typing import Any

import jax
import numpy as np

from ..errors import NotFiniteError
from ..language import instructions as ops
from ..language.program import Program

FEWEST_ROWS = 4


def check_finite(values: Any, what: str) -> None:
    """Raise `NotFiniteError` if a result is infinite or NaN; `what` is the subject of the error message."""
    if isinstance(values, jax.core.Tracer):
        return  # part of another computation, which checks its own result
    if not np.isfinite(np.min(values)) or not np.isfinite(np.max(values)):  # both are NaN if any entry is NaN
        raise NotFiniteError(
            f"{what} is not a finite number for some inputs, as when a zero vector is normalised, when the rows that "
            "batchnorm normalises span fewer than three directions or are made equal by a saturated nonlinearity, when "
            "a nonlinearity grows so fast that its expectations cannot be bounded or jumps at a parameter, or when "
            "numbers overflow; change the inputs or the hyper-parameters."
        )


def check_batches(program: Program) -> None:
    """Refuse batch normalisation of fewer than four rows if a parameter below it is trained.

    For B rows of independent Gaussians, the density of r = std near 0 is proportional to r^{B−2}, so that
    E 1/std² ∝ ∫ r^{B−2} r^{−2} dr, a factor of the NTK, is infinite for B ≤ 3 (Yang et al. 2019, arXiv:1902.08129, also
    require B ≥ 4). Each network of finite width has an NTK, but its average over networks is infinite.
    """
    _check_batches(program.structure)


@functools.lru_cache(maxsize=512)
def _check_batches(program: Program) -> None:
    trained: list[bool] = []  # whether a value depends on a trained parameter
    for instruction in program.instructions:
        op, below = instruction.op, any(trained[a] for a in instruction.args)
        if isinstance(op, ops.BatchNorm) and below and instruction.shape[op.axis] < FEWEST_ROWS:
            raise NotFiniteError(
                f"The NTK of batchnorm over {instruction.shape[op.axis]} rows is infinite; give it "
                f"{FEWEST_ROWS} rows or more."
            )
        if isinstance(op, ops.Source):
            below = below or program.parameters[op.parameter].trainable
        if isinstance(op, ops.Repeat):
            check_batches(op.body)
        trained.append(below or isinstance(op, ops.Carry | ops.Repeat))
