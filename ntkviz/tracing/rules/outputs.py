"""The network's outputs vᵀx, which may be moved and summed like arrays, but not used further."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from ..jaxprs import Equation
from ..values import Known, Numbers, Par, Readouts

if TYPE_CHECKING:
    from ..walk import Walk


def moved_outputs(eq: Equation, a: Readouts) -> Readouts:
    """Outputs moved by a primitive, which acts on their row and readout numbers."""
    row, column = (np.asarray(eq.first.primitive.bind(jnp.asarray(x), **eq.first.params)) for x in (a.row, a.column))
    return dataclasses.replace(a, row=row, column=column)


def split_outputs(eq: Equation, a: Readouts) -> list[Readouts]:
    """Outputs divided into parts along an axis."""
    at = np.cumsum(eq.params["sizes"])[:-1]
    rows, columns = (np.split(x, at, eq.params["axis"]) for x in (a.row, a.column))
    return [dataclasses.replace(a, row=row, column=column) for row, column in zip(rows, columns, strict=True)]


def joined_outputs(walk: Walk, args: tuple[Any, ...], join: Callable[[list[np.ndarray]], np.ndarray]) -> Readouts:
    """Outputs joined by a function of arrays; they must be parts of the outputs of one layer."""
    first = next(a for a in args if isinstance(a, Readouts))
    same = (first.leaf, first.order, first.factor, first.biases)
    for a in args:
        alike = isinstance(a, Readouts) and (a.leaf, a.order, a.factor, a.biases) == same
        if not alike or a.x is not first.x or a.columns is not first.columns:
            walk.refuse(
                "Outputs of different layers, or an output and something else, are joined{where}; return one of them."
            )
    return dataclasses.replace(first, row=join([a.row for a in args]), column=join([a.column for a in args]))


def summed_outputs(walk: Walk, a: Readouts, axes: tuple[int, ...]) -> Readouts:
    """The sum of outputs of the same readout, as the readout of the sum of their vectors."""
    if a.biases:
        walk.refuse("Outputs with a bias are summed{where}; average before the last layer.")
    keep = tuple(k for k in range(a.row.ndim) if k not in axes)
    shape, count = tuple(a.row.shape[k] for k in keep), math.prod(a.row.shape[k] for k in axes)
    row, column = (x.transpose((*keep, *axes)).reshape((-1, count)) for x in (a.row, a.column))
    if np.any(column != column[:, :1]):
        walk.refuse("Outputs of different readouts are summed{where}; add the vectors before they are read out.")
    places = np.arange(len(row)).reshape(shape)
    return Readouts(a.leaf, a.columns, a.x[row].sum(1), places, column[:, 0].reshape(shape), a.order, a.factor)


def on_outputs(walk: Walk, eq: Equation, args: tuple[Any, ...]) -> Readouts:
    """An elementwise primitive of outputs, which may only be a factor or a bias."""
    name, out = eq.name, next(a for a in args if isinstance(a, Readouts))
    others = [a for a in args if a is not out]
    if name in ("copy", "copy_p", "convert_element_type", "reduce_precision"):
        return out
    if name in ("add", "add_any") and len(others) == 1 and isinstance(others[0], Par) and not others[0].axes:
        leaf, law = others[0].leaf, walk.parameters.law(others[0].leaf)
        starts_at_zero = law.is_known and not law.mean and law.family != "fixed"
        if others[0].factor == 1 and starts_at_zero and (not law.std or walk.parameters.order(leaf) < 0):
            walk.parameters.use(leaf, "output bias")
            return Readouts(
                out.leaf, out.columns, out.x, out.row, out.column, out.order, out.factor, (*out.biases, leaf)
            )
        walk.refuse(
            f"The output has a bias {walk.parameters.name(leaf)}{{where}} that neither starts at 0 nor vanishes as the "
            "width grows; start it at 0."
        )
    number = walk.numbers(others[0]) if len(others) == 1 and isinstance(others[0], Known | Numbers) else None
    divides = name == "div" and args[0] is out
    if name == "neg" or (number is not None and number.number is not None and (name == "mul" or divides)):
        if out.biases:
            walk.refuse("The output is multiplied after a bias was added{where}; multiply before.")
        if number is None or number.number is None:
            return dataclasses.replace(out, factor=-out.factor)
        factor, order = (1 / number.number, -number.order) if divides else (number.number, number.order)
        return dataclasses.replace(out, factor=out.factor * factor, order=out.order + order)
    if number is not None and number.is_zero and name in ("add", "sub", "add_any") and args[0] is out:
        same: Readouts = out
        return same
    walk.refuse(
        f"The output of a readout is used further ({name}{{where}}), but a readout of random weights does not converge "
        "to a number; make it the last operation, without a softmax or a loss."
    )
