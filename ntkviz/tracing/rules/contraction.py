"""The summed axes and the batch axes of a product of two arrays."""

from __future__ import annotations

from dataclasses import dataclass

from ...language.axes import Shape


@dataclass(frozen=True)
class Contraction:
    """The axes of a product of two arrays: the summed ones and the batch axes, of the left and of the right array."""

    summed: tuple[Shape, Shape]
    batch: tuple[Shape, Shape]

    @property
    def turned(self) -> Contraction:
        """The contraction with left and right exchanged."""
        return Contraction(self.summed[::-1], self.batch[::-1])

    def free(self, side: int, ndim: int) -> Shape:
        """The other axes of one side."""
        return tuple(k for k in range(ndim) if k not in (*self.summed[side], *self.batch[side]))
