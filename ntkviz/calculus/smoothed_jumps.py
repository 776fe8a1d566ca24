"""Derivatives of averages through nonlinearities that jump, such as the derivative of relu.

The average of a function with a jump J at t has the derivative J·E[δ(x − t) dx] in addition to that which JAX finds.
On samples, δ is replaced by a narrow kernel κ(u)/s in u = (x − t)/s. Its cofactor often has a kink at t itself (as with
relu and its step), so the first moment of an ordinary bump on either side would give an error of first order in s. The
first moments of κ on the two sides vanish:

    κ(u) = (α − 2αm₁|u|) N(u),   m₁ = 1/√(2π),   α = 1/(1 − 4m₁²),   ∫κ = 1,   ∫_{u>0} u κ = 0.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import NotIntegrableError
from ..gaussian.certified.enclosures import traced
from ..gaussian.certified.jumps import WITHIN
from ..gaussian.certified.pieces import all_jumps
from ..language.instructions import Nonlin
from ..language.nonlinearities.nonlinearity import Nonlinearity, multiply

WIDTH = 0.1
"""s, in standard deviations of x: the bias is of second order in s, and the sampling noise is of order 1/√s."""


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def nonlin(op: Nonlin, *args: Array) -> Array:
    """The value of a Nonlin on samples and scalars, with a derivative that is correct for averages."""
    return op.evaluate(*args)


@nonlin.defjvp
def _(op: Nonlin, primals: Any, tangents: Any) -> tuple[Array, Array]:
    value, change = jax.jvp(op.evaluate, primals, tangents)
    if op.phi is multiply:
        return value, change
    (x, *theta), dx = primals, tangents[0]
    for left, right in jumps(op.phi, len(primals) - op.phi.arity):
        size = op.evaluate(jnp.full_like(x, right), *theta) - op.evaluate(jnp.full_like(x, left), *theta)
        change = change + size * _kernel(x, (left + right) / 2) * dx
    return value, change


def _kernel(x: Array, at: float) -> Array:
    width = WIDTH * jnp.std(x, axis=-1, keepdims=True)
    varies = width > 0  # a vector with equal coordinates does not cross the jump
    width = jnp.where(varies, width, 1.0)
    u = jnp.abs(x - at) / width
    m1 = 1 / math.sqrt(2 * math.pi)
    alpha = 1 / (1 - 4 * m1**2)
    return jnp.where(varies, (alpha - 2 * alpha * m1 * u) * jnp.exp(-(u**2) / 2) * m1 / width, 0.0)


@functools.lru_cache(maxsize=1024)
def jumps(phi: Nonlinearity, parameters: int) -> tuple[tuple[float, float], ...]:
    """Tiny intervals that contain the points where φ jumps, whatever its parameters θ are.

    Raises `NotIntegrableError` if they depend on the parameters or on another vector, or cannot be found.
    """
    if phi.coefficients:  # a polynomial
        return ()
    others = phi.arity + parameters - 1
    found = [_jumps(phi, along, others) for along in range(phi.arity)]
    first, *more = found[0]
    if any(jumps != first for jumps in more) or (phi.arity > 1 and any(map(any, found))):
        raise NotIntegrableError(
            f"{phi!r} jumps at points that depend on its parameters or on several vectors, so the fluctuations of wide "
            "networks with it cannot be computed; write it with nv.relu, nv.abs or nv.maximum."
        )
    return first


def _jumps(phi: Nonlinearity, along: int, others: int) -> list[tuple[tuple[float, float], ...]]:
    """The jumps along one argument of φ, for some values of the others."""

    def fn(x: Any, *fixed: Any) -> Any:
        return phi.fn(*fixed[:along], x, *fixed[along:])

    function = traced(phi.fn if along == 0 else fn, others)
    return [tuple(all_jumps(function, tuple(fixed), WITHIN)) for fixed in _SOME[: 1 if others == 0 else None, :others]]


_SOME = np.array([[0.31, -0.74, 1.27, 0.58, -0.2], [-0.92, 0.43, 0.17, -1.36, 0.7], [1.61, 1.08, -0.55, 0.26, 1.1]])
"""Values of the other arguments for which jumps are searched."""
