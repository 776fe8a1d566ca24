"""Uξ: a parameter with one width axis, applied to data or to other numbers of the program."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ...language import instructions as ops
from ...language.axes import Shape
from ...language.functions import einsum, stack
from ...language.values import Scalar, Vector
from .. import expressions as ex
from ..values import Numbers, Par, Vectors
from .moving import inner_of
from .reductions import LETTERS

if TYPE_CHECKING:
    from ..walk import Walk


def from_data(
    walk: Walk,
    par: Par,
    x: Numbers,
    summed: tuple[int, ...],
    summed_of_par: tuple[int, ...],
    shape: Shape,
    fan_in: int | None = None,
    parameter_first: bool = False,
) -> Vectors:
    """Σ_j ξ_j U_j over axes of fixed size: `summed` of the numbers, `summed_of_par` of the parameter.

    Args:
        walk: The walk.
        par: The parameter.
        x: The numbers.
        summed: The summed axes of the numbers.
        summed_of_par: The corresponding axes of the parameter.
        shape: The result's shape at the first width: the other axes of the numbers, then those of the parameter.
        fan_in: The number of entries that count as summed, if not all along those axes (1 for an embedding).
        parameter_first: Whether the parameter's axes come first in the result.
    """
    if x.row_of is not None and not parameter_first:
        return _row_of_all(walk, par, x, summed, summed_of_par, shape, fan_in)
    free_x = [k for k in range(len(x.shape)) if k not in summed]
    free_p = [k for k in range(par.entries.ndim) if k not in summed_of_par]
    d = math.prod(x.shape[k] for k in summed)
    data = walk.scalar(x)
    lead = tuple(x.shape[k] for k in free_x)
    rows = _same(data, (*free_x, *summed)).reshape((*lead, d))
    entries = par.entries.transpose((*summed_of_par, *free_p)).reshape((d, -1))
    tail = tuple(par.entries.shape[k] for k in free_p)
    (axis,) = par.axes
    order = x.order + walk.parameters.order(par.leaf) + par.order
    if par.leaf in walk.findings.vectors:
        h = _of_vectors(walk, par, rows, entries, lead, fan_in or d)
    else:
        columns = [_column(walk, par, rows, tuple(map(int, c)), fan_in or d) for c in entries.T]
        h = columns[0] if len(columns) == 1 else stack(columns, axis=len(lead))
    h = h if h.shape == (*lead, *tail) else h.reshape((*lead, *tail))
    h = h if par.factor == 1 else h * par.factor
    nx, width = len(free_x), free_p.index(axis)
    if parameter_first:
        h = h.transpose((*range(nx, h.ndim), *range(nx)))
    place = width if parameter_first else nx + width
    inner = inner_of(walk, par, axis)
    return Vectors(ex.Leaf(h), h.shape, place, shape[place], par.sources, order, inner)


def _same(data: Scalar, order: tuple[int, ...]) -> Scalar:
    return data if order == tuple(range(data.ndim)) else data.transpose(order)


def _column(walk: Walk, par: Par, rows: Scalar, column: tuple[int, ...], fan_in: int) -> Vector:
    """Uξ for one block of units, whose input matrix is declared at its first use."""
    parameters, leaf = walk.parameters, par.leaf
    if parameters.own_law(leaf) != "normal":
        parameters.must_be_vectors(leaf)
    first = parameters.use(leaf, "input", fan_in)
    if (leaf, column) in parameters.inputs:
        op = ops.InputMatMul(parameters.inputs[leaf, column])
        return walk.net.record(op, (rows,), Vector, rows.shape[:-1])
    own = [entries for k, entries in parameters.inputs if k == leaf]
    if any(set(entries) & set(column) for entries in own):
        parameters.must_be_vectors(leaf)
    whole = math.prod(parameters.blocks(leaf)) == len(column)
    d, rate = len(column), parameters.rate(leaf)
    u = walk.net.input(
        parameters.name(leaf) + ("" if whole else f"[{len(own)}]"),
        rows,
        std=parameters.law(leaf).std * math.sqrt(d),
        lr=rate * d / parameters.uses[leaf].fan_in,
        trainable=parameters.declared[leaf].trained,
    )
    made = walk.net.instructions[u._index].op
    assert isinstance(made, ops.InputMatMul)
    parameters.inputs[leaf, column] = made.parameter
    if first:
        parameters.note_law(leaf, fan_in)
    return u


def _of_vectors(walk: Walk, par: Par, rows: Scalar, entries: np.ndarray, lead: Shape, fan_in: int) -> Vector:
    """Uξ with the rows of the parameter as initial vectors, since they are used elsewhere too, or are not Gaussian."""
    vectors, _, mean = walk.parameters.initial_vectors(par.leaf, fan_in)
    if mean or par.leaf in walk.findings.zero:
        walk.refuse(
            f"Parameter {walk.parameters.name(par.leaf)} has entries of nonzero mean, or is also a bias{{where}}."
        )
    every = vectors if vectors.ndim else vectors.reshape((1,))
    letters = LETTERS[: len(lead)]
    made: Vector = einsum(f"{letters}y,yz->{letters}z", rows, every[entries])
    return made


def _row_of_all(
    walk: Walk, par: Par, x: Numbers, summed: Shape, summed_of_par: Shape, shape: Shape, fan_in: int | None
) -> Vectors:
    """The input of one step of a loop over time: Uξ for all steps at once, and then the row of this step."""
    assert x.row_of is not None
    whole, step = x.row_of
    key = "rows", par.leaf, par.entries.tobytes(), par.factor, id(whole), summed, summed_of_par
    if key not in walk.pieces:
        all_steps = tuple(k + 1 for k in summed)
        made = from_data(walk, par, whole, all_steps, summed_of_par, (whole.shape[0], *shape), fan_in)
        walk.pieces[key] = made, whole  # `whole` is kept alive, so that its id stays unique
    made, _ = walk.pieces[key]
    row: Any = walk.vector(made)[step]
    return Vectors(ex.Leaf(row), row.shape, made.axis - 1, made.size, made.sources, made.order, made.inner)
