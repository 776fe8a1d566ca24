"""What a traced model computes with, in place of arrays.

An axis of an array is a *width axis* if its size differs between the two widths of the trace. Every array has its
*block shape*: its own shape, with the size of a width axis replaced by the number of blocks as which it is seen, one
unless the model takes that axis apart (heads, fused gates, groups). A vector of the program has the block shape as its
leading shape. So whatever moves axes acts on block shapes alike, and only contractions look at the width.

Sizes in n: the model's value is (n/n₁)^order × the program's, where n₁ is the first width of the trace.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..language.axes import Shape
from ..language.values import Vector
from .expressions import Expression, Literal

ZERO = Fraction(0)
Source = tuple[int, int]
"""An axis of a parameter, which is where the width axis of a vector comes from: (parameter, axis)."""


@dataclass(frozen=True)
class Known:
    """An array known while tracing, at the first and at the second width."""

    first: np.ndarray
    second: np.ndarray


@dataclass
class Numbers:
    """Numbers of the program, the same in all coordinates: the block shape has 1 along width axes."""

    e: Expression
    shape: Shape
    order: Fraction = ZERO
    row_of: tuple[Numbers, int] | None = None  # of a loop over time: all rows, and which of them this is

    @property
    def number(self) -> float | None:
        """The number, if it is known and all are the same."""
        return self.e.number if isinstance(self.e, Literal) else None

    @property
    def is_zero(self) -> bool:
        """Whether all are known to be zero."""
        return isinstance(self.e, Literal) and not np.any(self.e.value)


@dataclass
class Vectors:
    """Vectors of the program: an array with one width axis.

    Attributes:
        e: An expression of vectors and numbers of the program.
        shape: The block shape.
        axis: The width axis.
        size: Its size at the first width.
        inner: How many blocks take turns along it: entry (outer, coordinate, inner) of an axis that was made by
            merging a width axis with the axis behind it.
        sources: The axes of parameters that must be seen in smaller blocks if this one is.
    """

    e: Expression
    shape: Shape
    axis: int
    size: int
    sources: frozenset[Source]
    order: Fraction = ZERO
    inner: int = 1

    @property
    def block(self) -> int:
        """The size of a block at the first width."""
        return self.size // self.shape[self.axis]


@dataclass(frozen=True)
class Par:
    """A parameter of the model, or a part of it, before the program has declared it.

    Attributes:
        leaf: Its number.
        entries: An array of the block shape with the number of each block of the parameter.
        axes: Its width axes: of this array, and of the parameter.
        sizes: Its shape at the first width.
        factor: What it is multiplied by.
    """

    leaf: int
    entries: np.ndarray
    axes: dict[int, int]
    sizes: Shape
    factor: float = 1.0
    order: Fraction = ZERO

    def changed(self, **changes: Any) -> Par:
        """The same parameter with other attributes."""
        return replace(self, **changes)

    @property
    def sources(self) -> frozenset[Source]:
        """The axes of the parameter that its width axes are."""
        return frozenset((self.leaf, axis) for axis in self.axes.values())


@dataclass(frozen=True)
class Readouts:
    """Products vᵀx, which the program reads out last.

    Attributes:
        leaf: The parameter v.
        columns: `(readouts, blocks)`: the blocks of v of each readout.
        x: `(rows, blocks)`: vectors.
        row, column: For each entry of the array, which row is read by which readout.
        biases: The parameters that are added to outputs.
    """

    leaf: int
    columns: np.ndarray
    x: Vector
    row: np.ndarray
    column: np.ndarray
    order: Fraction
    factor: float = 1.0
    biases: tuple[int, ...] = ()


@dataclass(frozen=True)
class Joined:
    """Parameters joined along an axis, before a product takes them apart again."""

    parts: tuple[Par, ...]
    axis: int


@dataclass
class Weighted:
    """Vectors times a parameter, coordinate by coordinate: a readout if the width is summed next, else vectors.

    Attributes:
        par, x: The two factors, of one shape.
        eq: The product, to be written if it is no readout.
        made: What it was written as.
    """

    par: Par
    x: Vectors
    eq: Any
    made: Vectors | None = None


class Random:
    """A random key, or what is drawn with it as the model runs."""


@dataclass
class Findings:
    """What attempts to write a program find out for the next attempt, and what the report says.

    Attributes:
        blocks: The block size at the first width of a parameter's axis, if it is seen as several, and its `inner`.
        vectors: Parameters that are used in different ways, so that they must be arrays of initial vectors.
        zero: Vector parameters whose values vanish against what they are added to: they start at 0.
    """

    blocks: dict[Source, tuple[int, int]] = field(default_factory=dict)
    vectors: set[int] = field(default_factory=set)
    zero: set[int] = field(default_factory=set)


class SmallerBlocksError(Exception):
    """A width axis has to be seen as smaller blocks."""

    def __init__(self, sources: frozenset[Source], block: int, inner: int = 1):
        super().__init__(block, inner)
        self.sources, self.block, self.inner = sources, block, inner


class AsVectorsError(Exception):
    """A parameter is used in two ways: it has to be an array of initial vectors."""

    def __init__(self, leaf: int):
        super().__init__(leaf)
        self.leaf = leaf


class StartsAtZeroError(Exception):
    """Vector parameters whose values vanish as the width grows, against those that they are added to."""

    def __init__(self, leaves: set[int]):
        super().__init__(leaves)
        self.leaves = leaves
