"""Moments of programs with loops, by one scan over the steps; evaluation pair by pair would trace steps² rules.

The moments of the values of two loops, E[s^t s̄^u] for all steps t and u, follow from those of the previous step, as the
moments of a layer do from those of the layer below. The rules are those of all programs; two views decide where and how
often they are applied:

- `Loops`: the whole program. Moments for all pairs of steps need a scan over t with the other side as an array over all
  u; moments at equal steps only (variances, and two last states), a scan over t with both sides at step t.
- `AtStep`: one side or both at step t of such a scan.

So the rules are traced a few times, however long the sequences are, and the cost is of order steps² or steps. Where the
steps cannot be taken in this order, the moments are refused, and pairs must be evaluated one by one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Float64

from ...calculus.limit_kernels import Reason
from ...gaussian.error import Error
from ...language import instructions as ops
from ...language.axes import AtStep as EntryAtStep
from ...language.axes import Shape
from ...language.instructions import Delayed
from ...language.program import Program
from ...language.rewriting.rolling import Loop, Rolled
from ...language.zero import ZERO, linear, written
from .kernel_pair import KernelPair
from .moments import Moments, made_with, of_all_pairs, outer, pick_equal_positions
from .repeats import fill, have_one_form
from .views import Vector, View

Pair = tuple[int, int]
"""The indices of two vectors, the first of which a step makes or reads; `(index, MEAN)` stands for a mean."""
MEAN = -1


class Side(NamedTuple):
    """One side of a moment: a copy of the network, whole (`None`) or at one step of a loop."""

    copy: int
    loop: Loop | None


Sides = tuple[Side, Side]


class Loops(View):
    """Two copies of a program whose loops are rolled up."""

    def __init__(self, rolled: tuple[Rolled, Rolled]):
        super().__init__((rolled[0].program, rolled[1].program))
        made = [[(loop, (*loop.inputs, *(p for p, _ in loop.body))) for loop in r.loops] for r in rolled]
        self._loops = [{index: loop for loop, indices in loops for index in indices} for loops in made]
        self._read_next = [{i.op.source for i in p.instructions if isinstance(i.op, Delayed)} for p in self.programs]
        self._pending: set[Vector] = set()  # vectors whose `is_gaussian` is being determined
        self._at_equal_steps: dict[tuple[Vector, Vector], KernelPair] = {}
        self._of_one_step: dict[Side, Program] = {}

    def loop(self, v: Vector) -> Loop | None:
        """The loop whose steps make or read the vector."""
        return self._loops[v[0]].get(v[1])

    def of_one_step(self, side: Side) -> Program:
        """The program with this loop's instructions for a single step, and the inputs of the loop as `Carry`."""
        program = self.programs[side.copy]
        if side.loop is None:
            return program
        if side not in self._of_one_step:
            instructions = list(program.instructions)
            for index in side.loop.inputs:
                old = instructions[index]
                instructions[index] = dataclasses.replace(old, op=ops.Carry(), args=(), shape=old.shape[:-1])
            for index, instruction in side.loop.body:
                instructions[index] = instruction
            self._of_one_step[side] = dataclasses.replace(program, instructions=tuple(instructions))
        return self._of_one_step[side]

    # --- means, and the sources of vectors --------------------------------------------------------

    def mean(self, m: Moments, v: Vector) -> Any:
        if not isinstance(m.op(v), Delayed):
            return None
        start, later = m.delayed(v)
        shape = m.shape(v)
        return _delay(m.mean(start), m.mean(later), shape, len(shape) - 1)

    def is_gaussian(self, m: Moments, v: Vector) -> bool | None:
        if not isinstance(m.op(v), Delayed):
            return None
        if v in self._pending:  # by induction: Gaussian at every step if it is at the first
            return True
        self._pending.add(v)
        found = all(map(m.is_gaussian, m.delayed(v)))
        self._pending.discard(v)
        return found

    # --- second moments -----------------------------------------------------------------------------

    def at_equal_positions(self, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
        """Equal positions in two loops are at equal steps, by a scan; inputs from outside need none."""
        loops = self.loop(left), self.loop(right)
        if loops[0] is None or loops[1] is None or loops[0].steps != loops[1].steps:
            return None if loops[0] is loops[1] else of_all_pairs(m, left, right)
        if all(self._is_read_from_outside(m, v) for v in (left, right)):
            return None
        shape_a, shape_b = m.shape(left)[:-1], m.shape(right)[:-1]
        shape = np.broadcast_shapes(shape_a, shape_b)
        pick = jax.vmap(lambda k: pick_equal_positions(k, shape_a, shape_b, shape), out_axes=-1)
        return self.at_equal_steps(m, left, right).map(pick)

    def _is_read_from_outside(self, m: Moments, v: Vector) -> bool:
        loop = self.loop(v)
        return loop is not None and v[1] in loop.inputs and not isinstance(m.op(v), Delayed)

    def moment(self, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
        if isinstance(m.op(left), Delayed):
            return delayed(m, left, right)
        if isinstance(m.op(right), Delayed):
            return m.swapped(delayed(m, right, left), right, left)
        step = self._same_step(m, left, right)
        if step is not None:
            return self.at_equal_steps(m, *m.args(left), *m.args(right)).map(lambda k: k[step])
        for here, there in ((left, right), (right, left)):
            if here[1] in self._read_next[here[0]] and self._all_steps(m, here, there):
                return m.known[left, right]
        return None

    def _same_step(self, m: Moments, left: Vector, right: Vector) -> int | None:
        """The step, if both vectors are values of the same step in loops of the same length."""
        how, other = (getattr(m.op(v), "how", None) for v in (left, right))
        if not isinstance(how, EntryAtStep) or how != other:
            return None
        loops = [self.loop(*m.args(v)) for v in (left, right)]
        return how.step if loops[0] and loops[1] and loops[0].steps == loops[1].steps else None

    def at_equal_steps(self, m: Moments, left: Vector, right: Vector) -> KernelPair:
        """E[a^t b^t], of shape `(steps, *leading of a, *leading of b)`, with the leading axes of one step."""
        key, pair = (left, right), (left[1], right[1])
        if key not in self._at_equal_steps:
            sides = Side(left[0], self.loop(left)), Side(right[0], self.loop(right))
            view = OneNetworkAtStep if left[0] == right[0] else AtStep
            self._at_equal_steps[key] = self._scan(m, view, sides, [pair])[pair]
        return self._at_equal_steps[key]

    def _all_steps(self, m: Moments, here: Vector, there: Vector) -> bool:
        """Compute E[a^t b] for all steps t by a scan over the steps, where a is a value that the next step reads.

        Returns `False`, and does nothing, if the moment does not depend on its own value at the previous step.
        """
        pair, sides = (here[1], there[1]), (Side(here[0], self.loop(here)), Side(there[0], None))
        tables = self._scan(m, AtStep, sides, [pair], needed=pair)
        for (x, y), table in tables.items():
            a, b = (here[0], x), (there[0], y)
            axis = len(m.shape(a)) - 1
            k = table.map(lambda part, axis=axis: jnp.moveaxis(part, 0, axis))
            m.known[min(a, b), max(a, b)] = m.swapped(k, a, b) if b < a else k
        return bool(tables)

    # --- the scan over steps ------------------------------------------------------------------------

    def _scan(
        self,
        m: Moments,
        view: Callable[..., AtStep],
        sides: Sides,
        requested: list[Pair],
        needed: Pair | None = None,
    ) -> dict[Pair, Any]:
        """Moments at every step, time first: `requested` ones and their dependencies; none if these lack `needed`."""
        loop = sides[0].loop
        assert loop is not None

        def step(t: Any, state: dict[Pair, Any]) -> tuple[dict[Pair, Any], dict[Pair, Any], Error]:
            at = view(m, self, sides, t, state)
            here = Moments(at, m.refused)
            before = list(state)
            made = {pair: at.value(here, pair) for pair in requested}
            new = {pair: at.value(here, _next(m, sides, pair)) for pair in before}
            made |= {_next(m, sides, pair): new[pair] for pair in before}
            return new, made, here.error()

        state = self._closed(step)
        if needed is not None and not any(_next(m, sides, pair) == needed for pair in state):
            return {}
        state = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), state)

        def scanned(state: Any, t: Any) -> Any:
            new, made, error = step(t, dict(state))
            return fill(new, state), (made, error)

        tables: dict[Pair, Any]
        _, (tables, errors) = jax.lax.scan(scanned, state, jnp.arange(loop.steps))
        m.errors.append(Error(errors.value.sum(), errors.kind))
        return tables

    @staticmethod
    def _closed(step: Callable[..., Any]) -> dict[Pair, Any]:
        """The initial state of the scan: every moment that a step needs from the previous one.

        To find these, the first step is traced here, outside the scan; this also computes all that it needs from the
        whole program. Its results are not used.
        """
        state: dict[Pair, Any] = {}
        while True:
            before = dict(state)
            new, _, _ = step(0, state)
            state = {pair: fill(value, new[pair]) if pair in new else value for pair, value in state.items()}
            if have_one_form(state, before):
                return state


