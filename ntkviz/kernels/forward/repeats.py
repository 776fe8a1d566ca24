"""Repeated layers: the moments of a `Repeat`, carried through its layers by a loop."""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ...calculus.limit_kernels import Reason
from ...gaussian.error import Error
from ...gaussian.error_kind import ErrorKind, weaker
from ...language import instructions as ops
from ...language.program import Program
from ...language.zero import ZERO
from .kernel_pair import KernelPair
from .moments import Moments, made_with, of_all_pairs, pick_equal_positions
from .views import Vector, View, gaussian, mean, two_sides, two_sides_at_equal_positions

Copies = tuple[int, int]
"""A pair of copies of the network."""
EVERY_PAIR: tuple[Copies, ...] = ((0, 0), (0, 1), (1, 1))
ALL_PAIRS: tuple[frozenset[Copies], ...] = frozenset(), frozenset({(0, 1)}), frozenset(EVERY_PAIR)
"""The sets of pairs of copies for which a `Repeat` may carry all pairs of positions, fewest first."""


class Given(NamedTuple):
    """The moments of a layer's inputs, for each copy or pair of copies.

    For pairs of copies in `all_pairs`, they are moments of all pairs of positions; for the others, of equal positions.
    """

    moments: dict[Copies, KernelPair]
    means: dict[int, Any]
    scalars: dict[int, tuple[Any, ...]]
    carry_is_gaussian: bool
    all_pairs: frozenset[Copies] = frozenset(EVERY_PAIR)
    layer: Any = 0


