"""Loops of fixed length, which are written step by step, and branches that are decided while tracing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from jax.extend.core import ClosedJaxpr

from ...language.functions import stack
from .. import expressions as ex
from ..jaxprs import Equation
from ..values import Known, Numbers, Readouts, Vectors
from .moving import block_axes, movable, moved
from .outputs import joined_outputs
from .reductions import as_value
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk


@rule("scan")
def scan(walk: Walk, eq: Equation, *args: Any) -> list[Any]:
    """The steps of a loop, one after the other; the engine detects loops over time in the program."""
    p, second = eq.params, eq.second.params
    length = p["length"]
    if length != second["length"]:
        walk.refuse(
            "The model loops over its coordinates (scan{where}), but a tensor program treats all of them alike."
        )
    consts, kept = p["num_consts"], p["num_carry"]
    carry, rows = list(args[consts : consts + kept]), args[consts + kept :]
    sizes = eq.ins[consts + kept :]
    results: list[list[Any]] = [[None] * length for _ in eq.outs[kept:]]
    for t in reversed(range(length)) if p["reverse"] else range(length):
        row = [_row(walk, x, t, size[0]) for x, size in zip(rows, sizes, strict=True)]
        outs = walk.run(p["jaxpr"], second["jaxpr"], [*args[:consts], *carry, *row])
        carry = outs[:kept]
        for k, out in enumerate(outs[kept:]):
            results[k][t] = out
    used = [str(v) != "_" for v in eq.first.outvars[kept:]]
    return [*carry, *(_stacked(walk, r) if needed else None for r, needed in zip(results, used, strict=True))]


def _row(walk: Walk, x: Any, t: int, sizes: tuple[int, ...]) -> Any:
    if isinstance(x, Known):
        return Known(x.first[t], x.second[t])
    if isinstance(x, Readouts):
        return x.moved(lambda a: a[t])
    x = movable(walk, x)
    shape, axes = block_axes(x)
    if 0 in axes:
        walk.refuse(
            "The model loops over its coordinates (scan{where}), but a tensor program treats all of them alike."
        )
    inner = x.inner if isinstance(x, Vectors) else 1
    there = {k - 1: k for k in axes}
    row = moved(walk, x, lambda a: a[t], shape[1:], axes=there, sizes=sizes[1:], inner=inner)
    if isinstance(row, Numbers):
        row.row_of = x, t
    return row


def _stacked(walk: Walk, results: list[Any]) -> Any:
    if all(isinstance(r, Known) for r in results):
        return Known(np.stack([r.first for r in results]), np.stack([r.second for r in results]))
    if any(isinstance(r, Readouts) for r in results):
        return joined_outputs(walk, tuple(results), np.stack)
    values = [as_value(walk, r) for r in results]
    first = next((v for v in values if isinstance(v, Vectors)), values[0])
    if any(type(v) is not type(first) or v.order != first.order or v.shape != first.shape for v in values):
        walk.refuse("The steps of a loop (scan{where}) return values of different kinds.")
    if isinstance(first, Numbers):
        numbers = stack([walk.scalar(v) for v in values if isinstance(v, Numbers)])
        return Numbers(ex.Leaf(numbers), numbers.shape, first.order)
    vectors = [v for v in values if isinstance(v, Vectors)]
    made = stack([walk.vector(v) for v in vectors])
    sources = frozenset[tuple[int, int]]().union(*(v.sources for v in vectors))
    return Vectors(ex.Leaf(made), made.shape, first.axis + 1, first.size, sources, first.order, first.inner)


@rule("cond")
def branch(walk: Walk, eq: Equation, which: Any, *args: Any) -> list[Any]:
    """A branch that is decided while tracing."""
    if not isinstance(which, Known) or int(which.first) != int(which.second):
        walk.refuse("The model has a branch that depends on its data (cond{where}); a tensor program has none.")
    k = int(which.first)
    branches: list[ClosedJaxpr] = [e.params["branches"][k] for e in (eq.first, eq.second)]
    return walk.run(branches[0], branches[1], list(args))


@rule("while")
def while_loop(walk: Walk, eq: Equation, *args: Any) -> Any:
    """While loops are refused."""
    walk.refuse("The model has a while loop{where}; a tensor program has none: use a Python loop, or jax.lax.scan.")
