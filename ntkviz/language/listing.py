"""A program as something to read: text, LaTeX, and a graph, all made from the same lines.

The listing looks like the tensor programs of the papers (NETSOR⊤, Tensor Programs II §3): G-vars
g1, g2, … made by matrices, X-vars x1, x2, … made by nonlinearities, scalars θ1, θ2, …, and the
output f. What is not worth a line is written inside the line that uses it: plain numbers by their
values, rearrangements of leading axes as `x1[:, 3]`, the partial sums of a longer sum.

A new kind of instruction says how it is written by a rule of `formula`:

```python
@formula.rule(MyOp)
def _(op: MyOp, page: Page, *args: Formula) -> Formula:
    return call("my", *args)
```
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, NamedTuple

import numpy as np

from . import axes
from . import instructions as ops
from .axes import AxesMap, Shape
from .gia import check_program, readout_parameter
from .gradient_instructions import Fill, Transposed
from .instructions import Op
from .nonlinearities import Nonlinearity, cube, identity, multiply, square
from .program import Instruction, Parameter, Program, method
from .rules import Rules


@dataclass(frozen=True)
class Line:
    """One line of a listing.

    **Fields**

    - `place`: the number of the instruction that makes the value, as error messages and the
      Simple GIA Check name it.
    - `name`, `name_latex`: what later lines call the value.
    - `type`: `"data"`, `"initial G-var"`, `"G-var"`, `"X-var"`, `"scalar"` or `"output"`.
    - `formula_text`, `formula_latex`: what it is equal to.
    - `shape`: its leading shape (for data, the whole shape).
    - `depends_on`: the places of the earlier lines it uses.
    - `written_inside`: the places of the instructions that have no line but are part of this one.
    """

    place: int
    name: str
    type: str
    formula_text: str
    formula_latex: str
    shape: Shape
    depends_on: tuple[int, ...]
    name_latex: str
    written_inside: tuple[int, ...] = ()


@method
def lines(program: Program) -> tuple[Line, ...]:
    """The lines of a program worth reading, in order; repeated layers written out."""
    return Page(program.unrolled()).lines


@method
def to_text(program: Program) -> str:
    """Numbered lines `places  name : type shape = formula`, in columns.

    The numbers are those of the instructions a line stands for (many are cut short); the last one
    makes its value.
    """
    rows = [
        (_ranges([*line.written_inside, line.place]), line.name, line.type, _shape(line.shape), line.formula_text)
        for line in lines(program)
    ]
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(4)]
    return "\n".join(
        f"{places:>{widths[0]}}  {name:<{widths[1]}} : {kind:<{widths[2]}} {shape:<{widths[3]}} = {formula_text}"
        for places, name, kind, shape, formula_text in rows
    )


@method
def to_latex(program: Program) -> str:
    """An `aligned` environment, for display mode in MathJax or KaTeX."""
    body = (
        rf"{line.name_latex} &= {line.formula_latex} && \text{{{line.type} }}{_shape(line.shape)}"
        for line in lines(program)
    )
    return "\\begin{aligned}\n" + " \\\\\n".join(body) + "\n\\end{aligned}"


@method
def to_graph(program: Program) -> dict[str, list[dict[str, Any]]]:
    """Nodes `{id, label, type, shape, formula}` and edges `{source, target}`, one node for a line."""
    written = lines(program)
    nodes = [
        {"id": str(n.place), "label": n.name, "type": n.type, "shape": list(n.shape), "formula": n.formula_text}
        for n in written
    ]
    edges = [{"source": str(source), "target": str(n.place)} for n in written for source in n.depends_on]
    return {"nodes": nodes, "edges": edges}


# --- pieces of formulas ---------------------------------------------------------------------------

ATOM, PRODUCT, SUM = range(3)
DOTS, NONE = r"\dots ", r"\mathrm{None}"


class Formula(NamedTuple):
    """Text and LaTeX of an expression, and how loosely it binds."""

    text: str
    latex: str
    binds: int = ATOM

    def within(self, binds: int) -> Formula:
        """The same, in parentheses if it binds more loosely than `binds`."""
        return self if self.binds <= binds else Formula(f"({self.text})", rf"\left({self.latex}\right)")


def call(name: str, *args: Formula, latex: str = "") -> Formula:
    """`name(a, b)`."""
    head = latex or rf"\operatorname{{{_escape(name)}}}"
    return Formula(
        f"{name}({', '.join(a.text for a in args)})", rf"{head}\left({', '.join(a.latex for a in args)}\right)"
    )


def plus(a: Formula, b: Formula) -> Formula:
    """a + b, or a − c when b is −c; a term 0 left out."""
    if b.text == "0":
        return a
    return Formula(_sum(a.text, b.text), _sum(a.latex, b.latex), SUM)


def _sum(a: str, b: str) -> str:
    return f"{a} - {b[1:]}" if b.startswith("-") else f"{a} + {b}"


def times(a: Formula, b: Formula) -> Formula:
    """a·b, a factor 1 left out and the signs of both in front."""
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
    """A name: `W1` is W with superscript 1, `W[2]` the W of the second repeated layer."""
    match = re.fullmatch(r"(.+?)(\d*)((?:\[\d+\])*)(′*)", name)
    assert match is not None
    stem, number, layer, primes = match.groups()
    above = number + layer + r"\prime" * len(primes)
    letter = {"θ": r"\theta", "ξ": r"\xi"}.get(stem, stem if len(stem) == 1 else rf"\mathrm{{{_escape(stem)}}}")
    return Formula(name, f"{letter}^{{{above}}}" if above else letter)


def number(value: Any) -> Formula:
    """A plain number by its value, a small array by its entries, a large one by its shape."""
    array = np.asarray(value)
    if array.ndim == 0:
        text = f"{array.item():.6g}"
        return Formula(text, _scientific(text))
    if array.size <= 4:
        return Formula(*(f"[{', '.join(f'{v:.4g}' for v in array.ravel())}]",) * 2)
    shape = "×".join(map(str, array.shape))
    return Formula(f"numbers({shape})", rf"\mathrm{{numbers}}_{{{shape.replace('×', chr(92) + 'times ')}}}")


# --- which instructions get a line, and under which name -------------------------------------------


class Page:
    """The listing of one program while it is being written."""

    def __init__(self, program: Program):
        self.program = program

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines, in program order."""
        self._introduced: set[str] = set()  # matrices whose law has been stated
        return tuple(self._line(k) for k in range(len(self.program)) if not self.is_inside(k))

    def _line(self, place: int) -> Line:
        instruction, name = self.program.instructions[place], self.names[place]
        written = self._with_law(instruction.op, self._formula(place))
        inside, sources = self._parts(place)
        return Line(
            place,
            name,
            _type(instruction),
            written.text,
            written.latex,
            instruction.shape,
            depends_on=tuple(sorted(sources)),
            name_latex=self._symbol(place).latex,
            written_inside=tuple(sorted(inside)),
        )

    def expression(self, place: int) -> Formula:
        """How a later line refers to a value: by its name, or by its formula if it has no line."""
        return self._formula(place) if self.is_inside(place) else self._symbol(place)

    def _symbol(self, place: int) -> Formula:
        name = self.names[place]
        if not self._is_named_gradient(place):
            return symbol(name)
        return Formula(name, rf"\mathrm{{d}}{symbol(name[1:]).latex}")

    def _formula(self, place: int) -> Formula:
        instruction = self.program.instructions[place]
        if self._is_multiply(place) and any(self._is_fill_inside(a) for a in instruction.args):
            filled, other = sorted(instruction.args, key=self._is_fill_inside, reverse=True)
            return times(self.expression(self.program.instructions[filled].args[0]), self.expression(other))
        if self._is_inner_product(place):
            product = self.program.instructions[instruction.args[0]]
            a, b = (self.expression(k) for k in product.args)
            return Formula(f"⟨{a.text}, {b.text}⟩/n", rf"\langle {a.latex}, {b.latex}\rangle/n", PRODUCT)
        return formula(instruction.op, self, *(self.expression(a) for a in instruction.args))

    def _parts(self, place: int) -> tuple[set[int], set[int]]:
        """The instructions written inside a line (plain numbers apart), and the lines it uses."""
        inside: set[int] = set()
        sources: set[int] = set()
        for a in self.program.instructions[place].args:
            if not self.is_inside(a):
                sources.add(a)
                continue
            below = self._parts(a)
            inside |= below[0] | ({a} if not self._is_plain(a) else set())
            sources |= below[1]
        return inside, sources

    def is_inside(self, place: int) -> bool:
        """Whether an instruction is written inside the lines that use it instead of on its own."""
        if place == self.program.output or self._is_named_gradient(place):
            return False
        op, users = self.program.instructions[place].op, self._users[place]
        if self._is_in_a_gradient(place):
            alone = len(users) == 1 and not isinstance(op, ops.MatMul)
            return alone or self._is_fill_inside(place) or self._passes_on(op)
        match op:
            case ops.Rearrange() | ops.Captured():
                return True
            case ops.Join():
                return len(users) == 1
            case ops.ScalarFunction(fn):
                return self._is_plain(place) or (len(users) == 1 and fn in _ARITHMETIC)
            case ops.Add() | ops.Shift() | ops.Scale():
                return len(users) == 1 and isinstance(
                    self._op(users[0]), ops.Add | ops.Shift | ops.Scale | ops.Rearrange
                )
            case ops.Nonlin():
                return len(users) == 1 and self._is_inner_product(users[0])
            case _:
                return self._is_plain(place)

    def _is_inner_product(self, place: int) -> bool:
        instruction = self.program.instructions[place]
        if not isinstance(instruction.op, ops.Moment):
            return False
        (x,) = instruction.args
        return self._is_multiply(x) and len(self._users[x]) == 1

    def _is_multiply(self, place: int) -> bool:
        op = self._op(place)
        return isinstance(op, ops.Nonlin) and op.phi is multiply

    def _op(self, place: int) -> Op:
        return self.program.instructions[place].op

    # --- gradients ----------------------------------------------------------------------------

    @cached_property
    def _gradient_of(self) -> dict[int, int]:
        """Of which value an instruction is the gradient."""
        return {gradient: value for value, gradient in self.program.gradients}

    def _is_named_gradient(self, place: int) -> bool:
        value = self._gradient_of.get(place)
        return value is not None and not self.is_inside(value)

    def _is_in_a_gradient(self, place: int) -> bool:
        return place >= self._forward_length

    @cached_property
    def _forward_length(self) -> int:
        return len(self.program.forward)

    def _is_fill_inside(self, place: int) -> bool:
        """Whether an instruction is a vector θ·1 that is only multiplied with others, as θ."""
        users = self._users[place]
        return isinstance(self._op(place), Fill) and bool(users) and all(map(self._is_multiply, users))

    @staticmethod
    def _passes_on(op: Op) -> bool:
        """Whether an instruction passes a gradient on as it is: that of a summand of the same shape."""
        return isinstance(op, Transposed) and isinstance(op.op, ops.Add) and op.shapes[op.which] == op.shape_out

    @property
    def outputs(self) -> int:
        """How many outputs the network has, which is the size of the first axis of each gradient."""
        return self.program.instructions[self.program.output].shape[0]

    # --- who uses what ------------------------------------------------------------------------

    @cached_property
    def _users(self) -> list[list[int]]:
        users: list[list[int]] = [[] for _ in self.program.instructions]
        for place, instruction in enumerate(self.program.instructions):
            for a in set(instruction.args):
                if self._is_in_a_gradient(a) or not self._is_in_a_gradient(place):  # gradients rename nothing
                    users[a].append(place)
        return users

    def _is_plain(self, place: int) -> bool:
        """Whether a value is a plain number, made of constants alone."""
        return self._plain[place]

    @cached_property
    def _plain(self) -> list[bool]:
        plain: list[bool] = []
        for i in self.program.instructions:
            made_of_plain = bool(i.args) and all(plain[a] for a in i.args)
            plain.append(isinstance(i.op, ops.Constant) or (i.kind == "scalar" and made_of_plain))
        return plain

    @cached_property
    def names(self) -> dict[int, str]:
        """The name of each line's value, by place."""
        taken = {p.name for p in self.program.parameters}
        several_data = sum(isinstance(i.op, ops.Data) for i in self.program.instructions) > 1
        counts: dict[str, int] = {}
        names: dict[int, str] = {}
        for place, instruction in enumerate(self.program.instructions):
            if self.is_inside(place):
                continue
            op = instruction.op
            if isinstance(op, ops.InitialVector):
                names[place] = self.program.parameters[op.parameter].name
            elif self._is_named_gradient(place):
                name = f"d{names[self._gradient_of[place]]}"
                names[place] = name + "′" * (name in taken)
            elif place == self.program.output:
                names[place] = "f"
            elif isinstance(op, ops.Data) and not several_data:
                names[place] = "ξ"
            else:
                letter = _LETTERS[_type(instruction)]
                while (name := f"{letter}{counts.get(letter, 0) + 1}") in taken:
                    counts[letter] = counts.get(letter, 0) + 1
                counts[letter] = counts.get(letter, 0) + 1
                names[place] = name
        return names

    # --- parameters ---------------------------------------------------------------------------

    def multiplied(self, parameter: Parameter, x: Formula, under_root: str = "1") -> Formula:
        """multiplier·x/√under_root: how a parameter acts in abc-parametrization."""
        product = times(self.expression(parameter.multiplier), x)
        return product if under_root == "1" else over_root(product, under_root)

    def law(self, parameter: Parameter) -> Formula:
        """N(0, std²), and what is unusual about how the parameter trains."""
        std = self.expression(parameter.std).within(ATOM)
        variance = ("1", "1") if std.text == "1" else (f"{std.text}²", f"{std.latex}^2")
        notes = "" if parameter.trainable else ", frozen"
        lr = self.expression(parameter.lr).text
        if parameter.trainable and lr != "1":
            notes = f", lr {lr}"
        latex = rf"\mathcal{{N}}(0, {variance[1]})" + (rf"\text{{{notes}}}" if notes else "")
        return Formula(f"N(0, {variance[0]}){notes}", latex)

    def _with_law(self, op: Op, written: Formula) -> Formula:
        """State a matrix's law on the line where it is first used."""
        if not isinstance(op, ops.InputMatMul | ops.MatMul):
            return written
        parameter = self.program.parameters[op.parameter]
        if parameter.name in self._introduced:
            return written
        self._introduced.add(parameter.name)
        name, law = symbol(parameter.name), self.law(parameter)
        return Formula(
            f"{written.text},  {name.text} ~ {law.text}", rf"{written.latex},\quad {name.latex} \sim {law.latex}"
        )

    def read_out(self, product: Formula) -> Formula:
        """vᵀx/√n when the Simple GIA Check passes, vᵀx/n when it does not; positions share the root."""
        parameter = readout_parameter(self.program)
        fan = 1 if parameter is None else parameter.fan
        if check_program(self.program).passes:
            return over_root(product, _times_n(fan))
        scaled = Formula(f"{product.text}/n", f"{product.latex}/n", PRODUCT)
        return scaled if fan == 1 else over_root(scaled, str(fan))


