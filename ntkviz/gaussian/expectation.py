"""E[φ(x; θ) ψ(y; θ̄)] for jointly Gaussian (x, y): by a closed form if there is one, otherwise by quadrature.

This is the only entry point to Gaussian expectations of one-argument nonlinearities. The choice of a formula depends
only on the nonlinearities, so it is made during tracing; all functions here can be used under `jit`, `vmap` and `scan`,
and broadcast. Derivatives with respect to the covariance are not taken through the formulas, which are singular at
correlation ±1, but by Price's theorem, ∂E[φψ]/∂kxy = E[φ′ψ′]: pass φ′ and ψ′, or use `pair_with_slopes` for both
expectations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float64

from ntkviz.gaussian import closed_forms as cf
from ntkviz.gaussian import exponential_sums, quadrature
from ntkviz.gaussian.exponential_sums import ExponentialSum
from ntkviz.gaussian.families import (
    Exponential,
    Family,
    Function,
    Gelu,
    GeluSlope,
    Powers,
    as_exponential_sum,
    family_of,
)
from ntkviz.language.nonlinearities.nonlinearity import Nonlinearity


class Estimated(NamedTuple):
    """An expectation with an estimate of its error.

    Attributes:
        value: E[φψ].
        error: A bound or an estimate of its absolute error.
        size: E|φψ| or a bound of it, with which the error of a value that is zero by symmetry is compared.
    """

    value: Float64[Array, "*entries"]
    error: Float64[Array, "*entries"]
    size: Float64[Array, "*entries"]

    def times(self, factor: Array) -> Estimated:
        """The expectation multiplied by `factor`."""
        return Estimated(factor * self.value, jnp.abs(factor) * self.error, jnp.abs(factor) * self.size)

    def relative_error(self) -> Float64[Array, ""]:
        """The largest error of an array of expectations, relative to the largest size."""
        return jnp.max(self.error) / (jnp.max(self.size) + jnp.finfo(float).tiny)


class ClosedForm(NamedTuple):
    """An expectation that is exact up to rounding, so that its error is known statically."""

    value: Float64[Array, "*entries"]

    @property
    def error(self) -> Float64[Array, "*entries"]:
        return quadrature.ROUNDING * self.size

    @property
    def size(self) -> Float64[Array, "*entries"]:
        return jnp.abs(self.value)

    def times(self, factor: Array) -> ClosedForm:
        """The expectation multiplied by `factor`."""
        return ClosedForm(factor * self.value)

    def relative_error(self) -> Float64[Array, ""]:
        return jnp.asarray(quadrature.ROUNDING)


Expectation = Estimated | ClosedForm


WORTH = 1e-9
"""If rounding may exceed this fraction of a sum's size, quadrature is tried too."""


class _Argument(NamedTuple):
    """φ with its parameters θ, and the mean and variance of its argument."""

    phi: Nonlinearity
    theta: tuple[Array, ...]
    variance: Float64[Array, "*#entries"]
    mean: Float64[Array, "*#entries"] | None

    @property
    def mean_or_zero(self) -> Float64[Array, "*inputs"]:
        return jnp.zeros(()) if self.mean is None else self.mean

    @property
    def side(self) -> quadrature.Side:
        return quadrature.Side(self.phi, self.variance, self.mean_or_zero, self.theta)

    @property
    def family(self) -> Family | None:
        return family_of(self.phi, self.theta)

    @property
    def sum(self) -> ExponentialSum | None:
        return as_exponential_sum(self.phi, self.theta)


class _Inner(NamedTuple):
    """The mean and variance of bx + c, the argument of f in φ(x) = a f(bx + c) + d."""

    variance: Float64[Array, "*#entries"]
    mean: Float64[Array, "*#entries"] | None

    @classmethod
    def of(cls, x: _Argument, family: Family) -> _Inner:
        mean = _scaled(x.mean, family.rise)
        if family.shift:
            mean = family.shift if mean is None else mean + family.shift
        return cls(_scaled(x.variance, family.rise**2), mean if mean is None else jnp.asarray(mean))

    @property
    def mean_or_zero(self) -> Float64[Array, "*inputs"]:
        return jnp.zeros(()) if self.mean is None else self.mean


def _scaled(number: Any, factor: float) -> Any:
    """`number` times `factor`, without an operation if the factor is 1; `None` stays `None`."""
    return number if number is None or factor == 1 else factor * number


