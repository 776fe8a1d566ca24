"""The messages of a notebook's code: the strings that its reader sees, f-strings with their fields.

Notebooks are written as usual, in English and without functions for translation. A string is a message if it is given
to something of the app, or if it has several words. It is none if it is also a value: a choice of a control, a key, or
compared with something; nor if it lists values with spaces between them. Values are what code and links mean, in every
language; the app translates them where it shows them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from .fields import fields
from .markdown import NO_WORDS, in_words

SEVERAL = re.compile(r"[^\W\d_]{2,}\W* \W*[^\W\d_]")
OF_CODE = {"start", "name", "layout", "play", "without", "nonlinearity"}  # arguments that no reader sees
OPTIONS = {"Choice": 1, "Stops": 1, "Quiz": 2}  # the argument of each with its choices


@dataclass(frozen=True)
class Found:
    """A message in code, and the characters that it takes there."""

    text: str
    start: int
    end: int
    is_formatted: bool


def messages(source: str, values: Iterable[str] = ()) -> list[Found]:
    """The messages of a cell, in order; `values` are those of the whole notebook."""
    if source.startswith("%"):
        return []
    tree, known = ast.parse(source), set(values)
    inside = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    starts = _starts(source)
    found = []
    for node in _strings(tree, inside):
        text = template(node)
        if text not in known and not known.issuperset(text.split()) and _is_seen(node, text, inside):
            start, end = (_place(source, starts, *at) for at in _ends(node))
            found.append(Found(text, start, end, isinstance(node, ast.JoinedStr)))
    return sorted(found, key=lambda one: one.start)


def values(source: str) -> dict[str, bool]:
    """The strings of a cell that are values, each with whether a reader sees it as a choice of a control."""
    if source.startswith("%"):
        return {}
    tree, used = ast.parse(source), dict[str, bool]()
    named = {target.id: node.value for node, target in _assignments(tree)}
    for node in ast.walk(tree):
        for place in _value_places(node):
            used |= {text: used.get(text, False) for text in _constants(place, named)}
        for place in _option_places(node):
            used |= dict.fromkeys(_constants(place, named), True)
    return used


def translated(source: str, found: Iterable[Found], say: Callable[[str], str]) -> str:
    """A cell with what `say` says in place of each message; where the fields are not the same, it stays English."""
    for one in sorted(found, key=lambda one: -one.start):
        text = say(one.text)
        if text != one.text and sorted(fields(text)) == sorted(fields(one.text)):
            literal = _formatted(text) if one.is_formatted else repr(text)
            source = source[: one.start] + literal + source[one.end :]
    return source


def template(node: ast.expr) -> str:
    """A string as a translator sees it; an f-string with its fields as they are written."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    assert isinstance(node, ast.JoinedStr)
    return "".join(_part(part) for part in node.values)


def _part(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value).replace("{", "{{").replace("}", "}}")
    assert isinstance(part, ast.FormattedValue)
    kind = f"!{chr(part.conversion)}" if part.conversion > 0 else ""
    form = f":{template(part.format_spec)}" if part.format_spec else ""
    return f"{{{ast.unparse(part.value)}{kind}{form}}}"


def _formatted(text: str) -> str:
    """The source of an f-string: in triple quotes, since fields may have the others."""
    escaped = text.replace("\\", "\\\\").replace('"""', r"\"\"\"")
    return f'f"""{escaped[:-1]}\\""""' if escaped.endswith('"') else f'f"""{escaped}"""'


def _strings(tree: ast.AST, inside: dict[ast.AST, ast.AST]) -> Iterator[ast.expr]:
    """The literals of a cell without docstrings and without the parts of f-strings."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr) and not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        if not isinstance(inside[node], ast.Expr | ast.JoinedStr | ast.FormattedValue):
            yield node


def _is_seen(node: ast.AST, text: str, inside: dict[ast.AST, ast.AST]) -> bool:
    if not in_words(text):
        return False
    above = inside[node]
    listed = inside[above] if isinstance(above, ast.List | ast.Tuple) else above
    if isinstance(listed, ast.keyword) and listed.arg in OF_CODE:
        return False
    call = inside[listed] if isinstance(listed, ast.keyword) else listed
    is_given = isinstance(call, ast.Call) and _of_app(call) not in ("", "View")
    return is_given or bool(SEVERAL.search(NO_WORDS.sub(" ", text)))


def _of_app(call: ast.Call) -> str:
    """The name of what is called in the app; empty if it is something else."""
    called = call.func
    is_app = isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "app"
    return called.attr if is_app and isinstance(called, ast.Attribute) else ""


def _value_places(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Dict):
        return [key for key in node.keys if key is not None]
    return [node.slice] if isinstance(node, ast.Subscript) else []


def _option_places(node: ast.AST) -> list[ast.expr]:
    place = OPTIONS.get(_of_app(node)) if isinstance(node, ast.Call) else None
    if not isinstance(node, ast.Call) or place is None:
        return []
    named = [keyword.value for keyword in node.keywords if keyword.arg == "options"]
    return [*node.args[place : place + 1], *named]


def _assignments(tree: ast.AST) -> Iterator[tuple[ast.Assign, ast.Name]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            yield from ((node, target) for target in node.targets if isinstance(target, ast.Name))


def _constants(node: ast.expr, named: Mapping[str, ast.expr]) -> list[str]:
    """The strings that an expression is or lists: a literal, a name for one, or `list` of it."""
    if isinstance(node, ast.Name):
        return _constants(named[node.id], {}) if node.id in named else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "list" and node.args:
        return _constants(node.args[0], named)
    if isinstance(node, ast.Starred):
        return _constants(node.value, named)
    if isinstance(node, ast.Dict):
        return [text for key in node.keys if key is not None for text in _constants(key, named)]
    if isinstance(node, ast.List | ast.Tuple):
        return [text for part in node.elts for text in _constants(part, named)]
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def _ends(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _starts(source: str) -> list[int]:
    """Where each line starts."""
    starts = [0]
    for line in source.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _place(source: str, starts: list[int], line: int, column: int) -> int:
    """The character at a line and a column, which Python counts in bytes."""
    whole = source[starts[line - 1] : starts[line]]
    return starts[line - 1] + len(whole.encode()[:column].decode())
