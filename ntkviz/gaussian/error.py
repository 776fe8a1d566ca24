"""The errors of results, and their kinds."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jaxtyping import Float64

from .closed import ClosedForm, Expectation
from .error_kind import ErrorKind, weaker


@functools.partial(jax.tree_util.register_dataclass, data_fields=["value"], meta_fields=["kind"])
@dataclass(frozen=True)
class Error:
    """An error with its kind; whether it is absolute or relative depends on the context.

    Errors are added with `+`: to first order, the error of a result is at most the sum of the errors of its parts. The
    kind of a sum is the weakest kind of its terms.
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
    """The errors of expectations, entry by entry, relative to the size of the quantity that is averaged."""
    kind: ErrorKind = "rounding" if isinstance(found, ClosedForm) else "estimate"
    return Error(found.error / (found.size + jnp.finfo(float).tiny), kind)


def largest_relative_error(found: Expectation) -> Error:
    """The largest error of an array of expectations, relative to the largest size."""
    return Error(found.relative_error(), "rounding" if isinstance(found, ClosedForm) else "estimate")


def scaled(error: Float64[Array, "*shape"], scale: Any) -> Float64[Array, "*shape"]:
    """An absolute error as one relative to `scale`, which may be zero."""
    return error / jnp.maximum(scale, jnp.finfo(float).tiny)