def _argument(
    phi: Nonlinearity, theta: tuple[ArrayLike, ...], variance: ArrayLike, mean: ArrayLike | None
) -> _Argument:
    if phi.arity != 1:
        raise ValueError(
            f"{phi!r} takes {phi.arity} vectors; pair and single expectations are for nonlinearities of one"
        )
    parameters = tuple(jnp.asarray(t, dtype=float) for t in theta)
    variance = jnp.maximum(jnp.asarray(variance, dtype=float), 0.0)  # rounding may leave −1e-17
    return _Argument(phi, parameters, variance, None if mean is None else jnp.asarray(mean, dtype=float))


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
    x, y = _argument(phi, theta, kxx, mean_x), _argument(psi, theta_bar, kyy, mean_y)
    kxy = jnp.asarray(kxy, dtype=float)
    if (closed := _closed_pair(x, y, kxy)) is not None:
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
    x = _argument(phi, theta, kxx, mean)
    match x.family:
        case Family(cf.Kink(right, left), _, 0.0, _, 0.0) as family if mean is None:
            factor = family.factor**2 * family.rise**2 if (family.rise, family.factor) != (1.0, 1.0) else 1.0
            return ClosedForm(_scaled((right**2 + left**2) / 2 * x.variance, factor))
        case Family(cf.Erf() as erf, rise, 0.0, 1.0, 0.0) if mean is None:
            return ClosedForm(cf.erf_square(erf, _scaled(x.variance, rise**2)))
        case Family(Powers((0.0, 1.0)), _, _, _, _) if mean is None:
            return ClosedForm(x.variance)
    return pair_expectation(phi, phi, kxx, kxx, kxx, theta=theta, theta_bar=theta, mean_x=mean, mean_y=mean)


def single_expectation(
    phi: Nonlinearity, kxx: ArrayLike, *, theta: tuple[ArrayLike, ...] = (), mean: ArrayLike | None = None
) -> Expectation:
    """E φ(x; θ) for Gaussian x of variance `kxx` and the given mean (`None` for exactly zero)."""
    return _single(_argument(phi, theta, kxx, mean))


def pair_with_slopes(
    phi: Nonlinearity, psi: Nonlinearity, kxx: ArrayLike, kxy: ArrayLike, kyy: ArrayLike, **laws: Any
) -> tuple[Expectation, Expectation]:
    """(E[φψ], E[φ′ψ′]): a kernel and, by Price's theorem, its derivative with respect to kxy.

    The arguments are those of `pair_expectation`. Under `jit` the two share common subexpressions (the angle, for
    relu), so together they cost about as much as one.

    Raises `ValueError` if φ or ψ has a jump, since its derivative is not a function.
    """
    value = pair_expectation(phi, psi, kxx, kxy, kyy, **laws)
    return value, pair_expectation(_slope(phi), _slope(psi), kxx, kxy, kyy, **laws)


def _slope(phi: Nonlinearity) -> Nonlinearity:
    slope = phi.derivative()
    if slope is None:
        raise ValueError(f"{phi!r} has a jump, so its derivative is not a function and E[φ′ψ′] does not exist")
    return slope


def _by_quadrature(x: _Argument, y: _Argument, kxy: cf.Pairs) -> Estimated:
    return Estimated(*quadrature.pair(x.side, y.side, kxy))


def _single(x: _Argument) -> Expectation:
    value = _closed_single(x)
    if value is not None:
        return ClosedForm(value)
    if x.sum is None:
        return Estimated(*quadrature.single(x.side))
    exact = Estimated(*exponential_sums.single(x.sum, x.variance, x.mean_or_zero))
    return _more_accurate(exact, x.sum, lambda: Estimated(*quadrature.single(x.side)))


def _pair_of_sums(x: _Argument, y: _Argument, phi: ExponentialSum, psi: ExponentialSum, kxy: cf.Pairs) -> Estimated:
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


def _closed_single(x: _Argument) -> Float64[Array, "*inputs"] | None:
    family = x.family
    if family is None:
        return None
    inner = _Inner.of(x, family)
    value: Array = _scaled(_single_formula(family.function, inner), family.factor)
    return value + family.offset if family.offset else value


def _single_formula(f: Function, x: _Inner) -> Float64[Array, "*inputs"]:
    k, mean = x.variance, x.mean_or_zero
    match f:
        case Powers(coefficients):
            return cf.polynomial_single(coefficients, k, mean)
        case cf.Kink():
            return cf.kink_single(f, k) if x.mean is None else cf.kink_single_with_mean(f, k, mean)
        case cf.Jump():
            return cf.jump_single(f, k) if x.mean is None else cf.jump_single_with_mean(f, k, mean)
        case cf.Erf():
            return cf.erf_single(f, k, mean)
        case cf.Bump():
            return cf.bump_single(f, k, mean)
        case cf.Wave():
            return cf.wave_single(f, k, mean)
        case Exponential():
            return cf.exp_single(k, mean)
        case Gelu():
            return cf.gelu_single(k, mean)
        case GeluSlope():
            return cf.gelu_slope_single(k, mean)


