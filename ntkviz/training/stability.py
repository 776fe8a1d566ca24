"""Refuses training that diverges: by what happens to the outputs, not by the learning rate.

With a constant kernel Θ, gradient descent on a loss of curvature c diverges if η > 2/(c λ_max(Θ)). Where features move
this says little: a rate above the bound may shrink the kernel until it is stable, after the loss has risen for some
steps (the catapult of Lewkowycz et al. 2020, arXiv:2003.02218), and below the bound the kernel may grow until steps
overshoot. There the training of samples is chaotic, and the standard error says what is left of the limit.
"""

from __future__ import annotations

import numpy as np

from ..errors import DivergenceError, phrase
from .losses import CURVATURES, LOSSES
from .results import Trajectory
from .task import Task

LARGEST_GROWTH = 1e4
"""Of the loss: outputs that are a hundred times as far from their targets as at the start."""
LARGEST_SHARE = 1 / 3
"""Of a standard error in the outputs: a number of three standard errors can just be told from 0, with 8 scrambles."""


def check_stable(task: Task, found: Trajectory, error: Trajectory) -> None:
    """Raise `DivergenceError` if training diverges, or if the outputs are lost in their standard errors."""
    if not all(part is None or np.all(np.isfinite(part)) for part in (*found, *error)):
        raise DivergenceError(f"Training diverges until numbers overflow; {_advice(task, found)}.")
    losses = LOSSES[task.loss](found.train, task.targets)
    if losses[-1] > LARGEST_GROWTH * losses[0]:
        raise DivergenceError(
            f"Training diverges: after {task.steps} steps the loss is {losses[-1] / losses[0]:.1e} times that at the "
            f"start; {_advice(task, found)}."
        )
    outputs, errors = (np.abs(np.hstack([part.train, part.test])).max(axis=1) for part in (found, error))
    scale = np.maximum(outputs, np.abs(task.targets).max())
    lost = errors > LARGEST_SHARE * scale
    if lost[0]:
        raise DivergenceError(
            f"Before the first step the standard error of an output is {errors[0]:.2g}, a fluctuation divided by γ; "
            "make the richness larger."
        )
    if np.any(lost):
        step = int(np.argmax(lost))
        raise DivergenceError(
            f"After step {step} the standard error of an output is {errors[step]:.2g}, where the largest output is "
            f"{outputs[step]:.2g}, so that the limit cannot be told: training is chaotic; {_advice(task, found)}."
        )


def _advice(task: Task, found: Trajectory) -> str:
    """What to do."""
    roots = np.sqrt(task.weights)
    if not np.all(np.isfinite(found.ntk[0])):
        return phrase("make the learning rate smaller")
    largest = np.linalg.eigvalsh(roots[:, :, None] * found.ntk[0] * roots[:, None])[:, -1].max()
    bound = 2 / (CURVATURES[task.loss] * largest)
    if task.learning_rate > bound:
        return phrase(
            f"make the learning rate smaller than {bound:.2g}, the largest that is stable with the initial kernel"
        )
    return phrase(
        f"with the initial kernel it would be stable up to the learning rate {bound:.2g}, but the kernel changes, so "
        "make the learning rate or the richness smaller"
    )
