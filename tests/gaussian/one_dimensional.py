"""Gaussian expectations as one-dimensional integrals, sharing no formula with ntkviz.

E[φ(x) ψ(y)] = ∫ φ(x) E[ψ(y) | x] N(x): for each function its value and its mean under N(m, v).
Composite Gauss–Legendre is good to a few rounding errors; what cancels (the conditional variance
next to correlation ±1) is computed in exact fractions first.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from scipy.special import erf, ndtr

SLOPE = 0.3
"""The θ of leaky relu in all tests."""
_T, _W = np.polynomial.legendre.leggauss(24)


class Function(NamedTuple):
    value: Callable
    mean: Callable
    """E ψ(y) for y ~ N(m, v), v > 0."""


def npdf(x):
    return np.exp(-x * x / 2) / np.sqrt(2 * np.pi)


def _relu_mean(m, v):
    s = np.sqrt(v)
    return m * ndtr(m / s) + s * npdf(m / s)


def _step_mean(m, v):
    return ndtr(m / np.sqrt(v))


def _erf_mean(m, v):
    return erf(m / np.sqrt(1 + 2 * v))


def _bump_mean(m, v):
    return np.exp(-(m**2) / (1 + 2 * v)) / np.sqrt(1 + 2 * v)


def _gelu_mean(m, v):
    """∫ (m + √v z) Φ(m + √v z) N(z), integrated by parts once."""
    r = np.sqrt(1 + v)
    return m * ndtr(m / r) + v / r * npdf(m / r)


def _gelu_slope_mean(m, v):
    r = np.sqrt(1 + v)
    return ndtr(m / r) + npdf(m / r) * m / r**3


FUNCTIONS = {
    "identity": Function(lambda x: x, lambda m, v: m),
    "square": Function(lambda x: x**2, lambda m, v: m**2 + v),
    "cube": Function(lambda x: x**3, lambda m, v: m**3 + 3 * m * v),
    "step": Function(lambda x: 1.0 * (x > 0), _step_mean),
    "sign": Function(np.sign, lambda m, v: erf(m / np.sqrt(2 * v))),
    "relu": Function(lambda x: np.maximum(x, 0.0), _relu_mean),
    "abs": Function(np.abs, lambda m, v: _relu_mean(m, v) + _relu_mean(-m, v)),
    "leaky_relu": Function(
        lambda x: np.where(x > 0, x, SLOPE * x), lambda m, v: _relu_mean(m, v) - SLOPE * _relu_mean(-m, v)
    ),
    "leaky_step": Function(lambda x: np.where(x > 0, 1.0, SLOPE), lambda m, v: SLOPE + (1 - SLOPE) * _step_mean(m, v)),
    "erf": Function(erf, _erf_mean),
    "erf_slope": Function(
        lambda x: 2 / np.sqrt(np.pi) * np.exp(-x * x), lambda m, v: 2 / np.sqrt(np.pi) * _bump_mean(m, v)
    ),
    "erf_gate": Function(lambda x: (1 + erf(x)) / 2, lambda m, v: (1 + _erf_mean(m, v)) / 2),
    "erf_gate_slope": Function(
        lambda x: np.exp(-x * x) / np.sqrt(np.pi), lambda m, v: _bump_mean(m, v) / np.sqrt(np.pi)
    ),
    "sin": Function(np.sin, lambda m, v: np.sin(m) * np.exp(-v / 2)),
    "cos": Function(np.cos, lambda m, v: np.cos(m) * np.exp(-v / 2)),
    "minus_sin": Function(lambda x: -np.sin(x), lambda m, v: -np.sin(m) * np.exp(-v / 2)),
    "exp": Function(np.exp, lambda m, v: np.exp(m + v / 2)),
    "gelu": Function(lambda x: x * ndtr(x), _gelu_mean),
    "gelu_slope": Function(lambda x: ndtr(x) + x * npdf(x), _gelu_slope_mean),
}


def integral(integrand: Callable, breaks=()) -> float:
    """∫ integrand(z) N(z; 0, 1) dz on ±14 in panels of at most 1, with further ones at `breaks`."""
    ends = np.unique(np.clip(np.concatenate([np.arange(-14.0, 15.0), breaks]), -14, 14))
    middle, half = (ends[1:] + ends[:-1]) / 2, np.diff(ends) / 2
    z = (middle[:, None] + half[:, None] * _T).ravel()
    return float(integrand(z) * npdf(z) @ (half[:, None] * _W).ravel())


def single(phi: Function, kxx: float, mean: float = 0.0) -> float:
    if kxx == 0:
        return float(phi.value(np.float64(mean)))
    return integral(lambda z: phi.value(mean + np.sqrt(kxx) * z), [-mean / np.sqrt(kxx)])


def pair(phi: Function, psi: Function, kxx, kxy, kyy, mean_x=0.0, mean_y=0.0) -> float:
    if kyy == 0:
        return float(psi.value(np.float64(mean_y))) * single(phi, kxx, mean_x)
    if kxx == 0:
        return float(phi.value(np.float64(mean_x))) * single(psi, kyy, mean_y)
    s, slope = np.sqrt(kxx), kxy / np.sqrt(kxx)
    rest = float(max(Fraction(kyy) - Fraction(kxy) ** 2 / Fraction(kxx), Fraction(0)))
    turning, width = (-mean_y / slope, np.sqrt(rest) / abs(slope)) if slope else (0.0, 1.0)
    breaks = np.concatenate([[-mean_x / s], turning + width * np.linspace(-9, 9, 19)])

    def integrand(z):
        m = mean_y + slope * z
        return phi.value(mean_x + s * z) * (psi.mean(m, rest) if rest > 0 else psi.value(m))

    return integral(integrand, breaks)


def norm(name: str, kxx: float, mean: float = 0.0) -> float:
    """√E φ², by which Cauchy–Schwarz bounds the expectation of a pair."""
    value = FUNCTIONS[name].value
    return np.sqrt(single(FUNCTIONS[name]._replace(value=lambda x: value(x) ** 2), kxx, mean))
