"""Structural zeros: a value that is zero by the form of a program is a symbol, like JAX's symbolic zero tangents.

Independence then costs nothing, and rounding cannot make a zero mean nonzero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .axes import Shape
from .lazy_jax import jax, jnp

if TYPE_CHECKING:
    from jax import Array


class Zero:
    """Zero, of any shape, whatever the numbers of the program are. Its only instance is `ZERO`."""

    __array_ufunc__ = None  # so that NumPy arrays defer to its operators

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
    """`function(*parts)` for a function that is linear in each argument; `ZERO` if one of the arguments is."""
    return ZERO if any(part is ZERO for part in parts) else function(*parts)


def written(value: Any, shape: Shape) -> Array:
    """The number or array itself; for `ZERO`, an array of zeros of `shape`."""
    return jnp.zeros(shape) if value is ZERO else value


def none_if_zero(value: Any) -> Any:
    """`None` for `ZERO`, as the functions for Gaussian expectations take a mean of zero; other values unchanged."""
    return None if value is ZERO else value
