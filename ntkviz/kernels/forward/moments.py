"""Means and second moments of the limits Z of two networks' vectors, and the tangents of the latter.

One copy of the network reads X, another X̄. `Moments` computes their moments and memoises them; a `View` is the part of
the programs under evaluation (the whole, the layers of a `Repeat`, one step of a loop), and tables of rules say how the
moments of an instruction follow from those of its arguments. `ntkviz.kernels.forward.kernels` explains why the tangents
give the NTK.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float64

from ...calculus.limit_kernels import Reason
from ...gaussian.error import Error, total
from ...language import instructions as ops
from ...language.axes import Shape, on_both_sides
from ...language.nonlinearities.nonlinearity import Nonlinearity, identity
from ...language.program import Instruction, Parameter
from ...language.zero import ZERO, linear, none_if_zero, written
from .kernel_pair import KernelPair
from .views import (
    Vector,
    View,
    gaussian,
    mean,
    one_side,
    one_side_at_equal_positions,
    scalar,
    two_sides,
    two_sides_at_equal_positions,
)

K = TypeVar("K")
T = TypeVar("T")


class Function(NamedTuple):
    """φ(x; θ) of one Gaussian vector x."""

    phi: Nonlinearity
    x: Vector
    theta: tuple[Any, ...]


class Law(NamedTuple):
    """The laws of Gaussians x, and the parameters θ of φ(x; θ): arrays of one shape.

    The mean is `None` if it is exactly zero.
    """

    variance: Float64[Array, "*shape"]
    mean: Float64[Array, "*shape"] | None
    theta: tuple[Float64[Array, "*shape"], ...]


class Moments:
    """Means and second moments of the limits Z in two copies of a program, computed on demand.

    Attributes:
        view: The part of the programs under evaluation.
        programs: The programs of the two copies.
        refused: The reasons why the moments do not give the limit; if there are any, the numbers are meaningless.
        errors: The relative error of every expectation.
        known: Memoised moments of all pairs of positions.
        known_at_equal_positions: Memoised moments at equal positions.
        known_means: Memoised means.
        known_scales: Memoised scales of parameters.
        known_gaussian: Whether the outputs of repeated layers are Gaussian.
        known_scalars: Memoised limits of scalars.
    """

    def __init__(self, view: View, refused: list[Reason] | None = None):
        self.view, self.programs = view, view.programs
        self.refused: list[Reason] = [] if refused is None else refused
        self.errors: list[Error] = []
        self.known: dict[tuple[Vector, Vector], KernelPair] = {}
        self.known_at_equal_positions: dict[tuple[Vector, Vector], KernelPair] = {}
        self.known_means: dict[Vector, Any] = {}
        self.known_scales: dict[tuple[int, int], tuple[Array, Array]] = {}
        self.known_gaussian: dict[Vector, bool] = {}
        self.known_scalars: dict[Vector, Any] = {}
        self._pending: set[Any] = set()

    def error(self) -> Error:
        """The sum of the relative errors of all expectations, to first order in each."""
        return total(self.errors)

    def refuse(self, reason: Reason) -> None:
        """Record why these moments do not give the limit."""
        if reason not in self.refused:
            self.refused.append(reason)

    # --- the programs ------------------------------------------------------------------------------

    def instruction(self, v: Vector) -> Instruction:
        """The instruction that makes a value."""
        return self.programs[v[0]].instructions[v[1]]

    def op(self, v: Vector) -> Any:
        """The operation of the instruction that makes a value."""
        return self.instruction(v).op

    def shape(self, v: Vector) -> Shape:
        """The leading shape of a value."""
        return self.instruction(v).shape

    def common_shape(self, left: Vector, right: Vector) -> Shape:
        """The shape to which the leading axes of two arrays broadcast."""
        return np.broadcast_shapes(self.shape(left), self.shape(right))

    def args(self, v: Vector) -> list[Vector]:
        """The arguments of a value's instruction."""
        return [(v[0], a) for a in self.instruction(v).args]

    def vectors(self, v: Vector) -> list[Vector]:
        """The arguments of a value's instruction that are vectors."""
        return [(v[0], a) for a in self.programs[v[0]].vectors(v[1])]

    def delayed(self, v: Vector) -> tuple[Vector, Vector]:
        """The arguments of a `Delayed` vector: its value at the first step, and that whose previous value it takes."""
        source, start = self.programs[v[0]].delayed(v[1])
        return (v[0], start), (v[0], source)

    def parameter(self, v: Vector) -> Parameter:
        """The parameter that an instruction uses."""
        return self.programs[v[0]].parameter_of(v[1])

    # --- memoised ---------------------------------------------------------------------------------

    def _once(self, known: dict[K, T], key: K, placeholder: T, answer: Callable[[], T]) -> T:
        """The memoised `answer()`; if it depends on itself, a refusal is recorded and the `placeholder` is used."""
        if key in known:
            return known[key]
        request = id(known), key
        if request in self._pending:
            self.refuse(Reason("pair by pair", "a moment of two steps depends on one that is computed later"))
            return placeholder
        self._pending.add(request)
        found = answer()
        self._pending.discard(request)
        return known.setdefault(key, found)

    def scalar(self, v: Vector) -> Any:
        """The limit of a scalar, or `ZERO`."""

        def answer() -> Any:
            found = self.view.scalar(self, v)
            return scalar(self.op(v), self, v) if found is None else found

        return self._once(self.known_scalars, v, ZERO, answer)

    def number(self, v: Vector) -> Array:
        """The limit of a scalar, as an array even if it is `ZERO`."""
        return written(self.scalar(v), self.shape(v))

    def mean(self, v: Vector) -> Any:
        """E Z of a vector, of its leading shape; `ZERO` if it is zero by the form of the program."""

        def answer() -> Any:
            found = self.view.mean(self, v)
            return mean(self.op(v), self, v) if found is None else found

        return self._once(self.known_means, v, ZERO, answer)

    def is_gaussian(self, v: Vector) -> bool:
        """Whether a vector is an affine function of Gaussian sources, whatever the numbers."""
        found = self.view.is_gaussian(self, v)
        return gaussian(self.op(v), self, v) if found is None else found

    def variance(self, v: Vector) -> Float64[Array, "*leading"]:
        """Var Z of each vector of a Gaussian array."""
        found = self.view.variance(self, v)
        return written(self.covariance_at_equal_positions(v, v).value, self.shape(v)) if found is None else found

    def moment(self, left: Vector, right: Vector) -> KernelPair:
        """E[Z^a Z^b] for all pairs of positions, of shape `(*leading of a, *leading of b)`."""
        if right < left:
            return self.swapped(self.moment(right, left), right, left)
        return self._once(
            self.known,
            (left, right),
            KernelPair(),
            lambda: self.view.moment(self, left, right) or all_pairs(self, left, right),
        )

    def at_equal_positions(self, left: Vector, right: Vector) -> KernelPair:
        """E[Z^a Z^b] at equal positions, of the shape to which both leading shapes broadcast."""
        first, second = sorted((left, right))

        def answer() -> KernelPair:
            if found := self.view.at_equal_positions(self, first, second):
                return found
            if (first, second) in self.known:
                return of_all_pairs(self, first, second)
            shape = self.common_shape(first, second)
            return equal_positions(self, first, second).map(lambda k: jnp.broadcast_to(k, shape))

        return self._once(self.known_at_equal_positions, (first, second), KernelPair(), answer)

    # --- derived from these -------------------------------------------------------------------------

    def covariance(self, left: Vector, right: Vector) -> KernelPair:
        """Cov(Z^a, Z^b) for all pairs of positions, of shape `(*leading of a, *leading of b)`."""
        return self.moment(left, right) + KernelPair(-linear(outer, self.mean(left), self.mean(right)))

    def covariance_at_equal_positions(self, left: Vector, right: Vector) -> KernelPair:
        """Cov(Z^a, Z^b) at equal positions."""
        means = self.mean(left), self.mean(right)
        return self.at_equal_positions(left, right) + KernelPair(-means[0] * means[1])

    def swapped(self, k: KernelPair, left: Vector, right: Vector) -> KernelPair:
        """A moment of `left` and `right` as a moment of `right` and `left`."""
        a, b = len(self.shape(left)), len(self.shape(right))
        order = (*range(a, a + b), *range(a))
        return k.map(lambda m: jnp.transpose(m, order))

    def law(self, x: Vector, theta: tuple[Any, ...]) -> Law:
        """The law of a Gaussian, with the parameters of a function of it."""
        return Law(self.variance(x), none_if_zero(self.mean(x)), theta)

    def is_source(self, v: Vector) -> bool:
        """Whether a vector is made by a parameter, and so is a new Gaussian."""
        return isinstance(self.op(v), ops.Source | ops.Carry)

    def function(self, v: Vector) -> Function | None:
        """A vector as φ(x; θ) of one Gaussian x (φ = identity for a source); `None`, with a refusal, if it is not."""
        op, index = self.op(v), v[1]
        if self.is_source(v) and self.is_gaussian(v):
            return Function(identity, v, ())
        if not isinstance(op, ops.Nonlin) or op.phi.arity != 1:
            self.refuse(
                Reason("general", f"Instruction {index} ({_name(op)}) is not a function of one Gaussian vector.")
            )
            return None
        x, *thetas = self.args(v)
        if not self.is_gaussian(x):
            self.refuse(Reason("general", f"Instruction {index} applies {_name(op)} to a non-Gaussian vector."))
            return None
        return Function(op.phi, x, tuple(self.number(t) for t in thetas))


