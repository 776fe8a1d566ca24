"""Functions that are analytic in a strip, for which rules with fixed nodes suffice, with bounds of their errors.

For a function that is analytic and bounded by M for |Im z| ≤ b, the error of the trapezoidal rule with step h is at
most 2M/(exp(2πb/h) − 1) per unit length (Trefethen and Weideman 2014, Theorem 5.1). `Strip` holds such bounds for the
whole axis: |φ(x + iy)| ≤ C_y (1 + |x|)ᵖ, from enclosures of φ on discs that cover the strip.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from ntkviz.gaussian.certified import adaptive
from ntkviz.gaussian.certified.adaptive import Laws
from ntkviz.gaussian.certified.enclosures import Traced
from ntkviz.gaussian.certified.functions import Array

HEIGHTS = np.array([0.05, 0.1, 0.2, 0.4, 0.65, 0.9, 1.1, 1.3, 1.4, 1.5, 2.0, 2.6, 3.0, 4.0, 6.0, 9.0, 13.0])
"""The heights of strips that are tried, densest near those of the poles of tanh and σ, π/2 and π."""
ROWS = 6
"""The full height of the strip, in lengths of the stretches of the axis near 0 that are covered by one disc each."""
NEAR, FARTHEST, WIDER = 16.0, 1e40, 1.22
"""Stretches up to NEAR are equally long; beyond, they grow by the ratio WIDER, up to FARTHEST, which counts as ∞."""
POWERS = 0, 1, 2, 3, 4
VARIANCES = np.array([0.1, 1.0, 4.0])
"""The variances for which fixed nodes and terms must suffice; otherwise the adaptive rules are used."""
TAME_ERROR = 1e-6


class Strip(NamedTuple):
    """Bounds of φ on strips.

    Attributes:
        heights: The heights y of the strips on which φ is bounded.
        bounds: For each, the C_y in |φ(x + iy)| ≤ C_y (1 + |x|)ᵖ.
        power: p.
        slope: A number such that |φ′(x)| ≤ slope (1 + |x|)ᵖ.
    """

    heights: Float64[Array, "strips"]
    bounds: Float64[Array, "strips"]
    power: int
    slope: float


@functools.lru_cache(maxsize=1024)
def strip_of(traced: Traced) -> Strip | None:
    """The strip of a function without parameters; `None` if it has none, or if fixed nodes would not suffice."""
    strip = _strip(traced)
    if strip is None:
        return None
    laws = Laws(np.zeros_like(VARIANCES), np.sqrt(VARIANCES))
    expansion = adaptive.expand(adaptive.known(traced, (), laws), laws)
    few = expansion.missed**2 > TAME_ERROR * expansion.norm**2
    return None if np.any(few | ~np.isfinite(expansion.error)) else strip


def _strip(traced: Traced) -> Strip | None:
    cells = [_cover(y) for y in HEIGHTS]
    sizes = [len(a) for a, _ in cells]
    a, b = (np.concatenate(ends) for ends in zip(*cells, strict=True))
    half = (b - a) / 2
    radius = np.sqrt(np.repeat(HEIGHTS, sizes) ** 2 + half**2) * (1 + 1e-12)
    found = traced.cells(a, b, (a + b) / 2, radius)
    bound, near = np.abs(found.centre) + found.radius, 1 + np.minimum(np.abs(a), np.abs(b))
    most = np.split(bound, np.cumsum(sizes)[:-1])
    growth = np.split(near, np.cumsum(sizes)[:-1])
    for power in POWERS:
        bounds = np.array([np.max(m / g**power) for m, g in zip(most, growth, strict=True)])
        far = np.array([np.max((m / g**power)[g > NEAR]) for m, g in zip(most, growth, strict=True)])
        there = np.isfinite(bounds) & (far <= 1e3 * np.max(most[0][growth[0] < NEAR]))
        if there.any():
            heights, bounds = HEIGHTS[there], bounds[there]
            return Strip(heights, bounds, power, float(np.min(bounds * (1 + heights) ** power / heights)))
    return None


def _cover(height: float) -> tuple[Float64[Array, "discs"], Float64[Array, "discs"]]:
    """Stretches of the axis, such that one disc around each contains its points x + iy with |y| ≤ `height`."""
    near = np.linspace(-NEAR, NEAR, int(np.ceil(2 * NEAR * ROWS / (2 * height))) + 1)
    far = np.geomspace(NEAR, FARTHEST, int(np.log(FARTHEST / NEAR) / np.log(WIDER)) + 1)
    edges = np.concatenate([-far[:0:-1], near, far[1:]])
    return edges[:-1], edges[1:]
