"""Results about training: records of numbers, which need no JAX."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Trajectory(NamedTuple):
    """The outputs and kernels of an infinitely wide network during training, before each step and after the last.

    Attributes:
        train: Outputs f on the training inputs, `(steps + 1, train)`.
        test: Outputs on the test inputs, `(steps + 1, test)`; without test inputs, `(steps + 1, 0)`.
        features: The feature kernel Σ_p⟨x_p, x̄_p⟩/(nP) of the vectors that are read out, at P positions, between
            training inputs, `(steps + 1, train, train)`; `None` if the output is not a readout.
        ntk: The NTK Θ between training inputs, `(steps + 1, train, train)`.
    """

    train: np.ndarray
    test: np.ndarray
    features: np.ndarray | None
    ntk: np.ndarray


class FeatureLearning(NamedTuple):
    """The infinite-width limit of training: a `Trajectory`, and its error.

    Attributes:
        train: As of `Trajectory`.
        test: As of `Trajectory`.
        features: As of `Trajectory`.
        ntk: As of `Trajectory`.
        error: The standard error of each of these numbers, over 8 independent scrambles of the samples, so that their
            distance from the limit, divided by it, follows Student's t distribution with 7 degrees of freedom. The
            bias of samples is below half of it, where training is stable.
    """

    train: np.ndarray
    test: np.ndarray
    features: np.ndarray | None
    ntk: np.ndarray
    error: Trajectory