class AtStep(View):
    """Two networks, one of them or both at step t of a loop.

    Copies 0 and 1 are the two sides. Quantities of one copy alone (means, variances, scalars) are taken from the whole
    program. `carried` holds the values of the previous step; a missing pair is added with its initial value.
    """

    def __init__(self, whole: Moments, loops: Loops, sides: Sides, step: Any, carried: dict[Pair, Any]):
        super().__init__((loops.of_one_step(sides[0]), loops.of_one_step(sides[1])))
        self.whole, self.loops, self.sides, self.step, self.carried = whole, loops, sides, step, carried

    def value(self, m: Moments, pair: Pair) -> Any:
        """The moment of a pair at this step."""
        return m.moment((0, pair[0]), (1, pair[1]))

    def there(self, v: Vector) -> Vector:
        """The same vector in the whole program."""
        return self.sides[v[0]].copy, v[1]

    def one_network(self, copy_a: int, copy_b: int) -> bool:
        return self.sides[copy_a].copy == self.sides[copy_b].copy

    def is_gaussian(self, m: Moments, v: Vector) -> bool:
        return self.whole.is_gaussian(self.there(v))

    def scalar(self, m: Moments, v: Vector) -> Any:
        return self._here(v, self.whole.scalar(self.there(v)))

    def mean(self, m: Moments, v: Vector) -> Any:
        return self._here(v, self.whole.mean(self.there(v)))

    def variance(self, m: Moments, v: Vector) -> Float64[Array, "*leading"] | None:
        return cast(Array, self._here(v, self.whole.variance(self.there(v))))

    def at_equal_positions(self, m: Moments, left: Vector, right: Vector) -> KernelPair:
        return of_all_pairs(m, left, right)

    def _here(self, v: Vector, values: Any) -> Any:
        """The entry at this step, if the value has an axis of steps in the whole program."""
        return linear(lambda array: self._entry(array, -1), values) if self._has_steps(v) else values

    def _has_steps(self, v: Vector) -> bool:
        loop = self.sides[v[0]].loop
        return loop is not None and self.loops.loop(self.there(v)) is loop

    def _entry(self, values: Array, axis: int) -> Array:
        return cast(Array, jax.lax.dynamic_index_in_dim(values, self.step, axis % values.ndim, keepdims=False))

    def _is_input(self, v: Vector) -> bool:
        loop = self.sides[v[0]].loop
        return loop is not None and v[1] in loop.inputs

    def _is_delayed(self, v: Vector) -> bool:
        return isinstance(self.whole.op(self.there(v)), Delayed)

    def moment(self, m: Moments, left: Vector, right: Vector) -> KernelPair | None:
        inputs, delays = [*map(self._is_input, (left, right))], [*map(self._is_delayed, (left, right))]
        if self.sides[right[0]].loop is None:
            if not self._has_steps(left):
                return self.whole.moment(self.there(left), self.there(right))
            if delays[1]:
                return m.swapped(delayed(m, right, left), right, left)
            if inputs[0]:
                return self._carried(left[1], right[1]) if delays[0] else self._given(m, left, right)
            return None
        if all(inputs):
            if delays[0] != delays[1]:
                return self._apart(m, left, right)
            return self._carried(left[1], right[1]) if delays[0] else self._given(m, left, right)
        if any(inputs) and any(isinstance(m.op(v), ops.MatMul) for v in (left, right)):
            return self._apart(m, left, right)
        return None

    def _carried(self, a: int, b: int) -> KernelPair:
        if (a, b) not in self.carried:
            first = (
                (side.copy, self.whole.instruction((side.copy, index)).args[0] if side.loop else index)
                for side, index in zip(self.sides, (a, b), strict=True)
            )
            self.carried[a, b] = self.whole.moment(*first)
        return cast(KernelPair, self.carried[a, b])

    def _given(self, m: Moments, left: Vector, right: Vector) -> KernelPair:
        """A moment of the whole program, at this step."""
        shapes = m.shape(left), m.shape(right)
        whole = self.there(left), self.there(right)
        both = self.sides[right[0]].loop is not None
        if both and math.prod(shapes[0]) == math.prod(shapes[1]) == 1:
            return self.whole.at_equal_positions(*whole).map(
                lambda k: self._entry(k, -1).reshape(shapes[0] + shapes[1])
            )
        k = self.whole.moment(*whole)
        if both:
            k = k.map(lambda part: self._entry(part, -1))
        return k.map(lambda part: self._entry(part, len(shapes[0])))

    def _apart(self, m: Moments, left: Vector, right: Vector) -> KernelPair:
        """The moment of vectors at different steps: the product of their means if they have no source in common."""
        made = [
            {m.op(v)} if isinstance(m.op(v), ops.MatMul) else made_with(self.whole, self.there(v))
            for v in (left, right)
        ]
        if not made[0].isdisjoint(made[1]):
            m.refuse(Reason("pair by pair", "a moment of two steps depends on one that is computed later"))
        return KernelPair(linear(outer, m.mean(left), m.mean(right)))


