"""The algebra of limits Z that can be integrated exactly: sums of products of functions of Gaussians.

The limit Z of a coordinate is written as Σ coefficient · Π φ(L), where each L is an affine combination of basis
Gaussians (the Ẑ's). Expected products factorise over independent groups of L's. Within a group, functions of one or two
L's are an expectation of `ntkviz.gaussian`, and polynomial factors of further L's are removed by Gaussian integration
by parts (Stein's lemma, of which Isserlis' theorem is the polynomial case). Anything else is recorded as a reason
(`Expectations.beyond`), and the program is sampled instead.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ...gaussian.closed import Expectation
from ...gaussian.error import Error, relative_error
from ...gaussian.expectation import pair_expectation, single_expectation
from ...language.nonlinearities.nonlinearity import Nonlinearity, identity
from ...language.zero import ZERO, Zero, none_if_zero, written
from ..limit_kernels import Reason
from .factors import Affine, Factor, Number, Product, by_argument, differentiated, multiplied_out, simplified

MOST_EXPECTATIONS = 250
"""Products of sums have many terms; with more expectations, compilation takes minutes, while sampling takes seconds."""

LOST, SAME = 1e-14, 1e-13
"""For the regression on two Gaussians: its rounding error, and the value below which 1 − ρ² is rounding."""

# Jitted, so that each function is traced once; a program has hundreds of expectations.
_single = jax.jit(single_expectation, static_argnames="phi")
_pair = jax.jit(pair_expectation, static_argnames=("phi", "psi"))


class Term(NamedTuple):
    """coefficient · Π factors."""

    coefficient: Number
    factors: tuple[Factor, ...]


@dataclass(eq=False)
class Expression:
    """The limit Z of one vector, as a sum of terms; without terms it is zero."""

    terms: tuple[Term, ...]
    _affine: Affine | None = field(default=None, repr=False)

    @classmethod
    def constant(cls, value: Number) -> Expression:
        """The limit of a vector with the same number in every coordinate."""
        return cls((Term(value, ()),))

    @classmethod
    def gaussian(cls, basis: int) -> Expression:
        """One basis Gaussian."""
        return cls((Term(1.0, (Factor(identity, Affine({basis: 1.0})),)),))

    def __add__(self, other: Expression) -> Expression:
        return Expression(self.terms + other.terms)

    def __mul__(self, other: Expression) -> Expression:
        pairs = itertools.product(self.collected, other.collected)
        made = (Term(s.coefficient * t.coefficient, simplified(s.factors + t.factors)) for s, t in pairs)
        return Expression(tuple(made))

    @functools.cached_property
    def collected(self) -> tuple[Term, ...]:
        """The terms, with equal products of factors combined, and all affine terms as one, so that there are fewer."""
        linear = [t for t in self.terms if len(t.factors) == 1 and self._is_affine(t)]
        alike: dict[Any, Term] = {}
        for term in self.terms if len(linear) < 2 else (t for t in self.terms if not any(t is u for u in linear)):
            key = frozenset(Counter((f.phi, id(f.argument), *map(id, f.theta)) for f in term.factors).items())
            known = alike.get(key)
            alike[key] = Term(known.coefficient + term.coefficient, known.factors) if known else term
        if len(linear) < 2:
            return tuple(alike.values())
        return (Term(1.0, (Factor(identity, Expression(tuple(linear))._combine()),)), *alike.values())

    def scaled(self, factor: Number) -> Expression:
        """factor·Z."""
        if factor is ZERO:
            return NOTHING
        return Expression(tuple(Term(t.coefficient * factor, t.factors) for t in self.terms))

    def affine(self) -> Affine | None:
        """Z as an affine combination of Gaussians, always the same object; `None` if it is not one."""
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
        mean: Number = ZERO
        for coefficient, factors in self.terms:
            if not factors:
                mean = mean + coefficient
                continue
            argument = factors[0].argument
            for basis, c in argument.coefficients.items():
                coefficients[basis] = coefficients.get(basis, 0.0) + coefficient * c
            mean = mean + coefficient * argument.mean
        return Affine(coefficients, mean)

    def apply(self, phi: Nonlinearity, theta: tuple[Number, ...]) -> Expression | None:
        """φ(Z; θ) for an affine Z or, if φ is a polynomial, for any Z; otherwise `None`: it is not in the algebra."""
        argument = self.affine()
        if argument is not None:
            return Expression((Term(1.0, (Factor(phi, argument, theta),)),))
        if not phi.coefficients:
            return None
        result = Expression.constant(phi.coefficients[-1])
        for coefficient in reversed(phi.coefficients[:-1]):
            result = result * self
            if coefficient:
                result = result + Expression.constant(coefficient)
        return result


_ONE = 1.0
NOTHING = Expression(())


class Expectations:
    """Expectations of expressions, given the covariances of the basis Gaussians.

    Attributes:
        covariances: Cov(Ẑ_i, Ẑ_j) by (i, j), i ≤ j; absent if it is a structural zero.
        errors: The relative errors of the expectations so far.
        beyond: The reasons why an expectation is outside the algebra. After the first one, all results are `ZERO`.
    """

    def __init__(self) -> None:
        self.covariances: dict[tuple[int, int], Number] = {}
        self.errors: list[Error] = []
        self.beyond: list[Reason] = []
        self._covariances: dict[frozenset[Affine], Number] = {}
        self._products: dict[tuple[int, int], tuple[Expression, Expression, Number]] = {}
        self._known: dict[Any, tuple[Any, Number]] = {}

    def refuse(self, why: str) -> Zero:
        """Record why an expectation is outside the algebra."""
        self.beyond.append(Reason("samples", why))
        return ZERO

    # --- second moments of arguments -------------------------------------------------------------

    def covariance(self, a: Affine, b: Affine) -> Number:
        """Cov(L, L̄), memoised."""
        pair = frozenset((a, b))
        if pair not in self._covariances:
            parts = (
                c * d * self.covariances[min(i, j), max(i, j)]
                for i, c in a.coefficients.items()
                for j, d in b.coefficients.items()
                if (min(i, j), max(i, j)) in self.covariances
            )
            self._covariances[pair] = sum(parts, ZERO)
        return self._covariances[pair]

    def _variance(self, a: Affine) -> Number:
        return written(self.covariance(a, a), ())

    # --- expectations of expressions ---------------------------------------------------------------

    def mean(self, z: Expression) -> Number:
        """E Z."""
        return sum((self._term(t.coefficient, t.factors) for t in z.terms), ZERO)

    def product(self, z: Expression, w: Expression) -> Number:
        """E[Z W], memoised."""
        key = (min(id(z), id(w)), max(id(z), id(w)))
        if self.beyond:
            return ZERO
        if key not in self._products:
            self._products[key] = (z, w, self.mean(z * w))  # z and w are kept alive, so that their ids stay unique
        return self._products[key][2]

    def expected_derivative(self, z: Expression, basis: int) -> Number:
        """E[∂Z/∂Ẑ] for a basis Gaussian Ẑ, with scalars held fixed."""
        parts = (
            argument.coefficients[basis] * self._expected_slope(term, argument, factors)
            for term in z.terms
            for argument, factors in by_argument(term.factors).items()
            if basis in argument.coefficients
        )
        return sum(parts, ZERO)

    def _expected_slope(self, term: Term, argument: Affine, factors: list[Factor]) -> Number:
        """coefficient · E[∂_L Π φ(L) · (the other factors)]."""
        if all(f.phi.derivative() is not None for f in factors):
            return sum((self._term(term.coefficient, fs) for fs in differentiated(term.factors, argument)), ZERO)
        # The derivative of a jump is not a function, but Stein's lemma does not need it.
        component = next(c for c in self._components(term.factors) if argument in c)
        if len(component) > 1:
            return self.refuse("the derivative of a jump between dependent vectors")
        variance = self._variance(argument)
        centred = Affine(argument.coefficients)  # L − E L
        weighted = self._term(term.coefficient, (*term.factors, Factor(identity, centred)))
        return weighted / jnp.where(variance > 0, variance, 1.0)

    # --- expectations of products of factors -------------------------------------------------------

    def _term(self, coefficient: Number, factors: tuple[Factor, ...]) -> Number:
        value = coefficient
        for component in self._components(factors):
            expected = ZERO if self.beyond else self._component(component)
            if expected is ZERO:
                return ZERO
            value = value * expected
        return value

    def _components(self, factors: tuple[Factor, ...]) -> list[dict[Affine, list[Factor]]]:
        """The factors by argument, with the arguments in groups that are independent of each other."""
        groups: list[dict[Affine, list[Factor]]] = []
        for argument, own in by_argument(factors).items():
            touching = [g for g in groups if any(self.covariance(argument, other) is not ZERO for other in g)]
            merged: dict[Affine, list[Factor]] = {}
            for group in touching:
                merged |= group
            groups = [g for g in groups if not any(g is t for t in touching)]
            groups.append(merged | {argument: own})
        return groups

    def _component(self, component: dict[Affine, list[Factor]]) -> Number:
        sides = [(argument, Product.of(factors)) for argument, factors in component.items()]
        key = frozenset((id(argument), p.phi, *map(id, p.theta)) for argument, p in sides)
        if key not in self._known:  # products of sums have many terms, but few different expectations
            by_size = (lambda: self._one(*sides[0])), (lambda: self._two(*sides))
            value = by_size[len(sides) - 1]() if len(sides) <= 2 else self._by_parts(component)
            self._known[key] = sides, value  # the arguments are kept alive, so that their ids stay unique
        return self._known[key][1]

    def _one(self, argument: Affine, product: Product) -> Number:
        if product.phi is identity:
            return argument.mean
        result = _single(product.phi, self._variance(argument), theta=product.theta, mean=none_if_zero(argument.mean))
        return self._with_error(result)

    def _two(self, first: tuple[Affine, Product], second: tuple[Affine, Product]) -> Number:
        (a, p), (b, q) = first, second
        result = _pair(
            p.phi,
            q.phi,
            self._variance(a),
            jnp.asarray(self.covariance(a, b)),
            self._variance(b),
            theta=p.theta,
            theta_bar=q.theta,
            mean_x=none_if_zero(a.mean),
            mean_y=none_if_zero(b.mean),
        )
        return self._with_error(result)

    def _with_error(self, result: Expectation) -> Number:
        self.errors.append(relative_error(result))
        if len(self.errors) > MOST_EXPECTATIONS:
            return self.refuse(f"more than {MOST_EXPECTATIONS} expectations")
        return result.value

    def _by_parts(self, component: dict[Affine, list[Factor]]) -> Number:
        """E[L·F] = E[L] E[F] + Σ_j Cov(L, L_j) E[∂_j F], for an L with only polynomial factors."""
        for argument, factors in component.items():
            if all(f.phi.coefficients for f in factors):
                rest = tuple(f for other, fs in component.items() if other is not argument for f in fs)
                return self._polynomial_by_parts(argument, multiplied_out(factors), rest)
        return self.refuse("three or more dependent vectors under functions that are not polynomials")

    def _polynomial_by_parts(
        self, argument: Affine, coefficients: tuple[float, ...], rest: tuple[Factor, ...]
    ) -> Number:
        parts = (self._power_by_parts(c, argument, power, rest) for power, c in enumerate(coefficients) if c)
        return sum(parts, ZERO)

    def _power_by_parts(self, coefficient: Number, a: Affine, power: int, rest: tuple[Factor, ...]) -> Number:
        if power == 0:
            return self._term(coefficient, rest)
        below = (Factor(identity, a),) * (power - 1)
        total = ZERO if a.mean is ZERO else self._term(coefficient * a.mean, (*below, *rest))
        if power > 1:
            shorter = self._power_by_parts(coefficient * (power - 1), a, power - 2, rest)
            total = total + self._variance(a) * shorter
        for other in by_argument(rest):
            across = self.covariance(a, other)
            if across is ZERO:
                continue
            if any(f.phi.derivative() is None for f in rest if f.argument is other):
                return self._regressed(coefficient, a, (*below, *rest))
            for factors in differentiated(rest, other):
                total = total + across * self._term(coefficient, (*below, *factors))
        return total

    def _regressed(self, coefficient: Number, a: Affine, rest: tuple[Factor, ...]) -> Number:
        """E[L·F] for an F with factors that jump.

        L minus its regression on their arguments is independent of these, so that only polynomials are differentiated.
        """
        arguments = by_argument(rest)
        rough = [other for other, fs in arguments.items() if not all(f.phi.coefficients for f in fs)]
        if len(rough) > 2:
            return self.refuse("integration by parts meets a jump")
        rates, condition = self._regression(a, rough)
        mean = self._term(coefficient, rest)
        parts = [
            rate * (self._term(coefficient, (*rest, Factor(identity, other))) + other.mean * mean * -1.0)
            for rate, other in zip(rates, rough, strict=True)
        ]
        total = a.mean * mean + sum(parts, ZERO)
        for other in arguments.keys() - set(rough):
            along = (self.covariance(on, other) * -rate for rate, on in zip(rates, rough, strict=True))
            left = sum(along, self.covariance(a, other))
            for factors in differentiated(rest, other):
                total = total + left * self._term(coefficient, factors)
        lost = condition * sum((jnp.abs(written(part, ())) for part in parts), jnp.zeros(()))
        size = jnp.abs(written(total, ())) + jnp.sqrt(self._variance(a)) * jnp.abs(written(mean, ()))
        self.errors.append(Error(lost / (size + jnp.finfo(float).tiny), "estimate"))
        return total

    def _regression(self, a: Affine, on: list[Affine]) -> tuple[list[Number], Array]:
        """The coefficients of the regression of L on one or two others, and their relative rounding error.

        If the two others are the same Gaussian up to scale, the regression is on one of them.
        """
        k = [self._variance(b) for b in on]
        across = [jnp.asarray(written(self.covariance(a, b), ())) for b in on]
        alone = [jnp.where(v > 0, c / jnp.where(v > 0, v, 1.0), 0.0) for v, c in zip(k, across, strict=True)]
        if len(on) == 1:
            return list(alone), jnp.asarray(LOST)
        both = jnp.asarray(written(self.covariance(*on), ()))
        rest = k[0] * k[1] - both**2
        apart = rest > SAME * k[0] * k[1]
        safe = jnp.where(apart, rest, 1.0)
        first = jnp.where(apart, (across[0] * k[1] - across[1] * both) / safe, jnp.where(k[0] >= k[1], alone[0], 0.0))
        second = jnp.where(apart, (across[1] * k[0] - across[0] * both) / safe, jnp.where(k[0] >= k[1], 0.0, alone[1]))
        return [first, second], LOST * jnp.where(apart, k[0] * k[1] / safe, 1.0)
