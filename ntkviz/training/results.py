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
        train: As in `Trajectory`.
        test: As in `Trajectory`.
        features: As in `Trajectory`.
        ntk: As in `Trajectory`.
        error: The standard error of each of these numbers, over independent scrambles of the samples.
    """

    train: np.ndarray
    test: np.ndarray
    features: np.ndarray | None
    ntk: np.ndarray
    error: Trajectory
