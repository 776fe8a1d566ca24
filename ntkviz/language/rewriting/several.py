"""Rewrites functions of several vectors as sums of products of functions of one vector, where `ridges.py` finds one.

So every reading that can evaluate functions of one Gaussian can evaluate them.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from typing import Any

from ..axes import Shape
from ..instructions import Combination, Nonlin, NonlinOfSeveral
from ..lazy_jax import jax, jnp
from ..nonlinearities.nonlinearity import Nonlinearity, multiply, polynomial
from ..nonlinearities.ridges import Direction, Evaluation, Step, Sum, sum_of
from ..program import Instruction, Program
from .shorthand import Writer, short_for


@dataclass(frozen=True)
class Form:
    """Σ cᵢ xᵢ + Σ φ(L; θ) + Σ c Π (other forms): the numbers c, and each φ with the coefficients of its L.

    L are linear combinations of the vectors x.
    """

    linear: tuple[float, ...]
    ridges: tuple[tuple[tuple[float, ...], Nonlinearity], ...]
    products: tuple[tuple[float, tuple[Form, ...]], ...]


@functools.lru_cache(maxsize=1024)
def form_of(phi: Nonlinearity, parameters: int) -> Form | None:
    """A function of several vectors in this form; `None` if it is not known to have it."""
    steps = _steps(phi, parameters)
    if steps is None:
        return None
    whole, _ = steps
    numbers = itertools.count()
    known: dict[int, Form] = {}  # a factor that occurs twice is written once

    def form(of: Sum) -> Form:
        own = [(tuple(map(float, d)), _part(phi, parameters, next(numbers))) for d, _ in _functions(of)]
        products = tuple((float(c), tuple(map(form, factors))) for c, factors in of.products)
        made = Form(tuple(map(float, of.linear)), tuple(own), products)
        return known.setdefault(id(of), made)

    return form(whole)


@functools.lru_cache(maxsize=1024)
def _steps(phi: Nonlinearity, parameters: int) -> tuple[Sum, list[tuple[Direction, Step]]] | None:
    """The function as a sum, and its functions of one linear combination, in the order in which forms number them."""
    try:
        found = sum_of(phi.fn, phi.arity, parameters)
    except Exception:  # an error in an author's function is raised again when it is called
        return None
    if len(found.ridges) == 1 and not found.products and any(found.linear):
        found = _completed(phi, found)
    return found, _listed(found)


def _completed(phi: Nonlinearity, found: Sum) -> Sum:
    """Replace f in c·x + f(L) by the function itself along a line, which may be smooth where the parts of f are not.

    An example is log(eˣ + eʸ), which JAX computes with max and |·|.
    """
    ((direction, _),) = found.ridges.items()
    if direction is None:
        return found
    first = next(k for k, c in enumerate(direction) if c)
    slope = float(found.linear[first])

    def along(at: Evaluation) -> Any:
        point = [at.line if k == first else jnp.zeros_like(at.line) for k in range(phi.arity)]
        return phi.fn(*point, *at.theta) - slope * at.line

    return Sum(found.linear, ridges={direction: Step(along)})


def _functions(of: Sum) -> list[tuple[Direction, Step]]:
    """The ridge functions of a sum, to one of which a number, or a function of θ alone, is added.

    Without any, it counts as a function of the first vector.
    """
    first = tuple(type(c)(int(k == 0)) for k, c in enumerate(of.linear))
    ridges = dict(of.ridges)
    alone = [ridges.pop(None)] if None in ridges else []
    offset = float(of.offset)
    alone += [Step(lambda at: jnp.full_like(at.line, offset))] if offset else []
    if alone:
        direction = next(iter(ridges), first)
        parts = [*alone, *([ridges[direction]] if direction in ridges else [])]
        ridges[direction] = Step(lambda at: sum(part(at) for part in parts))
    return [(d, step) for d, step in ridges.items() if d is not None]


def _listed(of: Sum) -> list[tuple[Direction, Step]]:
    """The ridge functions of a sum and of its products; a factor that occurs twice gives its functions twice."""
    return _functions(of) + [f for _, factors in of.products for factor in factors for f in _listed(factor)]


@functools.lru_cache(maxsize=4096)
def _part(phi: Nonlinearity, parameters: int, number: int) -> Nonlinearity:
    """One of the ridge functions of a function of several vectors, as a nonlinearity."""
    fn = functools.partial(value_of_part, phi, parameters, number)
    made = Nonlinearity(f"{phi.name}[{number + 1}]", fn, smooth=phi.smooth)
    coefficients = made.as_polynomial() if parameters == 0 else None
    return made if coefficients is None else polynomial(made.name, *coefficients)


def value_of_part(phi: Nonlinearity, parameters: int, number: int, line: Any, *theta: Any) -> Any:
    """The values of one of the ridge functions of a function of several vectors, on arrays that broadcast.

    Args:
        phi: The function of several vectors.
        parameters: The number of its parameters θ.
        number: The number of the ridge function, from 0.
        line: The values of the linear combination, an array.
        *theta: The parameters.

    Returns:
        An array of the broadcast shape.
    """
    found = _steps(phi, parameters)
    assert found is not None
    step = found[1][number][1]

    def of_numbers(x: Any, *numbers: Any) -> Any:
        return step(Evaluation(x, numbers))

    dtype = jnp.result_type(float)
    same = jnp.broadcast_arrays(*(jnp.asarray(a, dtype) for a in (line, *theta)))
    if not same[0].shape:
        return of_numbers(*same)
    flat = jax.vmap(of_numbers)(*(a.ravel() for a in same))
    return flat.reshape(same[0].shape)


# --- rewriting programs -----------------------------------------------------------------------------


@short_for.rule(NonlinOfSeveral)
def _(op: NonlinOfSeveral, to: Writer, instruction: Instruction, *args: int) -> int:
    parameters = len(args) - op.phi.arity
    form = form_of(op.phi, parameters)
    if form is None:
        return to.write(op, args, "vector", instruction.shape)
    return _Lines(to, instruction.shape, args[: op.phi.arity], args[op.phi.arity :]).write(form)


def split_functions(program: Program) -> tuple[str, ...]:
    """The functions of several vectors in a program that can be rewritten as functions of one vector.

    Args:
        program: The program, before its shorthands are expanded.

    Returns:
        Their names; each function occurs once.
    """
    found = (
        i.op.phi
        for i in program.unrolled().instructions
        if isinstance(i.op, NonlinOfSeveral) and form_of(i.op.phi, len(i.args) - i.op.phi.arity)
    )
    return tuple(phi.name for phi in dict.fromkeys(found))


class _Lines:
    """Writes a form for given vectors and scalars; each linear combination is written once."""

    def __init__(self, to: Writer, shape: Shape, vectors: tuple[int, ...], theta: tuple[int, ...]):
        self.to, self.shape, self.vectors, self.theta = to, shape, vectors, theta
        self.lines: dict[tuple[float, ...], int] = {}
        self.known: dict[Form, int] = {}

    def write(self, form: Form) -> int:
        if form not in self.known:
            self.known[form] = self.written(form)
        return self.known[form]

    def written(self, form: Form) -> int:
        terms = [(c, v) for c, v in zip(form.linear, self.vectors, strict=True) if c]
        terms += [(1.0, self.function(coefficients, phi)) for coefficients, phi in form.ridges]
        terms += [(c, functools.reduce(self.times, map(self.write, factors))) for c, factors in form.products]
        return self.combination(terms)

    def function(self, coefficients: tuple[float, ...], phi: Nonlinearity) -> int:
        if coefficients not in self.lines:
            terms = [(c, v) for c, v in zip(coefficients, self.vectors, strict=True) if c]
            self.lines[coefficients] = self.combination(terms)
        theta = () if phi.coefficients else self.theta
        return self.emit(Nonlin(phi), (self.lines[coefficients], *theta))

    def times(self, x: int, y: int) -> int:
        return self.emit(Nonlin(multiply), (x, y))

    def combination(self, terms: list[tuple[float, int]]) -> int:
        """Σ c x; the vector itself if there is only one, with c = 1."""
        if not terms:
            terms = [(0.0, self.vectors[0])]
        numbers, indices = tuple(c for c, _ in terms), tuple(index for _, index in terms)
        if numbers == (1.0,) and self.to.instructions[indices[0]].shape == self.shape:
            return indices[0]
        return self.emit(Combination(numbers), indices)

    def emit(self, op: Any, args: tuple[int, ...]) -> int:
        return self.to.write(op, args, "vector", self.shape)