_ARITHMETIC = (operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.neg)
_LETTERS = {"data": "ξ", "G-var": "g", "X-var": "x", "scalar": "θ", "output": "f"}


def _type(instruction: Instruction) -> str:
    match instruction.op:
        case ops.Data():
            return "data"
        case ops.InitialVector():
            return "initial G-var"
        case ops.InputMatMul() | ops.MatMul():
            return "G-var"
        case _:
            return {"vector": "X-var"}.get(instruction.kind, instruction.kind)


def _shape(shape: Shape) -> str:
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _ranges(places: Sequence[int]) -> str:
    """`3–5,9` for 3, 4, 5, 9; of more than three ranges the first and the last."""

    def extend(runs: list[list[int]], k: int) -> list[list[int]]:
        return [*runs[:-1], [runs[-1][0], k]] if runs and runs[-1][1] == k - 1 else [*runs, [k, k]]

    runs: list[list[int]] = reduce(extend, places, [])
    written = [str(a) if a == b else f"{a}–{b}" for a, b in runs]
    return ",".join(written if len(written) <= 3 else (written[0], "…", written[-1]))


def _escape(name: str) -> str:
    return re.sub(r"([_#$%&{}])", r"\\\1", name).replace("′", "'")


def _scientific(text: str) -> str:
    mantissa, e, power = text.partition("e")
    return rf"{mantissa}\cdot 10^{{{int(power)}}}" if e else text


