"""Derivatives that are not functions: those JAX makes of functions with a jump leave out what happens at it.

JAX differentiates `jnp.where(x > 1, 1.0, 0.0)` to 0 everywhere. An expectation of that is not the expectation of the
derivative, which is no function, so it is refused; without that a kernel would be wrong and nothing would say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from ntkviz.errors import NotIntegrableError
from ntkviz.gaussian.certified.enclosures import Traced, traced
from ntkviz.gaussian.certified.pieces import first_jump
from ntkviz.language.nonlinearities.nonlinearity import Nonlinearity

WITHIN = 64.0
"""A function without parameters is searched on ±WITHIN; jumps farther out are found by those who integrate so far."""


class Primitive(NamedTuple):
    """A function of which another contains the derivative, and which of the other's parameters are its own."""

    function: Traced
    first: int
    last: int

    def jumps(self, theta: tuple[float, ...], reach: float) -> bool:
        """Whether it has a jump on ±reach."""
        return first_jump(self.function, theta[self.first : self.last], reach) is not None


def primitives(fn: Callable[..., Any], parameters: int) -> tuple[Primitive, ...]:
    """Of all derivatives by JAX in `fn`, a derivative itself or a product.

    Raises `NotIntegrableError` where one has a jump whatever its parameters.
    """
    found = []
    for phi, first, last in _primitives(fn, 0, parameters):
        function = traced(phi.fn, last - first)
        jump = first_jump(function, (), WITHIN) if first == last else None
        if jump is not None:
            raise NotIntegrableError(
                f"{phi!r} jumps at x = {jump:.4g}, so its derivative is not a function and there is no NTK; "
                "use a continuous nonlinearity."
            )
        found.append(Primitive(function, first, last))
    return tuple(found)


def check_slopes(phi: Nonlinearity, parameters: int) -> None:
    """Raise `NotIntegrableError` if JAX's derivative of φ leaves out a jump; what cannot be enclosed is let pass."""
    if phi.arity > 1 or phi.derivatives:
        return
    try:
        traced(phi.fn, parameters)
    except NotIntegrableError:
        return
    slope = phi.derivative()
    if slope is not None:  # else the backward pass refuses it
        primitives(slope.fn, parameters)


def _primitives(fn: Callable[..., Any], first: int, last: int) -> Iterator[tuple[Any, int, int]]:
    primitive = getattr(fn, "derivative_of", None)
    if primitive is not None:
        yield primitive, first, last
        yield from _primitives(primitive.fn, first, last)
    for factor, count in getattr(fn, "factors", ()):
        yield from _primitives(factor.fn, first, first + count)
        first += count
