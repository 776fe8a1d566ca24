"""The values that a traced model computes with instead of arrays.

An axis of an array is a *width axis* if its size differs between the two widths of the trace. Every array has a *block
shape*: its own shape, with the size of a width axis replaced by the number of blocks into which it is divided. That is
one, unless the model splits the axis (into heads, fused gates or groups). A vector of the program has the block shape
as its leading shape. So operations that move axes act on block shapes in the same way, and only contractions depend on
the width.

The order in n of a value is the exponent p such that the model's value is (n/n₁)^p times the program's, where n₁ is the
first width of the trace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from ..language.axes import Shape
from ..language.values import Vector
from .expressions import Expression, Literal

ZERO = Fraction(0)
Move = Callable[[np.ndarray], np.ndarray]
Source = tuple[int, int]
"""The origin of the width axis of a vector: a parameter and one of its axes, as (parameter, axis)."""


@dataclass(frozen=True)
class Known:
    """An array that is known while tracing, at the first and at the second width."""

    first: np.ndarray
    second: np.ndarray


@dataclass
class Numbers:
    """Numbers of the program, equal in all coordinates of a block.

    Attributes:
        e: An expression of numbers of the program.
        shape: The block shape; 1 along a width axis if the numbers are also equal in all blocks.
        order: The order in n.
        row_of: For a step of a loop over time, the numbers of all steps, and the number of this step.
    """

    e: Expression
    shape: Shape
    order: Fraction = ZERO
    row_of: tuple[Numbers, int] | None = None

    @property
    def number(self) -> float | None:
        """The number, if the numbers are known and all equal; otherwise `None`."""
        return self.e.number if isinstance(self.e, Literal) else None

    @property
    def is_zero(self) -> bool:
        """Whether the numbers are known to be zero."""
        return isinstance(self.e, Literal) and not np.any(self.e.value)


@dataclass
class Vectors:
    """Vectors of the program: an array with one width axis.

    Attributes:
        e: An expression of vectors and numbers of the program.
        shape: The block shape.
        axis: The width axis.
        size: Its size at the first width.
        sources: The axes of parameters that must be divided into smaller blocks if this axis is.
        order: The order in n.
        inner: The number of blocks that are interleaved along it: the axis is ordered as (outer, coordinate, inner) if
            it was made by merging a width axis with the axis after it.
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
    """A parameter of the model, or a part of it, before it is declared in the program.

    Attributes:
        leaf: The number of the parameter.
        entries: An array of the block shape with the number of each block of the parameter.
        axes: Its width axes, each with the axis of the parameter that it is.
        sizes: Its shape at the first width.
        factor: The number by which it is multiplied.
        order: The order in n of that number.
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
        """The axes of the parameter from which its width axes come."""
        return frozenset((self.leaf, axis) for axis in self.axes.values())


@dataclass(frozen=True)
class ReadoutPart:
    """One product vᵀx for each entry of an array of outputs; some or all terms of the sums that they are.

    Attributes:
        leaf: The parameter v.
        columns: The blocks of v in each readout, `(readouts, blocks)`.
        x: The vectors, `(rows, blocks)`.
        order: The order in n.
        row: For each entry of the array, the row of x.
        column: For each entry of the array, the readout.
        factor: For each entry of the array, the number by which it is multiplied; 0 if the entry has no such term.
    """

    leaf: int
    columns: np.ndarray
    x: Vector
    order: Fraction
    row: np.ndarray
    column: np.ndarray
    factor: np.ndarray

    def moved(self, move: Move) -> ReadoutPart:
        """The same terms of an array with other axes."""
        return replace(self, row=move(self.row), column=move(self.column), factor=move(self.factor))


@dataclass(frozen=True)
class BiasPart:
    """One number that is added to each entry of an array of outputs.

    Attributes:
        leaf: The parameter.
        entry: For each entry of the array, the entry of the parameter.
        factor: For each entry of the array, the number by which it is multiplied; 0 if it is not added.
    """

    leaf: int
    entry: np.ndarray
    factor: np.ndarray

    def moved(self, move: Move) -> BiasPart:
        """The same numbers for an array with other axes."""
        return replace(self, entry=move(self.entry), factor=move(self.factor))


@dataclass(frozen=True)
class Readouts:
    """Outputs: sums of products vᵀx and of biases, which must be the output of the program.

    Attributes:
        shape: The shape of the array.
        parts: The products.
        biases: The biases.
    """

    shape: Shape
    parts: tuple[ReadoutPart, ...]
    biases: tuple[BiasPart, ...] = ()

    def moved(self, move: Move) -> Readouts:
        """The outputs moved by a function of arrays."""
        shape = np.shape(move(np.zeros(self.shape)))
        return Readouts(shape, tuple(p.moved(move) for p in self.parts), tuple(b.moved(move) for b in self.biases))


@dataclass(frozen=True)
class Joined:
    """Parameters joined along an axis, until a product separates them again.

    Attributes:
        parts: The parameters.
        axis: The axis along which they are joined.
        ins: The shape of each at the two widths.
        out: The joined shape at the two widths.
    """

    parts: tuple[Par, ...]
    axis: int
    ins: list[tuple[Shape, Shape]]
    out: tuple[Shape, Shape]


@dataclass
class Weighted:
    """Vectors times a parameter, coordinate by coordinate: a readout if it is next summed over the width.

    Attributes:
        par: The parameter.
        x: The vectors, of the same shape.
        eq: The equation of the product, which is written as vectors if it is not a readout.
        made: The vectors as which it was written.
    """

    par: Par
    x: Vectors
    eq: Any
    made: Vectors | None = None


class Random:
    """A random key, or a value drawn with it while the model runs."""


@dataclass(frozen=True)
class Unfit:
    """A parameter that no instruction can use, for the reason given; it is refused where it is used."""

    why: str


@dataclass
class Findings:
    """The findings of attempts to write a program, for the next attempt and the report.

    Attributes:
        blocks: For an axis of a parameter that is divided into blocks, their size at the first width, and `inner`.
        vectors: Parameters that are used in different ways, and so must be arrays of initial vectors.
        zero: Vector parameters whose values vanish relative to those that they are added to: they start at 0.
    """

    blocks: dict[Source, tuple[int, int]] = field(default_factory=dict)
    vectors: set[int] = field(default_factory=set)
    zero: set[int] = field(default_factory=set)


class SmallerBlocksError(Exception):
    """A width axis must be divided into smaller blocks."""

    def __init__(self, sources: frozenset[Source], block: int, inner: int = 1):
        super().__init__(block, inner)
        self.sources, self.block, self.inner = sources, block, inner


class AsVectorsError(Exception):
    """A parameter is used in two ways, so it must be an array of initial vectors."""

    def __init__(self, leaf: int):
        super().__init__(leaf)
        self.leaf = leaf


class StartsAtZeroError(Exception):
    """Vector parameters vanish, as the width grows, relative to the values that they are added to."""

    def __init__(self, leaves: set[int]):
        super().__init__(leaves)
        self.leaves = leaves