# --- how each instruction is written --------------------------------------------------------------


formula = Rules("a formula")
"""How an instruction is written, given how its arguments are; by default `NameOfOp(a, b)`."""


@formula.rule(Op)
def _(op: Op, page: Page, *args: Formula) -> Formula:
    return call(type(op).__name__, *args)


@formula.rule(ops.Data)
def _(op: ops.Data, page: Page) -> Formula:
    return Formula("data", r"\text{data}")


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
    return page.multiplied(parameter, _applied(matrix, x), _times_n(parameter.fan))


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
    return nonlinear(phi, "", *args)


def nonlinear(phi: Nonlinearity, mark: str, *args: Formula) -> Formula:
    """φ(x, y; θ), or another function of the same arguments: φ with a mark behind it."""
    vectors, thetas = args[: phi.arity], args[phi.arity :]
    if thetas:
        last, parameters = vectors[-1], listed(thetas)
        vectors = (
            *vectors[:-1],
            Formula(f"{last.text}; {parameters.text}", f"{last.latex}; {parameters.latex}"),
        )
    return call(phi.name + mark, *vectors, latex=phi.latex and phi.latex + mark.replace("′", "'"))


@formula.rule(ops.BatchNorm)
def _(op: ops.BatchNorm, page: Page, x: Formula) -> Formula:
    return over_axes("batchnorm", x, (op.axis,))


