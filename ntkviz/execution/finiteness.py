"""What has no finite value is refused: a division by zero, a batch too small to be normalised, an overflow."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from ..errors import NotFiniteError
from ..language import instructions as ops
from ..language.program import Program

FEWEST_ROWS = 4


def check_finite(values: Any, what: str) -> None:
    """Raise `NotFiniteError` if something calculated is infinite or NaN; `what` begins the sentence."""
    if isinstance(values, jax.core.Tracer):
        return  # a part of another calculation, which looks at its result itself
    if not np.isfinite(np.min(values)) or not np.isfinite(np.max(values)):  # both NaN if any is
        raise NotFiniteError(
            f"{what} is not a finite number for some inputs, as where a vector that is zero is normalised, where the "
            "rows that batchnorm normalises span fewer than three directions or are made equal by a saturated "
            "nonlinearity, where a nonlinearity grows so fast that its expectations cannot be bounded, or jumps at a "
            "parameter, or where numbers grow too large."
        )


def check_batches(program: Program) -> None:
    """Refuse batch normalisation of fewer than four rows below which something is trained.

    With B rows of independent Gaussians, 1/std² has a density near 0 whose mean is E 1/std² ∝ ∫ r^{B−2} r^{−2} dr:
    it is infinite for B ≤ 3, and it is a factor of the NTK (Yang et al. 2019, arXiv:1902.08129, ask for B ≥ 4 too).
    Networks of finite width then have an NTK, but one that grows without bound as more of them are averaged.
    """
    trained: list[bool] = []  # whether a value depends on a parameter that is
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
