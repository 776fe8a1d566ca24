"""Loop detection: a hundred identical steps of a straight-line program become one step on arrays with an axis of steps.

A Python loop over time in an architecture records the same few instructions again and again, each time applied to the
values of the previous step. `roll` writes them once. Their values get an additional last leading axis over the steps,
so that they remain instructions of the language: a last axis affects only instructions that broadcast from the right.
Values of the previous step need a new instruction, `Delayed`, the only one that refers to a later instruction of the
program.

A loop is detected only if all steps are equal up to an indexing or a number, use the same parameters, and use no values
of other steps than the previous one. Other programs are left unchanged.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import axes
from .. import instructions as ops
from ..axes import AtStep, AxesMap, EveryStep, Shape
from ..instructions import Delayed, Op
from ..program import Instruction, Program
from .steps_axis import over_steps

FEWEST_STEPS = 4


@dataclass(frozen=True)
class Loop:
    """The instructions of one step as the author wrote them, with their indices in the rolled program.

    `inputs` are the indices of the values from outside that they use: arrays with an axis of steps, some of them
    `Delayed`. They come before the body, whose indices are consecutive.
    """

    steps: int
    body: tuple[tuple[int, Instruction], ...]
    inputs: tuple[int, ...]


class Rolled(NamedTuple):
    """A program whose loops are written once."""

    program: Program
    loops: tuple[Loop, ...]


def roll(program: Program) -> Rolled | None:
    """The program with its loops written once; `None` if it has none."""
    rolled = _roll(program.structure)
    return rolled and rolled._replace(program=rolled.program.with_numbers(program.constants, program.data))


@functools.lru_cache(maxsize=256)
def _roll(structure: Program) -> Rolled | None:
    runs = _runs(structure)
    return _Writer(structure, runs).result() if runs else None


# --- finding loops ---------------------------------------------------------------------------------


class Run(NamedTuple):
    """`steps` repetitions of `length` instructions, beginning at the index `start`."""

    start: int
    length: int
    steps: int

    @property
    def stop(self) -> int:
        return self.start + self.length * self.steps

    def members(self, position: int) -> range:
        """The indices of the instruction at `position` in every step."""
        return range(self.start + position, self.stop, self.length)


class Fixed(NamedTuple):
    """An argument that is the same at every step."""

    value: int


class Each(NamedTuple):
    """An argument from outside the loop that differs from step to step."""

    indices: tuple[int, ...]


class Now(NamedTuple):
    """A value of the same step, given by its position in the step."""

    position: int


class Before(NamedTuple):
    """A value of the previous step, given by its position; at the first step, the value at the index `start`."""

    position: int
    start: int


Argument = Fixed | Each | Now | Before


def _runs(program: Program) -> list[Run]:
    """The loops of the program in order, none of them nested."""
    kinds: dict[Any, int] = {}
    tokens = np.array([kinds.setdefault(_token(i), len(kinds)) for i in program.instructions])
    products = np.array([isinstance(i.op, ops.MatMul) for i in program.instructions], dtype=bool)

    def between(start: int, stop: int) -> list[Run]:
        if np.max(np.bincount(tokens[start:stop][products[start:stop]]), initial=0) < FEWEST_STEPS:
            return []
        run = _longest_loop(program, tokens, start, stop)
        return [] if run is None else [*between(start, run.start), run, *between(run.stop, stop)]

    return between(0, len(tokens))


def _token(instruction: Instruction) -> Any:
    """The part of an instruction that must be the same at every step."""
    if isinstance(instruction.op, ops.Constant):
        return ops.Constant, instruction.shape
    if (indexing := _index(instruction)) is not None:
        return axes.Index, indexing.shape_in, instruction.kind, instruction.shape
    return instruction.op, instruction.kind, instruction.shape


def _index(instruction: Instruction) -> ops.Rearrange | None:
    op = instruction.op
    return op if isinstance(op, ops.Rearrange) and isinstance(op.how, axes.Index) else None


def _longest_loop(program: Program, tokens: np.ndarray, start: int, stop: int) -> Run | None:
    """The loop with the shortest steps and, among these, the most; then that with the fewest values used after it."""
    for length in range(1, (stop - start) // FEWEST_STEPS + 1):
        repeats = tokens[start : stop - length] == tokens[start + length : stop]
        edges = np.flatnonzero(np.diff(np.concatenate([[False], repeats, [False]]).astype(int))) + start
        loops: list[Run] = []
        for first, last in edges.reshape(-1, 2).tolist():
            for begin in range(first, min(first + length, last)):
                run = _first_part(program, Run(begin, length, (last - begin) // length + 1))
                if run.steps >= FEWEST_STEPS and _arguments(program, run) is not None:
                    loops.append(run)
        if loops:
            return min(loops, key=lambda run: (-run.steps, _used_after(program, run)))
    return None


def _first_part(program: Program, run: Run) -> Run:
    """The run up to the first step whose arguments within the run differ from those of the step before it."""
    for step in range(2, run.steps):
        for here in range(run.start + step * run.length, run.start + (step + 1) * run.length):
            args = zip(program.instructions[here - run.length].args, program.instructions[here].args, strict=True)
            if any(later - earlier != run.length and max(earlier, later) >= run.start for earlier, later in args):
                return run._replace(steps=step)
    return run


def _used_after(program: Program, run: Run) -> int:
    """The number of positions of a step that are used after the loop, except those that the next step uses too."""
    after = {a for i in program.instructions[run.stop :] for a in i.args if run.start <= a < run.stop}
    arguments = _arguments(program, run)
    assert arguments is not None
    delayed = {a.position for args in arguments for a in args if isinstance(a, Before)}
    return len({(a - run.start) % run.length for a in after} - delayed)


def _arguments(program: Program, run: Run) -> list[list[Argument]] | None:
    """The arguments at each position of a step; `None` unless the run is a loop that carries values between steps."""
    found: list[list[Argument]] = []
    for position in range(run.length):
        members = [program.instructions[k] for k in run.members(position)]
        if not callable(over_steps.entry(type(members[0].op))):
            return None
        arguments = [_argument(run, indices) for indices in zip(*(m.args for m in members), strict=True)]
        if any(a is None for a in arguments) or (_varies(members) and not isinstance(arguments[0], Fixed)):
            return None
        found.append([a for a in arguments if a is not None])
    carried = [a for arguments in found for a in arguments if isinstance(a, Before)]
    alike = all(_same_kind(program, run.start + a.position, a.start) for a in carried)
    return found if carried and alike else None


def _varies(members: list[Instruction]) -> bool:
    """Whether the steps index different entries."""
    return _index(members[0]) is not None and any(m.op != members[0].op for m in members)


def _same_kind(program: Program, a: int, b: int) -> bool:
    one, other = program.instructions[a], program.instructions[b]
    return one.kind == other.kind == "vector" and one.shape == other.shape


def _argument(run: Run, indices: tuple[int, ...]) -> Argument | None:
    here = np.array(indices) - np.arange(run.steps) * run.length - run.start  # positions, for a value of the same step
    if 0 <= here[0] < run.length and np.all(here == here[0]):
        return Now(int(here[0]))
    if max(indices) < run.start:
        return Fixed(indices[0]) if len(set(indices)) == 1 else Each(indices)
    before = here[1:] + run.length
    if indices[0] < run.start and 0 <= before[0] < run.length and np.all(before == before[0]):
        return Before(int(before[0]), indices[0])
    return None


# --- writing loops once ----------------------------------------------------------------------------


class _Writer:
    """Rewrites a program with each of its loops written once."""

    def __init__(self, program: Program, runs: list[Run]):
        self.program, self.runs = program, runs
        self.instructions: list[Instruction] = []
        self.indices: dict[int, int] = {}  # the new index of each old instruction outside loops
        self.stacks: dict[int, tuple[int, int]] = {}  # for each value of a step, the array over steps and the step
        self.loops: list[Loop] = []

    def result(self) -> Rolled:
        starts = {run.start: run for run in self.runs}
        index = 0
        while index < len(self.program):
            if index in starts:
                self._loop(starts[index])
                index = starts[index].stop
            else:
                self._outside(index, self.program.instructions[index])
                index += 1
        return Rolled(self.program.written_again(self.instructions, self._index), tuple(self.loops))

    def _write(self, op: Op, args: tuple[int, ...], kind: Any, shape: Shape) -> int:
        self.instructions.append(Instruction(op, args, kind, shape))
        return len(self.instructions) - 1

    def _rearranged(self, how: AxesMap, x: int) -> int:
        old = self.instructions[x]
        shape = axes.rearranged_shape(how, old.shape)
        return self._write(ops.Rearrange(how, old.shape, shape), (x,), old.kind, shape)

    def _index(self, old: int) -> int:
        """The new index of a value of the old program."""
        if old not in self.indices:
            stack, step = self.stacks[old]
            self.indices[old] = self._rearranged(AtStep(step), stack)
        return self.indices[old]

    def _outside(self, old: int, instruction: Instruction) -> None:
        if isinstance(instruction.op, ops.Join) and any(a in self.stacks for a in instruction.args):
            self.indices[old] = self._join(instruction.op, instruction)
        else:
            args = tuple(self._index(a) for a in instruction.args)
            self.indices[old] = self._write(instruction.op, args, instruction.kind, instruction.shape)

    def _join(self, op: ops.Join, instruction: Instruction) -> int:
        """A Join of values of several steps: an array over steps, with the axis of steps moved to its position."""
        shapes = {self.program.instructions[a].shape for a in instruction.args}
        if len(shapes) > 1:
            args = tuple(self._index(a) for a in instruction.args)
            return self._write(op, args, instruction.kind, instruction.shape)
        gathered = self._gathered(instruction.args)
        last = len(self.instructions[gathered].shape) - 1
        order = (*range(op.axis), last, *range(op.axis, last))
        moved = gathered if op.axis == last else self._rearranged(axes.Permute(order), gathered)
        return moved if op.new_axis else self._rearranged(axes.Reshape(instruction.shape), moved)

    def _gathered(self, olds: tuple[int, ...]) -> int:
        """Values of the old program of one shape, stacked along a new last axis."""
        parts: list[int] = []
        for stack, group in itertools.groupby(olds, lambda old: self.stacks.get(old, (None,))[0]):
            members = list(group)
            if stack is None:
                parts.append(self._stacked(tuple(self._index(old) for old in members)))
                continue
            steps = [self.stacks[old][1] for old in members]
            whole = steps == list(range(self.instructions[stack].shape[-1]))
            key = (Ellipsis, axes.freeze(np.array(steps)))
            parts.append(stack if whole else self._rearranged(axes.Index(key), stack))
        if len(parts) == 1:
            return parts[0]
        first = self.instructions[parts[0]]
        shape = (*first.shape[:-1], len(olds))
        return self._write(ops.Join(len(shape) - 1, new_axis=False), tuple(parts), first.kind, shape)

    def _stacked(self, indices: tuple[int, ...]) -> int:
        if len(indices) == 1:
            return self._rearranged(EveryStep(1), indices[0])
        first = self.instructions[indices[0]]
        axis = len(first.shape)
        return self._write(ops.Join(axis, new_axis=True), indices, first.kind, (*first.shape, len(indices)))

    # --- one loop ------------------------------------------------------------------------------------

    def _loop(self, run: Run) -> None:
        """Write the inputs of the loop, then its body."""
        arguments = _arguments(self.program, run)
        assert arguments is not None
        made: dict[int, int] = {}
        inputs: dict[Argument, int] = {}
        for position, here in enumerate(arguments):
            members = [self.program.instructions[k] for k in run.members(position)]
            if isinstance(members[0].op, ops.Constant):
                made[position] = self._stacked(tuple(self._write(m.op, (), m.kind, m.shape) for m in members))
            elif _varies(members):
                made[position] = self._entries(members, here[0])
            else:
                for argument in here:
                    if not isinstance(argument, Now) and argument not in inputs:
                        inputs[argument] = self._input(argument, run)
        read = (*inputs.values(), *made.values())
        body: list[tuple[int, Instruction]] = []
        for position, here in enumerate(arguments):
            if position not in made:
                args = tuple(made[a.position] if isinstance(a, Now) else inputs[a] for a in here)
                old = self.program.instructions[run.start + position]
                made[position] = self._write(over_steps(old.op), args, old.kind, (*old.shape, run.steps))
                body.append((made[position], dataclasses.replace(old, args=args)))
        for argument, index in inputs.items():
            if isinstance(argument, Before):
                delayed = self.instructions[index]
                self.instructions[index] = dataclasses.replace(delayed, op=Delayed(made[argument.position]))
        for position, stack in made.items():
            self.stacks |= {old: (stack, step) for step, old in enumerate(run.members(position))}
        self.loops.append(Loop(run.steps, tuple(body), read))

    def _input(self, argument: Argument, run: Run) -> int:
        """An input of the loop, from outside or from the previous step, as an array over steps."""
        match argument:
            case Fixed(index):
                return self._rearranged(EveryStep(run.steps), self._index(index))
            case Each(indices):
                gathered = self._gathered(
                    indices
                )  # may be an array of an earlier loop, so it needs an index of its own
                return self._rearranged(axes.Reshape(self.instructions[gathered].shape), gathered)
            case Before(_, start):
                first = self._index(start)
                old = self.instructions[first]
                return self._write(Delayed(-1), (first,), old.kind, (*old.shape, run.steps))
        raise AssertionError(argument)

    def _entries(self, members: list[Instruction], argument: Argument) -> int:
        """The entries of one array that the steps use, taken by one indexing."""
        assert isinstance(argument, Fixed)
        x = self._index(argument.value)
        shape = self.instructions[x].shape
        indexings = [indexing.how for m in members if (indexing := _index(m)) is not None]
        window = _window([indexing.key for indexing in indexings if isinstance(indexing, axes.Index)])
        if window is not None:
            key, axis = window
            taken = self._rearranged(axes.Index(key), x)
            last = len(self.instructions[taken].shape) - 1
            order = (*(k for k in range(last + 1) if k != axis), axis)
            return taken if axis == last else self._rearranged(axes.Permute(order), taken)
        numbers = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
        entries = np.stack([indexing(numbers, numbers.ndim) for indexing in indexings], axis=-1)
        return self._rearranged(axes.Index((axes.freeze(entries),)), self._rearranged(axes.Reshape((-1,)), x))


def _window(keys: list[tuple[Any, ...]]) -> tuple[tuple[Any, ...], int] | None:
    """One key for all steps, and the axis of steps in its result; `None` unless keys differ in equidistant integers."""
    moving = [k for k, entries in enumerate(zip(*keys, strict=False)) if len(set(entries)) > 1]
    if len(moving) != 1 or len({len(key) for key in keys}) > 1:
        return None
    (index,) = moving
    entries = [key[index] for key in keys]
    plain = all(isinstance(k, axes.Frozen) and k.kind == "slice" for k in keys[0][:index])
    if not plain or not all(isinstance(k, int) and k >= 0 for k in entries):
        return None
    step = entries[1] - entries[0]
    if step == 0 or entries != list(range(entries[0], entries[0] + step * len(entries), step)):
        return None
    stop = entries[-1] + step
    window = axes.freeze(slice(entries[0], stop if stop >= 0 else None, step))
    return (*keys[0][:index], window, *keys[0][index + 1 :]), index
