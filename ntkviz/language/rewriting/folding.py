"""Folding: alike layers of a straight-line program, each with its own parameters, become one `Repeat`.

A Python loop over layers in an architecture, or an ordinary model that was traced, records the instructions of a layer
again and again. `fold` writes them once, the inverse of `unrolled`, so that the time to compile a reading does not grow
with depth.

Layers are folded only if they have the same instructions, of the same shapes, each layer uses parameters of its own,
and the only vectors that a layer takes from outside are those that the layer below hands on. Numbers may differ from
layer to layer: they are stacked, and each layer takes its own. Other programs are left unchanged.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..instructions import Captured, Carry, Constant, Data, Join, Linear, OfLayers, Op, Repeat, Shift, Source
from ..program import Instruction, Parameter, Program

FEWEST_SAVED = 8
"""The fewest instructions that folding must save."""
MOST_CANDIDATES = 5_000
"""The largest number of runs that are tried, so that a long program without alike layers costs no time."""


class Folded(NamedTuple):
    """A program whose alike layers are written once, and for each `Repeat` the parameters of each layer.

    The parameters are indices in the unfolded program, in the order of the parameters of the body.
    """

    program: Program
    parameters: tuple[tuple[tuple[int, ...], ...], ...]


def fold(program: Program) -> Folded | None:
    """The program with its alike layers written once; `None` if it has none.

    Args:
        program: Any program.

    Returns:
        The folded program. Its additional constants, the numbers of layers, come last.
    """
    found = _fold(program.structure)
    if found is None:
        return None
    counts = found.program.constants
    return found._replace(program=found.program.with_numbers((*program.constants, *counts), program.data))


@functools.lru_cache(maxsize=256)
def _fold(structure: Program) -> Folded | None:
    """The folded structure, with the numbers of layers as its only constants."""
    if structure.gradients or any(isinstance(i.op, OfLayers) for i in structure.instructions):
        return None
    line = _Line(structure)
    runs = list(line.runs(0, len(line.places)))
    return _Writer(line, runs).result() if runs else None


# --- finding alike layers ----------------------------------------------------------------------------


class Run(NamedTuple):
    """`layers` alike layers of `length` instructions, from the position `start` of a line.

    Attributes:
        start: The position of the first instruction.
        length: The number of instructions of a layer.
        layers: The number of layers.
        carried: The position in a layer of the vectors that it hands on.
        given: The index of the vectors that the first layer takes.
    """

    start: int
    length: int
    layers: int
    carried: int = -1
    given: int = -1

    @property
    def stop(self) -> int:
        return self.start + self.length * self.layers

    @property
    def saved(self) -> int:
        return self.length * (self.layers - 1)


class _Line:
    """The instructions of a program that are not numbers, in order; numbers may be computed before all others."""

    def __init__(self, program: Program):
        self.program = program
        self.numbers: list[int] = []
        self.places: list[int] = []  # the index of each instruction of the line
        self.position: dict[int, int] = {}
        for index, instruction in enumerate(program.instructions):
            if self._is_number(instruction):
                self.numbers.append(index)
            else:
                self.position[index] = len(self.places)
                self.places.append(index)
        kinds: dict[Any, int] = {}
        self.tokens = np.array([kinds.setdefault(self._token(i), len(kinds)) for i in self.instructions()])
        self.last_use = np.array(self._last_uses())
        self.parameter_uses = self._uses_of_parameters()

    def instructions(self) -> list[Instruction]:
        """The instructions of the line."""
        return [self.program.instructions[index] for index in self.places]

    def _is_number(self, instruction: Instruction) -> bool:
        """Whether a value is computed from constants alone; the line so far has all values that are not."""
        known = instruction.kind == "scalar" and not isinstance(instruction.op, Data)
        return known and not any(a in self.position for a in instruction.args)

    def _token(self, instruction: Instruction) -> Any:
        """What must be the same in every layer: all but the parameter, its name and numbers, and the arguments."""
        op: Op = instruction.op
        if not isinstance(op, Source):
            return op, instruction.kind, instruction.shape
        parameter = dataclasses.replace(self.program.parameters[op.parameter], name="", std=0, multiplier=0, lr=0)
        return dataclasses.replace(op, parameter=0), parameter, instruction.shape

    def _last_uses(self) -> list[int]:
        """For each position, the last position where its value is used; the output is used after all."""
        last = list(range(len(self.places)))
        for position, instruction in enumerate(self.instructions()):
            for a in instruction.args:
                if a in self.position:
                    last[self.position[a]] = position
        last[self.position[self.program.output]] = len(self.places)
        return last

    def _uses_of_parameters(self) -> dict[int, list[int]]:
        """The positions where each parameter is used, ascending."""
        found: dict[int, list[int]] = {}
        for position, instruction in enumerate(self.instructions()):
            if isinstance(instruction.op, Source):
                found.setdefault(instruction.op.parameter, []).append(position)
        return found

    def runs(self, start: int, stop: int) -> Iterator[Run]:
        """The runs of alike layers between two positions, in order."""
        candidates = itertools.islice(self._candidates(start, stop), MOST_CANDIDATES)
        run = next((r for c in candidates if (r := self._checked(c))), None)
        if run is not None:
            yield from self.runs(start, run.start)
            yield run
            yield from self.runs(run.stop, stop)

    def _candidates(self, start: int, stop: int) -> Iterator[Run]:
        """Layers with the same tokens, those that save most first and, among these, those with the shortest layers.

        The first and the last layer may be linked to others in ways of their own; the rest are candidates, too.
        """
        for length, first, last in self._stretches(start, stop):
            for fewer in (0, 1):
                for begin in range(first, min(first + 2 * length, last - length + 1)):
                    run = Run(begin, length, (last - begin) // length + 1 - fewer)
                    if run.saved >= FEWEST_SAVED:
                        yield run

    def _stretches(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """`(length, first, last)`: from `first` to `last`, each token is the same as that `length` positions later."""
        found: list[tuple[int, int, int]] = []
        for length in range(1, (stop - start) // 2 + 1):
            same = self.tokens[start : stop - length] == self.tokens[start + length : stop]
            edges = np.flatnonzero(np.diff(np.concatenate([[False], same, [False]]).astype(int))) + start
            found += [(length, first, last) for first, last in edges.reshape(-1, 2).tolist() if last - first >= length]
        return sorted(found, key=lambda s: (-((s[2] - s[1]) // s[0]) * s[0], s[0]))

    def _checked(self, run: Run) -> Run | None:
        """The run with what its layers carry; `None` unless they are linked by one array of vectors alone."""
        last = self.last_use[run.start : run.stop].reshape(run.layers, run.length)
        ends = run.start + run.length * np.arange(1, run.layers + 1)[:, None]
        crossing = np.flatnonzero((last >= ends).any(axis=0))
        if len(crossing) != 1:
            return None
        if np.any(last[:-1, crossing] >= ends[1:]):  # used beyond the layer above
            return None
        run = run._replace(carried=int(crossing[0]))
        carried = self.program.instructions[self.places[run.start + run.carried]]
        if carried.kind != "vector" or not isinstance(carried.op, Source | Linear | Shift):
            return None
        return self._with_given(run) if self._has_own_parameters(run) else None

    def _with_given(self, run: Run) -> Run | None:
        """The run with the vectors that its first layer takes; `None` if layers take anything else from outside."""
        given: set[int] = set()
        for offset in range(run.length):
            for args in zip(*(i.args for i in self.members(run, offset)), strict=True):
                if all(self.is_inside(run, k, a) for k, a in enumerate(args)):
                    if len({self.position[a] - k * run.length for k, a in enumerate(args)}) > 1:
                        return None
                elif self.is_carried(run, args):
                    given.add(args[0])
                elif not self.is_scalar_from_before(run, args):
                    return None
        (first,) = given if len(given) == 1 else (None,)
        if first is None or self._shape(first) != self._shape(self.places[run.start + run.carried]):
            return None
        used_later = self.last_use[self.position[first]] >= run.start + run.length
        return None if used_later else run._replace(given=first)

    def members(self, run: Run, offset: int) -> list[Instruction]:
        """The instruction at a position of a layer, in every layer."""
        places = self.places[run.start + offset : run.stop : run.length]
        return [self.program.instructions[index] for index in places]

    def is_inside(self, run: Run, layer: int, index: int) -> bool:
        """Whether a value is made by a layer itself."""
        position = self.position.get(index, -1)
        return 0 <= position - run.start - layer * run.length < run.length

    def is_carried(self, run: Run, args: tuple[int, ...]) -> bool:
        """Whether an argument is, in each layer but the first, what the layer below hands on."""
        handed_on = self.places[run.start + run.carried : run.stop : run.length]
        from_before = self.position.get(args[0], len(self.places)) < run.start
        return from_before and self.program.instructions[args[0]].kind == "vector" and [*args[1:]] == handed_on[:-1]

    def is_scalar_from_before(self, run: Run, args: tuple[int, ...]) -> bool:
        """Whether an argument is, in each layer, a scalar that is known before the layers."""
        return all(self.program.instructions[a].kind == "scalar" and self.position.get(a, -1) < run.start for a in args)

    def _shape(self, index: int) -> Any:
        return self.program.instructions[index].shape

    def _has_own_parameters(self, run: Run) -> bool:
        """Whether each layer uses parameters of its own, at the same positions as the others."""
        for offset in range(run.length):
            members = [i.op.parameter for i in self.members(run, offset) if isinstance(i.op, Source)]
            uses = [np.array(self.parameter_uses[p]) - run.start - k * run.length for k, p in enumerate(members)]
            if any(not np.array_equal(u, uses[0]) or u[0] < 0 or u[-1] >= run.length for u in uses):
                return False
        return True

    def own_parameters(self, run: Run) -> tuple[tuple[int, ...], ...]:
        """The parameters of each layer, in the order of their first uses."""

        def within(start: int) -> tuple[int, ...]:
            ops = [self.program.instructions[index].op for index in self.places[start : start + run.length]]
            return tuple(dict.fromkeys(op.parameter for op in ops if isinstance(op, Source)))

        return tuple(map(within, range(run.start, run.stop, run.length)))


# --- writing layers once -----------------------------------------------------------------------------


class _Writer:
    """Rewrites a program with each of its runs of alike layers as a `Repeat`."""

    def __init__(self, line: _Line, runs: list[Run]):
        self.line, self.program, self.runs = line, line.program, runs
        self.constants = 1 + max(
            (i.op.index for i in self.program.instructions if isinstance(i.op, Constant)), default=-1
        )
        self.instructions: list[Instruction] = []
        self.indices: dict[int, int] = {}  # the new index of each old instruction outside the layers

    def result(self) -> Folded:
        starts = {run.start: run for run in self.runs}
        for index in self.line.numbers:
            self._copy(index)
        position = 0
        while position < len(self.line.places):
            if run := starts.get(position):
                self._repeat(run)
                position = run.stop
            else:
                self._copy(self.line.places[position])
                position += 1
        counts = tuple(np.asarray(run.layers) for run in self.runs)
        program = self.program.written_again(self.instructions, self.indices.__getitem__, constants=counts)
        return Folded(program, tuple(map(self.line.own_parameters, self.runs)))

    def _write(self, op: Op, args: tuple[int, ...], kind: Any, shape: tuple[int, ...]) -> int:
        self.instructions.append(Instruction(op, args, kind, shape))
        return len(self.instructions) - 1

    def _copy(self, index: int) -> None:
        old = self.program.instructions[index]
        self.indices[index] = self._write(old.op, tuple(self.indices[a] for a in old.args), old.kind, old.shape)

    def _repeat(self, run: Run) -> None:
        body = _Body(self.line, run)
        op, given = Repeat(body.program()), self.program.instructions[run.given]
        count = self._write(Constant(self.constants + self.runs.index(run)), (), "scalar", ())
        captured = [self._captured(indices) for indices in body.captured]
        repeat = self._write(op, (count, self.indices[run.given], *captured), given.kind, given.shape)
        self.indices[self.line.places[run.stop - run.length + run.carried]] = repeat

    def _captured(self, indices: tuple[int, ...]) -> int:
        """A scalar that all layers take, or the scalars of the layers, stacked."""
        news = tuple(self.indices[index] for index in indices)
        if len(set(news)) == 1:
            return news[0]
        return self._write(Join(0, new_axis=True), news, "scalar", (len(news), *self.instructions[news[0]].shape))


class _Body:
    """Writes one layer of a run as a program of its own."""

    def __init__(self, line: _Line, run: Run):
        self.line, self.run = line, run
        self.captured: dict[tuple[int, ...], int] = {}  # for the scalars of the layers, the index of their `Captured`
        carried = line.program.instructions[run.given]
        self.instructions = [Instruction(Carry(), (), carried.kind, carried.shape)]
        self.made: list[int] = []  # the index of each instruction of the layer

    def program(self) -> Program:
        """The layer as a program."""
        own = self.line.own_parameters(self.run)
        parameters = tuple(self._parameter(same) for same in zip(*own, strict=True))
        numbers = {parameter: k for k, parameter in enumerate(own[0])}
        for offset in range(self.run.length):
            members = self.line.members(self.run, offset)
            op, args = members[0].op, zip(*(i.args for i in members), strict=True)
            if isinstance(op, Source):
                op = dataclasses.replace(op, parameter=numbers[op.parameter])
            written = dataclasses.replace(members[0], op=op, args=tuple(map(self._argument, args)))
            self.made.append(len(self.instructions))
            self.instructions.append(written)
        return Program(tuple(self.instructions), parameters, self.made[self.run.carried])

    def _parameter(self, same: tuple[int, ...]) -> Parameter:
        """A parameter of the layer, from those of all layers."""
        first, *others = (self.line.program.parameters[k] for k in same)
        std, multiplier, lr = (
            self._scalar(tuple(getattr(p, number) for p in (first, *others))) for number in ("std", "multiplier", "lr")
        )
        return dataclasses.replace(first, std=std, multiplier=multiplier, lr=lr)

    def _argument(self, args: tuple[int, ...]) -> int:
        """The index of an argument, from those in all layers."""
        if self.line.is_inside(self.run, 0, args[0]):
            return self.made[self.line.position[args[0]] - self.run.start]
        return 0 if self.line.is_carried(self.run, args) else self._scalar(args)

    def _scalar(self, indices: tuple[int, ...]) -> int:
        """A scalar from outside, or the scalars of the layers."""
        if indices not in self.captured:
            op = Captured(len(self.captured), of_layer=len(set(indices)) > 1)
            shape = self.line.program.instructions[indices[0]].shape
            self.captured[indices] = len(self.instructions)
            self.instructions.append(Instruction(op, (), "scalar", shape))
        return self.captured[indices]
