"""Decides from its instructions whether a program treats the examples of its batch separately.

The program for a batch of B examples is compared with that of the same architecture for a single example. Each value
of the former is matched with a value of the latter: it holds the same value for all examples, the value of one example,
or the values of all examples along one axis. If this succeeds up to the output, output i *is* the single example's
output for example i, whatever the numbers. This follows by induction over the instructions, each of which acts either
in the same way on every entry of the example axis or on the values of one example.

The programs are not run, and the proof covers every example. If a value has no match, examples count as mixed: then the
batch is treated as one input, which is always correct.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from ..language import axes
from ..language import instructions as ops
from ..language.axes import AxesMap, Shape
from ..language.instructions import Op
from ..language.program import Instruction, Parameter, Program
from ..language.rules import Rules
from .examples_axis import Each, ExamplesMeetError, Of, Owner, of_all_examples
from .same_functions import Functions, number_value


class Found(NamedTuple):
    """The match of a value in the batch's program: an index in the single example's program, and for which examples."""

    value: int
    owner: Owner


def reads_one_by_one(many: Program, one: Program) -> bool:
    """Whether output i of `many`, the program of a batch, is the output of `one`, that of an example, for example i."""
    size = len(many.data[0])
    return size == 1 or _reads_one_by_one(many.structure, one.structure, size, *_numbers(many, one, size))


@functools.lru_cache(maxsize=512)
def _reads_one_by_one(
    many: Program, one: Program, size: int, numbers: tuple[Number, ...], numbers_of_one: tuple[Number, ...]
) -> bool:
    try:
        matching = _Matching(many, one, size, numbers, numbers_of_one)
        matching.check_parameters()
        return matching.is_found(many.output, one.output, Each(0))
    except ExamplesMeetError:
        return False


# --- the constants of the two programs ---------------------------------------------------------------


class Number(NamedTuple):
    """The identity of a constant: equal constants have the same `name`; `axis` repeats it for each example, if any."""

    name: int
    axis: int | None = None


def _numbers(many: Program, one: Program, size: int) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """The constants of both programs; those of the first that the second does not have are named −1."""
    names: dict[Any, int] = {}
    of_one = tuple(Number(names.setdefault(number_value(c), len(names))) for c in one.constants)
    return tuple(_number(c, names, size) for c in many.constants), of_one


def _number(constant: np.ndarray, names: dict[Any, int], size: int) -> Number:
    known = names.get(number_value(constant))
    if known is not None:
        return Number(known)
    for axis in (k for k, length in enumerate(constant.shape) if length == size):
        first = constant.take([0], axis=axis)
        if number_value(first) in names and np.all(constant == first):
            return Number(names[number_value(first)], axis)
    return Number(-1)


# --- matching, instruction by instruction --------------------------------------------------------------


class _Matching:
    """Matches the values of `many` with those of `one`; `given` are the examples of the inputs of a repeated layer."""

    def __init__(
        self,
        many: Program,
        one: Program,
        size: int,
        numbers: tuple[Number, ...] = (),
        numbers_of_one: tuple[Number, ...] = (),
        given: dict[Op, Owner] | None = None,
    ):
        self.many, self.one, self.size, self.numbers, self.given = many, one, size, numbers, given or {}
        self.functions = Functions(one)
        self.indices: dict[Any, int] = {}  # of `one`, by operation and arguments
        self.first_equal: list[int] = []  # for each index of `one`, the first index of the same value
        for index, instruction in enumerate(one.instructions):
            op = instruction.op
            plain = numbers_of_one[op.index].name if isinstance(op, ops.Constant) else self._plain(op)
            self.first_equal.append(self.indices.setdefault((plain, self._first_equals(instruction.args)), index))
        self.found: dict[int, Found] = {}
        for index in self._used():
            self.found[index] = self._match(many.instructions[index])

    def check_parameters(self) -> None:
        """Raise `ExamplesMeetError` unless the two programs have the same parameters."""
        if len(self.many.parameters) != len(self.one.parameters):
            raise ExamplesMeetError
        for here, there in zip(self.many.parameters, self.one.parameters, strict=True):
            numbers = [self.found[k] for k in _indices_of_numbers(here)]
            same = [Found(index, None) for index in self._first_equals(_indices_of_numbers(there))]
            if numbers != same or _declared(here) != _declared(there):
                raise ExamplesMeetError

    def is_found(self, index: int, index_of_one: int, owner: Owner) -> bool:
        """Whether a value of `many` matches a value of `one` for these examples."""
        return self.found[index] == Found(self.first_equal[index_of_one], owner)

    def _first_equals(self, indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.first_equal[index] for index in indices)

    def _used(self) -> list[int]:
        """The indices of `many` that the output and the parameters depend on, in order."""
        used = {self.many.output, *(k for p in self.many.parameters for k in _indices_of_numbers(p))}
        for index in reversed(range(len(self.many))):
            if index in used:
                used.update(self.many.instructions[index].args)
        return sorted(used)

    def _plain(self, op: Op) -> Any:
        """An operation in a canonical form, which is equal for equal operations."""
        match op:
            case ops.Nonlin(phi):
                return ops.Nonlin, self.functions.like(phi)
            case ops.ScalarFunction(fn, _, mixes):
                return ops.ScalarFunction, self.functions.like(fn), mixes
            case ops.Rearrange(axes.Index() as rule, shape):
                return axes.Index, tuple(_entries(rule, shape))
            case ops.Rearrange(rule):
                return rule
        return op

    def _match(self, instruction: Instruction) -> Found:
        return like.of(instruction.op)(instruction.op, self, instruction, [self.found[a] for a in instruction.args])

    def applied(self, instruction: Instruction, args: list[Found]) -> Found:
        """The match of an operation that acts on every entry of the example axis, or on the values of one example."""
        plain, owners = self._plain(instruction.op), {a.owner for a in args} - {None}
        then = next(iter(owners), None)
        if any(isinstance(w, Each) for w in owners):
            if any(isinstance(w, Of) for w in owners):
                raise ExamplesMeetError
            plain, then = self._of_one_example(instruction, [a.owner for a in args])
        elif len(owners) > 1:
            raise ExamplesMeetError
        return self.recognised(instruction, plain, tuple(a.value for a in args), then)

    def recognised(self, instruction: Instruction, plain: Any, args: tuple[int, ...], owner: Owner) -> Found:
        """The match of an operation: the instruction of `one` with the same canonical form and matched arguments."""
        index = self.indices.get((plain, args))
        if index is None:
            raise ExamplesMeetError
        return self.checked(instruction, Found(index, owner))

    def checked(self, instruction: Instruction, found: Found) -> Found:
        """The match, if it has the right shape."""
        shape = self.one.instructions[found.value].shape
        if isinstance(found.owner, Each):
            shape = _with_length(shape, found.owner.axis, shape[found.owner.axis] * self.size)
        if shape != instruction.shape:
            raise ExamplesMeetError
        return found

    # --- an operation on the values of all examples ------------------------------------------------

    def _of_one_example(self, instruction: Instruction, owners: list[Any]) -> tuple[Any, Owner]:
        """The operation that `one` must have, in canonical form, and the examples of the result."""
        op, shapes = instruction.op, [self.many.instructions[a].shape for a in instruction.args]
        if isinstance(op, ops.Rearrange):
            return self._rearranged(op.how, shapes[0], owners[0])
        return self._plain(op), of_all_examples.of(op)(op, shapes, owners, len(instruction.shape))

    def _rearranged(self, how: AxesMap, shape: Shape, each: Each) -> tuple[Any, Owner]:
        axis, inner = each
        match how:
            case axes.Index():
                return self._indexed(how, shape, each)
            case axes.Permute(order):
                return how, Each(order.index(axis), inner)
            case axes.Sum(summed) if axis not in summed:
                return how, Each(axis - sum(a < axis for a in summed), inner)
            case axes.Pad(widths) if widths[axis] == (0, 0):
                return how, each
            case axes.BroadcastTo(target):
                then = Each(axis + len(target) - len(shape), inner)
                return axes.BroadcastTo(_with_length(target, then.axis, shape[axis] // self.size)), then
            case axes.Reshape(target):
                then = self._reshaped(target, math.prod(shape[:axis]) * (shape[axis] // self.size // inner))
                return axes.Reshape(_with_length(target, then.axis, target[then.axis] // self.size)), then
        raise ExamplesMeetError

    def _reshaped(self, target: Shape, before: int) -> Each:
        """The example axis in a new shape, if `before` entries of one example precede it in row-major order."""
        for axis, length in enumerate(target):
            outer, rest = divmod(before, math.prod(target[:axis]))
            if rest == 0 and outer and length % (outer * self.size) == 0:
                return Each(axis, length // self.size // outer)
        raise ExamplesMeetError

    def _indexed(self, rule: axes.Index, shape: Shape, each: Each) -> tuple[Any, Owner]:
        entries, length = _entries(rule, shape), shape[each.axis] // self.size
        position = [k for k, entry in enumerate(entries) if entry is not None][each.axis]
        match entries[position]:
            case range() as taken if taken == range(length * self.size):
                entries[position] = range(length)
                return (axes.Index, tuple(entries)), Each(_axis_after(rule, shape, position, each.axis), each.inner)
            case range() as taken if len(taken) == length == 1:
                entries[position] = range(1)
                return (axes.Index, tuple(entries)), Of(taken[0])
            case int() as example if length == 1:
                entries[position] = 0
                return (axes.Index, tuple(entries)), Of(example)
        raise ExamplesMeetError

    # --- operations that create the example axis ------------------------------------------------------

    def broadcast(self, how: AxesMap, instruction: Instruction, arg: Found) -> Found:
        """The match of a broadcast of a value that is the same for all examples, perhaps along a new example axis."""
        (given,) = instruction.args
        if (how, (arg.value,)) in self.indices:
            return self.recognised(instruction, how, (arg.value,), None)
        shape = self.many.instructions[given].shape
        before = (1,) * (len(instruction.shape) - len(shape)) + shape
        for axis, length in enumerate(instruction.shape):
            if length != self.size or before[axis] != 1:
                continue
            of_one = _with_length(instruction.shape, axis, 1)
            index = arg.value if of_one == shape else self.indices.get((axes.BroadcastTo(of_one), (arg.value,)))
            if index is not None:
                return self.checked(instruction, Found(index, Each(axis)))
        raise ExamplesMeetError

    def joined(self, axis: int, instruction: Instruction, args: list[Found]) -> Found:
        """The match of a Join of all examples in order, where each example contributes the same values."""
        count, rest = divmod(len(args), self.size)
        indices = tuple(a.value for a in args[:count])
        for example in range(self.size):
            part = args[example * count : (example + 1) * count]
            if rest or tuple(a.value for a in part) != indices or {a.owner for a in part} - {None, Of(example)}:
                raise ExamplesMeetError
        return self.recognised(instruction, instruction.op, indices, Each(axis, instruction.shape[axis] // self.size))

    def repeated(self, body: Program, instruction: Instruction, args: list[Found]) -> Found:
        """The match of repeated layers: if one layer keeps examples separate, so does any number of them."""
        times, carry, *captured = args
        given: dict[Op, Owner] = {ops.Carry(): carry.owner} | {ops.Captured(k): a.owner for k, a in enumerate(captured)}
        indices = tuple(a.value for a in args)
        for index, other in enumerate(self.one.instructions):
            if isinstance(other.op, ops.Repeat) and self._first_equals(other.args) == indices and times.owner is None:
                body_of_one = other.op.body
                layer = _Matching(body, body_of_one, self.size, given=given)
                layer.check_parameters()
                if layer.is_found(body.output, body_of_one.output, carry.owner):
                    return self.checked(instruction, Found(index, carry.owner))
        raise ExamplesMeetError


# --- the rules ---------------------------------------------------------------------------------------


like: Rules[Found] = Rules("its counterpart in the program of one example")
"""The match of an instruction in the program of one example, given `(matching, instruction, matched arguments)`."""
like.rule(ops.Op)(lambda op, matching, instruction, args: matching.applied(instruction, args))
like.rule(ops.Data)(lambda op, matching, instruction, args: matching.recognised(instruction, op, (), Each(0)))
like.rule(ops.Repeat)(lambda op, matching, instruction, args: matching.repeated(op.body, instruction, args))
like.refuse(ops.Delayed, why="the loops of a program are detected later")


@like.rule(ops.Constant)
def _(op: ops.Constant, matching: _Matching, instruction: Instruction, args: list[Found]) -> Found:
    name, axis = matching.numbers[op.index]
    return matching.recognised(instruction, name, (), None if axis is None else Each(axis))


@like.rule(ops.Carry, ops.Captured)
def _(op: Op, matching: _Matching, instruction: Instruction, args: list[Found]) -> Found:
    return matching.recognised(instruction, op, (), matching.given[op])


@like.rule(ops.Join)
def _(op: ops.Join, matching: _Matching, instruction: Instruction, args: list[Found]) -> Found:
    if {a.owner for a in args} - {None} == {Of(k) for k in range(matching.size)}:
        return matching.joined(op.axis, instruction, args)
    return matching.applied(instruction, args)


@like.rule(ops.Rearrange)
def _(op: ops.Rearrange, matching: _Matching, instruction: Instruction, args: list[Found]) -> Found:
    if isinstance(op.how, axes.BroadcastTo) and args[0].owner is None:
        return matching.broadcast(op.how, instruction, args[0])
    return matching.applied(instruction, args)


# --- shapes and axes -----------------------------------------------------------------------------------


def _entries(rule: axes.Index, shape: Shape) -> list[Any]:
    """An entry for each axis: slices become ranges, integers count from 0, and `None` stands for each new axis."""
    lengths, entries = iter(shape), list[Any]()
    for entry in rule.written_out(len(shape)):
        match entry:
            case axes.Frozen("slice", value):
                entries.append(range(*slice(*value).indices(next(lengths))))
            case bool():  # a new axis of length 1 or 0
                raise ExamplesMeetError
            case int():
                entries.append(entry % next(lengths))
            case None:
                entries.append(None)
            case _:
                next(lengths)
                entries.append(entry)
    return entries


def _axis_after(rule: axes.Index, shape: Shape, position: int, axis: int) -> int:
    """Where `axis` is in the result of an index whose entry at `position` takes all of it."""
    key = list(rule.written_out(len(shape)))
    key[position] = axes.freeze(slice(None))
    of_two, of_three = (
        axes.Index(tuple(key))(np.broadcast_to(False, _with_length(shape, axis, n)), len(shape)).shape for n in (2, 3)
    )
    return [two == three for two, three in zip(of_two, of_three, strict=True)].index(False)


def _with_length(shape: Shape, axis: int, length: int) -> Shape:
    return (*shape[:axis], length, *shape[axis + 1 :])


def _indices_of_numbers(parameter: Parameter) -> tuple[int, int, int]:
    return parameter.std, parameter.multiplier, parameter.lr


def _declared(parameter: Parameter) -> tuple[Any, ...]:
    """A parameter's declaration, without its numbers."""
    return parameter.name, parameter.kind, parameter.fan, parameter.shape, parameter.trainable, parameter.zero_mean
