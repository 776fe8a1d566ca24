"""Losses of training with a fixed kernel, given by their derivative χ = ∂L/∂f, in NumPy alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError
from ..language.architecture import one_of


def _cross_entropy_slope(f: np.ndarray, y: np.ndarray) -> np.ndarray:
    grown = np.exp(f - f.max(axis=-1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=-1, keepdims=True) - y)


_SLOPES: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "squared": lambda f, y: f - y,
    "logistic": lambda f, y: -y * np.exp(-np.logaddexp(0.0, y * f)),
    "cross-entropy": _cross_entropy_slope,
}


def slope_of(loss: Any, y: np.ndarray) -> Callable[[np.ndarray, np.ndarray], Any]:
    """χ = ∂L/∂f of a loss, as a function of outputs and targets.

    Args:
        loss: "squared", "logistic", "cross-entropy", or χ itself.
        y: The targets, `(train,)` or `(train, outputs)`.

    Returns:
        The function.

    Raises:
        HyperparameterError: The loss is unknown.
        InputError: The targets do not fit it.
    """
    if callable(loss):
        made: Callable[[np.ndarray, np.ndarray], Any] = loss
        return made
    name = one_of(loss, "loss", tuple(_SLOPES))
    if name == "logistic" and not np.all(np.abs(y) == 1):
        raise InputError("The logistic loss takes targets ±1; y_train has others.")
    if name == "cross-entropy" and (y.ndim < 2 or np.any(y < 0) or not np.allclose(y.sum(axis=-1), 1)):
        raise InputError(
            "The cross-entropy takes targets (train, classes) ≥ 0 whose rows sum to 1; y_train has others."
        )
    return _SLOPES[name]
