"""The algebra of limits Z that can be integrated exactly: sums of products of functions of Gaussians.

A coordinate's limit Z is written as Σ coefficient · Π φ(L), each L an affine combination of basis
Gaussians (the Ẑ's). Expected products split over independent groups of L's; within a group one or
two L's are an expectation of `ntkviz.gaussian`, and polynomial factors of further L's are removed by
Gaussian integration by parts (Stein's lemma, of which Isserlis' theorem is the polynomial case).
What does not fit raises `NotExactError`, and is sampled instead.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ..gaussian.expectation import Expectation, pair_expectation, single_expectation
from ..language.nonlinearities import Nonlinearity, identity, relu, step

Number = Any  # a float or a traced scalar
MOST_EXPECTATIONS = 500
"""Products of sums have many terms; beyond so many expectations compiling them takes minutes, and sampling seconds."""

# Traced once for all scalars under the same functions; a program has hundreds of them.
_single = jax.jit(single_expectation, static_argnames="phi")
_pair = jax.jit(pair_expectation, static_argnames=("phi", "psi"))


class NotExactError(Exception):
    """An expectation that this algebra does not integrate."""


@dataclass(eq=False)
class Affine:
    """mean + Σ coefficient·(basis Gaussian); `mean` is `None` where it is zero by form."""

    coefficients: dict[int, Number]
    mean: Number | None = None


class Factor(NamedTuple):
    """φ(L; θ)."""

    phi: Nonlinearity
    argument: Affine
    theta: tuple[Number, ...] = ()


class Term(NamedTuple):
    """coefficient · Π factors."""

    coefficient: Number
    factors: tuple[Factor, ...]


@dataclass(eq=False)
class Expression:
    """The limit Z of one vector, a sum of terms; no terms is zero."""

    terms: tuple[Term, ...]
    _affine: Affine | None = field(default=None, repr=False)

    @classmethod
    def constant(cls, value: Number) -> Expression:
        """The same number in every coordinate."""
        return cls((Term(value, ()),))

    @classmethod
    def gaussian(cls, basis: int) -> Expression:
        """One basis Gaussian."""
        return cls((Term(1.0, (Factor(identity, Affine({basis: 1.0})),)),))

    def __add__(self, other: Expression) -> Expression:
        return Expression(self.terms + other.terms)

    def __mul__(self, other: Expression) -> Expression:
        pairs = itertools.product(self.terms, other.terms)
        return Expression(tuple(Term(s.coefficient * t.coefficient, s.factors + t.factors) for s, t in pairs))

    def scaled(self, factor: Number) -> Expression:
        """factor·Z."""
        return Expression(tuple(Term(t.coefficient * factor, t.factors) for t in self.terms))

    def affine(self) -> Affine | None:
        """Z as an affine combination of Gaussians, if it is one; always the same object."""
        if self._affine is None and all(self._is_affine(t) for t in self.terms):
            self._affine = self._combine()
        return self._affine

    @staticmethod
    def _is_affine(term: Term) -> bool:
        return not term.factors or (len(term.factors) == 1 and term.factors[0].phi is identity)

    def _combine(self) -> Affine:
        if len(self.terms) == 1 and self.terms[0].factors and self.terms[0].coefficient is _ONE:
            return self.terms[0].factors[0].argument
        coefficients: dict[int, Number] = {}
        mean: Number | None = None
        for coefficient, factors in self.terms:
            if not factors:
                mean = coefficient if mean is None else mean + coefficient
                continue
            argument = factors[0].argument
            for basis, c in argument.coefficients.items():
                coefficients[basis] = coefficients.get(basis, 0.0) + coefficient * c
            if argument.mean is not None:
                mean = (0.0 if mean is None else mean) + coefficient * argument.mean
        return Affine(coefficients, mean)

    def apply(self, phi: Nonlinearity, theta: tuple[Number, ...]) -> Expression:
        """φ(Z; θ): of an affine Z, or, for a polynomial φ, of any."""
        argument = self.affine()
        if argument is not None:
            return Expression((Term(1.0, (Factor(phi, argument, theta),)),))
        if not phi.coefficients:
            raise NotExactError(f"{phi.name} of a non-Gaussian vector")
        result = Expression.constant(phi.coefficients[-1])
        for coefficient in reversed(phi.coefficients[:-1]):
            result = result * self
            if coefficient:
                result = result + Expression.constant(coefficient)
        return result


_ONE = 1.0


class Expectations:
    """Expectations of expressions, given the covariances of the basis Gaussians.

    `covariances[i, j]` (i ≤ j) is absent where it is zero by form. `None` means such a zero.
    """

    def __init__(self) -> None:
        self.covariances: dict[tuple[int, int], Number] = {}
        self.errors: list[Array] = []
        self._products: dict[tuple[int, int], tuple[Expression, Expression, Number | None]] = {}

    # --- second moments of arguments -------------------------------------------------------------

    def covariance(self, a: Affine, b: Affine) -> Number | None:
        """Cov(L, L̄)."""
        parts = [
            c * d * self.covariances[min(i, j), max(i, j)]
            for i, c in a.coefficients.items()
            for j, d in b.coefficients.items()
            if (min(i, j), max(i, j)) in self.covariances
        ]
        return _total(parts)

    def _variance(self, a: Affine) -> Number:
        value = self.covariance(a, a)
        return jnp.zeros(()) if value is None else value

    # --- expectations of expressions ---------------------------------------------------------------

    def mean(self, z: Expression) -> Number | None:
        """E Z."""
        return _total(self._term(t.coefficient, t.factors) for t in z.terms)

    def product(self, z: Expression, w: Expression) -> Number | None:
        """E[Z W], remembered."""
        key = (min(id(z), id(w)), max(id(z), id(w)))
        if key not in self._products:
            self._products[key] = (z, w, self.mean(z * w))  # holds z and w, so that their ids stay theirs
        return self._products[key][2]

    def expected_derivative(self, z: Expression, basis: int) -> Number | None:
        """E[∂Z/∂Ẑ] for a basis Gaussian Ẑ, scalars held fixed."""
        parts = []
        for term in z.terms:
            for argument, factors in _by_argument(term.factors).items():
                if basis in argument.coefficients:
                    slope = self._expected_slope(term, argument, factors)
                    if slope is not None:
                        parts.append(argument.coefficients[basis] * slope)
        return _total(parts)

    def _expected_slope(self, term: Term, argument: Affine, factors: list[Factor]) -> Number | None:
        """coefficient · E[∂_L Π φ(L) · (the other factors)]."""
        if all(f.phi.derivative() is not None for f in factors):
            return _total(self._term(term.coefficient, fs) for fs in _differentiated(term.factors, argument))
        # A jump: its derivative is no function, but Stein's lemma needs none.
        component = next(c for c in self._components(term.factors) if argument in c)
        if len(component) > 1:
            raise NotExactError("the derivative of a jump between dependent vectors")
        variance = self._variance(argument)
        centred = Affine(argument.coefficients)  # L − E L
        weighted = self._term(term.coefficient, (*term.factors, Factor(identity, centred)))
        return None if weighted is None else weighted / jnp.where(variance > 0, variance, 1.0)

    # --- expectations of products of factors -------------------------------------------------------

    def _term(self, coefficient: Number, factors: tuple[Factor, ...]) -> Number | None:
        value = coefficient
        for component in self._components(factors):
            expected = self._component(component)
            if expected is None:
                return None
            value = value * expected
        return value

    def _components(self, factors: tuple[Factor, ...]) -> list[dict[Affine, list[Factor]]]:
        """Factors by argument, arguments in groups independent of each other."""
        groups: list[dict[Affine, list[Factor]]] = []
        for argument, own in _by_argument(factors).items():
            touching = [g for g in groups if any(self.covariance(argument, other) is not None for other in g)]
            merged: dict[Affine, list[Factor]] = {}
            for group in touching:
                merged |= group
            groups = [g for g in groups if not any(g is t for t in touching)]
            groups.append(merged | {argument: own})
        return groups

    def _component(self, component: dict[Affine, list[Factor]]) -> Number | None:
        sides = [(argument, _Product.of(factors)) for argument, factors in component.items()]
        if len(sides) == 1:
            return self._one(*sides[0])
        if len(sides) == 2:
            return self._two(*sides)
        return self._by_parts(component)

    def _one(self, argument: Affine, product: _Product) -> Number | None:
        if product.phi is identity:
            return argument.mean
        result = _single(product.phi, self._variance(argument), theta=product.theta, mean=argument.mean)
        self._add_error(result)
        return result.value

    def _two(self, first: tuple[Affine, _Product], second: tuple[Affine, _Product]) -> Number:
        (a, p), (b, q) = first, second
        result = _pair(
            p.phi,
            q.phi,
            self._variance(a),
            jnp.asarray(self.covariance(a, b)),
            self._variance(b),
            theta=p.theta,
            theta_bar=q.theta,
            mean_x=a.mean,
            mean_y=b.mean,
        )
        self._add_error(result)
        return result.value

    def _add_error(self, result: Expectation) -> None:
        self.errors.append(result.error / (result.size + jnp.finfo(float).tiny))
        if len(self.errors) > MOST_EXPECTATIONS:
            raise NotExactError(f"more than {MOST_EXPECTATIONS} expectations")

    def _by_parts(self, component: dict[Affine, list[Factor]]) -> Number | None:
        """E[L·F] = E[L] E[F] + Σ_j Cov(L, L_j) E[∂_j F], for a polynomial factor's L."""
        for argument, factors in component.items():
            if all(f.phi.coefficients for f in factors):
                rest = tuple(f for other, fs in component.items() if other is not argument for f in fs)
                return self._polynomial_by_parts(argument, _multiply_out(factors), rest)
        raise NotExactError("three or more dependent vectors under functions that are not polynomials")

    def _polynomial_by_parts(
        self, argument: Affine, coefficients: tuple[float, ...], rest: tuple[Factor, ...]
    ) -> Number | None:
        parts = []
        for power, coefficient in enumerate(coefficients):
            if coefficient:
                parts.append(self._power_by_parts(coefficient, argument, power, rest))
        return _total(parts)

    def _power_by_parts(self, coefficient: Number, a: Affine, power: int, rest: tuple[Factor, ...]) -> Number | None:
        if power == 0:
            return self._term(coefficient, rest)
        below = (Factor(identity, a),) * (power - 1)
        parts = []
        if a.mean is not None:
            parts.append(self._term(coefficient * a.mean, (*below, *rest)))
        if power > 1:
            shorter = self._power_by_parts(coefficient * (power - 1), a, power - 2, rest)
            parts.append(None if shorter is None else self._variance(a) * shorter)
        for other in _by_argument(rest):
            across = self.covariance(a, other)
            if across is None:
                continue
            if any(f.phi.derivative() is None for f in rest if f.argument is other):
                raise NotExactError("integration by parts meets a jump")
            for factors in _differentiated(rest, other):
                slope = self._term(coefficient, (*below, *factors))
                parts.append(None if slope is None else across * slope)
        return _total(parts)


