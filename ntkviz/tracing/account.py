"""Consistency checks of width axes: after every operation, a traced value must have the shape of the model's array.

They catch a rule that has lost an axis, or mistaken a width axis for another axis.
"""

from __future__ import annotations

from typing import Any

from ..errors import TraceError
from ..language.axes import Shape
from .jaxprs import width_axes
from .values import Known, Numbers, Par, Readouts, Vectors


def check_account(value: Any, shapes: tuple[Shape, Shape], what: str) -> None:
    """Raise `TraceError` for a value that cannot be the array of these shapes at the two widths."""
    first, second = shapes
    grows = width_axes(first, second) if len(first) == len(second) else None
    match value:
        case Known():
            right = value.first.shape == first and value.second.shape == second
        case Numbers(shape=shape):
            right = grows is not None and _fits(shape, first, grows)
        case Vectors(shape=shape, axis=axis):
            right = grows == (axis,) and _fits(shape, first, (axis,)) and value.size == first[axis]
            right = right and first[axis] % shape[axis] == 0 and shape[axis] % value.inner == 0
        case Par(entries=entries, axes=axes, sizes=sizes):
            right = grows is not None and set(axes) == set(grows) and _fits(entries.shape, first, grows)
            right = right and tuple(sizes) == first
        case Readouts(shape=shape):
            right = not grows and shape == first
        case _:
            return
    if not right:
        raise TraceError(f"nv.trace cannot follow the width axes of the model through {what}.")


def _fits(blocks: Shape, shape: Shape, grows: Shape) -> bool:
    """Whether a block shape agrees with the shape except on its width axes."""
    return len(blocks) == len(shape) and all(
        k in grows or b == s for k, (b, s) in enumerate(zip(blocks, shape, strict=True))
    )