@formula.rule(ops.Shift)
def _(op: ops.Shift, page: Page, x: Formula, shift: Formula) -> Formula:
    return plus(x, shift)


@formula.rule(ops.Add)
def _(op: ops.Add, page: Page, x: Formula, y: Formula) -> Formula:
    return plus(x, y)


@formula.rule(ops.Scale)
def _(op: ops.Scale, page: Page, x: Formula, factor: Formula) -> Formula:
    return times(factor, x)


@formula.rule(ops.Contract)
def _(op: ops.Contract, page: Page, x: Formula, coefficients: Formula) -> Formula:
    theta, vectors, out = (subscripts(letters) for letters in ops.split_subscripts(op.subscripts))
    a, b = indexed(coefficients, ",".join(theta)), indexed(x, ",".join(vectors))
    return summed_over({*theta, *vectors} - {*out}, Formula(f"{a.text} {b.text}", rf"{a.latex}\,{b.latex}", PRODUCT))


def subscripts(letters: str) -> list[str]:
    """The indices that `einsum` names, an ellipsis as one."""
    return ["…" if letter == "..." else letter for letter in re.findall(r"\.\.\.|.", letters)]


def summed_over(indices: set[str], terms: Formula) -> Formula:
    """Σ over some indices, if any."""
    if not indices:
        return terms
    under = "".join(sorted(indices))
    return Formula(f"Σ_{under} {terms.text}", rf"\textstyle\sum_{{{under.replace('…', DOTS)}}} {terms.latex}", SUM)


