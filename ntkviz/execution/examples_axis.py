"""The example axis, which runs over the examples of a batch: its position in the value of each instruction."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..language import instructions as ops
from ..language.axes import Shape
from ..language.instructions import Op
from ..language.rules import Rules


class Each(NamedTuple):
    """Values of all examples along `axis`, which is ordered as (…, example, `inner` entries of that example)."""

    axis: int
    inner: int = 1


class Of(NamedTuple):
    """The value of a single example, given by its number in the batch."""

    example: int


Owner = Each | Of | None
"""The examples that a value belongs to; `None` if it does not depend on them."""


class ExamplesMeetError(Exception):
    """A value in the program of the batch has no counterpart in the program of a single example."""


of_all_examples: Rules[Each] = Rules("its examples")
"""The examples of an instruction's value, given `(shapes of the arguments, their examples, ndim of the value)`."""


@of_all_examples.rule(ops.Op)
def _(op: Op, shapes: list[Shape], owners: list[Any], ndim: int) -> Each:
    raise ExamplesMeetError  # unless a rule proves otherwise


@of_all_examples.rule(ops.Nonlin, ops.Shift, ops.Add, ops.Scale, ops.Combination)
def _(op: Op, shapes: list[Shape], owners: list[Any], ndim: int) -> Each:
    return _broadcast_together(shapes, owners, ndim)


@of_all_examples.rule(ops.ScalarFunction)
def _(op: ops.ScalarFunction, shapes: list[Shape], owners: list[Any], ndim: int) -> Each:
    if op.mixes is None:
        raise ExamplesMeetError
    return _broadcast_together(shapes, owners, ndim, op.mixes)


of_all_examples.rule(ops.MatMul, ops.Moment)(lambda op, shapes, owners, ndim: owners[0])


@of_all_examples.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, shapes: list[Shape], owners: list[Any], ndim: int) -> Each:
    return _if(owners[0].axis < len(shapes[0]) - 1, owners[0])


@of_all_examples.rule(ops.BatchNorm)
def _(op: ops.BatchNorm, shapes: list[Shape], owners: list[Any], ndim: int) -> Each:
    return _if(owners[0].axis != op.axis, owners[0])


@of_all_examples.rule(ops.Readout)
def _(op: ops.Readout, shapes: list[Shape], owners: list[Any], ndim: int) -> Each:
    return _if(owners[0] is None and owners[1].axis < len(shapes[1]) - len(shapes[0]), owners[1])


@of_all_examples.rule(ops.Contract)
def _(op: ops.Contract, shapes: list[Shape], owners: list[Any], ndim: int) -> Each:
    return _contracted(op.subscripts, owners)


@of_all_examples.rule(ops.Join)
def _(op: ops.Join, shapes: list[Shape], owners: list[Any], ndim: int) -> Each:
    each = _if(len(set(owners)) == 1 and (op.new_axis or owners[0].axis != op.axis), owners[0])
    return Each(each.axis + (op.new_axis and op.axis <= each.axis), each.inner)


def _if(condition: bool, owner: Each) -> Each:
    """The examples of the value, if the condition keeps them separate."""
    if not condition:
        raise ExamplesMeetError
    return owner


def _broadcast_together(shapes: list[Shape], owners: list[Any], ndim: int, mixes: int = 0) -> Each:
    """The examples of the value of an elementwise operation, which may mix the last `mixes` axes."""
    met = {(each.axis - len(shape), each.inner) for shape, each in zip(shapes, owners, strict=True) if each}
    (from_right, inner), *others = met
    alike = (s[from_right] for s, each in zip(shapes, owners, strict=True) if each is None and len(s) >= -from_right)
    if others or -from_right <= mixes or any(length != 1 for length in alike):
        raise ExamplesMeetError
    return Each(ndim + from_right, inner)


def _contracted(subscripts: str, owners: list[Any]) -> Each:
    theta, vectors, out = ops.split_subscripts(subscripts)
    letters = (vectors, theta)
    met = {(names[each.axis], each.inner) for names, each in zip(letters, owners, strict=True) if each}
    (letter, inner), *others = met
    if (
        others
        or letter not in out
        or any(n.count(letter) != (e is not None) for n, e in zip(letters, owners, strict=True))
    ):
        raise ExamplesMeetError
    return Each(out.index(letter), inner)
