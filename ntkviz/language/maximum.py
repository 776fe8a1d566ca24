"""The coordinatewise maximum of two vectors: a complete instruction in one file, as an example for others.

The forward kernels and the Z calculus replace it by max(x, y) = y + relu(x − y), so they need no rule for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ProgramError
from .gradients.backward import Pullback, pullback
from .instructions import Add, Combination, Nonlin, Op
from .lazy_jax import jnp
from .nonlinearities.nonlinearity import relu, step
from .program import Instruction
from .rewriting.shorthand import Writer, short_for
from .text.listing import Page
from .text.notation import Formula, call, formula
from .values import Vector, broadcast

if TYPE_CHECKING:
    from jax import Array

DIFFERENCE = (1.0, -1.0)


@dataclass(frozen=True)
class Maximum(Op):
    """max(x, y) on every coordinate, leading axes broadcast as in NumPy."""

    def evaluate(self, x: Array, y: Array) -> Array:
        return y + jnp.where(x > y, x - y, 0.0)  # not jnp.maximum, so that ties have the derivative of relu at 0


def maximum(x: Vector, y: Vector) -> Vector:
    """max(x, y) on every coordinate; a maxout unit is the maximum of two linear maps.

    Args:
        x: Vectors of a program, of leading shape `(*leading,)`.
        y: Vectors whose leading shape broadcasts with that of `x` as in NumPy.

    Returns:
        The vectors max(x, y), of the broadcast leading shape.

    Raises:
        ProgramError: An argument is not a vector of a program, or the shapes do not broadcast.
    """
    if not isinstance(x, Vector) or not isinstance(y, Vector):
        raise ProgramError("nv.maximum takes two vectors of a program, such as W @ x.")
    return x._net.record(Maximum(), (x, y), Vector, broadcast("maximum", x, y))


@short_for.rule(Maximum)
def _(op: Maximum, to: Writer, instruction: Instruction, x: int, y: int) -> int:
    apart = to.write(Combination(DIFFERENCE), (x, y), "vector", instruction.shape)
    above = to.write(Nonlin(relu), (apart,), "vector", instruction.shape)
    return to.write(Add(), (y, above), "vector", instruction.shape)


@pullback.rule(Maximum)
def _(op: Maximum, to: Pullback, instruction: Instruction, gradient: int) -> None:
    """dx = step(x − y)·df, dy = df − dx."""
    x, y = instruction.args
    apart = to.emit(Combination(DIFFERENCE), (x, y), "vector", instruction.shape)
    of_x = to.multiply(to.emit(Nonlin(step), (apart,), "vector", instruction.shape), gradient)
    to.add(x, of_x)
    to.add(y, to.emit(Combination(DIFFERENCE), (gradient, of_x), "vector", to.shape(gradient)))


@formula.rule(Maximum)
def _(op: Maximum, page: Page, x: Formula, y: Formula) -> Formula:
    return call("max", x, y, latex=r"\max")
