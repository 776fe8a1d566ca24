"""The formulas of a backward program's instructions.

The transpose of a linear instruction is written as the operation that it amounts to: that of a broadcast as a sum, that
of a padding as a slice, and that of the index `[:, 2]` as `place(dx; [:, 2])`, which puts dx at `[:, 2]` and zeros
elsewhere. Axes are those of the gradient, the first of which runs over the outputs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import axes
from .. import instructions as ops
from ..axes import AxesMap, Frozen, Shape, broadcast_axes
from ..gradients import instructions as grads
from ..instructions import Op
from ..rules import Rules
from .listing import Page
from .notation import (
    ATOM,
    PRODUCT,
    Formula,
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

formula.rule(grads.Identity)(lambda op, page, f: Formula("identity", r"\text{identity}"))
formula.rule(grads.OverRoot)(lambda op, page, theta: over_root(theta, str(op.fan)))


@formula.rule(grads.Fill)
def _(op: grads.Fill, page: Page, theta: Formula, x: Formula) -> Formula:
    theta = theta.within(PRODUCT)
    return Formula(f"{theta.text}·1", rf"{theta.latex}\,\mathbf{{1}}", PRODUCT)


@formula.rule(grads.Slope)
def _(op: grads.Slope, page: Page, *args: Formula) -> Formula:
    return nonlinear(page, op.of, "′" if len(args) == 1 else f"_{op.which + 1}′", *args)


@formula.rule(grads.BatchNormGradient)
def _(op: grads.BatchNormGradient, page: Page, x: Formula, gradient: Formula) -> Formula:
    return _transpose_applied(over_axes("batchnorm′", x, (op.axis,)), gradient)


@formula.rule(grads.PairMoment)
def _(op: grads.PairMoment, page: Page, x: Formula, y: Formula) -> Formula:
    first, second, out = (subscripts(letters) for letters in ops.split_subscripts(op.subscripts))
    a, b = indexed(x, ",".join(first)), indexed(y, ",".join(second))
    product = Formula(f"⟨{a.text}, {b.text}⟩/n", rf"\langle {a.latex}, {b.latex}\rangle/n", PRODUCT)
    return summed_over({*first, *second} - {*out}, product)


rearranged.rule(axes.SumTo)(lambda how, x, shape: summed(x, broadcast_axes(how.shape, shape[1:])))


# --- functions of scalars ---------------------------------------------------------------------------


@formula.rule(grads.ScalarGradient)
def _(op: grads.ScalarGradient, page: Page, gradient: Formula, *args: Formula) -> Formula:
    if op.fn not in _SLOPES:
        mark = "′" if len(args) == 1 else f"_{op.which + 1}′"
        return _transpose_applied(call(op.name + mark, *args), gradient)
    shape_out = np.broadcast_shapes(*op.shapes)
    return summed(_SLOPES[op.fn](op.which, gradient, *args), broadcast_axes(op.shapes[op.which], shape_out))


def minus(x: Formula) -> Formula:
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
    operator.sub: lambda which, d, a, b: minus(d) if which else d,
    operator.neg: lambda which, d, a: minus(d),
    operator.mul: lambda which, d, a, b: times(a if which else b, d),
    operator.truediv: lambda which, d, a, b: _over(
        times(minus(_over(a, _power(b, number(2)))), d) if which else d, number(1) if which else b
    ),
    operator.pow: _slope_of_power,
}


# --- transposes of linear instructions ----------------------------------------------------------------


formula.rule(grads.Transposed)(lambda op, page, gradient, *scalars: transposed(op.op, op, page, gradient, *scalars))


transposed: Rules[Formula] = Rules("a formula of its transpose")
"""The formula of the transpose `op` of a linear instruction; by default `NameOfOp_1ᵀ(dx)`."""


@transposed.rule(Op)
def _(linear: Op, op: grads.Transposed, page: Page, gradient: Formula, *scalars: Formula) -> Formula:
    return call(f"{type(linear).__name__}_{op.which + 1}ᵀ", gradient, *scalars)


@transposed.rule(ops.Add)
def _(linear: ops.Add, op: grads.Transposed, page: Page, gradient: Formula) -> Formula:
    return summed(gradient, broadcast_axes(op.shapes[op.which], op.shape_out))


@transposed.rule(ops.Combination)
def _(linear: ops.Combination, op: grads.Transposed, page: Page, gradient: Formula) -> Formula:
    scaled = times(number(linear.coefficients[op.which]), gradient)
    return summed(scaled, broadcast_axes(op.shapes[op.which], op.shape_out))


@transposed.rule(ops.Scale)
def _(linear: ops.Scale, op: grads.Transposed, page: Page, gradient: Formula, factor: Formula) -> Formula:
    return summed(times(factor, gradient), broadcast_axes(op.shapes[0], op.shape_out))


@transposed.rule(ops.Contract)
def _(linear: ops.Contract, op: grads.Transposed, page: Page, gradient: Formula, theta: Formula) -> Formula:
    coefficients, vectors, out = ops.split_subscripts(linear.subscripts)
    return formula(ops.Contract(f"{coefficients},O{out}->O{vectors}"), page, gradient, theta)


@transposed.rule(ops.Join)
def _(linear: ops.Join, op: grads.Transposed, page: Page, gradient: Formula) -> Formula:
    if linear.new_axis:
        entry = str(op.which)
    else:
        ends = np.cumsum([0, *(shape[linear.axis] for shape in op.shapes)])
        entry = f"{ends[op.which]}:{ends[op.which + 1]}"
    return indexed(gradient, ", ".join([":"] * (linear.axis + 1) + [entry]))


transposed.rule(ops.Rearrange)(lambda linear, op, page, gradient: put_back(linear.how, linear, page, gradient))


put_back: Rules[Formula] = Rules("a formula of its transpose")
"""The formula of the transpose of a rearrangement of leading axes."""


put_back.rule(AxesMap)(lambda how, op, page, gradient: call(f"{type(how).__name__.lower()}ᵀ", gradient))


@put_back.rule(axes.Index)
def _(how: axes.Index, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    if all(key in (None, Ellipsis, Frozen("slice", (None, None, None))) for key in how.key):
        return gradient  # the index only inserts axes of length one
    key = ", ".join([":", *map(index_entry, how.key)])
    latex = indexed(Formula("", ""), key).latex.removeprefix("{}_{").removesuffix("}")
    return Formula(
        f"place({gradient.text}; [{key}])",
        rf"\operatorname{{place}}\left({gradient.latex};\ [{latex}]\right)",
    )


@put_back.rule(axes.Reshape)
def _(how: axes.Reshape, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    return rearranged(axes.Reshape((page.outputs, *op.shape_in)), gradient, (page.outputs, *op.shape_out))


@put_back.rule(axes.Permute)
def _(how: axes.Permute, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    back = (0, *(int(k) + 1 for k in np.argsort(how.axes)))
    return rearranged(axes.Permute(back), gradient, (page.outputs, *op.shape_out))


@put_back.rule(axes.BroadcastTo)
def _(how: axes.BroadcastTo, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    return summed(gradient, broadcast_axes(op.shape_in, op.shape_out))


@put_back.rule(axes.Sum)
def _(how: axes.Sum, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    entries = ["None" if k in how.axes else ":" for k in range(len(op.shape_in))]
    repeated = indexed(gradient, ", ".join([":", *entries]))
    count = int(np.prod([op.shape_in[k] for k in how.axes]))
    return _over(repeated, number(count)) if how.average else repeated


@put_back.rule(axes.Pad)
def _(how: axes.Pad, op: ops.Rearrange, page: Page, gradient: Formula) -> Formula:
    kept = zip(how.widths, op.shape_in, strict=True)
    entries = [":" if not (before or after) else f"{before}:{before + size}" for (before, after), size in kept]
    return indexed(gradient, ", ".join([":", *entries]))


# --- pieces -----------------------------------------------------------------------------------------


def summed(x: Formula, axes: Shape) -> Formula:
    """The sum over some axes, which are numbered without that of the outputs."""
    return over_axes("sum", x, tuple(k + 1 for k in axes)) if axes else x


def _transpose_applied(jacobian: Formula, gradient: Formula) -> Formula:
    """Jᵀ dx, with the Jacobian J written as a derivative."""
    gradient = gradient.within(ATOM)
    return Formula(f"{jacobian.text}ᵀ {gradient.text}", rf"{{{jacobian.latex}}}^\top {gradient.latex}", PRODUCT)
