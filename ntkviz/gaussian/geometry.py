"""A covariance of two Gaussians as a right triangle, with derivatives that are finite at correlation ±1.

Formulas for two Gaussians contain √kxx and the angle between x and y. As functions of the covariance these have
infinite derivatives at variance 0 and at correlation ±1, where two equal inputs are, and JAX would turn them into NaN.
The rules here and in `closed_forms` differentiate to finite numbers instead:

- Where a formula has a derivative, it is that derivative, also at correlation ±1.
- Where it has a kink, as |t| has at t = 0, it is the mean of the derivatives from the two sides: 0 for |t|.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float64

Inputs = Float64[Array, "*#inputs"]
Pairs = Float64[Array, "*#pairs"]
"""Arrays that broadcast, with an entry for each x or for each pair (x, y)."""


def quotient(a: Array | float, b: Inputs) -> Float64[Array, "*inputs"]:
    """a / b, or a where b is 0: there a is 0 too, or the caller replaces the result."""
    return a / jnp.where(b == 0, 1.0, b)


def zero_over_zero(a: Array | float, b: Inputs) -> Float64[Array, "*inputs"]:
    """a / b, and 0 where b is 0."""
    return jnp.where(b == 0, 0.0, quotient(a, b))


@jax.custom_jvp
def root(k: Inputs) -> Inputs:
    """√k for k ≥ 0, with the derivative 0 at 0, where √ has a kink as a function of the standard deviation."""
    return jnp.sqrt(k)


root.defjvps(lambda dk, deviation, k: zero_over_zero(dk, 2 * deviation))


@jax.custom_jvp
def not_negative(k: Inputs) -> Inputs:
    """A variance, which rounding may have left at −1e-17; its derivative is 1 everywhere."""
    return jnp.maximum(k, 0.0)


not_negative.defjvps(lambda dk, _, k: dk)


class Geometry(NamedTuple):
    """A covariance as a right triangle with the angle θ, hypotenuse a = √(kxx kyy) and legs a cos θ and a sin θ.

    cos θ is the correlation. `cos` is a cos θ: kxy, clipped to ±a where it is beyond that or within `SAME` of it. `gap`
    is a − |a cos θ|: 0 where `cos` was clipped; elsewhere it keeps the digits that 1 − cos² θ would lose.
    """

    a: Float64[Array, "*pairs"]
    cos: Float64[Array, "*pairs"]
    gap: Float64[Array, "*pairs"]

    @property
    def tan_squared(self) -> Float64[Array, "*pairs"]:
        """tan²(α/2), where α is the acute one of θ and π − θ."""
        return quotient(self.gap, self.a + jnp.abs(self.cos))

    @property
    def sin(self) -> Float64[Array, "*pairs"]:
        return root(self.tan_squared) * (self.a + jnp.abs(self.cos))


SAME = 16 * jnp.finfo(float).eps
"""Correlations this close to ±1 are treated as ±1.

Covariances of equal vectors that are computed in different ways differ by rounding, and angles by its square root:
1e-16 would become 1e-8 in E[step step], and in a chaotic network a rounding error grows by χ₁ > 1 in each layer.
"""


@jax.jit
def geometry(kxx: ArrayLike, kxy: ArrayLike, kyy: ArrayLike) -> Geometry:
    """The `Geometry` of a covariance. √kxx √kyy does not underflow, and takes one root per input, not per pair."""
    return _geometry(*(jnp.asarray(k, dtype=float) for k in (kxx, kxy, kyy)))


@jax.custom_jvp
def _geometry(kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Geometry:
    a = jnp.sqrt(kxx) * jnp.sqrt(kyy)
    same, gap = jnp.abs(kxy) * (1 + SAME) > a, a - jnp.abs(kxy)
    return Geometry(a, jnp.where(same, jnp.sign(kxy) * a, kxy), jnp.where(same, 0.0, gap))


@_geometry.defjvp
def _(primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]) -> tuple[Geometry, Geometry]:
    """The derivatives of a and kxy themselves: clipping hides rounding, and does not make kxy a function of a."""
    (kxx, _, kyy), (dxx, dxy, dyy) = primals, tangents
    g = _geometry(*primals)
    x, y = root(kxx), root(kyy)
    da = (zero_over_zero(y, x) * dxx + zero_over_zero(x, y) * dyy) / 2
    dcos = jnp.broadcast_to(dxy, g.cos.shape)
    return g, Geometry(da, dcos, da - jnp.sign(g.cos) * dcos)


@jax.custom_jvp
def determinant(kxx: Pairs, kxy: Pairs, kyy: Pairs) -> Float64[Array, "*pairs"]:
    """kxx kyy − kxy², without cancellation; 0 for a covariance whose square underflows."""
    g: Geometry = geometry(kxx, kxy, kyy)
    return g.gap * (g.a + jnp.abs(g.cos))


@determinant.defjvp
def _(primals: tuple[Array, Array, Array], tangents: tuple[Array, Array, Array]) -> tuple[Array, Array]:
    (kxx, kxy, kyy), (dxx, dxy, dyy) = primals, tangents
    return determinant(*primals), kyy * dxx + kxx * dyy - 2 * kxy * dxy
