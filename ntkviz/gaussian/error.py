"""The errors of results, and their kinds."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float64

from .error_kind import ErrorKind, weaker
from .expectation import ClosedForm, Expectation


@functools.partial(jax.tree_util.register_dataclass, data_fields=["value"], meta_fields=["kind"])
@dataclass(frozen=True)
class Error:
    """An error with its kind; absolute or relative, depending on its owner.

    Errors add up (`+`): to first order, the error of a result is at most the sum of the errors of its parts, and its
    kind is the weakest of theirs.
    """

    value: Any
    kind: ErrorKind = "rounding"

    def __add__(self, other: Error) -> Error:
        return Error(self.value + other.value, weaker(self.kind, other.kind))

    def largest(self) -> Error:
        """The largest of an array of errors."""
        return Error(jnp.max(self.value), self.kind)


def none() -> Error:
    """The error zero."""
    return Error(jnp.zeros(()))


def total(errors: list[Error]) -> Error:
    """The sum of errors."""
    return sum(errors, none())


def relative_error(found: Expectation) -> Error:
    """The errors of expectations, entry by entry, relative to the size of the averaged numbers."""
    kind: ErrorKind = "rounding" if isinstance(found, ClosedForm) else "estimate"
    return Error(found.error / (found.size + jnp.finfo(float).tiny), kind)


def largest_relative_error(found: Expectation) -> Error:
    """The largest error of an array of expectations, relative to the largest size."""
    return Error(found.relative_error(), "rounding" if isinstance(found, ClosedForm) else "estimate")


def scaled(error: Float64[Array, "*shape"], scale: Any) -> Float64[Array, "*shape"]:
    """An error relative to `scale`, which may be zero."""
    return error / jnp.maximum(scale, jnp.finfo(float).tiny)