def _reduced_pair(x: _Argument, y: _Argument, kxy: cf.Pairs) -> Expectation | None:
    """The expectation for φ(x) = a e^{bx} or c₀ + c₁x, for which one over y alone suffices; `None` for other φ."""
    match x.family:
        case Family(Exponential(), rise):  # e^{bx} tilts the law of y: its mean moves by b kxy
            tilted, size = _single(y._replace(mean=y.mean_or_zero + _scaled(kxy, rise))), _closed_single(x)
            assert size is not None
            return tilted.times(size)
        case Family(Powers(coefficients)) if len(coefficients) <= 2:
            offset, rise = (*coefficients, 0.0)[:2]
            mean = _single(y).times(jnp.asarray(offset + rise * x.mean_or_zero))
            slope = _regression(y, kxy).times(jnp.asarray(rise))
            return Estimated(mean.value + slope.value, mean.error + slope.error, mean.size + slope.size)
    return None


def _regression(y: _Argument, kxy: cf.Pairs) -> Expectation:
    """E[(x − E x) ψ(y)] = kxy E ψ′(y) by Stein's lemma, or kxy/√kyy · E[z ψ(y)] with z = (y − E y)/√kyy.

    The latter is used where E ψ′(y) has no closed form.
    """
    slope = y.phi.derivative()
    value = None if slope is None else _closed_single(y._replace(phi=slope))
    if value is not None:
        return ClosedForm(kxy * value)
    moment = Estimated(*quadrature.single(y.side, degree=1))
    deviation = jnp.sqrt(y.variance)
    return moment.times(jnp.where(deviation > 0, kxy / jnp.where(deviation > 0, deviation, 1.0), 0.0))


def _closed_pair(x: _Argument, y: _Argument, kxy: cf.Pairs) -> Expectation | None:
    """The closed form of E[φ(x) ψ(y)], if their families have one."""
    one, other = x.family, y.family
    if one is None or other is None:
        return None
    kxy = _scaled(kxy, one.rise * other.rise)
    laws = _Inner.of(x, one), _Inner.of(y, other)
    found = _pair_formula(one.function, other.function, *laws, kxy)
    if found is None:
        found = _pair_formula(other.function, one.function, *laws[::-1], kxy)
    if found is None:
        return None
    found = found if one.factor * other.factor == 1 else found.times(jnp.asarray(one.factor * other.factor))
    return found if not one.offset and not other.offset else _with_offsets(found, one, other, *laws)


def _with_offsets(pair: Expectation, one: Family, other: Family, x: _Inner, y: _Inner) -> Estimated:
    """E[(af + d)(āf̄ + d̄)] from E[af āf̄]."""
    parts = [
        pair.value,
        one.factor * _single_formula(one.function, x) * other.offset,
        other.factor * _single_formula(other.function, y) * one.offset,
        jnp.asarray(one.offset * other.offset),
    ]
    value, size = sum(parts, jnp.zeros(())), sum(map(jnp.abs, parts), jnp.zeros(()))
    return Estimated(value, pair.error + quadrature.ROUNDING * size, size)


def _pair_formula(f: Function, g: Function, x: _Inner, y: _Inner, kxy: cf.Pairs) -> Expectation | None:
    """E[f(x) g(y)] if there is a formula with f as the first function."""
    kxx, kyy, centred = x.variance, y.variance, x.mean is None and y.mean is None
    means = x.mean_or_zero, y.mean_or_zero
    match f, g:
        case Powers(p), Powers(q):
            return ClosedForm(cf.polynomial_polynomial(p, q, kxx, kxy, kyy, *means))
        case cf.Wave(), cf.Wave():
            value = cf.wave_wave(f, g, kxx, kxy, kyy, *means)
            return Estimated(value, quadrature.ROUNDING * (1 + (kxx + kyy) / 10) * jnp.abs(value), jnp.abs(value))
    if not centred:
        return None
    match _as_kink(f, g), _as_kink(g, f):
        case cf.Bump() as f, cf.Bump() as g:
            return ClosedForm(cf.bump_bump(f, g, kxx, kxy, kyy))
        case cf.Kink() as f, cf.Kink() as g:
            return ClosedForm(cf.kink_kink(f, g, kxx, kxy, kyy))
        case cf.Jump() as f, cf.Jump() as g:
            return ClosedForm(cf.jump_jump(f, g, kxx, kxy, kyy))
        case cf.Kink() as f, cf.Jump() as g:
            return ClosedForm(cf.kink_jump(f, g, kxx, kxy, kyy))
        case cf.Erf() as f, cf.Erf() as g:
            return ClosedForm(cf.erf_erf(f, g, kxx, kxy, kyy))
        case Gelu(), Gelu():
            return ClosedForm(cf.gelu_gelu(kxx, kxy, kyy))
        case GeluSlope(), GeluSlope():
            return ClosedForm(cf.gelu_slopes(kxx, kxy, kyy))
    return None


def _as_kink(f: Function, other: Function) -> Function:
    """f itself or, if f = cx and the other function has a kink or a jump, f as a `Kink` with equal slopes."""
    if isinstance(other, cf.Kink | cf.Jump) and isinstance(f, Powers) and len(f.coefficients) == 2:
        offset, rise = f.coefficients
        return f if offset else cf.Kink(rise, rise)
    return f
