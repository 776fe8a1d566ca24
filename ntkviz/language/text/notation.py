"""The formula of each instruction, in text and in LaTeX.

A new kind of instruction gets its formula by a rule of `formula`:

```python
@formula.rule(MyOp)
def _(op: MyOp, page: Page, *args: Formula) -> Formula:
    return call("my", *args)
```
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import axes
from .. import instructions as ops
from ..axes import AxesMap, Shape
from ..instructions import Op
from ..nonlinearities.nonlinearity import Nonlinearity, cube, identity, multiply, square
from ..rules import Rules

if TYPE_CHECKING:
    from .listing import Page

# --- pieces of formulas ---------------------------------------------------------------------------

ATOM, PRODUCT, SUM = range(3)
DOTS, NONE = r"\dots ", r"\mathrm{None}"


class Formula(NamedTuple):
    """The text and the LaTeX of an expression, and how loosely it binds: ATOM, PRODUCT or SUM."""

    text: str
    latex: str
    binds: int = ATOM

    def within(self, binds: int) -> Formula:
        """The formula, in parentheses if it binds more loosely than `binds`."""
        return self if self.binds <= binds else Formula(f"({self.text})", rf"\left({self.latex}\right)")


def call(name: str, *args: Formula, latex: str = "") -> Formula:
    """`name(a, b)`."""
    head = latex or rf"\operatorname{{{_escape(name)}}}"
    return Formula(
        f"{name}({', '.join(a.text for a in args)})", rf"{head}\left({', '.join(a.latex for a in args)}\right)"
    )


def plus(a: Formula, b: Formula) -> Formula:
    """a + b, written a − c if b is −c, and a if b is 0."""
    if b.text == "0":
        return a
    return Formula(_sum(a.text, b.text), _sum(a.latex, b.latex), SUM)


def _sum(a: str, b: str) -> str:
    return f"{a} - {b[1:]}" if b.startswith("-") else f"{a} + {b}"


def times(a: Formula, b: Formula) -> Formula:
    """a·b, written b if a is 1, with the sign of the product in front."""
    a, b = a.within(PRODUCT), b.within(PRODUCT)
    negative = a.text.startswith("-") != b.text.startswith("-")
    a, b = (Formula(x.text.removeprefix("-"), x.latex.removeprefix("-"), x.binds) for x in (a, b))
    product = b if a.text == "1" else Formula(f"{a.text}·{b.text}", rf"{a.latex}\,{b.latex}", PRODUCT)
    return Formula(f"-{product.text}", f"-{product.latex}", PRODUCT) if negative else product


def over_root(a: Formula, under: str) -> Formula:
    """a/√under."""
    a, latex = a.within(PRODUCT), under.replace("·", "")
    return Formula(f"{a.text}/√{under}", rf"{a.latex}/\sqrt{{{latex}}}", PRODUCT)


def symbol(name: str) -> Formula:
    """A name as a formula: `W1` is W with the superscript 1, `W[2]` is the W of the second repeated layer."""
    match = re.fullmatch(r"(.+?)(\d*)((?:\[\d+\])*)(′*)", name)
    assert match is not None
    stem, number, layer, primes = match.groups()
    above = number + layer + r"\prime" * len(primes)
    letter = {"θ": r"\theta", "ξ": r"\xi"}.get(stem, stem if len(stem) == 1 else rf"\mathrm{{{_escape(stem)}}}")
    return Formula(name, f"{letter}^{{{above}}}" if above else letter)


def number(value: Any) -> Formula:
    """A plain number written as its value, a small array as its entries, a larger one as its shape."""
    array = np.asarray(value)
    if array.ndim == 0:
        text = f"{array.item():.6g}"
        return Formula(text, _scientific(text))
    if array.size <= 4:
        return Formula(*(f"[{', '.join(f'{v:.4g}' for v in array.ravel())}]",) * 2)
    shape = "×".join(map(str, array.shape))
    return Formula(f"numbers({shape})", rf"\mathrm{{numbers}}_{{{shape.replace('×', chr(92) + 'times ')}}}")


def written_shape(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _escape(name: str) -> str:
    return re.sub(r"([_#$%&{}])", r"\\\1", name).replace("′", "'")


def _scientific(text: str) -> str:
    mantissa, e, power = text.partition("e")
    return rf"{mantissa}\cdot 10^{{{int(power)}}}" if e else text


# --- the formula of each instruction --------------------------------------------------------------


formula: Rules[Formula] = Rules("a formula")
"""The formula of an instruction, from the formulas of its arguments; by default `NameOfOp(a, b)`."""


formula.rule(Op)(lambda op, page, *args: call(type(op).__name__, *args))
formula.rule(ops.Data)(lambda op, page: Formula("data", r"\text{data}"))


@formula.rule(ops.Constant)
def _(op: ops.Constant, page: Page) -> Formula:
    constants = page.program.constants
    return number(constants[op.index]) if op.index < len(constants) else symbol(f"c{op.index}")


@formula.rule(ops.ScalarFunction)
def _(op: ops.ScalarFunction, page: Page, *args: Formula) -> Formula:
    if op.fn is operator.neg:
        return times(Formula("-1", "-1"), args[0])
    if op.fn is operator.add:
        return plus(*args)
    if op.fn is operator.sub:
        return plus(args[0], times(Formula("-1", "-1"), args[1]))
    if op.fn is operator.mul:
        return times(*args)
    if op.fn is operator.truediv:
        a, b = args[0].within(PRODUCT), args[1].within(ATOM)
        if b.text == "1":
            return a
        return Formula(f"{a.text}/{b.text}", f"{a.latex}/{b.latex}", PRODUCT)
    if op.fn is operator.pow:
        a = args[0].within(ATOM)
        return Formula(f"{a.text}^{args[1].within(ATOM).text}", f"{{{a.latex}}}^{{{args[1].latex}}}")
    return call(op.name, *args)


@formula.rule(ops.Moment)
def _(op: ops.Moment, page: Page, x: Formula) -> Formula:
    x = x.within(ATOM)
    return Formula(f"1ᵀ{x.text}/n", rf"\mathbf{{1}}^\top {x.latex}/n", PRODUCT)


@formula.rule(ops.InputMatMul)
def _(op: ops.InputMatMul, page: Page, data: Formula) -> Formula:
    parameter = page.program.parameters[op.parameter]
    return page.multiplied(parameter, _applied(symbol(parameter.name), data), str(parameter.fan))


@formula.rule(ops.InitialVector)
def _(op: ops.InitialVector, page: Page) -> Formula:
    parameter = page.program.parameters[op.parameter]
    return page.multiplied(parameter, page.law(parameter))


@formula.rule(ops.MatMul)
def _(op: ops.MatMul, page: Page, x: Formula) -> Formula:
    parameter = page.program.parameters[op.parameter]
    matrix = symbol(parameter.name)
    if op.index:
        matrix = indexed(matrix, ", ".join(map(str, op.index)))
    if op.transpose:
        matrix = Formula(f"{matrix.text}ᵀ", rf"{{{matrix.latex}}}^\top")
    return page.multiplied(parameter, _applied(matrix, x), times_n(parameter.fan))


@formula.rule(ops.Nonlin)
def _(op: ops.Nonlin, page: Page, *args: Formula) -> Formula:
    phi = op.phi
    if phi is multiply:
        a, b = (x.within(ATOM) for x in args)
        return Formula(f"{a.text} ⊙ {b.text}", rf"{a.latex} \odot {b.latex}", PRODUCT)
    if phi is identity:
        return args[0]
    if phi in (square, cube):
        x, power = args[0].within(ATOM), "²" if phi is square else "³"
        return Formula(x.text + power, f"{{{x.latex}}}^{{{2 if phi is square else 3}}}")
    return nonlinear(page, phi, "", *args)


def nonlinear(page: Page, phi: Nonlinearity, mark: str, *args: Formula) -> Formula:
    """φ(x, y; θ), or a derivative of it, written as φ followed by a mark."""
    vectors, thetas = args[: phi.arity], args[phi.arity :]
    if thetas:
        last, parameters = vectors[-1], listed(thetas)
        vectors = (
            *vectors[:-1],
            Formula(f"{last.text}; {parameters.text}", f"{last.latex}; {parameters.latex}"),
        )
    return call(page.functions[phi] + mark, *vectors, latex=phi.latex and phi.latex + mark.replace("′", "'"))


formula.rule(ops.BatchNorm)(lambda op, page, x: over_axes("batchnorm", x, (op.axis,)))
formula.rule(ops.Shift)(lambda op, page, x, shift: plus(x, shift))
formula.rule(ops.Add)(lambda op, page, x, y: plus(x, y))
formula.rule(ops.Scale)(lambda op, page, x, factor: times(factor, x))


@formula.rule(ops.Combination)
def _(op: ops.Combination, page: Page, *args: Formula) -> Formula:
    return functools.reduce(plus, (times(number(c), x) for c, x in zip(op.coefficients, args, strict=True)))


@formula.rule(ops.Contract)
def _(op: ops.Contract, page: Page, x: Formula, coefficients: Formula) -> Formula:
    theta, vectors, out = (subscripts(letters) for letters in ops.split_subscripts(op.subscripts))
    a, b = indexed(coefficients, ",".join(theta)), indexed(x, ",".join(vectors))
    return summed_over({*theta, *vectors} - {*out}, Formula(f"{a.text} {b.text}", rf"{a.latex}\,{b.latex}", PRODUCT))


def subscripts(letters: str) -> list[str]:
    """The letters of `einsum` subscripts; an ellipsis counts as one."""
    return ["…" if letter == "..." else letter for letter in re.findall(r"\.\.\.|.", letters)]


def summed_over(indices: set[str], terms: Formula) -> Formula:
    """Σ over some indices, if any."""
    if not indices:
        return terms
    under = "".join(sorted(indices))
    return Formula(f"Σ_{under} {terms.text}", rf"\textstyle\sum_{{{under.replace('…', DOTS)}}} {terms.latex}", SUM)


formula.rule(ops.Rearrange)(lambda op, page, x: rearranged(op.how, x, op.shape_in))


@formula.rule(ops.Join)
def _(op: ops.Join, page: Page, *args: Formula) -> Formula:
    shown = args if len(args) <= 4 else (args[0], Formula("…", r"\dots"), args[-1])
    return over_axes("stack" if op.new_axis else "concatenate", listed(shown), (op.axis,))


@formula.rule(ops.Readout)
def _(op: ops.Readout, page: Page, v: Formula, x: Formula) -> Formula:
    v, x = v.within(ATOM), x.within(ATOM)
    product = Formula(f"{v.text}ᵀ{x.text}", rf"{{{v.latex}}}^\top {x.latex}", PRODUCT)
    return page.read_out(product)


rearranged: Rules[Formula] = Rules("a formula")
"""The formula of a rearrangement of the leading axes of an array of leading shape `shape`."""


rearranged.rule(AxesMap)(lambda how, x, shape: call(type(how).__name__.lower(), x))
rearranged.rule(axes.Index)(lambda how, x, shape: indexed(x, ", ".join(index_entry(k) for k in how.key)))


@rearranged.rule(axes.BroadcastTo)
def _(how: axes.BroadcastTo, x: Formula, shape: Shape) -> Formula:
    return x  # broadcasting is left implicit


rearranged.rule(axes.Sum)(lambda how, x, shape: over_axes("mean" if how.average else "sum", x, how.axes))
rearranged.rule(axes.Reshape)(lambda how, x, shape: with_options("reshape", x, written_shape(how.shape)))
rearranged.rule(axes.Permute)(lambda how, x, shape: with_options("transpose", x, written_shape(how.axes)))


def index_entry(key: Any) -> str:
    """One entry of an index, in Python's notation."""
    if key is Ellipsis:
        return "…"
    if isinstance(key, axes.Frozen) and key.kind == "slice":
        start, stop, step = ("" if k is None else str(k) for k in key.value)
        return f"{start}:{stop}" + (f":{step}" if step else "")
    if isinstance(key, axes.Frozen):
        values, shape, _ = key.value
        return _bracketed(np.atleast_1d(np.squeeze(np.reshape(values, shape))).tolist())
    return str(key)


