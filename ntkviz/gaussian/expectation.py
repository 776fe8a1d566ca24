"""E[φ(x; θ) ψ(y; θ̄)] for jointly Gaussian (x, y): by a closed form if there is one, otherwise by quadrature.

This is the only entry point to Gaussian expectations of one-argument nonlinearities. The choice of a formula depends
only on the nonlinearities, so it is made during tracing; all functions here can be used under `jit`, `vmap` and `scan`,
and broadcast. `pair_with_slopes` gives the derivative with respect to the covariance too, by Price's theorem,
∂E[φψ]/∂kxy = E[φ′ψ′]. For derivatives by JAX, `differentiable` has the same functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from ntkviz.gaussian import exponential_sums, quadrature
from ntkviz.gaussian.closed import (
    Argument,
    ClosedForm,
    Estimated,
    Expectation,
    argument,
    closed_pair,
    closed_single,
    closed_square,
    scaled,
)
from ntkviz.gaussian.exponential_sums import ExponentialSum
from ntkviz.gaussian.families import Exponential, Family, Powers
from ntkviz.gaussian.geometry import Pairs
from ntkviz.language.nonlinearities.nonlinearity import Nonlinearity

WORTH = 1e-9
"""If rounding may exceed this fraction of a sum's size, quadrature is tried too."""


def pair_expectation(
    phi: Nonlinearity,
    psi: Nonlinearity,
    kxx: ArrayLike,
    kxy: ArrayLike,
    kyy: ArrayLike,
    *,
    theta: tuple[ArrayLike, ...] = (),
    theta_bar: tuple[ArrayLike, ...] = (),
    mean_x: ArrayLike | None = None,
    mean_y: ArrayLike | None = None,
) -> Expectation:
    """E[φ(x; θ) ψ(y; θ̄)] for jointly Gaussian (x, y).

    Arrays broadcast. For functions without a closed form, pass variances as a column (n, 1) and a row (1, m): then only
    n + m Hermite expansions are computed.

    Args:
        phi: φ, of one vector.
        psi: ψ, of one vector.
        kxx: The variance of x.
        kxy: The covariance of x and y; values beyond ±√(kxx kyy), or equal to it up to rounding, are clipped to it.
        kyy: The variance of y.
        theta: The parameters of φ.
        theta_bar: The parameters of ψ.
        mean_x: The mean of x; `None` for exactly zero, for which there are more closed forms.
        mean_y: The mean of y, like `mean_x`.

    Returns:
        The expectations, of the broadcast shape, with their errors.

    Raises:
        ValueError: A nonlinearity takes more than one vector.
    """
    x, y = argument(phi, theta, kxx, mean_x), argument(psi, theta_bar, kyy, mean_y)
    kxy = jnp.asarray(kxy, dtype=float)
    if (closed := closed_pair(x, y, kxy)) is not None:
        return closed
    if x.sum is not None and y.sum is not None:
        return _pair_of_sums(x, y, x.sum, y.sum, kxy)
    for first, second in ((x, y), (y, x)):
        if (reduced := _reduced_pair(first, second, kxy)) is not None:
            return reduced
    return _by_quadrature(x, y, kxy)


def square_expectation(
    phi: Nonlinearity, kxx: ArrayLike, *, theta: tuple[ArrayLike, ...] = (), mean: ArrayLike | None = None
) -> Expectation:
    """E φ(x; θ)² for Gaussian x of variance `kxx` and the given mean (`None` for exactly zero)."""
    if (closed := closed_square(argument(phi, theta, kxx, mean))) is not None:
        return closed
    return pair_expectation(phi, phi, kxx, kxx, kxx, theta=theta, theta_bar=theta, mean_x=mean, mean_y=mean)


def single_expectation(
    phi: Nonlinearity, kxx: ArrayLike, *, theta: tuple[ArrayLike, ...] = (), mean: ArrayLike | None = None
) -> Expectation:
    """E φ(x; θ) for Gaussian x of variance `kxx` and the given mean (`None` for exactly zero)."""
    return _single(argument(phi, theta, kxx, mean))


