"""Writes a function of several vectors as a sum of products of ridge functions, by an analysis of its jaxpr.

A ridge function is a function of one linear combination of the vectors. For example, max(x, y) = (x + y)/2 + |x − y|/2,
so jnp.maximum is affine but for a ridge function of x − y, and x·tanh(y) is a product of two ridge functions. Gaussian
expectations are known for functions of one Gaussian, as a linear combination of jointly Gaussian vectors is, so a
function of this form need not be sampled. `rewriting/several.py` rewrites programs with it.

JAX traces the function to primitive operations on numbers, which are then carried out on `Sum`s instead of numbers. If
all arguments of an operation depend on the same linear combination, so does its result. For other arguments there are
rules for sums, products, maxima and minima, and choices by the sign of one combination. Coefficients are exact
rationals (as every float is).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from ..lazy_jax import core, jax, jnp
from .recognition import CALLS

MOST_POWER, MOST_PRODUCTS = 4, 8
"""The largest power of a sum that is expanded, and the largest number of products: more would cost too much."""
Direction = tuple[Fraction, ...]
"""The coefficients of a linear combination of the vectors, scaled so that the first nonzero one is 1."""
CUSTOM = {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
COMPARISONS = {"gt", "ge", "lt", "le", "eq", "ne"}


class NotOfThisFormError(Exception):
    """The rules of this module do not write the function as a sum of products of ridge functions."""


class Evaluation:
    """The value of a linear combination (`line`) and the parameters θ, with the results of the steps taken so far."""

    def __init__(self, line: Any, theta: tuple[Any, ...]):
        self.line, self.theta = line, theta
        self.known: dict[Step, Any] = {}


class Step:
    """One step in the calculation of a ridge function; its result is cached in the evaluation."""

    def __init__(self, calculate: Callable[[Evaluation], Any]):
        self.calculate = calculate

    def __call__(self, at: Evaluation) -> Any:
        if self not in at.known:
            at.known[self] = self.calculate(at)
        return at.known[self]


class Ridge(NamedTuple):
    """A function of one linear combination and of θ; of θ alone if `direction` is `None`."""

    direction: Direction | None
    step: Step


FALSE, TRUE = Ridge(None, Step(lambda at: np.asarray(False))), Ridge(None, Step(lambda at: np.asarray(True)))


@dataclass(frozen=True)
class Sum:
    """offset + Σ cᵢ xᵢ + Σ f(L) + Σ c Π (other sums), with ridge functions f of linear combinations L."""

    linear: Direction
    offset: Fraction = Fraction(0)
    ridges: dict[Direction | None, Step] = field(default_factory=dict)
    products: tuple[tuple[Fraction, tuple[Sum, ...]], ...] = ()

    def __post_init__(self) -> None:
        if len(self.products) > MOST_PRODUCTS:
            raise NotOfThisFormError

    @property
    def number(self) -> Fraction | None:
        """The value of a sum that is a number; `None` for others."""
        return None if any(self.linear) or self.ridges or self.products else self.offset

    def single(self) -> Ridge | None:
        """The sum as one ridge function; `None` if it depends on several linear combinations."""
        direction, slope = _normalised(self.linear)
        directions = {d for d in (direction, *self.ridges) if d is not None}
        if self.products or len(directions) > 1:
            return None
        offset, rise, steps = np.float64(self.offset), np.float64(slope), tuple(self.ridges.values())

        def calculate(at: Evaluation) -> Any:
            own = [rise * at.line] if slope == -1 or slope not in (0, 1) else [at.line] * (slope == 1)
            parts = [*own, *(step(at) for step in steps), *([offset] if self.offset or not (own or steps) else [])]
            return functools.reduce(lambda a, b: a + b, parts)

        only_step = steps[0] if len(steps) == 1 and not slope and not self.offset else Step(calculate)
        return Ridge(next(iter(directions), None), only_step)

    def __add__(self, other: Sum) -> Sum:
        ridges = dict(self.ridges)
        for direction, step in other.ridges.items():
            ridges[direction] = _sum_of(ridges[direction], step) if direction in ridges else step
        linear = tuple(a + b for a, b in zip(self.linear, other.linear, strict=True))
        return Sum(linear, self.offset + other.offset, ridges, self.products + other.products)

    def scaled(self, factor: Fraction) -> Sum:
        """`factor` times the sum."""
        if factor in (0, 1):
            return self if factor else Sum((Fraction(0),) * len(self.linear))
        return Sum(
            tuple(factor * c for c in self.linear),
            factor * self.offset,
            {d: _times(step, factor) for d, step in self.ridges.items()},
            tuple((factor * c, factors) for c, factors in self.products),
        )

    def __sub__(self, other: Sum) -> Sum:
        return self + other.scaled(Fraction(-1))

    def __mul__(self, other: Sum) -> Sum:
        for one, number in ((self, other.number), (other, self.number)):
            if number is not None:
                return one.scaled(number)
        nothing = (Fraction(0),) * len(self.linear)
        alone, others = self.single(), other.single()
        if alone and others and (direction := _common((alone, others))) is not _SEVERAL:
            return Sum(nothing, ridges={direction: Step(lambda at: alone.step(at) * others.step(at))})
        return Sum(nothing, products=((Fraction(1), (self, other)),))


_SEVERAL: Any = object()


def _common(ridges: Iterable[Ridge]) -> Any:
    """The one linear combination on which these functions depend; `None` if on none, `_SEVERAL` if on several."""
    directions = {r.direction for r in ridges if r.direction is not None}
    return _SEVERAL if len(directions) > 1 else next(iter(directions), None)


def _normalised(linear: Direction) -> tuple[Direction | None, Fraction]:
    """A linear combination as a multiple of one whose first nonzero coefficient is 1."""
    slope = next((c for c in linear if c), Fraction(0))
    return (tuple(c / slope for c in linear) if slope else None), slope


def _parameter(k: int, at: Evaluation) -> Any:
    return at.theta[k]


def _result(k: int, whole: Step, at: Evaluation) -> Any:
    return whole(at)[k]


def _sum_of(one: Step, other: Step) -> Step:
    return Step(lambda at: one(at) + other(at))


def _times(step: Step, factor: Fraction) -> Step:
    return Step(lambda at: np.float64(factor) * step(at))


def sum_of(fn: Callable[..., Any], arity: int, parameters: int) -> Sum:
    """A function of `arity` vectors and `parameters` numbers θ, as a `Sum`.

    Raises `NotOfThisFormError` if the function cannot be written so, and whatever tracing it raises.
    """
    number = jax.ShapeDtypeStruct((), np.float64)
    traced = jax.make_jaxpr(lambda *args: fn(*args))(*(number,) * (arity + parameters))
    one_hot = [tuple(Fraction(int(i == k)) for i in range(arity)) for k in range(arity)]
    theta = [Ridge(None, Step(functools.partial(_parameter, k))) for k in range(parameters)]
    reader = _Reader(arity, traced.jaxpr)
    (out,) = reader.run(traced.jaxpr, traced.consts, [*map(Sum, one_hot), *theta])
    return reader.as_sum(out)


class _Reader:
    """Carries out a jaxpr on `Sum`s, and on `Ridge`s for results of other primitives, truth values and arrays."""

    def __init__(self, arity: int, jaxpr: Any):
        self.jaxpr = jaxpr  # whose equations are evaluated one by one
        self.nothing = Sum((Fraction(0),) * arity)

    def constant(self, value: Any) -> Any:
        array = np.asarray(value)
        if array.shape == () and array.dtype == np.float64 and math.isfinite(array):
            return Sum(self.nothing.linear, Fraction(float(array)))
        return Ridge(None, Step(lambda at: array))

    def as_sum(self, value: Any) -> Sum:
        return value if isinstance(value, Sum) else Sum(self.nothing.linear, ridges={value.direction: value.step})

    def single(self, value: Any) -> Ridge | None:
        return value.single() if isinstance(value, Sum) else value

    def run(self, jaxpr: Any, consts: Any, args: list[Any]) -> list[Any]:
        known: dict[Any, Any] = dict(zip(jaxpr.invars, args, strict=True))
        known |= {v: self.constant(c) for v, c in zip(jaxpr.constvars, consts, strict=True)}

        def read(v: Any) -> Any:
            return self.constant(v.val) if isinstance(v, core.Literal) else known[v]

        for equation in jaxpr.eqns:
            results = self.apply(equation, [read(v) for v in equation.invars])
            known |= dict(zip(equation.outvars, results, strict=True))
        return [read(v) for v in jaxpr.outvars]

    def apply(self, equation: Any, args: list[Any]) -> list[Any]:
        name, params = equation.primitive.name, equation.params
        inner = params.get("call_jaxpr", params.get("jaxpr"))
        singles = [self.single(a) for a in args]
        if name == "select_n" and args[0] in (FALSE, TRUE):
            return [args[1 + (args[0] is TRUE)]]
        alone = None not in singles and _common(singles) is not _SEVERAL  # type: ignore[arg-type]
        if name in CALLS and inner is not None and not (alone and name in CUSTOM):
            return self.run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), args)
        of_numbers = all(v.aval.dtype == np.float64 and v.aval.shape == () for v in equation.outvars)
        if name in COMPARISONS and equation.invars[0] is equation.invars[1]:  # a test for NaN
            return [TRUE if name in ("ge", "le", "eq") else FALSE]
        if name in EXACT and of_numbers and not (name == "div" and not self.as_sum(args[1]).number):
            return [EXACT[name](*map(self.as_sum, args))]
        if alone:
            return self.bound(equation, singles)
        if name == "select_n" and of_numbers and len(args) == 3:
            return [self.chosen(*args)]
        if name in COMPARISONS and equation.invars[0].aval.dtype == np.float64:
            return self.compared(equation, *args)
        if name in RULES and of_numbers:
            return [RULES[name](params, *map(self.as_sum, args))]
        raise NotOfThisFormError

    def bound(self, equation: Any, args: list[Any]) -> list[Any]:
        """The results of a primitive on functions of one linear combination, which are again functions of it."""

        free = [(v, a) for v, a in zip(equation.invars, args, strict=True) if not isinstance(v, core.Literal)]
        inputs = dict(free)  # without duplicates
        alone = self.jaxpr.replace(constvars=[], invars=[*inputs], outvars=equation.outvars, eqns=[equation])
        apply = core.jaxpr_as_fun(core.ClosedJaxpr(alone, ()))
        whole, direction = Step(lambda at: apply(*(a.step(at) for a in inputs.values()))), _common(args)
        return [Ridge(direction, Step(functools.partial(_result, k, whole))) for k in range(len(equation.outvars))]

    def compared(self, equation: Any, one: Any, other: Any) -> list[Any]:
        """A comparison such as x > y, as x − y > 0."""
        difference = (self.as_sum(one) - self.as_sum(other)).single()
        if difference is None:
            raise NotOfThisFormError
        return self.bound(equation, [difference, Ridge(None, Step(lambda at: np.float64(0)))])

    def chosen(self, which: Any, no: Any, yes: Any) -> Sum:
        """no + which·(yes − no).

        The factor `which` is absorbed into a function of the same linear combination where there is one: that function
        may vanish where `which` jumps, and then the product is continuous.
        """
        truth = self.single(which)
        if truth is None:
            raise NotOfThisFormError
        return self.as_sum(no) + self.masked(truth, self.as_sum(yes) - self.as_sum(no))

    def masked(self, truth: Ridge, difference: Sum) -> Sum:
        def along(value: Sum) -> Ridge | None:
            found = value.single()
            return found if found and _common((found, truth)) is not _SEVERAL else None

        def mask(value: Ridge) -> Sum:
            def calculate(at: Evaluation) -> Any:
                number = value.step(at)
                return jnp.where(truth.step(at), number, np.float64(0))

            return self.as_sum(Ridge(_common((value, truth)), Step(calculate)))

        parallel = _normalised(difference.linear)[0] in (None, truth.direction)
        near = {d: s for d, s in difference.ridges.items() if d in (None, truth.direction)}
        rest = [(c, factors) for c, factors in difference.products]
        if truth.direction is None or len(near) < len(difference.ridges):
            raise NotOfThisFormError
        linear = difference.linear if parallel else self.nothing.linear
        inner = Sum(linear, difference.offset, near).single()
        assert inner is not None
        total = mask(inner) if any(linear) or difference.offset or near else self.nothing
        if not parallel:  # the factor jumps
            one = Ridge(truth.direction, Step(lambda at: np.float64(1)))
            total = total + mask(one) * Sum(difference.linear)
        for c, factors in rest:
            at = next((k for k, f in enumerate(factors) if along(f)), None)
            if at is None:
                raise NotOfThisFormError
            masked = mask(along(factors[at]))  # type: ignore[arg-type]
            total = total + Sum(self.nothing.linear, products=((c, (*factors[:at], masked, *factors[at + 1 :])),))
        return total


def _half_of_both(sign: int) -> Callable[..., Sum]:
    """max and min as (x + y)/2 ± |x − y|/2, whose derivatives at x = y are 1/2 in both arguments, as in JAX."""

    def rule(params: Any, x: Sum, y: Sum) -> Sum:
        difference, half = (x - y).single(), Fraction(1, 2)
        if difference is None:
            raise NotOfThisFormError
        distance = Step(lambda at: np.float64(sign / 2) * jnp.abs(difference.step(at)))
        return (x + y).scaled(half) + Sum(x.scaled(Fraction(0)).linear, ridges={difference.direction: distance})

    return rule


def _power(params: Any, x: Sum) -> Sum:
    exponent = params.get("y", 2)
    if not 1 <= exponent <= MOST_POWER:
        raise NotOfThisFormError
    return functools.reduce(lambda a, b: a * b, [x] * exponent)


def _divided(params: Any, x: Sum, y: Sum) -> Sum:
    divisor = y.single()
    if divisor is None:
        raise NotOfThisFormError
    return x * Sum(x.scaled(Fraction(0)).linear, ridges={divisor.direction: Step(lambda at: 1 / divisor.step(at))})


def _exp_of_one(x: Sum, nothing: Direction) -> Sum:
    line = x.single()
    if line is None:
        raise NotOfThisFormError
    return Sum(nothing, ridges={line.direction: Step(lambda at: jnp.exp(line.step(at)))})


def _exp(params: Any, x: Sum) -> Sum:
    """exp(f(L) + g(M)) as a product."""
    if x.products:
        raise NotOfThisFormError
    nothing = x.scaled(Fraction(0)).linear
    parts = [Sum(x.linear, x.offset), *(Sum(nothing, ridges={d: step}) for d, step in x.ridges.items())]
    factors = [_exp_of_one(part, nothing) for part in parts if part.number != 0]
    return functools.reduce(lambda a, b: a * b, factors)


EXACT: dict[str, Callable[..., Sum]] = {
    "add": lambda x, y: x + y,
    "add_any": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "neg": lambda x: x.scaled(Fraction(-1)),
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x.scaled(1 / y.number),
    "copy": lambda x: x,
    "copy_p": lambda x: x,
}
"""Rules that are exact on coefficients, and so come first, even for functions of one linear combination."""
RULES: dict[str, Callable[..., Sum]] = {
    "max": _half_of_both(1),
    "min": _half_of_both(-1),
    "clamp": lambda params, low, x, high: RULES["min"](params, RULES["max"](params, x, low), high),
    "integer_pow": _power,
    "square": _power,
    "div": _divided,
    "exp": _exp,
}
"""Rules for sums that depend on several linear combinations."""