def made_with(m: Moments, v: Vector) -> set[ops.Op]:
    """The sources that a vector depends on."""
    found: set[ops.Op] = set()
    seen: set[Vector] = set()
    waiting = [v]
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        if m.is_source(here):
            found.add(m.op(here))
        elif isinstance(m.op(here), ops.Delayed):
            waiting += m.delayed(here)
        else:
            waiting += m.vectors(here)
    return found


# --- all pairs of positions ------------------------------------------------------------------------------


def all_pairs(m: Moments, left: Vector, right: Vector) -> KernelPair:
    """E[Z^a Z^b] for all pairs of positions, by the rules."""
    op_a, op_b = m.op(left), m.op(right)
    if math.prod(m.shape(left)) == 1 and are_rearranged_equally(m, left, right):
        shape = m.shape(left) * 2
        return moved(m, left, right).map(lambda k: k.reshape(shape))
    if isinstance(op_a, ops.Rearrange) and isinstance(op_b, ops.Rearrange):
        how = on_both_sides(op_a.how, len(op_a.shape_in), op_b.how, len(op_b.shape_in))
        if how is not None:
            return m.moment(*m.args(left), *m.args(right)).map(lambda k: how(k, k.ndim))
    a, b = (isinstance(op, ops.Linear | ops.Shift) for op in (op_a, op_b))
    # The later of the two is expanded first, so that all windows of a convolution use one moment of their argument.
    if a and (left[1] >= right[1] or not b):
        return one_side(op_a, m, left, right)
    if isinstance(op_b, ops.Add):
        return added(m, left, right, side=1)
    if b:
        return m.swapped(one_side(op_b, m, right, left), right, left)
    return two_sides(op_b if isinstance(op_b, ops.Repeat) else op_a, m, left, right)


