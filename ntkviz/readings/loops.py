"""Moments of programs with loops: one pass over the steps, where asking pair by pair would take steps² rules.

The moments of what two loops make, E[s^t s̄^u] for all steps t and u, follow from those a step before, as one
layer's do from those of the layer below. The rules are the rules of `ForwardMoments`; only where and how often
they are applied is decided here:

- all pairs of steps: a scan over t, in which the other side is the whole array over u;
- equal steps only (variances, and a last state with a last state): a scan over t with both sides at step t.

So the rules are traced a few times, however long the sequences are, and the work is steps² or steps. Programs
whose steps cannot be taken in this order raise `EntangledStepsError`; they have to be asked pair by pair.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..language import instructions as ops
from ..language.axes import AtStep, Shape
from ..language.instructions import Delayed, Op
from ..language.program import Program
from ..language.rolling import Loop, Rolled
from .aligned import Vector, of_all_pairs, pick_aligned
from .dual import Dual
from .error import Error
from .moments import ForwardMoments, fill, structure


class EntangledStepsError(Exception):
    """A moment of two steps depends on one that is not known yet."""


Pair = tuple[int, int]
"""The places of two vectors, the first of them what a step makes or reads; `(place, MEAN)` asks for a mean."""
MEAN = -1


class LoopMoments(ForwardMoments):
    """Moments of two copies of a program whose loops are written once."""

    def __init__(self, rolled: tuple[Rolled, Rolled]):
        super().__init__((rolled[0].program, rolled[1].program))
        self._loops = tuple(_loop_of_each_place(r.loops) for r in rolled)
        self._sources = tuple(_sources(p) for p in self.programs)
        self._under_way: set[Any] = set()
        self._at_equal_steps: dict[tuple[int, int, int, int], Dual | None] = {}
        self._of_one_step: dict[tuple[int, Loop], Program] = {}

    def loop(self, copy: int, place: int) -> Loop | None:
        """The loop whose steps make or read the vectors at a place."""
        return self._loops[copy].get(place)

    def of_one_step(self, copy: int, loop: Loop) -> Program:
        """The program with this loop's instructions as one step has them, its inputs as carried ones."""
        key = (copy, loop)
        if key not in self._of_one_step:
            instructions = list(self.programs[copy].instructions)
            for place in loop.inputs:
                old = instructions[place]
                instructions[place] = dataclasses.replace(old, op=ops.Carry(), args=(), shape=old.shape[:-1])
            for place, instruction in loop.body:
                instructions[place] = instruction
            self._of_one_step[key] = dataclasses.replace(self.programs[copy], instructions=tuple(instructions))
        return self._of_one_step[key]

    # --- means, and what vectors are made of ------------------------------------------------------

    def _mean(self, copy: int, place: int) -> Array | None:
        op = self.instruction(copy, place).op
        if not isinstance(op, Delayed):
            return super()._mean(copy, place)
        with self._entered(("mean", copy, place)):
            (start,) = self.instruction(copy, place).args
            first, later = self.mean(copy, start), self.mean(copy, op.source)
        if first is None and later is None:
            return None
        shape = self.instruction(copy, place).shape
        return _delay(first, later, shape, len(shape) - 1)

    def is_gaussian(self, copy: int, place: int) -> bool:
        op = self.instruction(copy, place).op
        if not isinstance(op, Delayed):
            return super().is_gaussian(copy, place)
        key = ("gaussian", copy, place)
        if key in self._under_way:  # Gaussian at every step, if it is at the first
            return True
        with self._entered(key):
            (start,) = self.instruction(copy, place).args
            return self.is_gaussian(copy, start) and self.is_gaussian(copy, op.source)

    def made_with(self, copy: int, place: int) -> set[Op]:
        """The sources that a vector is a function of."""
        found: set[Op] = set()
        seen: set[int] = set()
        waiting = [place]
        while waiting:
            here = waiting.pop()
            if here in seen:
                continue
            seen.add(here)
            instruction = self.instruction(copy, here)
            if self.is_source(instruction.op):
                found.add(instruction.op)
                continue
            waiting += self._vectors(copy, here)
            if isinstance(instruction.op, Delayed):
                waiting.append(instruction.op.source)
        return found

    def _entered(self, key: Any) -> _Entered:
        return _Entered(self._under_way, key)

    # --- second moments -----------------------------------------------------------------------------

    def _equal_places(self, left: Vector, right: Vector) -> Dual | None:
        """Equal places in loops are those of equal steps; what a loop reads from outside is known without its steps."""
        loops = self.loop(*left), self.loop(*right)
        if None in loops or (loops[0].steps != loops[1].steps):  # type: ignore[union-attr]
            return super()._equal_places(left, right) if loops[0] is loops[1] else of_all_pairs(self, left, right)
        if all(self.is_read_from_outside(*v) for v in (left, right)):
            return super()._equal_places(left, right)
        k = self.at_equal_steps(*left, *right)
        shape_a, shape_b = (self.instruction(*v).shape[:-1] for v in (left, right))
        shape = np.broadcast_shapes(shape_a, shape_b)
        pick = jax.vmap(lambda m: pick_aligned(m, shape_a, shape_b, shape), out_axes=-1)
        return None if k is None else k.map(pick)

    def is_read_from_outside(self, copy: int, place: int) -> bool:
        """Whether a loop reads these vectors, and no step of it made them."""
        loop = self.loop(copy, place)
        return loop is not None and place in loop.inputs and not isinstance(self.instruction(copy, place).op, Delayed)

    def _moment(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        with self._entered((copy_a, a, copy_b, b)):
            op_a, op_b = self.instruction(copy_a, a).op, self.instruction(copy_b, b).op
            if isinstance(op_a, Delayed):
                return self.delayed(copy_a, a, copy_b, b)
            if isinstance(op_b, Delayed):
                return self._swap(self.delayed(copy_b, b, copy_a, a), copy_b, b, copy_a, a)
            step = self._same_step(copy_a, a, copy_b, b)
            if step is not None:
                (x,), (y,) = self.instruction(copy_a, a).args, self.instruction(copy_b, b).args
                k = self.at_equal_steps(copy_a, x, copy_b, y)
                return None if k is None else k.map(lambda m: m[step])
            if a in self._sources[copy_a] and self._all_steps(copy_a, a, copy_b, b):
                return self._moments[copy_a, a, copy_b, b]
            if b in self._sources[copy_b] and self._all_steps(copy_b, b, copy_a, a):
                return self._moments[copy_a, a, copy_b, b]
            return super()._moment(copy_a, a, copy_b, b)

    def delayed(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        """What the step before made, on the left side."""
        return delayed(self, copy_a, a, copy_b, b)

    def _same_step(self, copy_a: int, a: int, copy_b: int, b: int) -> int | None:
        """The step, if both vectors are what one and the same step made in loops of one length."""
        hows = [getattr(self.instruction(c, p).op, "how", None) for c, p in ((copy_a, a), (copy_b, b))]
        if not all(isinstance(how, AtStep) for how in hows) or hows[0] != hows[1]:
            return None
        (x,), (y,) = self.instruction(copy_a, a).args, self.instruction(copy_b, b).args
        loops = self.loop(copy_a, x), self.loop(copy_b, y)
        return None if None in loops or loops[0].steps != loops[1].steps else hows[0].step  # type: ignore[union-attr]

    def at_equal_steps(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        """E[a^t b^t]: shape `(steps, *leading of a, *leading of b)`, leading axes as one step has them."""
        key = (copy_a, a, copy_b, b)
        if key not in self._at_equal_steps:
            with self._entered(("equal steps", key)):
                sides = Side(copy_a, self.loop(copy_a, a)), Side(copy_b, self.loop(copy_b, b))
                kind = OneCopyAtStep if copy_a == copy_b else MomentsAtStep
                tables = self._scan(kind, sides, [(a, b)])
            self._at_equal_steps[key] = tables[a, b]
        return self._at_equal_steps[key]

    def _all_steps(self, copy_a: int, a: int, copy_b: int, b: int) -> bool:
        """Calculate E[a^t b] for all steps t, a being what the next step reads, by a scan over the steps.

        `False`, and nothing done, if it does not depend on itself a step before.
        """
        loop = self.loop(copy_a, a)
        assert loop is not None
        tables = self._scan(MomentsAtStep, (Side(copy_a, loop), Side(copy_b, None)), [(a, b)], needed=(a, b))
        for (x, y), table in tables.items():
            axis = len(self.instruction(copy_a, x).shape) - 1
            k = None if table is None else table.map(lambda m, axis=axis: jnp.moveaxis(m, 0, axis))
            if (copy_b, y) < (copy_a, x):
                self._moments[copy_b, y, copy_a, x] = self._swap(k, copy_a, x, copy_b, y)
            else:
                self._moments[copy_a, x, copy_b, y] = k
        return bool(tables)

    # --- the scan over steps ------------------------------------------------------------------------

    def _scan(
        self, kind: Callable[..., MomentsAtStep], sides: Sides, asked: list[Pair], needed: Pair | None = None
    ) -> dict[Pair, Any]:
        """Moments of pairs at every step, time first, `asked` and those they follow from."""
        loop = sides[0].loop
        assert loop is not None

        def step(t, state):
            at = kind(self, sides, t, state)
            before = list(state)
            made = {pair: at.value(pair) for pair in asked}
            new = {pair: at.value(at.next_of(pair)) for pair in before}
            made |= {at.next_of(pair): new[pair] for pair in before}
            return new, made, at.relative_error()

        state = self._closed(step)
        if needed is not None and not any(_next(self, sides, pair) == needed for pair in state):
            return {}
        state = jax.tree.map(lambda leaf: jnp.asarray(leaf, float), state)

        def scanned(state, t):
            new, made, error = step(t, dict(state))
            return fill(new, state), (made, error)

        _, (tables, errors) = jax.lax.scan(scanned, state, jnp.arange(loop.steps))
        self._errors.append(Error(errors.value.sum(), errors.kind))
        return tables

    def _closed(self, step: Callable[..., Any]) -> dict[Pair, Any]:
        """What has to be carried from step to step: all that a step asks for, to begin with.

        The first step is taken here for that, outside the scan, which also makes known whatever it asks the
        whole program for. Its results are not used.
        """
        state: dict[Pair, Any] = {}
        while True:
            before = dict(state)
            new, _, _ = step(0, state)
            state = {pair: fill(value, new[pair]) if pair in new else value for pair, value in state.items()}
            if structure(state) == structure(before):
                return state


class Side(NamedTuple):
    """One side of a moment: a copy of the network, all of it (`None`) or one step of a loop."""

    copy: int
    loop: Loop | None


Sides = tuple[Side, Side]


class MomentsAtStep(ForwardMoments):
    """Moments of which one side, or both, is at step t of a loop.

    Copy 0 and 1 are the two sides. What concerns one copy alone (means, variances, scalars) is asked from the
    whole; `carried` has what the step before made, and is given its value before the first step when asked for.
    """

    def __init__(self, whole: LoopMoments, sides: Sides, step: Any, carried: dict[Pair, Any]):
        programs = (whole.programs[s.copy] if s.loop is None else whole.of_one_step(s.copy, s.loop) for s in sides)
        super().__init__(tuple(programs))  # type: ignore[arg-type]
        self.whole, self.sides, self.step, self.carried = whole, sides, step, carried
        self._bodies = tuple({} if side.loop is None else dict(side.loop.body) for side in sides)

    def value(self, pair: Pair) -> Any:
        """What is asked for at this step."""
        return self.moment(0, pair[0], 1, pair[1])

    def next_of(self, pair: Pair) -> Pair:
        """What this step makes of a pair that the next step reads."""
        return _next(self.whole, self.sides, pair)

    def one_copy(self, copy_a: int, copy_b: int) -> bool:
        return self.sides[copy_a].copy == self.sides[copy_b].copy

    def is_gaussian(self, copy: int, place: int) -> bool:
        return self.whole.is_gaussian(self.sides[copy].copy, place)

    def scalar(self, copy: int, place: int) -> Array | None:
        return self._here(copy, place, self.whole.scalar(self.sides[copy].copy, place))

    def mean(self, copy: int, place: int) -> Array | None:
        return self._here(copy, place, self.whole.mean(self.sides[copy].copy, place))

    def variance(self, copy: int, place: int) -> Array:
        variance = self._here(copy, place, self.whole.variance(self.sides[copy].copy, place))
        assert variance is not None
        return variance

    def _equal_places(self, left: Vector, right: Vector) -> Dual | None:
        return of_all_pairs(self, left, right)

    def _here(self, copy: int, place: int, values: Array | None) -> Array | None:
        """The entry of this step, where the whole has an axis of steps."""
        return values if values is None or not self._has_steps(copy, place) else self._entry(values, -1)

    def _has_steps(self, copy: int, place: int) -> bool:
        side = self.sides[copy]
        return side.loop is not None and self.whole.loop(side.copy, place) is side.loop

    def _entry(self, values: Array, axis: int) -> Array:
        return jax.lax.dynamic_index_in_dim(values, self.step, axis % values.ndim, keepdims=False)

    def _is_input(self, copy: int, place: int) -> bool:
        loop = self.sides[copy].loop
        return loop is not None and place in loop.inputs

    def _is_delayed(self, copy: int, place: int) -> bool:
        return isinstance(self.whole.instruction(self.sides[copy].copy, place).op, Delayed)

    def _moment(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        (side_a, side_b), inputs = (
            (self.sides[copy_a], self.sides[copy_b]),
            (self._is_input(copy_a, a), self._is_input(copy_b, b)),
        )
        if side_b.loop is None:
            if side_a.loop is None or not self._has_steps(copy_a, a):
                return self.whole.moment(side_a.copy, a, side_b.copy, b)
            if self._is_delayed(copy_b, b):
                return self._swap(delayed(self, copy_b, b, copy_a, a), copy_b, b, copy_a, a)
            if inputs[0]:
                return self._carried(a, b) if self._is_delayed(copy_a, a) else self._given(copy_a, a, copy_b, b)
            return super()._moment(copy_a, a, copy_b, b)
        if all(inputs):
            delays = self._is_delayed(copy_a, a), self._is_delayed(copy_b, b)
            if delays[0] != delays[1]:
                return self._apart(copy_a, a, copy_b, b)
            return self._carried(a, b) if delays[0] else self._given(copy_a, a, copy_b, b)
        ops_here = self.instruction(copy_a, a).op, self.instruction(copy_b, b).op
        if any(inputs) and any(isinstance(op, ops.MatMul) for op in ops_here):
            return self._apart(copy_a, a, copy_b, b)
        return super()._moment(copy_a, a, copy_b, b)

    def _carried(self, a: int, b: int) -> Dual | None:
        if (a, b) not in self.carried:
            self.carried[a, b] = self._before_first_step(a, b)
        return self.carried[a, b]

    def _before_first_step(self, a: int, b: int) -> Dual | None:
        (x, y) = (
            self.whole.instruction(side.copy, place).args[0] if side.loop else place
            for side, place in zip(self.sides, (a, b), strict=True)
        )
        return self.whole.moment(self.sides[0].copy, x, self.sides[1].copy, y)

    def _given(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        """A moment that the whole knows, at this step."""
        left, right = (self.sides[copy_a].copy, a), (self.sides[copy_b].copy, b)
        shapes = self.instruction(copy_a, a).shape, self.instruction(copy_b, b).shape
        if self.sides[copy_b].loop is not None and all(math.prod(shape) == 1 for shape in shapes):
            k = self.whole.aligned(left, right)
            return None if k is None else k.map(lambda m: self._entry(m, -1).reshape(shapes[0] + shapes[1]))
        k = self.whole.moment(*left, *right)
        if k is None:
            return None
        if self.sides[copy_b].loop is not None:
            k = k.map(lambda m: self._entry(m, -1))
        return k.map(lambda m: self._entry(m, len(shapes[0])))

    def _apart(self, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
        """Vectors whose moment no equal steps tell: zero if they have nothing in common, a product of means at most."""
        made = []
        for copy, place in ((copy_a, a), (copy_b, b)):
            op = self.instruction(copy, place).op
            made.append({op} if isinstance(op, ops.MatMul) else self.whole.made_with(self.sides[copy].copy, place))
        if not made[0].isdisjoint(made[1]):
            raise EntangledStepsError
        mean_a, mean_b = self.mean(copy_a, a), self.mean(copy_b, b)
        return None if mean_a is None or mean_b is None else Dual(jnp.multiply.outer(mean_a, mean_b))


class OneCopyAtStep(MomentsAtStep):
    """Moments of one network at step t, its means, variances and scalars at that step calculated here too."""

    def value(self, pair: Pair) -> Any:
        return self.mean(0, pair[0]) if pair[1] == MEAN else self.moment(0, pair[0], 0, pair[1])

    def scalar(self, copy: int, place: int) -> Array | None:
        return ForwardMoments.scalar(self, 0, place) if place in self._bodies[0] else super().scalar(0, place)

    def mean(self, copy: int, place: int) -> Array | None:
        if place in self._bodies[0]:
            return ForwardMoments.mean(self, 0, place)
        if self._is_input(0, place) and self._is_delayed(0, place):
            if (place, MEAN) not in self.carried:
                (start,) = self.whole.instruction(self.sides[0].copy, place).args
                self.carried[place, MEAN] = self.whole.mean(self.sides[0].copy, start)
            return self.carried[place, MEAN]
        return super().mean(0, place)

    def variance(self, copy: int, place: int) -> Array:
        return ForwardMoments.variance(self, 0, place)


def _next(whole: LoopMoments, sides: Sides, pair: Pair) -> Pair:
    """What a step makes for the next to read as `pair`."""

    def source(side: Side, place: int) -> int:
        return place if side.loop is None or place == MEAN else whole.instruction(side.copy, place).op.source

    return source(sides[0], pair[0]), source(sides[1], pair[1])


def delayed(moments: ForwardMoments, copy_a: int, a: int, copy_b: int, b: int) -> Dual | None:
    """E[a b] where a is what the step before made, at every step: from before the first step, and from the others."""
    instruction = moments.instruction(copy_a, a)
    first, later = (moments.moment(copy_a, x, copy_b, b) for x in (*instruction.args, instruction.op.source))
    shape, axis = (*instruction.shape, *moments.instruction(copy_b, b).shape), len(instruction.shape) - 1

    def part(name: str) -> Array | None:
        before, after = (None if k is None else getattr(k, name) for k in (first, later))
        return _delay(before, after, shape, axis)

    value = part("value")
    return None if value is None else Dual(value, part("tangent"))


def _delay(first: Array | None, later: Array | None, shape: Shape, axis: int) -> Array | None:
    """An array that along `axis` begins with `first` and goes on with `later`, whose last entry drops out."""
    if first is None and later is None:
        return None
    steps = shape[axis]
    whole = jnp.zeros(shape) if later is None else later
    start = jnp.zeros((*shape[:axis], *shape[axis + 1 :])) if first is None else first
    return jnp.concatenate(
        [jnp.expand_dims(start, axis), jax.lax.slice_in_dim(whole, 0, steps - 1, axis=axis)], axis=axis
    )


def _loop_of_each_place(loops: Iterable[Loop]) -> dict[int, Loop]:
    return {place: loop for loop in loops for place in (*loop.inputs, *(p for p, _ in loop.body))}


def _sources(program: Program) -> set[int]:
    """What the next step reads."""
    return {i.op.source for i in program.instructions if isinstance(i.op, Delayed)}


class _Entered:
    """Marks what is being calculated; asked for again meanwhile, it depends on itself."""

    def __init__(self, under_way: set[Any], key: Any):
        self.under_way, self.key = under_way, key

    def __enter__(self) -> None:
        if self.key in self.under_way:
            raise EntangledStepsError
        self.under_way.add(self.key)

    def __exit__(self, *_: Any) -> None:
        self.under_way.discard(self.key)
