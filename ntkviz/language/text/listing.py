"""The listing of a program: text, LaTeX, and a graph, all made from the same lines.

The listing looks like the tensor programs of the papers (NETSOR⊤, Tensor Programs II §3): G-vars g1, g2, … made by
matrices, X-vars x1, x2, … made by nonlinearities, scalars θ1, θ2, …, and the output f. Minor instructions have no line
of their own and are written inside the lines that use them: plain numbers as their values, rearrangements of leading
axes as in `x1[:, 3]`, and the partial sums of a longer sum.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any

from .. import instructions as ops
from ..axes import Shape
from ..gradients.gia import check_program, readout_parameter
from ..gradients.instructions import Fill, Slope, Transposed
from ..instructions import Op
from ..nonlinearities.nonlinearity import Nonlinearity, multiply
from ..program import Instruction, Parameter, Program, method
from .notation import ATOM, PRODUCT, Formula, formula, over_root, symbol, times, times_n, written_shape


@dataclass(frozen=True)
class Line:
    """One line of a listing.

    Attributes:
        index: The index of the value's instruction, as in error messages and in the Simple GIA Check.
        name: The name of the value in later lines.
        type: `"data"`, `"initial G-var"`, `"G-var"`, `"X-var"`, `"scalar"` or `"output"`.
        formula_text: Its formula, as text.
        formula_latex: Its formula, in LaTeX.
        shape: Its leading shape (for data, the whole shape).
        depends_on: The indices of the earlier lines that it uses.
        name_latex: Its name in LaTeX.
        written_inside: The indices of the instructions without a line that are written inside this one.
    """

    index: int
    name: str
    type: str
    formula_text: str
    formula_latex: str
    shape: Shape
    depends_on: tuple[int, ...]
    name_latex: str
    written_inside: tuple[int, ...] = ()


@method("lines")
def lines(program: Program) -> tuple[Line, ...]:
    """The lines of a program's listing, in order, with repeated layers written out."""
    return Page(program.unrolled()).lines


@method("to_text")
def to_text(program: Program) -> str:
    """Numbered lines `indices  name : type shape = formula`, in columns.

    The indices are those of the instructions that a line stands for (long lists are abbreviated); the last one is that
    of its value.
    """
    rows = [
        (
            _ranges([*line.written_inside, line.index]),
            line.name,
            line.type,
            written_shape(line.shape),
            line.formula_text,
        )
        for line in lines(program)
    ]
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(4)]
    return "\n".join(
        f"{indices:>{widths[0]}}  {name:<{widths[1]}} : {kind:<{widths[2]}} {shape:<{widths[3]}} = {formula_text}"
        for indices, name, kind, shape, formula_text in rows
    )


@method("to_latex")
def to_latex(program: Program) -> str:
    """An `aligned` environment, for display mode in MathJax or KaTeX."""
    body = (
        rf"{line.name_latex} &= {line.formula_latex} && \text{{{line.type} }}{written_shape(line.shape)}"
        for line in lines(program)
    )
    return "\\begin{aligned}\n" + " \\\\\n".join(body) + "\n\\end{aligned}"


@method("to_graph")
def to_graph(program: Program) -> dict[str, list[dict[str, Any]]]:
    """Nodes `{id, label, type, shape, formula}`, one for each line, and edges `{source, target}`."""
    written = lines(program)
    nodes = [
        {"id": str(n.index), "label": n.name, "type": n.type, "shape": list(n.shape), "formula": n.formula_text}
        for n in written
    ]
    edges = [{"source": str(source), "target": str(n.index)} for n in written for source in n.depends_on]
    return {"nodes": nodes, "edges": edges}


# --- which instructions get a line, and its name ---------------------------------------------------


