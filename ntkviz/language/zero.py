"""What is zero by the form of a program is a value of its own: independence then costs nothing, and no rounding makes
a mean that is zero nonzero. As the symbolic zeros among JAX's tangents are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from .axes import Shape


class Zero:
    """Zero, whatever the numbers of the program are; of any shape. There is one, `ZERO`."""

    __array_ufunc__ = None  # NumPy arrays leave arithmetic to it

    def __add__(self, other: Any) -> Any:
        return other

    def __mul__(self, other: Any) -> Zero:
        return self

    def __neg__(self) -> Zero:
        return self

    __radd__, __rmul__, __truediv__ = __add__, __mul__, __mul__

    def __repr__(self) -> str:
        return "ZERO"


ZERO = Zero()
jax.tree_util.register_pytree_node(Zero, lambda _: ((), None), lambda *_: ZERO)


def linear(function: Callable[..., Any], *parts: Any) -> Any:
    """`function(*parts)` of something linear in each of them: zero if one is."""
    return ZERO if any(part is ZERO for part in parts) else function(*parts)


def written(value: Any, shape: Shape) -> Array:
    """The number or array itself, zeros of `shape` for `ZERO`."""
    return jnp.zeros(shape) if value is ZERO else value


def none_if_zero(value: Any) -> Any:
    """As the Gaussian expectations take a mean."""
    return None if value is ZERO else value
