"""Functions of all pairs of entries of two arrays, evaluated a few rows at a time.

XLA fuses a closed form into the operations that use it. If those rearrange numbers (windows, padding), the closed form
is not vectorised, and it is evaluated again for each use. Fusion does not cross the boundary of a loop over blocks of
rows, which also fit into the cache.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ...language.axes import Shape

NUMBERS = 2**12
"""The number of pairs that are evaluated at once; up to this number no loop is needed."""


def by_rows(
    function: Callable[[Any, Any, Any], Any], left: Any, right: Any, pairs: Any, rows: Shape, columns: Shape
) -> Any:
    """`function(left, right, pairs)`, which is elementwise, for all pairs.

    All are trees of arrays: `left` broadcasts to `(*rows, 1, …)`, `right` to `columns`, `pairs` to `(*rows, *columns)`,
    which is the shape of the result.
    """
    many, wide = math.prod(rows), math.prod(columns)
    if many * wide <= NUMBERS:
        return function(left, right, pairs)
    at_once = max(n for n in range(1, many + 1) if many % n == 0 and (n == 1 or n * wide <= NUMBERS))

    def cut(shape: Shape, last: int) -> Callable[[Any], Any]:
        return lambda a: jnp.broadcast_to(a, shape).reshape(many // at_once, at_once, last)

    left = jax.tree.map(cut((*rows, *[1] * len(columns)), 1), left)
    pairs = jax.tree.map(cut((*rows, *columns), wide), pairs)
    right = jax.tree.map(lambda a: jnp.broadcast_to(a, columns).reshape(wide), right)
    found = jax.lax.map(lambda some: function(some[0], right, some[1]), (left, pairs))
    return jax.tree.map(lambda a: a.reshape(*rows, *columns), found)
