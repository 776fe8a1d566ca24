"""A second moment with its tangent, and the law of a Gaussian: what the rules of `moments` hand to each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jax import Array


class Dual(NamedTuple):
    """A second moment and its tangent; `None` for a tangent that is exactly zero."""

    value: Array
    tangent: Array | None = None

    def map(self, fn: Callable[[Array], Array]) -> Dual:
        return Dual(fn(self.value), None if self.tangent is None else fn(self.tangent))


class Law(NamedTuple):
    """The laws of Gaussians x, and the parameters θ of φ(x; θ): arrays of one shape, a mean of exactly zero `None`."""

    variance: Array
    mean: Array | None
    theta: tuple[Array, ...]


def sum_of(a: Dual | None, b: Dual | None) -> Dual | None:
    """The sum of two moments, of which `None` is exactly zero."""
    if a is None or b is None:
        return b if a is None else a
    tangents = [t for t in (a.tangent, b.tangent) if t is not None]
    return Dual(a.value + b.value, sum(tangents[1:], tangents[0]) if tangents else None)
