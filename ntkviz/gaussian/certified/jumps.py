"""Finds derivatives that are not functions: JAX's derivative of a function with a jump ignores the jump.

JAX differentiates `jnp.where(x > 1, 1.0, 0.0)` to 0 everywhere. The expectation of that is not the expectation of the
derivative, which is not a function, so it is refused; otherwise a kernel would be silently wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ntkviz.errors import NotIntegrableError
from ntkviz.gaussian.certified.enclosures import Traced, traced
from ntkviz.gaussian.certified.pieces import first_jump
from ntkviz.language.nonlinearities.nonlinearity import Nonlinearity

WITHIN = 64.0
"""A function without parameters is searched on ±WITHIN; jumps farther out are found when an integral reaches them."""


class Primitive(NamedTuple):
    """A function whose derivative is contained in another, and the range of the other's parameters that it takes."""

    function: Traced
    first: int
    last: int

    def jumps(self, theta: tuple[float, ...], reach: float) -> bool:
        """Whether it has a jump on ±reach."""
        return first_jump(self.function, theta[self.first : self.last], reach) is not None


def primitives(function: Nonlinearity, parameters: int) -> tuple[Primitive, ...]:
    """The primitives of all derivatives by JAX that a function contains, as a derivative itself or as a product.

    Raises `NotIntegrableError` if a primitive without parameters has a jump.
    """
    found = []
    for phi, first, last in _primitives(function, 0, parameters):
        read = traced(phi.fn, last - first)
        jump = first_jump(read, (), WITHIN) if first == last else None
        if jump is not None:
            raise NotIntegrableError(
                f"{phi!r} jumps at x = {jump:.4g}, so its derivative is not a function and there is no NTK; "
                "use a continuous nonlinearity."
            )
        found.append(Primitive(read, first, last))
    return tuple(found)


def check_slopes(phi: Nonlinearity, parameters: int) -> None:
    """Raise `NotIntegrableError` if JAX's derivative of φ ignores a jump; functions without enclosures pass."""
    if phi.arity > 1 or phi.derivatives:
        return
    try:
        traced(phi.fn, parameters)
    except NotIntegrableError:
        return
    slope = phi.derivative()
    if slope is not None:  # otherwise the backward pass refuses it
        primitives(slope, parameters)


def _primitives(function: Nonlinearity, first: int, last: int) -> Iterator[tuple[Nonlinearity, int, int]]:
    phi, argument = function.derivative_of or (None, 0)
    # Other derivatives are declared, or with respect to a parameter.
    if phi is not None and len(phi.derivatives) <= argument < phi.arity:
        yield phi, first, last
        yield from _primitives(phi, first, last)
    for factor, count in getattr(function.fn, "factors", ()):
        yield from _primitives(factor, first, first + count)
        first += count