@formula.rule(ops.Rearrange)
def _(op: ops.Rearrange, page: Page, x: Formula) -> Formula:
    return rearranged(op.how, x, op.shape_in)


@formula.rule(ops.Join)
def _(op: ops.Join, page: Page, *args: Formula) -> Formula:
    shown = args if len(args) <= 4 else (args[0], Formula("…", r"\dots"), args[-1])
    return over_axes("stack" if op.new_axis else "concatenate", listed(shown), (op.axis,))


@formula.rule(ops.Readout)
def _(op: ops.Readout, page: Page, v: Formula, x: Formula) -> Formula:
    v, x = v.within(ATOM), x.within(ATOM)
    product = Formula(f"{v.text}ᵀ{x.text}", rf"{{{v.latex}}}^\top {x.latex}", PRODUCT)
    return page.read_out(product)


rearranged = Rules("a formula")
"""How a rearrangement of leading axes (of an array of leading shape `shape`) is written."""


@rearranged.rule(AxesMap)
def _(how: AxesMap, x: Formula, shape: Shape) -> Formula:
    return call(type(how).__name__.lower(), x)


@rearranged.rule(axes.Index)
def _(how: axes.Index, x: Formula, shape: Shape) -> Formula:
    return indexed(x, ", ".join(index_entry(k) for k in how.key))


@rearranged.rule(axes.BroadcastTo)
def _(how: axes.BroadcastTo, x: Formula, shape: Shape) -> Formula:
    return x  # a value used at several places is still that value


@rearranged.rule(axes.Sum)
def _(how: axes.Sum, x: Formula, shape: Shape) -> Formula:
    return over_axes("mean" if how.average else "sum", x, how.axes)


@rearranged.rule(axes.Reshape)
def _(how: axes.Reshape, x: Formula, shape: Shape) -> Formula:
    return with_options("reshape", x, _shape(how.shape))


@rearranged.rule(axes.Permute)
def _(how: axes.Permute, x: Formula, shape: Shape) -> Formula:
    return with_options("transpose", x, _shape(how.axes))


def index_entry(key: Any) -> str:
    """One entry of an index as Python writes it."""
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
    """Lists of numbers, or of lists, as Python writes them; of many the first and the last."""
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


def _times_n(fan: int) -> str:
    return "n" if fan == 1 else f"({fan}·n)"
