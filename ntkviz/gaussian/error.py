"""How far off a result may be, and in what sense."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jax import Array

from .expectation import ClosedForm, Expectation

ErrorKind = Literal["rounding", "estimate", "standard error"]
"""What an error means, the weaker promise later: closed forms are off by rounding alone; quadrature by about what two
of its rules differ; sampling by a standard deviation of the mean, which is exceeded in a third of all cases."""

MEANING: dict[ErrorKind, str] = {
    "rounding": "closed forms throughout, off by the rounding of their numbers",
    "estimate": "an estimate of how far off the numerical integrals are",
    "standard error": "the standard error over independent sets of samples; one answer in three is further off",
}


@functools.partial(jax.tree_util.register_dataclass, data_fields=["value"], meta_fields=["kind"])
@dataclass(frozen=True)
class Error:
    """An error and what it means; absolute or relative, as whoever has it says.

    Errors add up (`+`): to first order, an error of something made with others is at most the sum of theirs, and means
    as little as the weakest of them.
    """

    value: Any
    kind: ErrorKind = "rounding"

    def __add__(self, other: Error) -> Error:
        return Error(self.value + other.value, weaker(self.kind, other.kind))

    def largest(self) -> Error:
        """The largest of an array of errors."""
        return Error(jnp.max(self.value), self.kind)


def weaker(*kinds: ErrorKind) -> ErrorKind:
    """Of some kinds of errors, the one that promises least."""
    return max(kinds, key=get_args(ErrorKind).index)


def none() -> Error:
    """Of what is not calculated."""
    return Error(jnp.zeros(()))


def total(errors: list[Error]) -> Error:
    """The sum of errors."""
    return sum(errors, none())


def relative_error(found: Expectation) -> Error:
    """Of expectations, entry by entry, relative to the size of what was averaged."""
    kind: ErrorKind = "rounding" if isinstance(found, ClosedForm) else "estimate"
    return Error(found.error / (found.size + jnp.finfo(float).tiny), kind)


def largest_relative_error(found: Expectation) -> Error:
    """Of an array of expectations, the largest error relative to the largest size."""
    return Error(found.relative_error(), "rounding" if isinstance(found, ClosedForm) else "estimate")


def scaled(error: Array, scale: Any) -> Array:
    """An error relative to `scale`, which may be zero."""
    return error / jnp.maximum(scale, jnp.finfo(float).tiny)


class AbsoluteError(float):
    """The number a caller reads as an error, which knows what it means."""

    kind: ErrorKind

    def __new__(cls, value: Any, kind: ErrorKind = "estimate") -> AbsoluteError:
        error = super().__new__(cls, value)
        error.kind = kind
        return error

    def __getnewargs__(self) -> tuple[Any, ...]:
        return float(self), self.kind

    @classmethod
    def largest(cls, errors: Iterable[float]) -> AbsoluteError:
        """The largest of some errors, which means as little as the weakest of them."""
        found = [e if isinstance(e, AbsoluteError) else cls(e) for e in errors]
        return cls(max(found), weaker(*(e.kind for e in found)))
