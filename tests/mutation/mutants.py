"""Mutants of a module: one small change of its text each, such as a test should notice."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from typing import NamedTuple

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
OPPOSITE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.GtE: ast.Lt,
    ast.Gt: ast.LtE,
    ast.LtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
SYMMETRIC = ("min", "max", "minimum", "maximum")
"""Functions whose arguments may be exchanged."""
UNCHANGED = (ast.Raise, ast.JoinedStr)


class Mutant(NamedTuple):
    """A module with one change: its text, the number of the changed line, and that line before and after."""

    module: str
    line: int
    was: str
    now: str
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}\n  - {self.was}\n  + {self.now}"

    def same_change(self) -> tuple[str, str, str]:
        """The identity of the mutant, wherever in the file its line has moved."""
        return self.module, self.was, self.now


def mutants(module: str, text: str) -> list[Mutant]:
    """Every mutant of a module's text.

    Arithmetic operators and comparisons are swapped, conditions negated, numbers and Booleans changed, signs and `not`
    dropped, the first two arguments of a call exchanged, statements left out. Texts, annotations, `__repr__` and raised
    errors are unchanged, and so are a module's `CONSTANTS`, since one node or byte more makes no difference.
    """
    source = text.encode()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    lines = text.splitlines()
    found = []
    for node, new in _changes(ast.parse(text)):
        first, last = node.lineno - 1, node.end_lineno
        before = source[starts[first] : starts[first] + node.col_offset]
        after = source[starts[last - 1] + node.end_col_offset : starts[last]]
        changed = (before + new.encode() + after).decode()
        was = " ".join(line.strip() for line in lines[first:last])
        whole = source[: starts[first]].decode() + changed + source[starts[last] :].decode()
        found.append(Mutant(module, node.lineno, was, changed.strip(), whole))
    return found


def _changes(tree: ast.AST) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Nodes of a tree, each with the text to put into its place."""
    for node in _walk(tree):
        match node:
            case ast.BinOp():
                if type(node.op) in ARITHMETIC:
                    yield node, _with(node, op=ARITHMETIC[type(node.op)]())
            case ast.AugAssign():
                if type(node.op) in ARITHMETIC:
                    yield node, ast.unparse(_copy(node, op=ARITHMETIC[type(node.op)]()))
                yield node, "pass"
            case ast.Compare(ops=[op]):
                for table in (OPPOSITE, BOUNDARY):
                    if type(op) in table:
                        yield node, _with(node, ops=[table[type(op)]()])
            case ast.BoolOp():
                yield node, _with(node, op=ast.And() if isinstance(node.op, ast.Or) else ast.Or())
            case ast.UnaryOp(op=ast.USub() | ast.Not()):
                yield node, f"({ast.unparse(node.operand)})"
            case ast.Constant(value=bool()):
                yield node, str(not node.value)
            case ast.Constant(value=int() | float()):
                yield node, repr(node.value + 1)
            case ast.Call(args=[ast.expr() as first, ast.expr() as second, *rest]):
                starred = any(isinstance(argument, ast.Starred) for argument in node.args)
                name = ast.unparse(node.func).rpartition(".")[2]
                if not starred and ast.dump(first) != ast.dump(second) and name not in SYMMETRIC:
                    yield node, _with(node, args=[second, first, *rest])
            case ast.If() | ast.While() | ast.IfExp():
                if not isinstance(node.test, (ast.Compare, ast.UnaryOp)):
                    yield node.test, f"(not ({ast.unparse(node.test)}))"
            case ast.comprehension():
                for condition in node.ifs:
                    if not isinstance(condition, (ast.Compare, ast.UnaryOp)):
                        yield condition, f"(not ({ast.unparse(condition)}))"
            case ast.Expr(value=ast.Call()):
                yield node, "pass"


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that may be changed."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or isinstance(node, UNCHANGED):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and getattr(child, "name", None) != "__repr__" and not _is_setting(child):
                yield from _walk(child)


def _is_setting(node: ast.AST) -> bool:
    """Whether a node is something like `NODES = 384` or `BLOCK = 2**22`."""
    plain = isinstance(node, ast.Assign) and isinstance(node.value, (ast.Constant, ast.BinOp, ast.Tuple))
    return plain and ast.unparse(node.targets[0]).isupper()


def _copy(node: ast.AST, **fields: object) -> ast.AST:
    changed = copy.copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def _with(node: ast.AST, **fields: object) -> str:
    return f"({ast.unparse(_copy(node, **fields))})"
