"""Gaussian expectations that JAX can differentiate with respect to the law of (x, y) and the parameters of functions.

The values are those of `expectation`. Closed forms are differentiated as formulas. All other expectations, above all
integrals, which may run on the host, are differentiated by the theorems of Price and Bonnet instead,

    ∂/∂kxy E[φ(x)ψ(y)] = E[φ′ψ′],   ∂/∂kxx = E[φ″ψ]/2,   ∂/∂(mean of x) = E[φ′ψ],   ∂/∂θ = E[∂φ/∂θ ψ],

whose right-hand sides are expectations with errors of their own (Price 1958; Bonnet 1964). A derivative that is not a
function, such as the second one of relu, is refused by name. If the error of a right-hand side has no bound, the
derivative is NaN, never a number that may be wrong. Errors are not differentiated.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from ntkviz.errors import NoGradientError
from ntkviz.gaussian import expectation
from ntkviz.gaussian.closed import (
    ClosedForm,
    Estimated,
    Expectation,
    argument,
    closed_pair,
    closed_single,
    closed_square,
)
from ntkviz.gaussian.closed_forms import Jump
from ntkviz.gaussian.families import Family, family_of
from ntkviz.language.nonlinearities.nonlinearity import Nonlinearity


class _Laws(NamedTuple):
    """The arguments of an expectation that can be differentiated; those of y are `None` for a single expectation."""

    kxx: Any
    kxy: Any = None
    kyy: Any = None
    theta: tuple[Any, ...] = ()
    theta_bar: tuple[Any, ...] = ()
    mean_x: Any = None
    mean_y: Any = None

    @classmethod
    def of(cls, *numbers: Any, **others: Any) -> _Laws:
        made: _Laws = jax.tree.map(lambda number: jnp.asarray(number, dtype=float), cls(*numbers, **others))
        return made

    def pair(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of `pair_expectation`."""
        laws = {"theta": self.theta, "theta_bar": self.theta_bar, "mean_x": self.mean_x, "mean_y": self.mean_y}
        return (self.kxx, self.kxy, self.kyy), laws


def pair_expectation(
    phi: Nonlinearity, psi: Nonlinearity, kxx: ArrayLike, kxy: ArrayLike, kyy: ArrayLike, **laws: Any
) -> Expectation:
    """E[φ(x; θ) ψ(y; θ̄)], as `expectation.pair_expectation`, with derivatives."""
    every = _Laws.of(kxx, kxy, kyy, **laws)
    x, y = argument(phi, every.theta, every.kxx, every.mean_x), argument(psi, every.theta_bar, every.kyy, every.mean_y)
    closed = closed_pair(x, y, every.kxy)
    return _pair(phi, psi, every) if closed is None else _value_alone(closed)


def pair_with_slopes(
    phi: Nonlinearity, psi: Nonlinearity, kxx: ArrayLike, kxy: ArrayLike, kyy: ArrayLike, **laws: Any
) -> tuple[Expectation, Expectation]:
    """(E[φψ], E[φ′ψ′]), as `expectation.pair_with_slopes`, with derivatives.

    Raises `ValueError` if φ or ψ has a jump, since its derivative is not a function.
    """
    value = pair_expectation(phi, psi, kxx, kxy, kyy, **laws)
    return value, pair_expectation(expectation.slope(phi), expectation.slope(psi), kxx, kxy, kyy, **laws)


def square_expectation(
    phi: Nonlinearity, kxx: ArrayLike, *, theta: tuple[ArrayLike, ...] = (), mean: ArrayLike | None = None
) -> Expectation:
    """E φ(x; θ)², as `expectation.square_expectation`, with derivatives."""
    if (closed := closed_square(argument(phi, theta, kxx, mean))) is not None:
        return closed
    return pair_expectation(phi, phi, kxx, kxx, kxx, theta=theta, theta_bar=theta, mean_x=mean, mean_y=mean)


def single_expectation(
    phi: Nonlinearity, kxx: ArrayLike, *, theta: tuple[ArrayLike, ...] = (), mean: ArrayLike | None = None
) -> Expectation:
    """E φ(x; θ), as `expectation.single_expectation`, with derivatives."""
    closed = closed_single(argument(phi, theta, kxx, mean))
    return _single(phi, _Laws.of(kxx, theta=theta, mean_x=mean)) if closed is None else ClosedForm(closed)


def times_slopes(
    phi: Nonlinearity,
    psi: Nonlinearity,
    slopes: Array,
    laws: tuple[tuple[Any, ...], tuple[Any, ...]],
    tangent: Array,
) -> Array:
    """E[φ′ψ′] K̇ from `slopes`, E[φ′ψ′]; for x and y, `laws` holds the variance, the mean (or `None`) and θ.

    Where a variance is 0, E[φ′ψ′] takes the value of φ′ at 0, but where K̇ changes sign there, as for an input of zero,
    the product has the mean of both sides as its slope.
    """
    means = [_mean_at_jump(f, *law[1:]) for f, law in zip((phi, psi), laws, strict=True)]
    if means[0] is None or means[1] is None:
        return slopes * tangent
    found: Array = _product(slopes, tangent, means[0] * means[1], laws[0][0], laws[1][0])
    return found


def _mean_at_jump(phi: Nonlinearity, mean: Any, theta: tuple[Any, ...]) -> Any:
    """The mean of φ′(0+) and φ′(0−) if φ is linear on both sides of a kink at 0, and x has mean 0; otherwise `None`."""
    match family_of(expectation.slope(phi), theta):
        case Family(Jump(right, left), _, 0.0, factor, 0.0) if mean is None:
            return factor * (right + left) / 2
    return None


