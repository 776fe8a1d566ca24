"""Convergence to a limit: relative distances, the slope of a power law, and a predicted law, with standard errors."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


def relative_frobenius(sample: np.ndarray, limit: np.ndarray) -> float:
    """‖sample − limit‖_F / ‖limit‖_F of two matrices of one shape."""
    return float(np.linalg.norm(sample - limit) / np.linalg.norm(limit))


class Slope(NamedTuple):
    """The measured exponent of a power law.

    Attributes:
        value: The slope of log mean against log size; NaN if undefined.
        error: Its standard error; NaN where it is not known.
    """

    value: float
    error: float

    def agrees_with(self, exponent: float) -> bool:
        """Whether an exponent is within two standard errors.

        Args:
            exponent: The expected exponent.

        Returns:
            `True` if it is; `False` if the error is unknown.
        """
        return abs(self.value - exponent) <= 2 * self.error + 1e-9  # rounding, where all samples are equal


def log_log_slope(samples: Mapping[int, Sequence[float]]) -> Slope:
    """The slope of log(mean of the samples) against log(size), by least squares with equal weights.

    The slope is Σ w log(mean), with w = (x − x̄)/Σ(x − x̄)² and x the logarithms of the sizes. The samples are taken
    to be independent, so its variance is Σ w² (standard error of the mean / mean)², to first order. This measures how
    much the slope would vary with other samples, not whether the means lie on a line.

    Args:
        samples: The measurements at each size, positive numbers.

    Returns:
        The slope and its standard error. The slope is NaN for fewer than two sizes or if a mean is not positive, the
        error also if a size has a single sample.
    """
    sizes = sorted(size for size, values in samples.items() if len(values))
    means = np.array([np.mean(samples[size]) for size in sizes])
    if len(sizes) < 2 or not np.all(means > 0):
        return Slope(np.nan, np.nan)
    x = np.log(sizes)
    weights = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    errors = np.array([standard_error(samples[size]) for size in sizes]) / means
    return Slope(float(weights @ np.log(means)), float(np.linalg.norm(weights * errors)))


class Ratio(NamedTuple):
    """Measured distances over predicted ones.

    Attributes:
        value: Their mean; NaN without measurements.
        error: Its standard error; NaN where it is not known.
        freedom: The degrees of freedom of that error.
    """

    value: float
    error: float
    freedom: float

    def chance(self, off: float) -> float:
        """The probability that chance alone moves the mean at least this far from its expectation, by Student's t.

        Args:
            off: A distance, at least 0.

        Returns:
            A probability, between 0 and 1; NaN if the error is unknown.
        """
        if not self.error:
            return float(off < 1e-9)  # rounding, where all measurements are equal
        return two_sided_t(off / self.error, self.freedom)


def over_predicted(distances: Mapping[tuple[int, int], float], c: float, error: float) -> Ratio:
    """The mean of d/(c/√n) over networks.

    Networks of one seed share random numbers at all widths, so the mean over them counts as one measurement.

    Args:
        distances: d of each network, by width n and seed.
        c: The constant of the 1/√n law, greater than 0.
        error: Its standard error.

    Returns:
        The ratio and its standard error, which includes that of `c`. The error of `c` is taken to be known exactly; the
        degrees of freedom are those of Welch and Satterthwaite.
    """
    by_seed: dict[int, list[float]] = {}
    for (width, seed), distance in distances.items():
        by_seed.setdefault(seed, []).append(distance * width**0.5 / c)
    ratios = [float(np.mean(of_seed)) for of_seed in by_seed.values()]
    value = float(np.mean(ratios)) if ratios else np.nan
    measured, total = standard_error(ratios), float(np.hypot(standard_error(ratios), value * error / c))
    freedom = (len(ratios) - 1) * (total / measured) ** 4 if measured else math.inf
    return Ratio(value, total, freedom)


def two_sided_t(t: float, freedom: float) -> float:
    """P(|T| > t) for Student's t distribution, computed without SciPy, which is slow to import.

    With T = √ν tan θ the density of θ is proportional to cos^(ν−1) θ.

    Args:
        t: At least 0.
        freedom: The degrees of freedom ν, at least 1.

    Returns:
        The probability, to six decimal places; that of a normal variable for ν > 1000.
    """
    if freedom > 1000:
        return math.erfc(t / math.sqrt(2))
    x, weights = _nodes_and_weights()
    end = math.atan(t / math.sqrt(freedom))
    inside = end / 2 * float(weights @ np.cos(end * (x + 1) / 2) ** (freedom - 1))
    whole = math.sqrt(math.pi) / 2 * math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom + 1) / 2))
    return 1 - min(inside / whole, 1.0)


@functools.cache
def _nodes_and_weights() -> tuple[np.ndarray, np.ndarray]:
    """Those of Gauss and Legendre on [−1, 1], whose computation takes longer than their use."""
    return np.polynomial.legendre.leggauss(100)


def standard_error(values: Sequence[float]) -> float:
    """The standard error of the mean of independent values; NaN for fewer than two."""
    return float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else np.nan
