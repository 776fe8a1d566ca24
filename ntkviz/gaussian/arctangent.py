"""The angle of a vector, as a polynomial: XLA vectorises it, where its own arctangent is called number by number."""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from numpy.polynomial import Chebyshev, Polynomial

FOLD = math.tan(math.pi / 8)
"""Where the angle is folded, so that the polynomial has |u| ≤ `FOLD` only."""


def _economised(terms: int) -> list[float]:
    """The coefficients of arctan u / u = Σ (−u²)ᵏ/(2k + 1) on |u| ≤ `FOLD`, with few terms (Chebyshev's economy)."""
    series = Polynomial([(-1) ** k / (2 * k + 1) for k in range(25)])
    shorter = series.convert(kind=Chebyshev, domain=[0, FOLD**2]).truncate(terms)
    return [float(c) for c in shorter.convert(kind=Polynomial).coef]


COEFFICIENTS = _economised(12)
"""In powers of u², of which the first is 1. What is left out is below 1e-17."""


class Arc(NamedTuple):
    """An angle, and what it was made from: where its tangent is at most `FOLD`, that is `u` and the angle is
    u (1 + u² `rest`)."""

    angle: Array
    u: Array
    rest: Array


@jax.jit
def arctan(t: Array) -> Arc:
    """The angle in [0, π/4] of the tangent t in [0, 1], elementwise, and what it was made from.

    From the upper half it is folded into ±π/8 by arctan t = π/4 + arctan((t − 1)/(t + 1)).
    """
    upper = t > FOLD
    u = jnp.where(upper, (t - 1) / (t + 1), t)
    rest = polynomial(COEFFICIENTS[1:], u * u)
    return Arc(jnp.where(upper, math.pi / 4, 0.0) + (u + u * (u * u * rest)), u, rest)


@jax.jit
def arctan2(y: ArrayLike, x: ArrayLike) -> Array:
    """The angle in [−π, π] between (x, y) and the first axis, elementwise; 0 for the zero vector.

    Good to 4 units in the last place, like `jnp.arctan2`, and several times as fast on arrays.
    """
    y, x = jnp.asarray(y, dtype=float), jnp.asarray(x, dtype=float)
    high, low = jnp.maximum(jnp.abs(x), jnp.abs(y)), jnp.minimum(jnp.abs(x), jnp.abs(y))
    angle = arctan(low / jnp.where(high == 0, 1.0, high)).angle
    angle = jnp.where(jnp.abs(y) > jnp.abs(x), math.pi / 2 - angle, angle)
    angle = jnp.where(x < 0, math.pi - angle, angle)
    return jnp.where(y < 0, -angle, angle)


def polynomial(coefficients: list[float], x: Array) -> Array:
    """Σ cₖ xᵏ, neighbours summed first (Estrin): no step of the sum waits for more than five others."""
    terms = [jnp.asarray(c) for c in coefficients]
    while len(terms) > 1:
        pairs = [low + x * high for low, high in zip(terms[:-1:2], terms[1::2], strict=False)]
        terms = pairs + terms[2 * len(pairs) :]
        x = x * x
    return terms[0]