@jax.custom_jvp
def _product(slopes: Array, tangent: Array, mean: Any, kxx: Array, kyy: Array) -> Array:
    return slopes * tangent


@_product.defjvp
def _(primals: Any, tangents: Any) -> tuple[Array, Array]:
    slopes, tangent, mean, kxx, kyy = primals
    both = jnp.where((kxx == 0) | (kyy == 0), mean, slopes)
    return slopes * tangent, tangents[0] * tangent + both * tangents[1]


def _value_alone(found: Expectation) -> Expectation:
    if isinstance(found, ClosedForm):
        return found
    return Estimated(found.value, *map(jax.lax.stop_gradient, found[1:]))


# --- the rules of Price and Bonnet -------------------------------------------------------------------------

Arguments = tuple[int, ...]
"""The arguments of a function in which it is differentiated one after the other: 0 is x, and the others are θ."""
Terms = list[tuple[Any, float, tuple[Arguments, ...]]]
"""The change of an argument, a factor, and the derivatives of the functions in the expectation that it multiplies."""


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _pair(phi: Nonlinearity, psi: Nonlinearity, laws: _Laws) -> Expectation:
    numbers, others = laws.pair()
    return expectation.pair_expectation(phi, psi, *numbers, **others)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _single(phi: Nonlinearity, laws: _Laws) -> Expectation:
    return expectation.single_expectation(phi, laws.kxx, theta=laws.theta, mean=laws.mean_x)


def _differentiated_pair(phi: Nonlinearity, psi: Nonlinearity, primals: Any, tangents: Any) -> Any:
    (laws,), (changes,) = primals, tangents
    found = _pair(phi, psi, laws)
    if isinstance(found, ClosedForm):  # an exponential or a linear function, times a function with a closed form
        return _as_formula(functools.partial(_pair.fun, phi, psi), laws, changes)

    numbers, others = laws.pair()

    def rate(of_phi: Arguments, of_psi: Arguments) -> Expectation:
        return pair_expectation(_derivative(phi, of_phi), _derivative(psi, of_psi), *numbers, **others)

    terms: Terms = [
        (changes.kxy, 1.0, ((0,), (0,))),
        (changes.kxx, 0.5, ((0, 0), ())),
        (changes.kyy, 0.5, ((), (0, 0))),
        (changes.mean_x, 1.0, ((0,), ())),
        (changes.mean_y, 1.0, ((), (0,))),
    ]
    terms += [(change, 1.0, ((k,), ())) for k, change in enumerate(changes.theta, start=1)]
    terms += [(change, 1.0, ((), (k,))) for k, change in enumerate(changes.theta_bar, start=1)]
    return found, _change(found, terms, rate)


def _differentiated_single(phi: Nonlinearity, primals: Any, tangents: Any) -> Any:
    (laws,), (changes,) = primals, tangents
    found = _single(phi, laws)

    def rate(of_phi: Arguments) -> Expectation:
        return single_expectation(_derivative(phi, of_phi), laws.kxx, theta=laws.theta, mean=laws.mean_x)

    terms: Terms = [(changes.kxx, 0.5, ((0, 0),)), (changes.mean_x, 1.0, ((0,),))]
    terms += [(change, 1.0, ((k,),)) for k, change in enumerate(changes.theta, start=1)]
    return found, _change(found, terms, rate)


_pair.defjvp(_differentiated_pair, symbolic_zeros=True)
_single.defjvp(_differentiated_single, symbolic_zeros=True)


def _change(found: Expectation, terms: Terms, rate: Callable[..., Expectation]) -> Any:
    """Σ change · factor · rate over the arguments that change, as the tangent of an expectation."""
    total = jnp.zeros_like(found.value)
    for change, factor, derivatives in terms:
        if change is not None and not isinstance(change, SymbolicZero):
            total = total + factor * change * _bounded(rate(*derivatives))
    return jax.tree.map(jnp.zeros_like, found)._replace(value=total)


def _bounded(found: Expectation) -> Array:
    """The value of an expectation; NaN where its error has no bound, as that of a derivative that ignores a jump."""
    if isinstance(found, ClosedForm):
        return found.value
    return jnp.where(jnp.isfinite(found.error), found.value, jnp.nan)


def _as_formula(function: Callable[[_Laws], Expectation], laws: _Laws, changes: _Laws) -> Any:
    def whole(change: Any) -> Any:
        return jnp.zeros(change.shape, change.dtype) if isinstance(change, SymbolicZero) else change

    return jax.jvp(function, (laws,), (jax.tree.map(whole, changes, is_leaf=_is_symbolic_zero),))


def _is_symbolic_zero(leaf: Any) -> bool:
    return isinstance(leaf, SymbolicZero)


def _derivative(phi: Nonlinearity, arguments: Arguments) -> Nonlinearity:
    """The derivative of φ in each of these arguments; raises `NoGradientError` if it is not a function."""
    for number in arguments:
        found = phi.derivative(number)
        if found is None:
            raise NoGradientError(
                f"{phi.name} jumps, so that its expectations can be differentiated only where they have closed forms, "
                "as for Gaussians of mean zero; compute without derivatives, or use a smooth nonlinearity."
            )
        phi = found
    return phi


# --- what has no derivative ----------------------------------------------------------------------------------


def without_derivatives(function: Callable[..., Any], why: str) -> Callable[..., Any]:
    """The same function of arrays; differentiating it raises `NoGradientError` with the reason `why`."""
    guarded = jax.custom_jvp(function)

    @guarded.defjvp
    def _(primals: Any, tangents: Any) -> Any:
        raise NoGradientError(why)

    return guarded
