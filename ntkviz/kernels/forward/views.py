"""The tables of rules of the forward kernels, and the views of programs that they apply to.

A `View` is the part of two programs under evaluation: the whole, the layers of a `Repeat`, or one step of a loop. It
gives the moments that are particular to it; all others follow by the rules of the tables, which take `Moments` and hold
in any view.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jax import Array
from jaxtyping import Float64

from ...language.program import Program
from ...language.rules import Rules
from .kernel_pair import KernelPair

if TYPE_CHECKING:
    from .moments import Moments

Vector = tuple[int, int]
"""An array of vectors (or a scalar): its copy of the network (0 for X, 1 for X̄) and its index in that program."""

scalar: Rules[Any] = Rules("the limit of a scalar")
"""`(op, moments, vector)`: a number, or `ZERO`."""
mean: Rules[Any] = Rules("a mean")
"""`(op, moments, vector)`: E Z of a vector, of its leading shape, or `ZERO`."""
gaussian: Rules[bool] = Rules("whether its limit is Gaussian")
"""`(op, moments, vector)`: whether a vector is an affine function of Gaussian sources, whatever the numbers."""
one_side: Rules[KernelPair] = Rules("a second moment from those of its arguments")
"""`(op, moments, left, right)`: E[Z^a Z^b] for all pairs of positions, from the arguments of `left`."""
two_sides: Rules[KernelPair] = Rules("a second moment")
"""`(op, moments, left, right)`: E[Z^a Z^b] where neither side can be expanded by itself."""
one_side_at_equal_positions: Rules[KernelPair] = Rules("a second moment at equal positions from those of its arguments")
"""`(op, moments, vector, rest)`: E[Z^a_p Z^b_p] from the arguments of `vector`, which may be on either side."""
two_sides_at_equal_positions: Rules[KernelPair | None] = Rules("a second moment at equal positions")
"""`(op, moments, left, right)`: E[Z^a_p Z^b_p], or `None` where all pairs are needed."""


class View:
    """The part of two programs under evaluation. Its methods are tried before the tables; `None` defers to these."""

    def __init__(self, programs: tuple[Program, Program]):
        self.programs = programs

    def one_network(self, copy_a: int, copy_b: int) -> bool:
        """Whether two copies are the same network, in which case moments need no tangent."""
        return copy_a == copy_b

    def own_tangent(self, left: Vector, right: Vector, own: Float64[Array, "*shape"]) -> Float64[Array, "*shape"]:
        """The term that training a parameter adds to the tangent between two uses of it; `own`, as by the rules."""
        return own

    def scalar(self, m: Moments, v: Vector) -> Any:
        """The limit of a scalar."""
        return None

    def mean(self, m: Moments, v: Vector) -> Any:
        """E Z of a vector."""
        return None

    def variance(self, m: Moments, v: Vector) -> Float64[Array, "*leading"] | None:
        """Var Z of each vector of a Gaussian array."""
        return None

    def is_gaussian(self, m: Moments, v: Vector) -> bool | None:
        """Whether a vector is Gaussian."""
        return None

    def moment(self, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
        """E[Z^a Z^b] for all pairs of positions."""
        return None

    def at_equal_positions(self, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
        """E[Z^a Z^b] at equal positions."""
        return None
