"""Wx and vᵀx: contractions of parameters with vectors over the width."""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ...language.axes import Shape
from ...language.functions import stack
from ...language.values import Vector
from .. import expressions as ex
from ..values import Numbers, Par, ReadoutPart, Readouts, SmallerBlocksError, Vectors
from .moving import inner_of

if TYPE_CHECKING:
    from ..jaxprs import Contraction
    from ..walk import Walk


def of_constants(walk: Walk, par: Par, x: Numbers, axes: Contraction, parameter_first: bool) -> Numbers | Vectors:
    """Numbers to which a matrix is applied, as vectors with equal coordinates; if they are zero, the zero product."""
    (summed_of_par, summed), (batch_of_par, batch) = axes.summed, axes.batch
    along = [k for k in summed_of_par if k in par.axes]
    if x.is_zero:
        sizes_of_par = [
            1 if k in par.axes else par.entries.shape[k]
            for k in range(par.entries.ndim)
            if k not in (*summed_of_par, *batch_of_par)
        ]
        sizes = [x.shape[k] for k in range(len(x.shape)) if k not in (*summed, *batch)]
        both = (*sizes_of_par, *sizes) if parameter_first else (*sizes, *sizes_of_par)
        shape = (*(x.shape[k] for k in batch), *both)
        return Numbers(ex.Literal(np.zeros(shape)), shape)
    if len(along) != 1:
        walk.refuse(f"Matrix {walk.parameters.name(par.leaf)} is applied to numbers, not along a width axis{{where}}.")
    axis = summed[summed_of_par.index(along[0])]
    if "ones" not in walk.pieces:
        walk.pieces["ones"] = walk.net.vector("zero", std=0.0, trainable=False) + 1.0
    shape = tuple(1 if k == axis else s for k, s in enumerate(x.shape))
    if x.shape[axis] != 1:
        walk.refuse(
            f"Matrix {walk.parameters.name(par.leaf)} is applied to numbers that differ from block to block{{where}}."
        )
    blocks, block = par.entries.shape[along[0]], par.sizes[along[0]] // par.entries.shape[along[0]]
    full = tuple(blocks if k == axis else s for k, s in enumerate(shape))
    ones: Vector = walk.pieces["ones"].reshape((1,) * len(shape)).broadcast_to(full)
    inner = inner_of(walk, par, along[0])
    return Vectors(ex.Leaf(ones * walk.scalar(x)), full, axis, blocks * block, frozenset(), x.order, inner)


def multiplied(
    walk: Walk,
    par: Par,
    x: Vectors,
    axes: Contraction,
    shape: Shape,
    parameter_first: bool,
    fan_in: int | None = None,
) -> Vectors:
    """Wx: each pair of blocks has its own matrix, and the products with the summed blocks are added.

    `fan_in` is given for a part of a filter, to which the other parts are added later.
    """
    (summed_of_par, summed), (batch_of_par, batch) = axes.summed, axes.batch
    name = walk.parameters.name(par.leaf)
    along = [k for k in summed_of_par if k in par.axes]
    if len(along) != 1 or summed[summed_of_par.index(along[0])] != x.axis:
        walk.refuse(
            f"Matrix {name} is not contracted with vectors over their width by exactly one of its axes{{where}}."
        )
    (contracted,) = along
    (other,) = (k for k in par.axes if k != contracted)
    if other in batch_of_par:
        walk.refuse(f"Matrix {name} is multiplied coordinate by coordinate{{where}}.")
    block = _matched_blocks(walk, par, contracted, x)
    own = par.axes[contracted]
    fan_in = fan_in or math.prod(par.sizes[k] for k in summed_of_par)
    W, order, transposed = walk.parameters.matrix(par.leaf, own, fan_in, block)
    _check_square(walk, par, (contracted, other), transposed)
    W = W.T if transposed else W
    free_p, free_x = axes.free(0, par.entries.ndim), axes.free(1, len(x.shape))
    h = walk.vector(x)
    order_x = (*batch, *free_x, *summed)
    h = h if order_x == tuple(range(h.ndim)) else h.transpose(order_x)
    entries = par.entries.transpose((*batch_of_par, *summed_of_par, *free_p))
    batch_shape, x_shape, c_shape = (tuple(x.shape[k] for k in ks) for ks in (batch, free_x, summed))
    p_shape = tuple(par.entries.shape[k] for k in free_p)
    rows = []
    for beta in _places(batch_shape):
        parts = {c: _piece(walk, h, beta, len(free_x), c) for c in _places(c_shape)}
        products = [
            functools.reduce(operator.add, (W[int(entries[(*beta, *c, *f)])] @ parts[c] for c in parts))
            for f in _places(p_shape)
        ]
        rows.append(stacked(products, p_shape, len(x_shape)))
    made = rows[0].reshape((*batch_shape, *rows[0].shape)) if len(rows) == 1 else stack(rows)
    made = made if len(rows) == 1 else made.reshape((*batch_shape, *rows[0].shape))
    made = made if par.factor == 1 else made * par.factor
    nb, nx = len(batch), len(free_x)
    axis = nb + nx + free_p.index(other)
    if parameter_first:
        made = made.transpose((*range(nb), *range(nb + nx, made.ndim), *range(nb, nb + nx)))
        axis -= nx
    total, inner = order + x.order + par.order, inner_of(walk, par, other)
    sources = frozenset([(par.leaf, par.axes[other])])
    return Vectors(ex.Leaf(made), made.shape, axis, shape[axis], sources, total, inner)