def pair_with_slopes(
    phi: Nonlinearity, psi: Nonlinearity, kxx: ArrayLike, kxy: ArrayLike, kyy: ArrayLike, **laws: Any
) -> tuple[Expectation, Expectation]:
    """(E[φψ], E[φ′ψ′]): a kernel and, by Price's theorem, its derivative with respect to kxy.

    The arguments are those of `pair_expectation`. Under `jit` the two share common subexpressions (the angle, for
    relu), so together they cost about as much as one.

    Raises `ValueError` if φ or ψ has a jump, since its derivative is not a function.
    """
    value = pair_expectation(phi, psi, kxx, kxy, kyy, **laws)
    return value, pair_expectation(slope(phi), slope(psi), kxx, kxy, kyy, **laws)


def slope(phi: Nonlinearity) -> Nonlinearity:
    """φ′; raises `ValueError` if it is not a function."""
    found = phi.derivative()
    if found is None:
        raise ValueError(f"{phi!r} has a jump, so its derivative is not a function and E[φ′ψ′] does not exist")
    return found


def _by_quadrature(x: Argument, y: Argument, kxy: Pairs) -> Estimated:
    return Estimated(*quadrature.pair(x.side, y.side, kxy))


def _single(x: Argument) -> Expectation:
    value = closed_single(x)
    if value is not None:
        return ClosedForm(value)
    if x.sum is None:
        return Estimated(*quadrature.single(x.side))
    exact = Estimated(*exponential_sums.single(x.sum, x.variance, x.mean_or_zero))
    return _more_accurate(exact, x.sum, lambda: Estimated(*quadrature.single(x.side)))


def _pair_of_sums(x: Argument, y: Argument, phi: ExponentialSum, psi: ExponentialSum, kxy: Pairs) -> Estimated:
    law = x.variance, kxy, y.variance, x.mean_or_zero, y.mean_or_zero
    exact = Estimated(*exponential_sums.pair(phi, psi, *law))
    many = phi if len(phi.terms) > 1 else psi
    return _more_accurate(exact, many, lambda: _by_quadrature(x, y, kxy))


def _more_accurate(exact: Estimated, phi: ExponentialSum, quadrature: Callable[[], Estimated]) -> Estimated:
    """A sum of closed forms or, where its terms cancel and it is more accurate, quadrature.

    At small variance, for instance, 1 − cos x is small but its terms are not.
    """
    if len(phi.terms) <= 1:
        return exact
    cancelled = jnp.isfinite(exact.error) & (exact.error > WORTH * exact.size)

    def better() -> Estimated:
        other = quadrature()
        use = cancelled & (other.error < exact.error)
        return Estimated(*(jnp.where(use, b, a) for a, b in zip(exact, other, strict=True)))

    return Estimated(*jax.lax.cond(jnp.any(cancelled), better, lambda: exact))


def _reduced_pair(x: Argument, y: Argument, kxy: Pairs) -> Expectation | None:
    """The expectation for φ(x) = a e^{bx} or c₀ + c₁x, for which one over y alone suffices; `None` for other φ."""
    match x.family:
        case Family(Exponential(), rise):  # e^{bx} tilts the law of y: its mean moves by b kxy
            tilted, size = _single(y._replace(mean=y.mean_or_zero + scaled(kxy, rise))), closed_single(x)
            assert size is not None
            return tilted.times(size)
        case Family(Powers(coefficients)) if len(coefficients) <= 2:
            offset, rise = (*coefficients, 0.0)[:2]
            mean = _single(y).times(jnp.asarray(offset + rise * x.mean_or_zero))
            slope = _regression(y, kxy).times(jnp.asarray(rise))
            return Estimated(mean.value + slope.value, mean.error + slope.error, mean.size + slope.size)
    return None


def _regression(y: Argument, kxy: Pairs) -> Expectation:
    """E[(x − E x) ψ(y)] = kxy E ψ′(y) by Stein's lemma, or kxy/√kyy · E[z ψ(y)] with z = (y − E y)/√kyy.

    The latter is used where E ψ′(y) has no closed form.
    """
    slope = y.phi.derivative()
    value = None if slope is None else closed_single(y._replace(phi=slope))
    if value is not None:
        return ClosedForm(kxy * value)
    moment = Estimated(*quadrature.single(y.side, degree=1))
    deviation = jnp.sqrt(y.variance)
    return moment.times(jnp.where(deviation > 0, kxy / jnp.where(deviation > 0, deviation, 1.0), 0.0))
