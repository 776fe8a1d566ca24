"""E f² of a function of a few jointly Gaussian numbers, with a certified error bound.

Space is cut into boxes. Where the continuation of f to a polydisc around the box is bounded (`enclosures`), the error
of Gauss–Legendre quadrature in each axis follows from the bound (Trefethen 2013, Theorem 19.3, axis by axis); on other
boxes the range of f times the mass of the box bounds the integral. The boxes with the largest errors are halved until
the sum of errors is small.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from ntkviz.gaussian.certified.enclosures import Traced
from ntkviz.gaussian.certified.functions import Array, normal_cdf
from ntkviz.gaussian.certified.pieces import SAME_LIMIT, STEEPEST, WIDENING, gauss_error

REACH = 12.0
SHELLS = np.array([REACH, 18.0, 27.0, 40.0])
"""In standard deviations: the half-width of the cube of boxes, and of shells around it, in which f is only bounded.

Beyond the last, f² is assumed to be below exp(z²/4).
"""
NODES = 10
MOST_BOXES = 2**16
AT_ONCE = 2**13
SQRT_TAU = math.sqrt(2 * math.pi)


class Law(NamedTuple):
    """x = mean + factor·z with standard normal z: arrays (arguments,) and (arguments, dimensions)."""

    mean: Array
    factor: Array

    @classmethod
    def of(cls, mean: Array, covariance: Array) -> Law:
        """The Gaussian law with this mean and covariance; the number of dimensions is the rank of the covariance."""
        values, vectors = np.linalg.eigh(covariance)
        kept = values > 1e-12 * max(values.max(initial=0.0), 1e-300)
        diagonal = np.allclose(covariance, np.diag(np.diag(covariance)), rtol=0, atol=1e-300)
        factor = np.diag(np.sqrt(np.diag(covariance)))[:, np.diag(covariance) > 0] if diagonal else None
        return cls(mean, vectors[:, kept] * np.sqrt(values[kept]) if factor is None else factor)


class Boxes(NamedTuple):
    """Boxes of z: arrays (boxes, dimensions)."""

    centre: Array
    half: Array

    def take(self, indices: Shaped[np.ndarray, "kept"]) -> Boxes:
        return Boxes(self.centre[indices], self.half[indices])

    def halved(self) -> Boxes:
        """Halve each box along every axis."""
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=self.centre.shape[1])))
        half = np.repeat(self.half / 2, len(signs), axis=0)
        return Boxes((self.centre[:, None] + signs * self.half[:, None] / 2).reshape(half.shape), half)


class Enclosed(NamedTuple):
    """The range of f on boxes, and a bound of |f| on polydiscs around them that are `WIDENING` times as large."""

    lo: Array
    hi: Array
    bound: Array


def enclosed(f: Traced, law: Law, theta: Sequence[float], boxes: Boxes) -> Enclosed:
    """The enclosure of f on each box."""
    at = law.mean + boxes.centre @ law.factor.T
    by = boxes.half @ np.abs(law.factor).T * (1 + 1e-12)
    sides = [(c - r, c + r, c, WIDENING * r) for c, r in zip(at.T, by.T, strict=True)]
    found = f.cells_of_several(sides, *theta)
    return Enclosed(found.lo, found.hi, np.abs(found.centre) + found.radius)


def second_moment(f: Traced, law: Law, theta: Sequence[float] = (), tolerance: float = 1e-4) -> tuple[float, float]:
    """E f(x; θ)² and a bound of its absolute error.

    The bound exceeds `tolerance` times the value only if that would take too many boxes.
    """
    dimensions = law.factor.shape[1]
    if dimensions == 0:
        return float(f.values(*law.mean, *theta)[0]) ** 2, 0.0
    beyond = _beyond(f, law, theta)
    boxes = Boxes(np.zeros((1, dimensions)), np.full((1, dimensions), REACH)).halved().halved()
    value, error = _on_boxes(f, law, theta, boxes)
    count = len(value)
    while np.isfinite(beyond):
        total, off = value.sum(), error.sum() + beyond
        aim = tolerance * max(total - off, total / 2)
        if off <= aim or beyond > aim or count > MOST_BOXES:
            return float(total), float(off)
        order = np.argsort(-error)
        left = error.sum() - np.cumsum(error[order])
        some = min(np.searchsorted(-left, -aim / 4) + 1, max(64, count // 4))
        worst, rest = order[:some], order[some:]
        new = boxes.take(worst).halved()
        made = _on_boxes(f, law, theta, new)
        count += len(new.centre)
        boxes = Boxes(*(np.concatenate([a[rest], b]) for a, b in zip(boxes, new, strict=True)))
        value, error = (np.concatenate([a[rest], b]) for a, b in zip((value, error), made, strict=True))
    return float(value.sum()), math.inf


def _beyond(f: Traced, law: Law, theta: Sequence[float]) -> float:
    """A bound of E f² outside the cube."""
    dimensions = law.factor.shape[1]
    cubes = Boxes(np.zeros((len(SHELLS) - 1, dimensions)), np.repeat(SHELLS[1:, None], dimensions, axis=1))
    found = enclosed(f, law, theta, cubes)
    with np.errstate(over="ignore"):
        most = np.maximum(np.abs(found.lo), np.abs(found.hi)) ** 2
    return float((most * 2 * dimensions * normal_cdf(-SHELLS[:-1])).sum())


def _on_boxes(f: Traced, law: Law, theta: Sequence[float], boxes: Boxes) -> tuple[Array, Array]:
    """E f² on each box, and its error."""
    parts = [
        _on_some(f, law, theta, boxes.take(np.arange(at, min(at + AT_ONCE, len(boxes.centre)))))
        for at in range(0, len(boxes.centre), AT_ONCE)
    ]
    value, error = (np.concatenate(part) for part in zip(*parts, strict=True))
    return value, error


def _on_some(f: Traced, law: Law, theta: Sequence[float], boxes: Boxes) -> tuple[Array, Array]:
    found, dimensions = enclosed(f, law, theta, boxes), boxes.centre.shape[1]
    left, right = boxes.centre - boxes.half, boxes.centre + boxes.half
    mass = np.where(left > 0, normal_cdf(-left) - normal_cdf(-right), normal_cdf(right) - normal_cdf(left)).prod(1)
    most = np.maximum(np.abs(found.lo), np.abs(found.hi)) ** 2
    least = np.where((found.lo <= 0) & (found.hi >= 0), 0.0, np.minimum(np.abs(found.lo), np.abs(found.hi)) ** 2)
    value, error = mass * (least + most) / 2, mass * (most - least) / 2
    near = np.maximum(np.abs(boxes.centre) - WIDENING * boxes.half, 0.0)
    density = (np.exp((WIDENING * boxes.half) ** 2 / 2 - near**2 / 2) / SQRT_TAU).prod(1)
    with np.errstate(over="ignore", invalid="ignore"):
        one_axis = gauss_error(np.asarray(WIDENING), NODES) * found.bound**2 * density * boxes.half.prod(1)
        smooth = dimensions * 2.0 ** (dimensions - 1) * one_axis
    better = np.flatnonzero(smooth < np.where(np.isnan(error), np.inf, error))
    if len(better):
        values = _gauss(f, law, theta, boxes.take(better))
        value[better], error[better] = values, smooth[better] + 1e-13 * np.abs(values)
    return np.where(np.isfinite(value), value, 0.0), np.where(np.isfinite(error), error, np.inf)


def _gauss(f: Traced, law: Law, theta: Sequence[float], boxes: Boxes) -> Array:
    dimensions = boxes.centre.shape[1]
    t, w = np.polynomial.legendre.leggauss(NODES)
    nodes = np.stack(np.meshgrid(*[t] * dimensions, indexing="ij"), -1).reshape(-1, dimensions)
    weights = np.stack(np.meshgrid(*[w] * dimensions, indexing="ij"), -1).reshape(-1, dimensions).prod(1)
    z = boxes.centre[:, None] + boxes.half[:, None] * nodes
    x = law.mean + z @ law.factor.T
    values = f.values(*x.reshape(-1, x.shape[-1]).T, *theta).reshape(x.shape[:2])
    density = (np.exp(-(z**2) / 2) / SQRT_TAU).prod(-1)
    return np.asarray((weights * density * values**2).sum(1) * boxes.half.prod(1))


MOST_PATHS = 128


def has_jump(f: Traced, law: Law, theta: Sequence[float] = ()) -> bool:
    """Whether f jumps within the cube; found by halving the boxes with the widest range until they are tiny."""
    dimensions = law.factor.shape[1]
    boxes = Boxes(np.zeros((1, dimensions)), np.full((1, dimensions), REACH))
    width = np.zeros(1)
    while dimensions and boxes.half.max() > 1e-12:
        boxes = boxes.halved()
        found = enclosed(f, law, theta, boxes)
        width = found.hi - found.lo
        widest = np.argsort(-np.where(np.isnan(width), np.inf, width), kind="stable")[:MOST_PATHS]
        boxes, width = boxes.take(widest), width[widest]
        size = np.maximum(np.abs(found.lo), np.abs(found.hi))[widest]
        if not np.any(width > 0):
            return False
    return bool(dimensions) and bool(np.any(width > SAME_LIMIT * size + STEEPEST * boxes.half.max()))
