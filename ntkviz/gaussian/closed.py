"""The closed form of a Gaussian expectation, if it has one: the formula that suits the families of its functions."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float64

from ntkviz.gaussian import closed_forms as cf
from ntkviz.gaussian import quadrature
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
from ntkviz.gaussian.geometry import Pairs, not_negative
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


class Argument(NamedTuple):
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
    def of(cls, x: Argument, family: Family) -> _Inner:
        mean = scaled(x.mean, family.rise)
        if family.shift:
            mean = family.shift if mean is None else mean + family.shift
        return cls(scaled(x.variance, family.rise**2), mean if mean is None else jnp.asarray(mean))

    @property
    def mean_or_zero(self) -> Float64[Array, "*inputs"]:
        return jnp.zeros(()) if self.mean is None else self.mean


def scaled(number: Any, factor: float) -> Any:
    """`number` times `factor`, without an operation if the factor is 1; `None` stays `None`."""
    return number if number is None or factor == 1 else factor * number


def argument(phi: Nonlinearity, theta: tuple[ArrayLike, ...], variance: ArrayLike, mean: ArrayLike | None) -> Argument:
    if phi.arity != 1:
        raise ValueError(
            f"{phi!r} takes {phi.arity} vectors; pair and single expectations are for nonlinearities of one"
        )
    parameters = tuple(jnp.asarray(t, dtype=float) for t in theta)
    variance = not_negative(jnp.asarray(variance, dtype=float))
    return Argument(phi, parameters, variance, None if mean is None else jnp.asarray(mean, dtype=float))


def closed_single(x: Argument) -> Float64[Array, "*inputs"] | None:
    family = x.family
    if family is None:
        return None
    inner = _Inner.of(x, family)
    value: Array = scaled(_single_formula(family.function, inner), family.factor)
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


def closed_square(x: Argument) -> ClosedForm | None:
    """The closed form of E φ(x)², if it is simpler than that of a pair."""
    variance = x.variance
    match x.family:
        case Family(cf.Kink(right, left), _, 0.0, _, 0.0) as family if x.mean is None:
            factor = family.factor**2 * family.rise**2 if (family.rise, family.factor) != (1.0, 1.0) else 1.0
            return ClosedForm(scaled((right**2 + left**2) / 2 * variance, factor))
        case Family(cf.Erf() as erf, rise, 0.0, 1.0, 0.0) if x.mean is None:
            return ClosedForm(cf.erf_square(erf, scaled(variance, rise**2)))
        case Family(Powers((0.0, 1.0)), _, _, _, _) if x.mean is None:
            return ClosedForm(variance)
    return None


def closed_pair(x: Argument, y: Argument, kxy: Pairs) -> Expectation | None:
    """The closed form of E[φ(x) ψ(y)], if their families have one."""
    one, other = x.family, y.family
    if one is None or other is None:
        return None
    kxy = scaled(kxy, one.rise * other.rise)
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


def _pair_formula(f: Function, g: Function, x: _Inner, y: _Inner, kxy: Pairs) -> Expectation | None:
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
