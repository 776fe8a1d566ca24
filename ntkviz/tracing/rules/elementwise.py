"""Primitives that act coordinate by coordinate, which are collected in expressions that later become nonlinearities."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from ...language import instructions as ops
from ...language.maximum import maximum
from ...language.values import Scalar, Vector
from .. import expressions as ex
from ..custom_derivatives import STOPPED
from ..jaxprs import Equation, width_axes
from ..values import (
    ZERO,
    Joined,
    Known,
    Numbers,
    Par,
    Readouts,
    SmallerBlocksError,
    StartsAtZeroError,
    Vectors,
    Weighted,
)
from .exponentials import logarithm, quotient
from .orders import is_truncating, order_of
from .outputs import on_outputs
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk

SAME = ("copy", "copy_p", "convert_element_type", "reduce_precision")


@rule(*ex.ELEMENTWISE, "reduce_precision")
def elementwise(walk: Walk, eq: Equation, *args: Any) -> Any:
    """An elementwise primitive of any values."""
    if any(isinstance(a, Readouts) for a in args):
        return on_outputs(walk, eq, args)
    if eq.name in SAME and not is_truncating(eq) and isinstance(args[0], Vectors | Par | Joined):
        return args[0]
    if eq.name == "stop_gradient" and isinstance(args[0], Vectors):
        walk.parameters.stopped[id(eq.first)] = walk.where  # `check_stops` decides whether that is right
        shape = tuple(1 if k == args[0].axis else s for k, s in enumerate(args[0].shape))
        return Numbers(ex.Literal(np.zeros(shape)), shape)
    if eq.name == "stop_gradient" and isinstance(args[0], Par):
        walk.refuse(STOPPED)
    chosen = _known_case(eq, args)
    if chosen is not None:
        return chosen
    scaled = _scaled(walk, eq, args)
    if scaled is not None:
        return scaled
    matrix = next((a for a in args if isinstance(a, Par) and len(a.axes) == 2), None)
    if matrix is not None:
        walk.refuse(
            f"The model changes the entries of matrix {walk.parameters.name(matrix.leaf)} ({eq.name}{{where}}), as "
            "weight normalisation does; a tensor program multiplies by a matrix as it was drawn."
        )
    if eq.name == "mul" and _is_weighted(walk, args):
        par, x = args if isinstance(args[0], Par) else args[::-1]
        return Weighted(par, x, eq)
    return _written(walk, eq, args)


def written(walk: Walk, product: Weighted) -> Vectors:
    """A product of vectors and a parameter, as vectors, which are written only once."""
    if product.made is None:
        made = _written(walk, product.eq, (product.x, product.par))
        assert isinstance(made, Vectors)
        product.made = made
    return product.made


def _is_weighted(walk: Walk, args: tuple[Any, ...]) -> bool:
    """Whether vectors are multiplied by a random parameter, as in a readout."""
    pars = [a for a in args if isinstance(a, Par) and len(a.axes) == 1 and not is_frozen(walk, a)]
    return len(pars) == 1 and any(isinstance(a, Vectors) for a in args)


def _written(walk: Walk, eq: Equation, args: tuple[Any, ...]) -> Numbers | Vectors:
    given = _given(walk, eq, args)
    vectors = [g for g in given if isinstance(g, Vectors)]
    return _of_vectors(walk, eq, given, vectors) if vectors else _of_numbers(walk, eq, given)


def _known_case(eq: Equation, args: tuple[Any, ...]) -> Any:
    """The selected case of a `select_n` whose selector is known while tracing and constant; otherwise `None`."""
    which = args[0]
    if eq.name != "select_n" or not isinstance(which, Known):
        return None
    values = {int(w) for w in (*which.first.ravel(), *which.second.ravel())}
    return args[1 + values.pop()] if len(values) == 1 else None


def _scaled(walk: Walk, eq: Equation, args: tuple[Any, ...]) -> Par | None:
    """A parameter multiplied or divided by a number, which is still a parameter; otherwise `None`."""
    if eq.name == "neg" and isinstance(args[0], Par):
        return args[0].changed(factor=-args[0].factor)
    pars = [a for a in args if isinstance(a, Par) and a.axes and not is_frozen(walk, a)]
    others = [a for a in args if isinstance(a, Known | Numbers)]
    if (
        eq.name not in ("mul", "div")
        or len(pars) != 1
        or len(others) != 1
        or (eq.name == "div" and args[0] is not pars[0])
    ):
        return None
    number = walk.numbers(others[0])
    if number.number is None or not math.isfinite(number.number) or (eq.name == "div" and number.number == 0):
        return None
    (par,) = pars
    if eq.name == "div":
        return par.changed(factor=par.factor / number.number, order=par.order - number.order)
    return par.changed(factor=par.factor * number.number, order=par.order + number.order)


def is_frozen(walk: Walk, par: Par) -> bool:
    """Whether a parameter is replaced by its constant initial value, as the scale of a normalisation is."""
    law = walk.parameters.law(par.leaf)
    one_axis = len(walk.parameters.declared[par.leaf].shapes[0]) == 1
    return law.family == "constant" and law.mean != 0 and one_axis and walk.options.norm_scale == "frozen"


def _given(walk: Walk, eq: Equation, args: tuple[Any, ...]) -> list[Numbers | Vectors]:
    """The arguments as numbers and vectors."""
    adds = eq.name in ("add", "sub", "add_any")
    orders = [a.order for a in args if isinstance(a, Vectors | Numbers)] + [ZERO for a in args if isinstance(a, Known)]
    given: list[Numbers | Vectors] = []
    for a in args:
        if isinstance(a, Vectors):
            given.append(a)
        elif isinstance(a, Par) and a.axes:
            if not adds and is_frozen(walk, a):
                given.append(walk.numbers(a))
                continue
            order = a.order + walk.parameters.order(a.leaf)
            vanishes = adds and bool(orders) and order < max(orders) and a.leaf not in walk.parameters.uses
            if vanishes:
                walk.parameters.note(
                    f"{walk.parameters.name(a.leaf)} starts at values that vanish as the width grows; in the limit it "
                    "starts at 0 and is trained."
                )
            given.append(walk.vectors(a, zero=vanishes))
        else:
            given.append(walk.numbers(a))
    return given


def _of_vectors(walk: Walk, eq: Equation, given: list[Numbers | Vectors], vectors: list[Vectors]) -> Vectors:
    shape, second = eq.outs[0]
    axes = width_axes(shape, second)
    if len(axes) != 1 or any(v.axis != axes[0] for v in vectors):
        walk.refuse(
            f"The model makes an array with two width axes ({eq.name}{{where}}), an outer product of vectors, but a "
            "tensor program has only vectors."
        )
    (axis,) = axes
    block = math.gcd(*(v.block for v in vectors))
    for g in given:
        if isinstance(g, Numbers) and len(g.shape) == len(shape) and g.shape[axis] > 1:
            block = math.gcd(block, shape[axis] // g.shape[axis])
    inner = max(v.inner for v in vectors)
    for v in vectors:
        if v.block != block or v.inner != inner:
            raise SmallerBlocksError(v.sources, math.gcd(v.block, block), inner)
    if inner > 1 and any(isinstance(g, Numbers) and len(g.shape) == len(shape) and g.shape[axis] > 1 for g in given):
        walk.refuse("Numbers that differ from block to block are combined with interleaved blocks{where}.")
    blocks = shape[axis] // block
    given = [_repeated(walk, g, axis, blocks) if isinstance(g, Numbers) else g for g in given]
    _refuse_dropped(walk, eq, given)
    order = order_of(walk, eq, given)
    out = tuple(blocks if k == axis else s for k, s in enumerate(shape))
    sources = frozenset[tuple[int, int]]().union(*(v.sources for v in vectors))
    return Vectors(_expression(walk, eq, given), out, axis, shape[axis], sources, order, inner)


def _repeated(walk: Walk, n: Numbers, axis: int, blocks: int) -> Numbers:
    """Numbers for fewer blocks, repeated so that there is one for each of `blocks`."""
    if not n.shape or n.shape[axis] in (1, blocks):
        return n
    times = blocks // n.shape[axis]
    shape = tuple(blocks if k == axis else s for k, s in enumerate(n.shape))
    if isinstance(n.e, ex.Literal):
        return Numbers(ex.Literal(np.repeat(np.broadcast_to(n.e.value, n.shape), times, axis)), shape, n.order)
    index = (slice(None),) * axis + (np.repeat(np.arange(n.shape[axis]), times),)
    return Numbers(ex.Leaf(walk.scalar(n)[index]), shape, n.order)


def _refuse_dropped(walk: Walk, eq: Equation, given: list[Numbers | Vectors]) -> None:
    """Refuse a sum of terms of different orders in n, whose smaller terms would be dropped.

    If these are biases, raise `StartsAtZeroError` instead: they are kept, but start at 0.
    """
    if eq.name not in ("add", "sub", "add_any"):
        return
    live = [g for g in given if not (isinstance(g, Numbers) and g.is_zero)]
    top = max((g.order for g in live), default=ZERO)
    dropped = [g for g in live if g.order < top]
    if not dropped:
        return
    leaves = {leaf for g in dropped if isinstance(g, Vectors) for leaf, _ in g.sources}
    biases = {
        k for k in leaves if walk.parameters.uses.get(k) is not None and walk.parameters.uses[k].kind == "vectors"
    }
    only_biases = all(isinstance(g, Vectors) and _is_parameter(walk, ex.line(g.e).base) for g in dropped)
    if only_biases and biases and biases == leaves and not biases & walk.findings.zero:
        for leaf in biases:
            walk.parameters.note(
                f"{walk.parameters.name(leaf)} starts at values that vanish as the width grows; in the limit it starts "
                "at 0 and is trained."
            )
        raise StartsAtZeroError(biases)
    low, high = dropped[0].order, top
    if high > 0 and all(isinstance(g, Numbers) and isinstance(g.e, ex.Literal) for g in dropped):
        walk.refuse(
            f"A number of order n^{low} is added to values of order n^{high}{{where}}, and would be dropped in the "
            "limit; leave it out, or divide the values by the power of n with which they grow, as in a mean of squares."
        )
    walk.refuse(
        f"A term of order n^{low} is added to one of order n^{high}{{where}}, and would be dropped in the limit, which "
        "would then be that of a different model; draw its parameters with a standard deviation of another order."
    )


def _is_parameter(walk: Walk, e: ex.Expression) -> bool:
    """Whether vectors are those of a parameter, up to rearrangement and multiplication by numbers."""
    if not isinstance(e, ex.Leaf):
        return False
    instruction = walk.net.instructions[e.handle._index]
    while isinstance(instruction.op, ops.Rearrange | ops.Scale):
        instruction = walk.net.instructions[instruction.args[0]]
    return isinstance(instruction.op, ops.InitialVector)


# --- expressions --------------------------------------------------------------------------------------------


def _expression(walk: Walk, eq: Equation, given: list[Numbers | Vectors]) -> ex.Expression:
    """The result as an expression; sums and products of different vectors are written as instructions at once."""
    name = eq.name
    if len(given) == 2 and name in ("add", "sub", "add_any", "mul"):
        a, b = given
        if isinstance(a, Vectors) and isinstance(b, Vectors):
            if not _one_base(a, b) or (name != "mul" and _is_line(a) and _is_line(b)):
                x, y = walk.vector(a), walk.vector(b)
                return ex.Leaf(x * y if name == "mul" else x - y if name == "sub" else x + y)
        else:
            made = _with_number(walk, name, a, b)
            if made is not None:
                return made
    if name in ("max", "min") and all(isinstance(g, Vectors) for g in given) and not _one_base(*given):
        return ex.Leaf(larger(name == "max")(*(walk.vector(g) for g in given if isinstance(g, Vectors))))
    if name == "select_n" and len(given) == 3 and isinstance(given[0], Numbers):
        chosen = _chosen(walk, given[0], given[1], given[2])
        if chosen is not None:
            return chosen
    if name == "div" and isinstance(given[0], Vectors) and isinstance(given[1], Numbers) and given[1].number is None:
        return ex.Leaf(walk.vector(given[0]) * (1.0 / walk.scalar(given[1])))
    if name == "div" and isinstance(given[0], Vectors) and isinstance(given[1], Vectors):
        made = quotient(walk, given[0], given[1])
        if made is not None:
            return made
    if name == "log" and isinstance(given[0], Vectors):
        u = logarithm(walk, given[0].e)
        if u is not None:
            return ex.Leaf(u)
    return ex.Apply(eq.first.primitive, eq.params, tuple(_argument(walk, g) for g in given), eq.kinds)


def larger(largest: bool) -> Callable[[Vector, Vector], Vector]:
    """A function that returns the larger of two vectors, coordinate by coordinate, or the smaller one."""

    def smaller(x: Vector, y: Vector) -> Vector:
        return -maximum(-x, -y)

    return maximum if largest else smaller


def _with_number(walk: Walk, name: str, a: Any, b: Any) -> ex.Expression | None:
    """A vector and a number of the program, combined by Scale or Shift; `None` if the number is known."""
    v, n = (a, b) if isinstance(a, Vectors) else (b, a)
    if n.number is not None:
        return None
    h, s = walk.vector(v), walk.scalar(n)
    if name == "mul":
        return ex.Leaf(h * s)
    if name == "sub":
        return ex.Leaf(h - s if v is a else -h + s)
    return ex.Leaf(h + s)


def _one_base(a: Any, b: Any) -> bool:
    """Whether two vectors are functions of the same instruction."""
    places = {h._index for h in ex.leaves(a.e, b.e) if h.kind == "vector"}
    return len(places) == 1


def _is_line(v: Vectors) -> bool:
    return isinstance(ex.line(v.e).base, ex.Leaf)


def _chosen(walk: Walk, which: Numbers, no: Numbers | Vectors, yes: Numbers | Vectors) -> ex.Expression | None:
    """A selection by numbers, such as a mask, as a sum, which is linear in the vectors."""
    if any(isinstance(g, Numbers) and g.number is not None and not math.isfinite(g.number) for g in (no, yes)):
        walk.refuse(
            "The model masks vectors with an infinite number{where}, as before a maximum, whose difference from others "
            "a program cannot take; mask with a finite number, such as -1e3."
        )
    mask = ex.Leaf(walk.scalar(which)).handle
    assert isinstance(mask, Scalar)
    terms = [
        walk.vector(g) * m if isinstance(g, Vectors) else walk.scalar(g) * m
        for g, m in ((yes, mask), (no, 1.0 - mask))
        if not (isinstance(g, Numbers) and g.is_zero)
    ]
    return ex.Leaf(functools.reduce(operator.add, terms))


def _argument(walk: Walk, g: Numbers | Vectors) -> ex.Expression:
    if isinstance(g, Vectors):
        return g.e
    if isinstance(g.e, ex.Literal) and g.number is not None:
        return ex.Literal(np.ravel(g.e.value)[0].reshape(()))
    return ex.Leaf(walk.scalar(g))


def _of_numbers(walk: Walk, eq: Equation, given: list[Any]) -> Numbers:
    """The result for numbers alone: a function of scalars of the program, or a known number."""
    shape, second = eq.outs[0]
    axes = width_axes(shape, second)
    full = [g.shape for g in given if len(g.shape) == len(shape)]
    out = tuple(max((s[k] for s in full), default=1) if k in axes else size for k, size in enumerate(shape))
    for g in given:
        if len(g.shape) == len(out) and any(g.shape[k] not in (1, out[k]) for k in axes):
            walk.refuse("Numbers for different divisions of a width axis into blocks are combined{where}.")
    _refuse_dropped(walk, eq, given)
    order = scores(walk, order_of(walk, eq, given))
    if all(isinstance(g.e, ex.Literal) for g in given):
        e = ex.Apply(eq.first.primitive, eq.params, (), eq.kinds)
        return Numbers(ex.Literal(np.asarray(ex.bound(e, np.float64, [g.e.value for g in given]))), out, order)
    args = tuple(g.e if isinstance(g.e, ex.Apply) else _argument(walk, g) for g in given)
    return Numbers(ex.Apply(eq.first.primitive, eq.params, args, eq.kinds), out, order)


def scores(walk: Walk, order: Fraction) -> Fraction:
    """The order of numbers; with scores="1/d", that of attention scores as if they had been divided by d."""
    if order == Fraction(1, 2) and walk.options.scores == "1/d":
        walk.parameters.note(
            f"Inner products that are only divided by √n{walk.where} are treated as if divided by n, with equal values "
            f"at width {walk.options.widths[0]}: the limit is that of 1/d attention, to which the model does not "
            "converge."
        )
        return ZERO
    return order
