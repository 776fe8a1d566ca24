"""The larger of two vectors, coordinate by coordinate: an instruction with all that it takes, as an example.

max(x, y) = y + relu(x − y), so that readings of second moments and of Z's need no rule for it: it is short for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from ..errors import ProgramError
from .axes import broadcast_axes
from .gradients.backward import Pullback, pullback
from .gradients.instructions import Transposed
from .instructions import Add, Linear, Nonlin, Op
from .nonlinearities.nonlinearity import relu, step
from .program import Instruction
from .rewriting.shorthand import Writer, short_for
from .text.gradients import minus, summed, transposed
from .text.listing import Page
from .text.notation import Formula, call, formula, plus
from .values import Vector, broadcast


@dataclass(frozen=True)
class Maximum(Op):
    """max(x, y) on every coordinate, leading axes broadcast as in NumPy."""

    def evaluate(self, x: Any, y: Any) -> Any:
        return y + jnp.where(x > y, x - y, 0.0)  # whose derivative where x = y is that of relu at 0


@dataclass(frozen=True)
class Subtract(Linear):
    """x − y, leading axes broadcast as in NumPy."""

    def evaluate(self, x: Any, y: Any) -> Any:
        return x - y


def maximum(x: Vector, y: Vector) -> Vector:
    """max(x, y) on every coordinate; a maxout unit is the maximum of two linear maps.

    Args:
        x: Vectors of a program, of leading shape `(*leading,)`.
        y: Others, whose leading shape broadcasts with that of `x` as in NumPy.

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
    apart = to.write(Subtract(), (x, y), "vector", instruction.shape)
    above = to.write(Nonlin(relu), (apart,), "vector", instruction.shape)
    return to.write(Add(), (y, above), "vector", instruction.shape)


@pullback.rule(Maximum)
def _(op: Maximum, to: Pullback, instruction: Instruction, gradient: int) -> None:
    """dx = step(x − y)·df, dy = df − dx."""
    x, y = instruction.args
    apart = to.emit(Subtract(), (x, y), "vector", instruction.shape)
    of_x = to.multiply(to.emit(Nonlin(step), (apart,), "vector", instruction.shape), gradient)
    to.add(x, of_x)
    to.add(y, to.emit(Subtract(), (gradient, of_x), "vector", to.shape(gradient)))


@formula.rule(Maximum)
def _(op: Maximum, page: Page, x: Formula, y: Formula) -> Formula:
    return call("max", x, y, latex=r"\max")


@formula.rule(Subtract)
def _(op: Subtract, page: Page, x: Formula, y: Formula) -> Formula:
    return plus(x, minus(y))


@transposed.rule(Subtract)
def _(linear: Subtract, op: Transposed, page: Page, gradient: Formula) -> Formula:
    signed = minus(gradient) if op.which else gradient
    return summed(signed, broadcast_axes(op.shapes[op.which], op.shape_out))
