"""Functions of affine combinations of basis Gaussians, and their products: the building blocks of expressions."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from ...language.nonlinearities.nonlinearity import Nonlinearity, identity, polynomial, relu, step
from ...language.zero import ZERO

Number = Any  # a float, a traced scalar or ZERO


@dataclass(eq=False)
class Affine:
    """mean + Σ coefficient·(basis Gaussian)."""

    coefficients: dict[int, Number]
    mean: Number = ZERO


class Factor(NamedTuple):
    """φ(L; θ)."""

    phi: Nonlinearity
    argument: Affine
    theta: tuple[Number, ...] = ()


def by_argument(factors: Iterable[Factor]) -> dict[Affine, list[Factor]]:
    """The factors of each argument."""
    found: dict[Affine, list[Factor]] = {}
    for factor in factors:
        found.setdefault(factor.argument, []).append(factor)
    return found


def differentiated(factors: tuple[Factor, ...], argument: Affine) -> list[tuple[Factor, ...]]:
    """∂/∂L of a product of factors, as the list of the products whose sum it is."""
    products = []
    for k, factor in enumerate(factors):
        slope = factor.phi.derivative()
        if factor.argument is argument and slope is not None:
            products.append((*factors[:k], Factor(slope, argument, factor.theta), *factors[k + 1 :]))
    return products


# --- products of functions of one argument -----------------------------------------------------------


class Product(NamedTuple):
    """Π φ(L; θ) over the factors of one argument, as one nonlinearity."""

    phi: Nonlinearity
    theta: tuple[Number, ...]

    @classmethod
    def of(cls, factors: list[Factor]) -> Product:
        simpler = _simplified(factors)
        if len(simpler) == 1:
            return cls(simpler[0].phi, simpler[0].theta)
        order = sorted(simpler, key=lambda f: (f.phi.name, id(f.phi)))
        phis = tuple((f.phi, len(f.theta)) for f in order)
        return cls(_product_nonlinearity(phis), tuple(t for f in order for t in f.theta))


def _simplified(factors: list[Factor]) -> list[Factor]:
    """Multiply polynomials, and use step·step = step, step·relu = relu and step·x = relu."""
    argument = factors[0].argument
    polynomials = [f for f in factors if f.phi.coefficients]
    others = [f for f in factors if not f.phi.coefficients]
    powers = multiplied_out(polynomials)
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


def multiplied_out(polynomials: list[Factor]) -> tuple[float, ...]:
    """The coefficients of a product of polynomials of one argument."""
    powers: tuple[float, ...] = (1.0,)
    for factor in polynomials:
        product = [0.0] * (len(powers) + len(factor.phi.coefficients) - 1)
        for (i, a), (j, b) in itertools.product(enumerate(powers), enumerate(factor.phi.coefficients)):
            product[i + j] += a * b
        powers = tuple(product)
    return powers


@functools.lru_cache(maxsize=512)
def _polynomial_of(coefficients: tuple[float, ...]) -> Nonlinearity:
    return identity if coefficients == identity.coefficients else polynomial("polynomial", *coefficients)


@functools.lru_cache(maxsize=512)
def _product_nonlinearity(phis: tuple[tuple[Nonlinearity, int], ...]) -> Nonlinearity:
    def fn(x: Any, *theta: Any) -> Any:
        value, used = jnp.ones_like(x), 0
        for phi, count in phis:
            value = value * phi.fn(x, *theta[used : used + count])
            used += count
        return value

    fn.factors = phis  # type: ignore[attr-defined]  # any of them may be a derivative, which `jumps.py` checks
    made = Nonlinearity("·".join(phi.name for phi, _ in phis), fn, smooth=all(phi.smooth for phi, _ in phis))
    coefficients = made.as_polynomial() if not any(count for _, count in phis) else None
    return made if coefficients is None else _polynomial_of(coefficients)


def simplified(factors: tuple[Factor, ...]) -> tuple[Factor, ...]:
    """A product of factors, with those of one argument replaced by a polynomial if they make one: |x|·|x| is x²."""
    found: list[Factor] = []
    for argument, own in by_argument(factors).items():
        product = Product.of(own)
        found += [Factor(product.phi, argument)] if product.phi.coefficients else own
    return tuple(found)