def _total(parts: Iterable[Number | None]) -> Number | None:
    total = None
    for part in parts:
        if part is not None:
            total = part if total is None else total + part
    return total


def _by_argument(factors: Iterable[Factor]) -> dict[Affine, list[Factor]]:
    found: dict[Affine, list[Factor]] = {}
    for factor in factors:
        found.setdefault(factor.argument, []).append(factor)
    return found


def _differentiated(factors: tuple[Factor, ...], argument: Affine) -> list[tuple[Factor, ...]]:
    """∂/∂L of a product of factors, by the product rule: a list of products."""
    products = []
    for k, factor in enumerate(factors):
        slope = factor.phi.derivative()
        if factor.argument is argument and slope is not None:
            products.append((*factors[:k], Factor(slope, argument, factor.theta), *factors[k + 1 :]))
    return products


# --- products of functions of one argument -----------------------------------------------------------


class _Product(NamedTuple):
    """Π φ(L; θ) over the factors of one argument, as one nonlinearity."""

    phi: Nonlinearity
    theta: tuple[Number, ...]

    @classmethod
    def of(cls, factors: list[Factor]) -> _Product:
        simpler = _simplified(factors)
        if len(simpler) == 1:
            return cls(simpler[0].phi, simpler[0].theta)
        order = sorted(simpler, key=lambda f: (f.phi.name, id(f.phi)))
        phis = tuple((f.phi, len(f.theta)) for f in order)
        return cls(_product_nonlinearity(phis), tuple(t for f in order for t in f.theta))


