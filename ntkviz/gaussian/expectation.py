"""E[φ(x; θ) ψ(y; θ̄)] for jointly Gaussian (x, y): the closed form if there is one, else quadrature.

This is the one door to Gaussian expectations of one-argument nonlinearities. Which formula is used
depends only on *which* nonlinearities they are, so it is decided while JAX traces; everything here
can be jitted, vmapped and scanned, and broadcasts. Derivatives in the covariance are not taken
through the formulas (they are singular at correlation ±1) but by Price's theorem,
∂E[φψ]/∂kxy = E[φ′ψ′]: ask for φ′, ψ′, or for both at once by `pair_with_slopes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from ntkviz.gaussian import closed_forms as cf
from ntkviz.gaussian import quadrature
from ntkviz.language import nonlinearities as nl
from ntkviz.language.nonlinearities import Nonlinearity


class Estimated(NamedTuple):
    """A value, a bound or estimate of its absolute error, and the size of what was averaged: E|φψ| or a bound of it,
    which the error of a value that is zero by symmetry is small against."""

    value: Array
    error: Array
    size: Array

    def times(self, factor: Array) -> Estimated:
        """The expectation of `factor` times as much."""
        return Estimated(factor * self.value, jnp.abs(factor) * self.error, jnp.abs(factor) * self.size)

    def relative_error(self) -> Array:
        """The largest error of an array of expectations, relative to the largest size."""
        return jnp.max(self.error) / (jnp.max(self.size) + jnp.finfo(float).tiny)


class ClosedForm(NamedTuple):
    """An expectation of which only rounding is an error, so nobody has to look at its numbers to know it."""

    value: Array

    @property
    def error(self) -> Array:
        return quadrature.ROUNDING * self.size

    @property
    def size(self) -> Array:
        return jnp.abs(self.value)

    def times(self, factor: Array) -> ClosedForm:
        """The expectation of `factor` times as much."""
        return ClosedForm(factor * self.value)

    def relative_error(self) -> Array:
        return jnp.asarray(quadrature.ROUNDING)


Expectation = Estimated | ClosedForm


# Families of functions with common formulas. Those with parameters θ are built from them.
KINKS: dict[Nonlinearity, Callable[..., cf.Kink]] = {
    nl.relu: lambda: cf.Kink(1.0, 0.0),
    nl.abs: lambda: cf.Kink(1.0, -1.0),
    nl.leaky_relu: lambda slope=0.2: cf.Kink(1.0, slope),
    nl.identity: lambda: cf.Kink(1.0, 1.0),
}
JUMPS: dict[Nonlinearity, Callable[..., cf.Jump]] = {
    nl.step: lambda: cf.Jump(1.0, 0.0, 0.0),
    nl.sign: lambda: cf.Jump(1.0, -1.0, 0.0),
    nl.leaky_step: lambda slope=0.2: cf.Jump(1.0, slope, slope),
}
ERFS = {nl.erf: cf.Erf(0.0, 1.0), nl.erf_gate: cf.Erf(0.5, 0.5)}
BUMPS = {nl.erf_slope: cf.Bump(2 / math.sqrt(math.pi)), nl.erf_gate_slope: cf.Bump(1 / math.sqrt(math.pi))}
WAVES = {nl.sin: cf.Wave(1.0, 0.0), nl.cos: cf.Wave(0.0, 1.0), nl.minus_sin: cf.Wave(-1.0, 0.0)}


class _Argument(NamedTuple):
    """φ, its parameters and the law of its argument."""

    phi: Nonlinearity
    theta: tuple[Array, ...]
    variance: Array
    mean: Array | None

    @property
    def mean_or_zero(self) -> Array:
        return jnp.zeros(()) if self.mean is None else self.mean

    @property
    def side(self) -> quadrature.Side:
        return quadrature.Side(self.phi.fn, self.variance, self.mean_or_zero, self.theta)


def _argument(phi: Nonlinearity, theta, variance, mean) -> _Argument:
    if phi.arity != 1:
        raise ValueError(
            f"{phi!r} takes {phi.arity} vectors; pair and single expectations are for nonlinearities of one"
        )
    theta = tuple(jnp.asarray(t, dtype=float) for t in theta)
    variance = jnp.maximum(jnp.asarray(variance, dtype=float), 0.0)  # rounding may leave −1e-17
    return _Argument(phi, theta, variance, None if mean is None else jnp.asarray(mean, dtype=float))


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

    **Arguments** (arrays broadcast; variances kept apart as a column and a row, (n, 1) and (1, m),
    are cheaper for functions without a closed form, which are then expanded n + m times)

    - `kxx`, `kxy`, `kyy`: second *central* moments; a `kxy` beyond ±√(kxx kyy), or within roundings of it, is it.
    - `theta`, `theta_bar`: the parameters of φ and ψ.
    - `mean_x`, `mean_y`: means, `None` for exactly zero (which has more closed forms).

    **Raises** `ValueError` for a nonlinearity of more than one vector.
    """
    x, y = _argument(phi, theta, kxx, mean_x), _argument(psi, theta_bar, kyy, mean_y)
    kxy = jnp.asarray(kxy, dtype=float)
    for first, second in ((x, y), (y, x)):
        expectation = _closed_pair(first, second, kxy) or _reduced_pair(first, second, kxy)
        if expectation is not None:
            return expectation
    smooth, centred = phi.smooth and psi.smooth, mean_x is None and mean_y is None
    return Estimated(*quadrature.pair(x.side, y.side, kxy, smooth=smooth, centred=centred))


