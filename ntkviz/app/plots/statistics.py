"""The normal law, smoothed samples and the spread of networks, without SciPy, which is slow to import."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def density(x: Any, mean: Any = 0.0, std: Any = 1.0) -> np.ndarray:
    """The density of N(mean, std²) at `x`."""
    z = (np.asarray(x) - mean) / std
    return np.asarray(np.exp(-(z**2) / 2) / (std * math.sqrt(2 * math.pi)))


def probability(below: Any, std: float = 1.0) -> np.ndarray:
    """P(Z < below) for Z ~ N(0, std²)."""
    z = np.asarray(below) / (std * math.sqrt(2))
    return np.asarray(np.vectorize(math.erfc, otypes=[float])(-z) / 2)


def smoothed(samples: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A kernel density estimate at `x` from samples `(n,)`, with Gaussians of Scott's bandwidth, n^(−1/5) std."""
    width = np.std(samples, ddof=1) * len(samples) ** -0.2
    return np.asarray(density(np.asarray(x)[:, None], samples, width).mean(axis=1))


def network_spread(networks: Sequence[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, `(count,)`, of the networks: NaN where there are fewer than one, or than two."""
    unknown = np.full(count, np.nan)
    mean = np.mean(networks, axis=0) if networks else unknown
    return mean, np.std(networks, axis=0, ddof=1) if len(networks) > 1 else unknown