def _bracketed(values: Any) -> str:
    """Nested lists of numbers in Python's notation; of more than four entries, only the first and the last."""
    if not isinstance(values, list):
        return str(values)
    shown = values if len(values) <= 4 else [values[0], "…", values[-1]]
    return f"[{', '.join(map(_bracketed, shown))}]"


def indexed(x: Formula, key: str) -> Formula:
    """`x[key]`."""
    x = x.within(ATOM)
    return Formula(
        f"{x.text}[{key}]", f"{{{x.latex}}}_{{{key.replace(' ', '').replace('…', DOTS).replace('None', NONE)}}}"
    )


def over_axes(name: str, x: Formula, axes: Sequence[int]) -> Formula:
    """`name(x; axis 1)`."""
    return with_options(name, x, ("axis " if len(axes) == 1 else "axes ") + ", ".join(map(str, axes)))


def with_options(name: str, x: Formula, options: str) -> Formula:
    """`name(x; options)`."""
    return Formula(
        f"{name}({x.text}; {options})", rf"\operatorname{{{_escape(name)}}}\left({x.latex};\ \text{{{options}}}\right)"
    )


def _applied(matrix: Formula, x: Formula) -> Formula:
    x = x.within(ATOM)
    return Formula(f"{matrix.text} {x.text}", rf"{matrix.latex} {x.latex}", PRODUCT)


def listed(args: Iterable[Formula]) -> Formula:
    """`a, b, c`."""
    args = tuple(args)
    return Formula(", ".join(a.text for a in args), ", ".join(a.latex for a in args))


def times_n(fan: int) -> str:
    return "n" if fan == 1 else f"({fan}·n)"