class Body(View):
    """One layer of a `Repeat` in both copies: the moments of its inputs are given, all others follow by the rules."""

    def __init__(self, bodies: tuple[Program, Program], given: Given):
        super().__init__(bodies)
        self.given = given

    def scalar(self, m: Moments, v: Vector) -> Any:
        if not isinstance(op := m.op(v), ops.Captured):
            return None
        captured = self.given.scalars[v[0]][op.index]
        return captured[self.given.layer] if op.of_layer else captured

    def mean(self, m: Moments, v: Vector) -> Any:
        return self.given.means[v[0]] if isinstance(m.op(v), ops.Carry) else None

    def is_gaussian(self, m: Moments, v: Vector) -> bool | None:
        return self.given.carry_is_gaussian if isinstance(m.op(v), ops.Carry) else None

    def moment(self, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
        if (k := self._carried(m, left, right)) is None or (left[0], right[0]) in self.given.all_pairs:
            return k
        shape = m.shape(left) + m.shape(right)
        if math.prod(m.shape(left)) > 1:
            m.refuse(Reason("all pairs", "a layer mixes positions, of which only moments at equal positions are given"))
            return k.map(lambda part: jnp.zeros(shape))
        return k.map(lambda part: part.reshape(shape))

    def at_equal_positions(self, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
        if (k := self._carried(m, left, right)) is None or (left[0], right[0]) not in self.given.all_pairs:
            return k
        shapes = m.shape(left), m.shape(right), m.shape(left)
        return k.map(lambda part: pick_equal_positions(part, *shapes))

    def _carried(self, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
        both = isinstance(m.op(left), ops.Carry) and isinstance(m.op(right), ops.Carry)
        return self.given.moments[left[0], right[0]] if both else None


# --- the rules -------------------------------------------------------------------------------------------


@gaussian.rule(ops.Repeat)
def _(op: ops.Repeat, m: Moments, v: Vector) -> bool:
    if v not in m.known_gaussian:
        inside = Moments(Body((op.body, op.body), Given({}, {}, {}, carry_is_gaussian=True)))
        start = m.args(v)[1]
        m.known_gaussian[v] = m.is_gaussian(start) and inside.is_gaussian((v[0], op.body.output))
    return m.known_gaussian[v]


@mean.rule(ops.Repeat)
def _(op: ops.Repeat, m: Moments, v: Vector) -> Any:
    run_layers(m, v, set())
    return m.known_means[v]


@two_sides.rule(ops.Repeat)
def _(op: ops.Repeat, m: Moments, left: Vector, right: Vector) -> KernelPair:
    if _are_uncorrelated(m, left, right):
        return KernelPair()
    if not _is_same_repeat(m, left, right):
        m.refuse(Reason("written out", "repeated layers use vectors from outside"))
        return KernelPair()
    run_layers(m, left, {(left[0], right[0])})
    return m.known[left, right]


@two_sides_at_equal_positions.rule(ops.Repeat)
def _(op: ops.Repeat, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
    if not isinstance(m.op(right), ops.Repeat) or not _is_same_repeat(m, left, right):
        return None
    run_layers(m, left, set())
    return of_all_pairs(m, left, right) if (left, right) in m.known else m.known_at_equal_positions[left, right]


def _are_uncorrelated(m: Moments, left: Vector, right: Vector) -> bool:
    """Whether one vector is made by a parameter that the other, a `Repeat` with its own parameters, is made without."""
    pairs = (left, right), (right, left)
    return any(isinstance(m.op(v), ops.Source) and m.op(v) not in made_with(m, repeat) for v, repeat in pairs)


def _is_same_repeat(m: Moments, left: Vector, right: Vector) -> bool:
    """Whether two vectors are the outputs of corresponding `Repeat`s, counted in the order of the program."""
    repeats = [_repeats(m, copy) for copy in (0, 1)]
    (a, x), (b, y) = left, right
    return x in repeats[a] and y in repeats[b] and repeats[a].index(x) == repeats[b].index(y)


def _repeats(m: Moments, copy: int) -> list[int]:
    return [k for k, i in enumerate(m.programs[copy].instructions) if isinstance(i.op, ops.Repeat)]


# --- the loop over layers --------------------------------------------------------------------------------


def run_layers(m: Moments, v: Vector, needed: set[Copies]) -> None:
    """Carry the moments of both copies through all layers of a `Repeat`, once.

    For the `needed` pairs of copies, these are moments of all pairs of positions; for the others they are moments at
    equal positions, if these suffice for the layers.
    """
    which = _repeats(m, v[0]).index(v[1])
    here = [(copy, _repeats(m, copy)[which]) for copy in (0, 1)]
    alike = m.shape(here[0]) == m.shape(here[1])
    for all_pairs in ALL_PAIRS:
        if needed <= all_pairs and (alike or (0, 1) in all_pairs) and _carry_through(m, here, all_pairs):
            return


def _carry_through(m: Moments, here: list[Vector], all_pairs: frozenset[Copies]) -> bool:
    """Whether all pairs of positions for just these pairs of copies suffice; if so, the results are stored in `m`."""
    starts, scalars = [m.args(v)[1] for v in here], {v[0]: tuple(map(m.scalar, m.args(v)[2:])) for v in here}
    gaussian_carry = all(map(m.is_gaussian, here))
    bodies = m.op(here[0]).body, m.op(here[1]).body
    refused: list[Reason] = []
    kinds: list[ErrorKind] = []

    def of(moments: Moments, vectors: list[Vector]) -> dict[Copies, KernelPair]:
        pairs = {(c, d): (vectors[c], vectors[d]) for c, d in EVERY_PAIR}
        return {
            pair: moments.moment(*both) if pair in all_pairs else moments.at_equal_positions(*both)
            for pair, both in pairs.items()
        }

    @functools.partial(jax.jit, inline=True)  # so that finding nonzero values and computing share one trace
    def layer(number: Any, state: Any) -> Any:
        moments, means, error = state
        inside = Moments(Body(bodies, Given(moments, means, scalars, gaussian_carry, all_pairs, number)), refused)
        outs = [(copy, body.output) for copy, body in enumerate(bodies)]
        made = of(inside, outs), {c: inside.mean(outs[c]) for c in (0, 1)}
        kinds.append(inside.error().kind)
        return *made, error + inside.error().value

    start = of(m, starts), {c: m.mean(starts[c]) for c in (0, 1)}, jnp.zeros(())
    state = with_zeros_of(functools.partial(layer, jnp.asarray(0)), start)
    if any(reason.instead == "all pairs" for reason in refused):
        return False
    for reason in refused:
        m.refuse(reason)
    moments, means, error = jax.lax.fori_loop(0, _layers(m, here[0]), lambda k, s: fill(layer(k, s), s), state)
    m.errors.append(Error(error, weaker(*kinds)))
    for c, d in EVERY_PAIR:
        (m.known if (c, d) in all_pairs else m.known_at_equal_positions)[here[c], here[d]] = moments[c, d]
    m.known_means |= {here[c]: means[c] for c in (0, 1)}
    return True


def _layers(m: Moments, v: Vector) -> Any:
    """The number of layers of a `Repeat`: a plain number where it is known, so that JAX can differentiate the loop."""
    times = m.args(v)[0]
    op = m.op(times)
    known = m.programs[v[0]].constants[op.index] if isinstance(op, ops.Constant) else None
    return int(known) if isinstance(known, np.ndarray) else m.number(times)


def with_zeros_of(layer: Any, state: Any) -> Any:
    """Replace structural zeros of the state by arrays of zeros where a layer makes them nonzero."""
    while True:
        filled = fill(state, jax.eval_shape(layer, state))
        if have_one_form(filled, state):
            return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), state)
        state = filled


def have_one_form(state: Any, other: Any) -> bool:
    """Whether two states have their structural zeros in the same places."""
    return bool(jax.tree.structure(state) == jax.tree.structure(other))  # type: ignore[operator]


def fill(state: Any, other: Any) -> Any:
    """`state` with arrays of zeros instead of `ZERO` where `other` has arrays, and with errors of the weaker kind."""
    if state is ZERO:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), other)
    if isinstance(state, Error):
        return Error(state.value, weaker(state.kind, other.kind))
    if isinstance(state, KernelPair):
        return KernelPair(fill(state.value, other.value), fill(state.tangent, other.tangent))
    if isinstance(state, dict):
        return {key: fill(state[key], other[key]) for key in state}
    if isinstance(state, tuple):
        return tuple(fill(s, o) for s, o in zip(state, other, strict=True))
    return state