def added(m: Moments, left: Vector, right: Vector, side: int) -> KernelPair:
    """The moment with an Add on the given side, as the sum of the moments of its arguments."""
    sides, found = [left, right], KernelPair()
    shapes = m.shape(left), m.shape(right)
    for part in m.args(sides[side]):
        sides[side] = part
        found = found + grown(m.moment(*sides), (m.shape(sides[0]), m.shape(sides[1])), shapes)
    return found


def grown(k: KernelPair, old: tuple[Shape, Shape], new: tuple[Shape, Shape]) -> KernelPair:
    """A moment of two sides of leading shapes `old`, each broadcast to its shape in `new` as in NumPy."""
    filled = sum(((1,) * (len(n) - len(o)) + o for o, n in zip(old, new, strict=True)), ())
    return k.map(lambda m: jnp.broadcast_to(m.reshape(filled), sum(new, ())))


# --- equal positions: P numbers for P positions, where all pairs would be P² ---------------------------------
#
# These suffice for variances, and for a readout with separate weights for each position. For sums of two vectors,
# matrices, nonlinearities, and instructions that move vectors in the same way on both sides, equal positions depend
# only on equal positions. Other instructions, above all sums over positions, mix different positions: for these all
# pairs are computed, and the equal ones selected.


def equal_positions(m: Moments, left: Vector, right: Vector) -> KernelPair:
    """E[Z^a_p Z^b_p] for all positions p, by the rules; its shape broadcasts to the common shape of both."""
    later_first = ((left, right), (right, left)) if left[1] >= right[1] else ((right, left), (left, right))
    for vector, rest in later_first:
        if callable(rule := one_side_at_equal_positions.entry(type(m.op(vector)))):
            return rule(m.op(vector), m, vector, rest)
    shapes = m.shape(left), m.shape(right)
    if shapes[0] != shapes[1] and 1 in map(math.prod, shapes):
        return of_all_pairs(m, left, right)
    if are_rearranged_equally(m, left, right):
        return moved(m, left, right)
    meeting = two_sides_at_equal_positions.entry(type(m.op(left)))
    found = meeting(m.op(left), m, left, right) if callable(meeting) else None
    return of_all_pairs(m, left, right) if found is None else found


