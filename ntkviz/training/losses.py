"""Losses of one output, given by their derivative χ = ∂L/∂f, which is all that training uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Real

from ..errors import InputError
from ..language.architecture import one_of
from ..language.lazy_jax import jax


def squared_slope(f: Any, y: Any, weight: Any) -> Any:
    """χ = w (f − y), for L = w ½(f − y)²."""
    return weight * (f - y)


def logistic_slope(f: Any, y: Any, weight: Any) -> Any:
    """χ = −w y/(1 + e^{yf}), for L = w log(1 + e^{−yf}) with y = ±1."""
    return -weight * y * jax.nn.sigmoid(-y * f)


def squared(f: Real[np.ndarray, "*times train"], y: Real[np.ndarray, "train"]) -> Real[np.ndarray, "*times"]:
    """Σ ½(f − y)²."""
    found: np.ndarray = 0.5 * ((f - y) ** 2).sum(axis=-1)
    return found


def logistic(f: Real[np.ndarray, "*times train"], y: Real[np.ndarray, "train"]) -> Real[np.ndarray, "*times"]:
    """Σ log(1 + e^{−yf})."""
    found: np.ndarray = np.logaddexp(0.0, -y * f).sum(axis=-1)
    return found


SLOPES: Mapping[str, Callable[[Any, Any, Any], Any]] = {"squared": squared_slope, "logistic": logistic_slope}
"""χ of each loss, as a function of `(outputs f, targets y, weights w of the examples)`."""

LOSSES: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {"squared": squared, "logistic": logistic}
"""The sum of each loss over the examples, without weights."""
CURVATURES: Mapping[str, float] = {"squared": 1.0, "logistic": 0.25}
"""The largest second derivative of each loss in f."""


def check_loss(loss: Any, targets: Real[np.ndarray, "train"]) -> str:
    """The name of a loss; raises `HyperparameterError` for an unknown one, `InputError` for targets unfit for it."""
    name = one_of(loss, "The loss", tuple(SLOPES))
    if name == "logistic" and not np.all(np.abs(targets) == 1):
        raise InputError("The logistic loss takes targets ±1, but y has others; give 1 and −1, or use loss='squared'.")
    return name