def square_expectation(
    phi: Nonlinearity, kxx: ArrayLike, *, theta: tuple[ArrayLike, ...] = (), mean: ArrayLike | None = None
) -> Expectation:
    """E φ(x; θ)² for Gaussian x of variance `kxx` and the given mean (`None` for exactly zero)."""
    x = _argument(phi, theta, kxx, mean)
    if mean is None and phi in KINKS:
        kink = KINKS[phi](*x.theta)
        return ClosedForm((kink.right**2 + kink.left**2) / 2 * x.variance)
    if mean is None and phi in ERFS:
        return ClosedForm(cf.erf_square(ERFS[phi], x.variance))
    return pair_expectation(phi, phi, kxx, kxx, kxx, theta=theta, theta_bar=theta, mean_x=mean, mean_y=mean)


def single_expectation(
    phi: Nonlinearity, kxx: ArrayLike, *, theta: tuple[ArrayLike, ...] = (), mean: ArrayLike | None = None
) -> Expectation:
    """E φ(x; θ) for Gaussian x of variance `kxx` and the given mean (`None` for exactly zero)."""
    return _single(_argument(phi, theta, kxx, mean))


def pair_with_slopes(
    phi: Nonlinearity, psi: Nonlinearity, kxx: ArrayLike, kxy: ArrayLike, kyy: ArrayLike, **laws
) -> tuple[Expectation, Expectation]:
    """(E[φψ], E[φ′ψ′]): a kernel and, by Price's theorem, its derivative in kxy.

    Arguments as `pair_expectation`. Under `jit` the two share what they have in common (the angle,
    for relu), so this costs about as much as one.

    **Raises** `ValueError` if φ or ψ has a jump: its derivative is not a function.
    """
    value = pair_expectation(phi, psi, kxx, kxy, kyy, **laws)
    return value, pair_expectation(_slope(phi), _slope(psi), kxx, kxy, kyy, **laws)


def _slope(phi: Nonlinearity) -> Nonlinearity:
    slope = phi.derivative()
    if slope is None:
        raise ValueError(f"{phi!r} has a jump, so its derivative is not a function and E[φ′ψ′] does not exist")
    return slope


def _single(x: _Argument) -> Expectation:
    value = _closed_single(x)
    return ClosedForm(value) if value is not None else Estimated(*quadrature.single(x.side, smooth=x.phi.smooth))


