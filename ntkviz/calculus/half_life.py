"""How fast a recurrent network forgets: the half-life of the distance between its states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..language.architecture import check_data


class Tail(NamedTuple):
    """An exponential fitted to the end of a distance: log distance ≈ height + slope·step, steps counted from 0."""

    steps: np.ndarray
    slope: float
    height: float


FLOOR = 1e-3
"""Distances below this fraction of the first are rounding and sampling errors."""


def tail(distance: Sequence[float] | np.ndarray) -> Tail:
    """Fit a line to the log of a distance, over the second half of the steps before it falls below `FLOOR`."""
    [distances] = check_data(distance, "distance")
    if distances.ndim != 1:
        raise InputError(f"distance has shape {distances.shape}; it must be a list of numbers.")
    gone = (distances < FLOOR * distances[0]) | (distances == 0)
    count = int(np.argmax(gone)) if gone.any() else len(distances)
    if count < 2:
        return Tail(np.arange(0), -np.inf, 0.0)
    steps = np.arange(min(count // 2, count - 2), count)
    slope, height = np.polyfit(steps, np.log(distances[steps]), 1)
    return Tail(steps, float(slope), float(height))


def half_life(distance: Sequence[float] | np.ndarray) -> float:
    """The number of steps in which a distance halves, from its `tail`.

    Args:
        distance: A distance ≥ 0 at each step, `(T,)`.

    Returns:
        The number of steps; infinite if the distance does not fade, 0 if it vanishes at once.

    Raises:
        InputError: `distance` is not a list of finite numbers.
    """
    slope = tail(distance).slope
    return float(-np.log(2) / slope) if slope < 0 else float("inf")
