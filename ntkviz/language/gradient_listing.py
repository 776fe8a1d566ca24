"""How the instructions of a backward program are written in a listing.

The transpose of a linear instruction is written as what it does: a sum undoes a broadcast, a slice
undoes a padding, `place(dx; [:, 2])` puts dx where `[:, 2]` took it from and zero elsewhere. Axes
are counted as the gradient has them, whose first is that of the outputs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np

from . import instructions as ops
from .backward import (
    BatchNormGradient,
    Fill,
    Identity,
    OverRoot,
    PairMoment,
    ScalarGradient,
    Slope,
    SumTo,
    Transposed,
    broadcast_axes,
)
from .instructions import Frozen, Op, Rule, Shape
from .listing import (
    ATOM,
    PRODUCT,
    Formula,
    Page,
    call,
    formula,
    index_entry,
    indexed,
    nonlinear,
    number,
    over_axes,
    over_root,
    plus,
    rearranged,
    subscripts,
    summed_over,
    times,
)


@formula.register
def _(op: Identity, page: Page, f: Formula) -> Formula:
    return Formula("identity", r"\text{identity}")


@formula.register
def _(op: OverRoot, page: Page, theta: Formula) -> Formula:
    return over_root(theta, str(op.fan))


@formula.register
def _(op: Fill, page: Page, theta: Formula, x: Formula) -> Formula:
    theta = theta.within(PRODUCT)
    return Formula(f"{theta.text}·1", rf"{theta.latex}\,\mathbf{{1}}", PRODUCT)


@formula.register
def _(op: Slope, page: Page, *args: Formula) -> Formula:
    return nonlinear(page, op.of, "′" if len(args) == 1 else f"_{op.which + 1}′", *args)


@formula.register
def _(op: BatchNormGradient, page: Page, x: Formula, gradient: Formula) -> Formula:
    return _transpose_applied(over_axes("batchnorm′", x, (op.axis,)), gradient)


@formula.register
def _(op: PairMoment, page: Page, x: Formula, y: Formula) -> Formula:
    first, second, out = (subscripts(letters) for letters in ops.split_subscripts(op.subscripts))
    a, b = indexed(x, ",".join(first)), indexed(y, ",".join(second))
    product = Formula(f"⟨{a.text}, {b.text}⟩/n", rf"\langle {a.latex}, {b.latex}\rangle/n", PRODUCT)
    return summed_over({*first, *second} - {*out}, product)


@rearranged.register
def _(rule: SumTo, x: Formula, shape: Shape) -> Formula:
    return _summed(x, broadcast_axes(rule.shape, shape[1:]))


# --- functions of scalars ---------------------------------------------------------------------------


@formula.register
def _(op: ScalarGradient, page: Page, gradient: Formula, *args: Formula) -> Formula:
    if op.fn not in _SLOPES:
        mark = "′" if len(args) == 1 else f"_{op.which + 1}′"
        return _transpose_applied(call(op.name + mark, *args), gradient)
    shape_out = ops.function_shape(op.fn, op.shapes)
    return _summed(_SLOPES[op.fn](op.which, gradient, *args), broadcast_axes(op.shapes[op.which], shape_out))


def _minus(x: Formula) -> Formula:
    return times(Formula("-1", "-1"), x)


def _over(a: Formula, b: Formula) -> Formula:
    a, b = a.within(PRODUCT), b.within(ATOM)
    return a if b.text == "1" else Formula(f"{a.text}/{b.text}", f"{a.latex}/{b.latex}", PRODUCT)


def _power(a: Formula, exponent: Formula) -> Formula:
    a = a.within(ATOM)
    return Formula(f"{a.text}^{exponent.within(ATOM).text}", f"{{{a.latex}}}^{{{exponent.latex}}}")


def _slope_of_power(which: int, d: Formula, a: Formula, p: Formula) -> Formula:
    if which == 1:
        return times(times(call("log", a), _power(a, p)), d)
    try:
        less = number(float(p.text) - 1)
    except ValueError:
        less = plus(p, Formula("-1", "-1"))
    return times(times(p, a if less.text == "1" else _power(a, less)), d)


_SLOPES: dict[Callable[..., Any], Callable[..., Formula]] = {
    operator.add: lambda which, d, a, b: d,
    operator.sub: lambda which, d, a, b: _minus(d) if which else d,
    operator.neg: lambda which, d, a: _minus(d),
    operator.mul: lambda which, d, a, b: times(a if which else b, d),
    operator.truediv: lambda which, d, a, b: _over(
        times(_minus(_over(a, _power(b, number(2)))), d) if which else d, number(1) if which else b
    ),
    operator.pow: _slope_of_power,
}


# --- transposes of linear instructions ----------------------------------------------------------------


@formula.register
def _(op: Transposed, page: Page, gradient: Formula, *scalars: Formula) -> Formula:
    return transposed(op.op, op, page, gradient, *scalars)


@singledispatch
def transposed(linear: Op, op: Transposed, page: Page, gradient: Formula, *scalars: Formula) -> Formula:
    """How the transpose `op` of a linear instruction is written; by default `NameOfOp_1ᵀ(dx)`."""
    return call(f"{type(linear).__name__}_{op.which + 1}ᵀ", gradient, *scalars)


@transposed.register
def _(linear: ops.Add, op: Transposed, page: Page, gradient: Formula) -> Formula:
    return _summed(gradient, broadcast_axes(op.shapes[op.which], op.shape_out))


@transposed.register
def _(linear: ops.Scale, op: Transposed, page: Page, gradient: Formula, factor: Formula) -> Formula:
    return _summed(times(factor, gradient), broadcast_axes(op.shapes[0], op.shape_out))


@transposed.register
def _(linear: ops.Contract, op: Transposed, page: Page, gradient: Formula, theta: Formula) -> Formula:
    coefficients, vectors, out = ops.split_subscripts(linear.subscripts)
    return formula(ops.Contract(f"{coefficients},O{out}->O{vectors}"), page, gradient, theta)


@transposed.register
def _(linear: ops.Join, op: Transposed, page: Page, gradient: Formula) -> Formula:
    if linear.new_axis:
        entry = str(op.which)
    else:
        ends = np.cumsum([0, *(shape[linear.axis] for shape in op.shapes)])
        entry = f"{ends[op.which]}:{ends[op.which + 1]}"
    return indexed(gradient, ", ".join([":"] * (linear.axis + 1) + [entry]))


@transposed.register
def _(linear: ops.Rearrange, op: Transposed, page: Page, gradient: Formula) -> Formula:
    return put_back(linear.rule, linear, page, gradient)


@singledispatch
def put_back(rule: Rule, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    """How the transpose of a rearrangement of leading axes is written."""
    return call(f"{type(rule).__name__.lower()}ᵀ", gradient)


@put_back.register
def _(rule: ops.Index, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    if all(key in (None, Ellipsis, Frozen("slice", (None, None, None))) for key in rule.key):
        return gradient  # the index has only put axes of length one in
    key = ", ".join([":", *map(index_entry, rule.key)])
    latex = indexed(Formula("", ""), key).latex.removeprefix("{}_{").removesuffix("}")
    return Formula(
        f"place({gradient.text}; [{key}])",
        rf"\operatorname{{place}}\left({gradient.latex};\ [{latex}]\right)",
    )


@put_back.register
def _(rule: ops.Reshape, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    return rearranged(ops.Reshape((page.outputs, *op.shape_in)), gradient, (page.outputs, *op.shape_out))


@put_back.register
def _(rule: ops.Permute, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    back = (0, *(int(k) + 1 for k in np.argsort(rule.axes)))
    return rearranged(ops.Permute(back), gradient, (page.outputs, *op.shape_out))


@put_back.register
def _(rule: ops.BroadcastTo, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    return _summed(gradient, broadcast_axes(op.shape_in, op.shape_out))


@put_back.register
def _(rule: ops.Sum, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    entries = ["None" if k in rule.axes else ":" for k in range(len(op.shape_in))]
    repeated = indexed(gradient, ", ".join([":", *entries]))
    count = int(np.prod([op.shape_in[k] for k in rule.axes]))
    return _over(repeated, number(count)) if rule.average else repeated


@put_back.register
def _(rule: ops.Pad, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    kept = zip(rule.widths, op.shape_in, strict=True)
    entries = [":" if not (before or after) else f"{before}:{before + size}" for (before, after), size in kept]
    return indexed(gradient, ", ".join([":", *entries]))


# --- pieces -----------------------------------------------------------------------------------------


def _summed(x: Formula, axes: Shape) -> Formula:
    """The sum over some axes of a value, counted without that of the outputs."""
    return over_axes("sum", x, tuple(k + 1 for k in axes)) if axes else x


def _transpose_applied(jacobian: Formula, gradient: Formula) -> Formula:
    """Jᵀ dx, the Jacobian J written as a derivative."""
    gradient = gradient.within(ATOM)
    return Formula(f"{jacobian.text}ᵀ {gradient.text}", rf"{{{jacobian.latex}}}^\top {gradient.latex}", PRODUCT)
