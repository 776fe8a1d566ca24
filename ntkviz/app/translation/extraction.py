"""Finds all messages: of the notebooks, the app's code, its pages and scripts, the glossary, and the refusals."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_javascript

from ... import errors
from . import literals, notebook
from .markdown import in_words
from .refusals import PART
from .words import CODE, PAGE

APP = Path(str(resources.files("ntkviz.app")))
PACKAGE = APP.parent
HOMEWORK = APP / "teaching" / "assignments"
GLOSSARY = APP / "course" / "glossary.toml"
DESCRIPTION = re.compile(r'aria-label="([^"]*)"')  # of a drawing
LATER = re.compile(r"\{\{(\w+)\}\}")
"""What an f-string leaves to be filled in later, by a string's `replace`."""
IN_TEMPLATE = re.compile(r"\bworded\(\s*(?P<quote>[\"'])(?P<text>.*?)(?P=quote)")

Found = Iterator[tuple[str | tuple[str, str], str]]
"""Messages, with both forms of those that count something, and where each is."""


def templates(notebooks: Path) -> dict[str, Catalog]:
    """All messages by the catalogue to which they belong."""
    parts: dict[str, Callable[[], Found]] = {
        CODE: lambda: _of_code(notebooks),
        PAGE: lambda: _of_page(notebooks),
        "glossary": _of_glossary,
        PART: _of_refusals,
    }
    files = [*sorted(notebooks.glob("*.ipynb")), *sorted(HOMEWORK.glob("*.ipynb"))]
    books = {path.stem: _book(path) for path in files}
    found = {name: _catalogue(finder()) for name, finder in parts.items()}
    return found | {
        name: _catalogue((one.text, one.place) for one in notebook.messages(book, name)) for name, book in books.items()
    }


def _catalogue(found: Found) -> Catalog:
    made = Catalog(fuzzy=False)
    for text, place in found:
        made.add(text, auto_comments=[place])
    return made


def _book(path: Path) -> dict[str, Any]:
    book: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return book


def _of_code(notebooks: Path) -> Found:
    for path in sorted(APP.rglob("*.py")):
        yield from ((text, str(path.relative_to(APP))) for text in _calls(ast.parse(path.read_text(encoding="utf-8"))))
    for path in sorted(notebooks.glob("*.ipynb")):
        yield from ((text, f"a choice in {path.stem}") for text in notebook.choices(_book(path)))
    for path in sorted((APP / "thumbnails" / "svg").glob("*.svg")):
        yield from ((text, path.name) for text in DESCRIPTION.findall(path.read_text(encoding="utf-8")))


def _of_page(notebooks: Path) -> Found:
    for path in sorted(notebooks.glob("*.ipynb")):
        about = _book(path)["metadata"]
        yield from ((about[key], f"{key} of {path.stem}") for key in notebook.ABOUT if about.get(key))
    for path in sorted((APP / "static").rglob("*.js")):
        if "vendor" not in path.parts:
            with path.open("rb") as source:
                for _, _, texts, _ in extract_javascript(source, {"worded": None}, (), {}):
                    if known := _first(texts):
                        yield known, str(path.relative_to(APP))
    for path in sorted((APP / "voila").rglob("*.j2")):
        for call in IN_TEMPLATE.finditer(path.read_text(encoding="utf-8")):
            yield call["text"], path.name


def _calls(tree: ast.AST) -> Iterator[str | tuple[str, str]]:
    """The texts with which `_` and `counted` are called, also inside f-strings, where babel finds none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "counted"):
            texts = [part.value for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            if texts:  # none if it is called with a variable
                yield texts[0] if node.func.id == "_" else (texts[0], texts[1])


def _first(texts: Any) -> str | None:
    """The first literal of a call of a script."""
    return next((text for text in ((texts,) if isinstance(texts, str) else texts or ()) if text), None)


def _of_glossary() -> Found:
    for entry in tomllib.loads(GLOSSARY.read_text(encoding="utf-8"))["entry"]:
        yield entry["term"], "term"
        yield entry["meaning"], f"meaning of {entry['term']}"


def _of_refusals() -> Found:
    """The templates of the engine's refusals, of the phrases in them, and of the reasons of the Simple GIA Check."""
    for path in sorted(path for path in PACKAGE.rglob("*.py") if APP not in path.parents):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in _in_refusal(_said(node)):
                yield text, str(path.relative_to(PACKAGE))


def _said(node: ast.AST) -> ast.expr | None:
    """The sentence or phrase that a piece of the engine's code says, if it says one."""
    if isinstance(node, ast.Call) and node.args:
        name = ast.unparse(node.func).rpartition(".")[2]
        if name in vars(errors) or (name == "refuse" and _literal(node.args[0]).endswith(".")):
            return node.args[0]
    if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
        text = _literal(node.value)
        return node.value if text[:1].isupper() and text.endswith(".") else None
    return None


def _in_refusal(node: ast.expr | None) -> Iterator[str]:
    """A sentence, and the words in its fields, such as those between the values of `{' or '.join(names)}`."""
    template = "" if node is None else _literal(node)
    if not in_words(template):
        return
    yield LATER.sub(r"{\1}", template)
    for part in node.values if isinstance(node, ast.JoinedStr) else ():
        if isinstance(part, ast.FormattedValue):
            yield from filter(in_words, map(_literal, ast.walk(part.value)))


def _literal(node: ast.AST) -> str:
    """A string or f-string as a template; empty for anything else."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return literals.template(node)
    return ""