class Page:
    """The listing of one program while it is being written."""

    def __init__(self, program: Program):
        self.program = program

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The lines, in program order."""
        self._introduced: set[str] = set()  # matrices whose law has been stated
        return tuple(self._line(k) for k in range(len(self.program)) if not self.is_inside(k))

    def _line(self, index: int) -> Line:
        instruction, name = self.program.instructions[index], self.names[index]
        written = self._with_law(instruction.op, self._formula(index))
        inside, sources = self._parts(index)
        return Line(
            index,
            name,
            _type(instruction),
            written.text,
            written.latex,
            instruction.shape,
            depends_on=tuple(sorted(sources)),
            name_latex=self._symbol(index).latex,
            written_inside=tuple(sorted(inside)),
        )

    def expression(self, index: int) -> Formula:
        """How a later line refers to a value: by its name, or by its formula if it has no line."""
        return self._formula(index) if self.is_inside(index) else self._symbol(index)

    def _symbol(self, index: int) -> Formula:
        name = self.names[index]
        if not self._is_named_gradient(index):
            return symbol(name)
        return Formula(name, rf"\mathrm{{d}}{symbol(name[1:]).latex}")

    def _formula(self, index: int) -> Formula:
        instruction = self.program.instructions[index]
        if self._is_multiply(index) and any(self._is_fill_inside(a) for a in instruction.args):
            filled, other = sorted(instruction.args, key=self._is_fill_inside, reverse=True)
            return times(self.expression(self.program.instructions[filled].args[0]), self.expression(other))
        if self._is_inner_product(index):
            product = self.program.instructions[instruction.args[0]]
            a, b = (self.expression(k) for k in product.args)
            return Formula(f"⟨{a.text}, {b.text}⟩/n", rf"\langle {a.latex}, {b.latex}\rangle/n", PRODUCT)
        return formula(instruction.op, self, *(self.expression(a) for a in instruction.args))

    def _parts(self, index: int) -> tuple[set[int], set[int]]:
        """The instructions written inside a line (except plain numbers), and the lines that it uses."""
        inside: set[int] = set()
        sources: set[int] = set()
        for a in self.program.instructions[index].args:
            if not self.is_inside(a):
                sources.add(a)
                continue
            below = self._parts(a)
            inside |= below[0] | ({a} if not self._is_plain(a) else set())
            sources |= below[1]
        return inside, sources

    def is_inside(self, index: int) -> bool:
        """Whether an instruction is written inside the lines that use it instead of on a line of its own."""
        if index == self.program.output or self._is_named_gradient(index):
            return False
        op, users = self.program.instructions[index].op, self._users[index]
        if self._is_in_a_gradient(index):
            alone = len(users) == 1 and not isinstance(op, ops.MatMul)
            return alone or self._is_fill_inside(index) or self._passes_on(op)
        match op:
            case ops.Rearrange() | ops.Captured():
                return True
            case ops.Join():
                return len(users) == 1
            case ops.ScalarFunction(fn):
                return self._is_plain(index) or (len(users) == 1 and fn in _ARITHMETIC)
            case ops.Add() | ops.Shift() | ops.Scale():
                return len(users) == 1 and isinstance(
                    self._op(users[0]), ops.Add | ops.Shift | ops.Scale | ops.Rearrange
                )
            case ops.Nonlin():
                return len(users) == 1 and self._is_inner_product(users[0])
            case _:
                return self._is_plain(index)

    def _is_inner_product(self, index: int) -> bool:
        instruction = self.program.instructions[index]
        if not isinstance(instruction.op, ops.Moment):
            return False
        (x,) = instruction.args
        return self._is_multiply(x) and len(self._users[x]) == 1

    def _is_multiply(self, index: int) -> bool:
        op = self._op(index)
        return isinstance(op, ops.Nonlin) and op.phi is multiply

    def _op(self, index: int) -> Op:
        return self.program.instructions[index].op

    # --- gradients ----------------------------------------------------------------------------

    @cached_property
    def _gradient_of(self) -> dict[int, int]:
        """For the index of each gradient, the index of the value that it is the gradient of."""
        return {gradient: value for value, gradient in self.program.gradients}

    def _is_named_gradient(self, index: int) -> bool:
        value = self._gradient_of.get(index)
        return value is not None and not self.is_inside(value)

    def _is_in_a_gradient(self, index: int) -> bool:
        return index >= self._forward_length

    @cached_property
    def _forward_length(self) -> int:
        return len(self.program.forward)

    def _is_fill_inside(self, index: int) -> bool:
        """Whether an instruction is a vector θ·1 that is only multiplied with others, and so is written as θ."""
        users = self._users[index]
        return isinstance(self._op(index), Fill) and bool(users) and all(map(self._is_multiply, users))

    @staticmethod
    def _passes_on(op: Op) -> bool:
        """Whether an instruction passes a gradient on unchanged, to a summand of the same shape."""
        return isinstance(op, Transposed) and isinstance(op.op, ops.Add) and op.shapes[op.which] == op.shape_out

    @cached_property
    def outputs(self) -> int:
        """The length of the first axis of each gradient: the number of outputs, or 1 where gradients are of a loss."""
        return next(i.shape[0] for i in self.program.instructions if isinstance(i.op, Transposed))

    # --- nonlinearities -----------------------------------------------------------------------

    @cached_property
    def functions(self) -> dict[Nonlinearity, str]:
        """The printed name of each nonlinearity, such as f; a different one with the same name is f₂."""
        names: dict[Nonlinearity, str] = {}
        counts: Counter[str] = Counter()
        for op in (i.op for i in self.program.instructions if isinstance(i.op, ops.Nonlin)):
            phi = op.of if isinstance(op, Slope) else op.phi
            if phi not in names:
                counts[phi.name] += 1
                number = str(counts[phi.name]) if counts[phi.name] > 1 else ""
                names[phi] = phi.name + number.translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
        return names

    # --- uses -------------------------------------------------------------------------------

    @cached_property
    def _users(self) -> list[list[int]]:
        users: list[list[int]] = [[] for _ in self.program.instructions]
        for index, instruction in enumerate(self.program.instructions):
            for a in set(instruction.args):
                if self._is_in_a_gradient(a) or not self._is_in_a_gradient(
                    index
                ):  # else adding gradients would change lines
                    users[a].append(index)
        return users

    def _is_plain(self, index: int) -> bool:
        """Whether a value is a plain number, computed from constants alone."""
        return self._plain[index]

    @cached_property
    def _plain(self) -> list[bool]:
        plain: list[bool] = []
        for i in self.program.instructions:
            made_of_plain = bool(i.args) and all(plain[a] for a in i.args)
            plain.append(isinstance(i.op, ops.Constant) or (i.kind == "scalar" and made_of_plain))
        return plain

    @cached_property
    def names(self) -> dict[int, str]:
        """The name of each line's value, by index."""
        taken = {p.name for p in self.program.parameters}
        several_data = sum(isinstance(i.op, ops.Data) for i in self.program.instructions) > 1
        counts: dict[str, int] = {}
        names: dict[int, str] = {}
        for index, instruction in enumerate(self.program.instructions):
            if self.is_inside(index):
                continue
            op = instruction.op
            if isinstance(op, ops.InitialVector):
                names[index] = self.program.parameters[op.parameter].name
            elif self._is_named_gradient(index):
                name = f"d{names[self._gradient_of[index]]}"
                names[index] = name + "′" * (name in taken)
            elif index == self.program.output:
                names[index] = "f"
            elif isinstance(op, ops.Data) and not several_data:
                names[index] = "ξ"
            else:
                letter = _LETTERS[_type(instruction)]
                while (name := f"{letter}{counts.get(letter, 0) + 1}") in taken:
                    counts[letter] = counts.get(letter, 0) + 1
                counts[letter] = counts.get(letter, 0) + 1
                names[index] = name
        return names

    # --- parameters ---------------------------------------------------------------------------

    def multiplied(self, parameter: Parameter, x: Formula, under_root: str = "1") -> Formula:
        """multiplier·x/√under_root, the action of a parameter in abc-parametrization."""
        product = times(self.expression(parameter.multiplier), x)
        return product if under_root == "1" else over_root(product, under_root)

    def law(self, parameter: Parameter) -> Formula:
        """N(0, std²), with a note if the parameter is frozen or has a learning-rate factor other than 1."""
        std = self.expression(parameter.std).within(ATOM)
        variance = ("1", "1") if std.text == "1" else (f"{std.text}²", f"{std.latex}^2")
        notes = "" if parameter.trainable else ", frozen"
        lr = self.expression(parameter.lr).text
        if parameter.trainable and lr != "1":
            notes = f", lr {lr}"
        latex = rf"\mathcal{{N}}(0, {variance[1]})" + (rf"\text{{{notes}}}" if notes else "")
        return Formula(f"N(0, {variance[0]}){notes}", latex)

    def _with_law(self, op: Op, written: Formula) -> Formula:
        """Add the law of a matrix to the line that first uses it."""
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
        """vᵀx/√n if the Simple GIA Check passes, otherwise vᵀx/n; over P positions, with a further factor 1/√P."""
        parameter = readout_parameter(self.program)
        fan = 1 if parameter is None else parameter.fan
        if check_program(self.program).passes:
            return over_root(product, times_n(fan))
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


def _ranges(indices: Sequence[int]) -> str:
    """`3–5,9` for 3, 4, 5, 9; if there are more than three ranges, only the first and the last."""

    def extend(runs: list[list[int]], k: int) -> list[list[int]]:
        return [*runs[:-1], [runs[-1][0], k]] if runs and runs[-1][1] == k - 1 else [*runs, [k, k]]

    runs: list[list[int]] = reduce(extend, indices, [])
    written = [str(a) if a == b else f"{a}–{b}" for a, b in runs]
    return ",".join(written if len(written) <= 3 else (written[0], "…", written[-1]))