class OneNetworkAtStep(AtStep):
    """One network at step t, where its means, variances and scalars at that step are computed too."""

    def value(self, m: Moments, pair: Pair) -> Any:
        return m.mean((0, pair[0])) if pair[1] == MEAN else m.moment((0, pair[0]), (0, pair[1]))

    def _is_made_here(self, v: Vector) -> bool:
        return self._has_steps(v) and not self._is_input(v)

    def scalar(self, m: Moments, v: Vector) -> Any:
        return None if self._is_made_here(v) else self._here(v, self.whole.scalar(self.there(v)))

    def mean(self, m: Moments, v: Vector) -> Any:
        if self._is_made_here(v):
            return None
        if not (self._is_input(v) and self._is_delayed(v)):
            return self._here(v, self.whole.mean(self.there(v)))
        if (v[1], MEAN) not in self.carried:
            self.carried[v[1], MEAN] = self.whole.mean(self.whole.delayed(self.there(v))[0])
        return self.carried[v[1], MEAN]

    def variance(self, m: Moments, v: Vector) -> Array | None:
        return None


def _next(m: Moments, sides: Sides, pair: Pair) -> Pair:
    """The values of a step that the next step reads as `pair`."""

    def source(side: Side, index: int) -> int:
        return index if side.loop is None or index == MEAN else m.programs[side.copy].delayed(index)[0]

    return source(sides[0], pair[0]), source(sides[1], pair[1])


def delayed(m: Moments, left: Vector, right: Vector) -> KernelPair:
    """E[a b] at every step, for a delayed vector a: first with its initial value, then with those of previous steps."""
    first, later = (m.moment(v, right) for v in m.delayed(left))
    shape, axis = m.shape(left) + m.shape(right), len(m.shape(left)) - 1
    return KernelPair(_delay(first.value, later.value, shape, axis), _delay(first.tangent, later.tangent, shape, axis))


def _delay(first: Any, later: Any, shape: Shape, axis: int) -> Any:
    """`first` followed by `later` without its last entry, joined along `axis`."""
    if first is ZERO and later is ZERO:
        return ZERO
    start, whole = written(first, (*shape[:axis], *shape[axis + 1 :])), written(later, shape)
    steps = jax.lax.slice_in_dim(whole, 0, shape[axis] - 1, axis=axis)
    return jnp.concatenate([jnp.expand_dims(start, axis), steps], axis=axis)
