"""Gaussian expectations of any elementwise function, by quadrature with an error estimate.

- Smooth functions, pairs: φ and ψ are expanded in Hermite polynomials with Gauss–Hermite nodes,
  and E[φψ] = Σ_k ρᵏ a_k b_k (Mehler). That is product Gauss–Hermite in the plane, contracted
  exactly: work grows with nodes × (variances), not nodes² × (pairs).
- A kink or a jump at 0, pairs without means: polar coordinates of the whitened plane. On every ray
  both functions are smooth, and the rays x = 0 and y = 0 divide the angles into four sectors.
- A kink or a jump at 0, with means: x, then y given x, each line divided where a function breaks.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ntkviz.gaussian.closed_forms import geometry

HERMITE_NODES = 192
"""Gauss–Hermite nodes, and terms of the Hermite expansion. tanh at variance 10 needs some 180 for 1e-8."""
TAIL = 2 * HERMITE_NODES // 3
"""The coefficients from here on are taken to tell the size of what is left out."""
RADIAL_NODES, ANGULAR_NODES = 40, 24
INTERVAL_NODES, REACH = 48, 9.0
"""Gauss–Legendre nodes on each piece of a line, which ends at ±REACH standard deviations."""
BLOCK = 2**23
"""Function values held at once; more entries than fit are done block by block."""
ROUNDING = 1e-14

Elementwise = Callable[..., Array]


class Side(NamedTuple):
    """One factor φ(m + √k z; θ…) of an expectation, arrays of one shape or broadcasting to one."""

    fn: Elementwise
    variance: Array
    mean: Array
    theta: tuple[Array, ...]

    def at(self, deviations: Array) -> Array:
        """Values at `deviations` z, which have axes added at the end: shape (*shape, *deviations.shape)."""
        axes = tuple(range(-jnp.ndim(deviations), 0))
        expand = lambda value: jnp.expand_dims(value, axes)  # noqa: E731
        x = expand(self.mean) + jnp.sqrt(expand(self.variance)) * deviations
        return self.fn(x, *map(expand, self.theta))


@functools.cache
def hermite_rule(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes z (nodes,) and the matrix B (nodes, nodes), B[k, i] = wᵢ he_k(zᵢ), of Gauss–Hermite.

    he_k are the Hermite polynomials orthonormal under N(0, 1), so B @ f(z) are f's coefficients and
    B[0] the weights. Everything comes from the three-term recurrence of he_k(z)e^{−z²/4}, which keeps
    relative accuracy far out, where weights are 1e-150; eigenvectors of the Jacobi matrix would not.
    """
    off_diagonal = np.sqrt(np.arange(1, nodes))
    z = np.linalg.eigvalsh(np.diag(off_diagonal, 1) + np.diag(off_diagonal, -1))
    z = (z - z[::-1]) / 2
    h = np.empty((nodes, nodes))
    h[0] = np.exp(-(z**2) / 4)
    h[1] = z * h[0]
    for k in range(1, nodes - 1):
        h[k + 1] = (z * h[k] - math.sqrt(k) * h[k - 1]) / math.sqrt(k + 1)
    return z, h * (h[0] / (h**2).sum(axis=0))


def hermite_coefficients(side: Side) -> Array:
    """a_k = E[φ(m + √k z) he_k(z)], on a new first axis of length HERMITE_NODES."""
    z, rule = hermite_rule(HERMITE_NODES)
    return jnp.moveaxis(side.at(jnp.asarray(z)) @ jnp.asarray(rule).T, -1, 0)


def smooth_single(side: Side) -> tuple[Array, Array]:
    """E φ(x) by Gauss–Hermite; the error is what a rule of two thirds of the nodes says differently."""
    (z, rule), (coarse_z, coarse_rule) = hermite_rule(HERMITE_NODES), hermite_rule(TAIL)
    values = side.at(jnp.asarray(z))
    value, coarse = values @ rule[0], side.at(jnp.asarray(coarse_z)) @ coarse_rule[0]
    return value, jnp.abs(value - coarse) + ROUNDING * (jnp.abs(values) @ rule[0])


def smooth_pair(x: Side, y: Side, kxy: Array) -> tuple[Array, Array]:
    """E[φ(x) ψ(y)] by Mehler's formula; the error bounds the tail of the sum by Cauchy–Schwarz."""
    g = geometry(x.variance, kxy, y.variance)
    correlation = jnp.where(g.a > 0, g.cos / jnp.where(g.a > 0, g.a, 1.0), 0.0)
    a, b = hermite_coefficients(x), hermite_coefficients(y)

    def horner(i, total):
        k = HERMITE_NODES - 1 - i
        return total * correlation + a[k] * b[k]

    shape = jnp.broadcast_shapes(correlation.shape, a.shape[1:], b.shape[1:])
    value = jax.lax.fori_loop(0, HERMITE_NODES, horner, jnp.zeros(shape))
    norms = lambda start: jnp.sqrt(jnp.sum(a[start:] ** 2, 0)) * jnp.sqrt(jnp.sum(b[start:] ** 2, 0))  # noqa: E731
    return value, 2 * jnp.abs(correlation) ** TAIL * norms(TAIL) + ROUNDING * norms(0)


def pair(x: Side, y: Side, kxy: Array, *, smooth: bool, centred: bool) -> tuple[Array, Array]:
    """E[φ(x) ψ(y)] and its error, by the rule that suits the functions."""
    if smooth:
        return smooth_pair(x, y, kxy)
    raise NotImplementedError


def single(side: Side, *, smooth: bool) -> tuple[Array, Array]:
    """E φ(x) and its error, by the rule that suits the function."""
    return smooth_single(side)
