"""The table of ATen operations: for each, by name and overload, a function of JAX arrays with ATen's arguments.

A function gets all arguments of the operation's schema, in its order, with defaults filled in; those that are keywords
in the schema are keywords here too. Values of PyTorch's own types arrive as NumPy's, or are left out: a `dtype` is one
of NumPy, and there is no `layout`, `device`, `pin_memory`, `memory_format` or `generator`. The caller converts each
result to the dtype that PyTorch has inferred, and checks its shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Operation = Callable[..., Any]
OPERATIONS: dict[str, Operation] = {}
"""The function of each operation, such as "add.Tensor"; the overload "default" is left out, as in "relu"."""


def operation(*names: str) -> Callable[[Operation], Operation]:
    """Register the function of operations."""

    def register(function: Operation) -> Operation:
        for name in names:
            assert name not in OPERATIONS, name
            OPERATIONS[name] = function
        return function

    return register


def axes_of(dims: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, for one axis, several, or all of them: in ATen, none and an empty list mean all."""
    if dims is None or (isinstance(dims, list | tuple) and not dims):
        return tuple(range(ndim))
    listed = dims if isinstance(dims, list | tuple) else (dims,)
    return tuple(d % max(ndim, 1) for d in listed) if ndim else ()