def of_all_pairs(m: Moments, left: Vector, right: Vector) -> KernelPair:
    """The equal positions among all pairs of positions."""
    shape_a, shape_b, shape = m.shape(left), m.shape(right), m.common_shape(left, right)
    return m.moment(left, right).map(lambda part: pick_equal_positions(part, shape_a, shape_b, shape))


def pick_equal_positions(
    k: Float64[Array, "..."], shape_a: Shape, shape_b: Shape, shape: Shape
) -> Float64[Array, "..."]:
    """From all pairs of entries of two arrays, those that coincide when the two are broadcast to `shape`."""
    if 1 in (math.prod(shape_a), math.prod(shape_b)):  # a single entry is paired with all others
        return jnp.broadcast_to(k.reshape(max(shape_a, shape_b, key=math.prod)), shape)
    rows, columns = (jnp.broadcast_to(jnp.arange(math.prod(s)).reshape(s), shape) for s in (shape_a, shape_b))
    return k.reshape(math.prod(shape_a), math.prod(shape_b))[rows, columns]


def are_rearranged_equally(m: Moments, left: Vector, right: Vector) -> bool:
    """Whether both sides are made by the same instruction, which only moves vectors, from arguments of equal shapes."""
    one, other = m.op(left), m.op(right)
    return one.moves and one == other and [*map(m.shape, m.args(left))] == [*map(m.shape, m.args(right))]


def moved(m: Moments, left: Vector, right: Vector) -> KernelPair:
    """Moments at equal positions if `are_rearranged_equally`: the instruction acts on them as it does on vectors."""
    ks = [m.at_equal_positions(a, b) for a, b in zip(m.args(left), m.args(right), strict=True)]
    if isinstance(m.op(left), ops.Rearrange):
        return ks[0].map(m.op(left).evaluate)
    return KernelPair(*(linear_at_positions(m, left, [getattr(k, part) for k in ks]) for part in ("value", "tangent")))


# --- linear instructions -------------------------------------------------------------------------------


def linear_at_positions(m: Moments, v: Vector, numbers: list[Any]) -> Any:
    """Apply a linear instruction to one number for each position, as if to vectors with one coordinate."""
    return apply_linear(m, v, [linear(lambda n: n[..., None], number) for number in numbers], ())


def apply_linear(m: Moments, v: Vector, arrays: list[Any], right: Shape) -> Any:
    """Apply a linear instruction to arrays whose last axis stands for the other side of a kernel, of shape `right`."""
    width = next((a.shape[-1] for a in arrays if a is not ZERO), None)
    if width is None:
        return ZERO
    filled = [written(a, (*m.shape(x), width)) for x, a in zip(m.vectors(v), arrays, strict=True)]
    scalars = [m.number(a) for a in m.args(v) if m.instruction(a).kind == "scalar"]
    return m.op(v).evaluate(*filled, *scalars).reshape((*m.shape(v), *right))


def outer(a: Float64[Array, "*rows"], b: Float64[Array, "*columns"]) -> Float64[Array, "..."]:
    """The outer product: a·b for all pairs of entries."""
    return a.reshape(a.shape + (1,) * b.ndim) * b


def _name(op: ops.Op) -> str:
    return op.phi.name if isinstance(op, ops.Nonlin) else type(op).__name__
