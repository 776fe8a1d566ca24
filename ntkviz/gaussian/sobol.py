"""Expectations of functions of several correlated Gaussians: product Gauss–Hermite for a few, Sobol points for many.

Gates multiply: a GRU's update is a function of four Gaussians, and over ten time steps of many more.
Up to `MOST_PRODUCT_ARGUMENTS` a product rule is nearly exact. Beyond, randomly scrambled Sobol
points (Owen 1998) give an unbiased estimate whose error falls almost like 1/points for smooth
functions; independent scramblings tell how large it is.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from ntkviz.gaussian.expectation import Estimated
from ntkviz.gaussian.quadrature import ROUNDING

PRODUCT_NODES = {1: 128, 2: 96, 3: 48, 4: 24}
"""Gauss–Hermite nodes along each axis, by number of arguments."""
MOST_PRODUCT_ARGUMENTS = max(PRODUCT_NODES)
STANDARD_ERRORS = 3.0
"""The reported error of a Sobol estimate, in standard errors: exceeded about once in a hundred times."""


@functools.lru_cache(maxsize=64)
def sobol_normal(dimension: int, log2_points: int, seed: int) -> np.ndarray:
    """2**log2_points standard normal points, (dimension, points): a scrambled Sobol net through Φ⁻¹."""
    from scipy.special import ndtri  # these take a second to import, which only those who sample have to wait
    from scipy.stats import qmc

    uniform = qmc.Sobol(dimension, scramble=True, bits=53, rng=np.random.default_rng(seed)).random_base2(log2_points)
    points = ndtri(uniform + 2.0**-54).T.copy()  # the middle of its cell: 0 would be mapped to −∞
    points.setflags(write=False)  # cached, hence shared
    return points


def replicates(dimension: int, log2_points: int, seed: int, count: int) -> np.ndarray:
    """`count` independently scrambled copies of `sobol_normal`: (count, dimension, points)."""
    seeds = np.random.SeedSequence(seed).generate_state(count, np.uint64)
    return np.stack([sobol_normal(dimension, log2_points, int(s)) for s in seeds])


def covariance_root(covariance: ArrayLike) -> Array:
    """R with R Rᵀ = K for a positive *semi*definite K (..., d, d), columns by falling variance.

    Directions of variance zero, or below it by rounding, get none. The best-spread Sobol
    coordinates come first, so do the directions that matter most.
    """
    covariance = jnp.asarray(covariance, dtype=float)
    deviations = jnp.sqrt(jnp.maximum(jnp.diagonal(covariance, axis1=-2, axis2=-1), 0.0))
    unit = jnp.where(deviations == 0, 1.0, deviations)
    variances, directions = jnp.linalg.eigh(covariance / unit[..., :, None] / unit[..., None, :])
    root = directions * jnp.sqrt(jnp.maximum(variances, 0.0))[..., None, :]
    return (deviations[..., :, None] * root)[..., ::-1]


def expectation_sobol(
    fn: Callable[..., Array],
    covariance: ArrayLike,
    *,
    mean: ArrayLike | None = None,
    theta: tuple[ArrayLike, ...] = (),
    log2_points: int = 12,
    count: int = 16,
    seed: int = 0,
) -> Estimated:
    """E fn(x¹, …, xᵈ; θ) for Gaussian (x¹, …, xᵈ) of covariance K.

    Args:
        fn: Elementwise in its `d` arguments and the parameters after them.
        covariance: (..., d, d), positive semidefinite; leading axes are done one after another.
        mean: (..., d), zero if `None`.
        theta: Arrays of the leading shape.
        log2_points: The logarithm to base 2 of the number of points.
        count: How many independent scramblings of them.
        seed: Which scramblings.

    Returns:
        Expectations of the leading shape, the error being `STANDARD_ERRORS` standard errors of the mean of the
        scramblings.
    """
    points = replicates(jnp.shape(covariance)[-1], log2_points, seed, count)

    def one(root: Array, mean: Array, theta: tuple[Array, ...]) -> Estimated:
        x = jnp.einsum("ij,rjp->irp", root, points) + mean[:, None, None]
        values = jnp.broadcast_to(fn(*x, *theta), x.shape[1:])
        estimates = values.mean(-1)
        error = STANDARD_ERRORS * estimates.std(ddof=1) / math.sqrt(count)
        return Estimated(estimates.mean(), error, jnp.abs(values).mean())

    return _over_leading_axes(one, covariance, mean, theta)


def product_gauss_hermite(
    fn: Callable[..., Array],
    covariance: ArrayLike,
    *,
    mean: ArrayLike | None = None,
    theta: tuple[ArrayLike, ...] = (),
    nodes: int | None = None,
) -> Estimated:
    """As `expectation_sobol`, by a product of Gauss–Hermite rules of `nodes` nodes (`PRODUCT_NODES` if `None`).

    Exact for polynomials of degree below 2·nodes. The error is what two thirds of the nodes say
    differently: an estimate for smooth functions such as products of gates. A kink, a fast
    oscillation or a narrow bump between the nodes can fool it, and no kernel is made with it.

    **Raises** `ValueError` for more than `MOST_PRODUCT_ARGUMENTS` arguments.
    """
    dimension = jnp.shape(covariance)[-1]
    if dimension > MOST_PRODUCT_ARGUMENTS:
        raise ValueError(
            f"a product rule over {dimension} arguments needs too many nodes; "
            f"use expectation_sobol for more than {MOST_PRODUCT_ARGUMENTS}"
        )
    fine = nodes or PRODUCT_NODES[dimension]

    def rule(nodes: int, root: Array, mean: Array, theta: tuple[Array, ...]) -> tuple[Array, Array]:
        z, weights = np.polynomial.hermite_e.hermegauss(nodes)
        weights = weights / math.sqrt(2 * math.pi)
        # Nodes and weights on all axes but the first, flat; one node of weight 1 if there are none.
        rest = np.array(list(itertools.product(z, repeat=dimension - 1))).T
        rest_weights = functools.reduce(np.multiply.outer, [weights] * (dimension - 1), np.ones(())).ravel()
        spread = root[:, 1:] @ rest + mean[:, None]

        def slab(total, node):  # one node of the first axis at a time bounds the memory
            z, weight = node
            terms = weight * rest_weights * fn(*(spread + root[:, :1] * z), *theta)
            return (total[0] + terms.sum(), total[1] + jnp.abs(terms).sum()), None

        zero = jnp.zeros(())
        return jax.lax.scan(slab, (zero, zero), (jnp.asarray(z), jnp.asarray(weights)))[0]

    def one(root: Array, mean: Array, theta: tuple[Array, ...]) -> Estimated:
        (value, size), (coarse, _) = (rule(n, root, mean, theta) for n in (fine, max(1, 2 * fine // 3)))
        return Estimated(value, jnp.abs(value - coarse) + ROUNDING * size, size)

    return _over_leading_axes(one, covariance, mean, theta)


def _over_leading_axes(one: Callable[..., Estimated], covariance, mean, theta) -> Estimated:
    """`one(root, mean, theta)` for every entry of the leading axes, one at a time."""
    root = covariance_root(covariance)
    dimension = root.shape[-1]
    mean = jnp.zeros(dimension) if mean is None else jnp.asarray(mean, dtype=float)
    theta = tuple(jnp.asarray(t, dtype=float) for t in theta)
    lead = jnp.broadcast_shapes(root.shape[:-2], mean.shape[:-1], *(t.shape for t in theta))

    def flat(a: Array, own: tuple[int, ...]) -> Array:
        return jnp.broadcast_to(a, lead + own).reshape(-1, *own)

    operands = flat(root, (dimension, dimension)), flat(mean, (dimension,)), tuple(flat(t, ()) for t in theta)
    result = jax.lax.map(lambda args: one(*args), operands)
    return Estimated(*(part.reshape(lead) for part in result))
