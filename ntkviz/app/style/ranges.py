"""Stable ranges of axes: the same for all states that a reader compares, or changing only in a few clear jumps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def reaching(usual: tuple[float, float], values: Iterable[float]) -> list[float]:
    """The range of a logarithmic axis (powers of ten), extended by half decades if values lie outside the usual one."""
    exponents = 2 * np.log10([v for v in values if 0 < v < np.inf] or [1.0])
    low, high = np.floor(np.min(exponents)) / 2, np.ceil(np.max(exponents)) / 2
    return [float(min(usual[0], low)), float(max(usual[1], high))]


def round_up(number: float) -> float:
    """The next larger round number, so that an axis changes only in a few clear jumps."""
    scale = 10 ** np.floor(np.log10(number))
    return float(next(step * scale for step in (1, 1.5, 2, 3, 4, 6, 8, 10) if step * scale >= number * (1 - 1e-9)))


def round_range(values: Sequence[np.ndarray]) -> list[float]:
    """The range of a linear axis that includes zero, with round numbers a little beyond the values as its ends."""
    low, high = (float(extreme([0.0, *map(extreme, values)])) for extreme in (np.min, np.max))
    negligible = 1e-9 * (high - low)
    above, below = (round_up(1.06 * end) if end > negligible else 0.0 for end in (high, -low))
    room = 0.04 * (above + below)
    return [-max(below, room), max(above, room)]