def _closed_single(x: _Argument) -> Array | None:
    phi, k, mean = x.phi, x.variance, x.mean_or_zero
    if phi.coefficients:
        return cf.polynomial_single(phi.coefficients, k, mean)
    if phi in KINKS:
        kink = KINKS[phi](*x.theta)
        return cf.kink_single(kink, k) if x.mean is None else cf.kink_single_with_mean(kink, k, mean)
    if phi in JUMPS:
        jump = JUMPS[phi](*x.theta)
        return cf.jump_single(jump, k) if x.mean is None else cf.jump_single_with_mean(jump, k, mean)
    if phi in ERFS:
        return cf.erf_single(ERFS[phi], k, mean)
    if phi in BUMPS:
        return cf.bump_single(BUMPS[phi], k, mean)
    if phi in WAVES:
        return cf.wave_single(WAVES[phi], k, mean)
    singles = {nl.exp: cf.exp_single, nl.gelu: cf.gelu_single, nl.gelu_slope: cf.gelu_slope_single}
    return singles[phi](k, mean) if phi in singles else None


def _reduced_pair(x: _Argument, y: _Argument, kxy: Array) -> Expectation | None:
    """Pairs in which φ(x) = eˣ or c₀ + c₁x, for which an expectation over y alone is enough."""
    if x.phi is nl.exp:  # eˣ tilts the law of y: its mean moves by kxy
        tilted = _single(y._replace(mean=y.mean_or_zero + kxy))
        return tilted.times(cf.exp_single(x.variance, x.mean_or_zero))
    if x.phi.coefficients and len(x.phi.coefficients) <= 2:
        offset, rise = (*x.phi.coefficients, 0.0)[:2]
        mean = _single(y).times(jnp.asarray(offset + rise * x.mean_or_zero))
        slope = _regression(y, kxy).times(jnp.asarray(rise))
        return Estimated(mean.value + slope.value, mean.error + slope.error, mean.size + slope.size)
    return None


def _regression(y: _Argument, kxy: Array) -> Expectation:
    """E[(x − E x) ψ(y)] = kxy E ψ′(y) (Stein), or without ψ′ as kxy/√kyy · E[z ψ(y)], z = (y − E y)/√kyy."""
    slope = y.phi.derivative() if y.phi.derivatives else None
    value = None if slope is None else _closed_single(y._replace(phi=slope))
    if value is not None:
        return ClosedForm(kxy * value)
    moment = Estimated(*quadrature.single(y.side, smooth=y.phi.smooth, degree=1))
    deviation = jnp.sqrt(y.variance)
    return moment.times(jnp.where(deviation > 0, kxy / jnp.where(deviation > 0, deviation, 1.0), 0.0))


def _closed_pair(x: _Argument, y: _Argument, kxy: Array) -> Expectation | None:
    """The closed form of E[φ(x) ψ(y)] if the table has it with φ in the first place."""
    phi, psi, kxx, kyy = x.phi, y.phi, x.variance, y.variance
    means = x.mean_or_zero, y.mean_or_zero
    centred = x.mean is None and y.mean is None
    if phi.coefficients and psi.coefficients:
        value = cf.polynomial_polynomial(phi.coefficients, psi.coefficients, kxx, kxy, kyy, *means)
        return ClosedForm(value)
    if phi in WAVES and psi in WAVES:
        return ClosedForm(cf.wave_wave(WAVES[phi], WAVES[psi], kxx, kxy, kyy, *means))
    if phi in BUMPS and psi in BUMPS:
        return ClosedForm(cf.bump_bump(BUMPS[phi], BUMPS[psi], kxx, kxy, kyy, None if centred else means))
    if centred and phi in KINKS and psi in KINKS:
        return ClosedForm(cf.kink_kink(KINKS[phi](*x.theta), KINKS[psi](*y.theta), kxx, kxy, kyy))
    if centred and phi in JUMPS and psi in JUMPS:
        return ClosedForm(cf.jump_jump(JUMPS[phi](*x.theta), JUMPS[psi](*y.theta), kxx, kxy, kyy))
    if centred and phi in KINKS and psi in JUMPS:
        return ClosedForm(cf.kink_jump(KINKS[phi](*x.theta), JUMPS[psi](*y.theta), kxx, kxy, kyy))
    if centred and phi in ERFS and psi in ERFS:
        return ClosedForm(cf.erf_erf(ERFS[phi], ERFS[psi], kxx, kxy, kyy))
    if centred and phi is psi is nl.gelu:
        return ClosedForm(cf.gelu_gelu(kxx, kxy, kyy))
    if centred and phi is psi is nl.gelu_slope:
        return ClosedForm(cf.gelu_slopes(kxx, kxy, kyy))
    return None