def _simplified(factors: list[Factor]) -> list[Factor]:
    """Multiply polynomials out; step·step = step, step·relu = relu, step·x = relu."""
    argument = factors[0].argument
    polynomials = [f for f in factors if f.phi.coefficients]
    others = [f for f in factors if not f.phi.coefficients]
    powers = _multiply_out(polynomials)
    steps = [f for f in others if f.phi is step]
    if steps:
        others = [f for f in others if f.phi is not step]
        if any(f.phi is relu for f in others):
            steps = []
        elif len(powers) == 2 and powers[0] == 0:
            steps, powers, others = [], (powers[1],), [*others, Factor(relu, argument)]
        else:
            steps = steps[:1]
    others = others + steps
    if powers == (1.0,) and others:
        return others
    return [Factor(_polynomial_of(powers), argument), *others]


def _multiply_out(polynomials: list[Factor]) -> tuple[float, ...]:
    powers: tuple[float, ...] = (1.0,)
    for factor in polynomials:
        product = [0.0] * (len(powers) + len(factor.phi.coefficients) - 1)
        for (i, a), (j, b) in itertools.product(enumerate(powers), enumerate(factor.phi.coefficients)):
            product[i + j] += a * b
        powers = tuple(product)
    return powers


@functools.lru_cache(maxsize=512)
def _polynomial_of(coefficients: tuple[float, ...]) -> Nonlinearity:
    from ..language.nonlinearities import polynomial

    return identity if coefficients == identity.coefficients else polynomial("polynomial", *coefficients)


@functools.lru_cache(maxsize=512)
def _product_nonlinearity(phis: tuple[tuple[Nonlinearity, int], ...]) -> Nonlinearity:
    def fn(x, *theta):
        value, used = jnp.ones_like(x), 0
        for phi, count in phis:
            value = value * phi.fn(x, *theta[used : used + count])
            used += count
        return value

    fn.factors = phis  # type: ignore[attr-defined]  # any of which may be a derivative
    return Nonlinearity("·".join(phi.name for phi, _ in phis), fn, smooth=all(phi.smooth for phi, _ in phis))