def _matched_blocks(walk: Walk, par: Par, k: int, x: Vectors) -> int:
    """The size of blocks along the width axis k of a parameter, which must be that of the vectors."""
    of_par, turns = int(par.sizes[k] // par.entries.shape[k]), inner_of(walk, par, k)
    if (of_par, turns) != (x.block, x.inner):
        block, inner = math.gcd(of_par, x.block), max(turns, x.inner)
        of_it = frozenset([(par.leaf, par.axes[k])])
        raise SmallerBlocksError(of_it if (of_par, turns) != (block, inner) else x.sources, block, inner)
    return of_par


def _check_square(walk: Walk, par: Par, axes: tuple[int, int], transposed: bool) -> None:
    """Blocks of a matrix that is also used transposed must be square, since only then do both uses have one scale."""
    if not transposed:
        return
    one, two = (par.sizes[k] // par.entries.shape[k] for k in axes)
    if one != two:
        block = math.gcd(one, two)
        raise SmallerBlocksError(frozenset([(par.leaf, par.axes[axes[0] if one != block else axes[1]])]), block)


def _places(shape: Shape) -> Iterator[Shape]:
    return itertools.product(*map(range, shape))


def _piece(walk: Walk, h: Vector, beta: Shape, free: int, c: Shape) -> Vector:
    """One block of vectors, which is written only once."""
    key = "piece", h._index, beta, free, c
    if key not in walk.pieces:
        index = (*beta, *(slice(None),) * free, *c)
        whole = not beta and all(h.shape[free + k] == 1 for k in range(len(c)))
        walk.pieces[key] = h.reshape(h.shape[:free]) if whole else h[index]
    piece: Vector = walk.pieces[key]
    return piece


def stacked(products: list[Vector], tail: Shape, ndim: int) -> Vector:
    """Vectors stacked after their `ndim` leading axes, as axes of shape `tail`."""
    if len(products) == 1:
        made: Vector = products[0].reshape((*products[0].shape, *tail)) if tail else products[0]
        return made
    joined: Vector = stack(products, axis=ndim)
    shape = (*products[0].shape, *tail)
    return joined if joined.shape == shape else joined.reshape(shape)


def is_like_readout(walk: Walk, par: Par) -> bool:
    """Whether entries are of order 1/√n, so that a sum of n of them times vectors is a readout, not a mean."""
    return walk.parameters.order(par.leaf) + par.order == Fraction(-1, 2)


def read_out(walk: Walk, par: Par, x: Vectors, axes: Contraction, parameter_first: bool) -> Readouts:
    """vᵀx, for each of several v; along batch axes, as in an ensemble, each x has its own v."""
    (summed_of_par, summed), (batch_of_par, batch) = axes.summed, axes.batch
    (axis,) = par.axes
    if summed[summed_of_par.index(axis)] != x.axis:
        walk.refuse(
            f"Parameter {walk.parameters.name(par.leaf)} is contracted with vectors over an axis other than their "
            "width{where}."
        )
    _matched_blocks(walk, par, axis, x)
    free_p, free_x = axes.free(0, par.entries.ndim), axes.free(1, len(x.shape))
    of_both, of_x, of_p = (
        tuple(shape[k] for k in ks) for shape, ks in ((x.shape, batch), (x.shape, free_x), (par.entries.shape, free_p))
    )
    blocks = math.prod(x.shape[k] for k in summed)
    h: Any = walk.vector(x)
    order = (*batch, *free_x, *summed)
    h = (h if order == tuple(range(h.ndim)) else h.transpose(order)).reshape((-1, blocks))
    columns = par.entries.transpose((*batch_of_par, *free_p, *summed_of_par)).reshape((-1, blocks))
    row = np.arange(len(h)).reshape((*of_both, *of_x, *(1 for _ in of_p)))
    column = np.arange(len(columns)).reshape((*of_both, *(1 for _ in of_x), *of_p))
    if parameter_first:
        nb, nx = len(of_both), len(of_both) + len(of_x)
        turned = (*range(nb), *range(nx, row.ndim), *range(nb, nx))
        row, column = row.transpose(turned), column.transpose(turned)
    row, column = np.broadcast_arrays(row, column)
    factor = np.full(row.shape, par.factor)
    part = ReadoutPart(par.leaf, columns, h, x.order + par.order, row, column, factor)
    return Readouts(row.shape, (part,))
