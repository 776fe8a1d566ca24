"""Which axes of two arrays a product sums, and which it takes one by one."""

from __future__ import annotations

from dataclasses import dataclass

from ...language.axes import Shape


@dataclass(frozen=True)
class Contraction:
    """Axes of a product of two arrays: summed ones and batch ones, of the left and of the right."""

    summed: tuple[Shape, Shape]
    batch: tuple[Shape, Shape]

    @property
    def turned(self) -> Contraction:
        """Of the right and of the left."""
        return Contraction(self.summed[::-1], self.batch[::-1])

    def free(self, side: int, ndim: int) -> Shape:
        """The other axes of one side."""
        return tuple(k for k in range(ndim) if k not in (*self.summed[side], *self.batch[side]))
