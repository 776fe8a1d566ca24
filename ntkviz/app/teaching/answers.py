"""The exercises of a chapter with their solutions, made by running its cells: all but the picture, which computes."""

from __future__ import annotations

import ast
import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..exercises.derivation import Derivation
from ..exercises.explanation import Explanation
from ..exercises.quiz import Quiz
from ..exercises.task import Task
from ..exercises.worked import Worked
from ..translation.notebook import translated
from ..translation.words import ENGLISH, LANGUAGE

SECTION = '<a id="exercise"></a>'  # in the heading above the exercises
PICTURE = "Picture"

Asked = Task | Quiz | Derivation | Explanation


def answers(notebook: Path, language: str = ENGLISH) -> list[Worked]:
    """The exercises of a chapter in order, each with its solution; it takes seconds if a quiz has to compute."""
    with _spoken(language):
        return [one.worked() for one in asked(notebook, language)]


@contextlib.contextmanager
def _spoken(language: str) -> Iterator[None]:
    """This process speaks a language for a while."""
    before = os.environ.get(LANGUAGE)
    os.environ[LANGUAGE] = language
    try:
        yield
    finally:
        del os.environ[LANGUAGE]
        if before is not None:
            os.environ[LANGUAGE] = before


def asked(notebook: Path, language: str = ENGLISH) -> list[Asked]:
    """What a chapter asks its readers, in order.

    Raises:
        InputError: Below its heading “Exercise” there is no exercise.
    """
    shown: list[object] = []
    names: dict[str, Any] = {"display": lambda *given: shown.extend(given)}
    sources = _code(notebook, language)
    for number, source in enumerate(sources):
        *body, last = ast.parse(source).body
        if not isinstance(last, ast.Expr):
            body.append(last)
        _run(ast.Module([one for one in body if not _makes_a_picture(one)], []), notebook, names)
        if isinstance(last, ast.Expr) and number > 0:
            shown.append(_run(ast.Expression(last.value), notebook, names))
    found = [one for one in shown if isinstance(one, Asked)]
    if sources and not found:
        raise InputError(f"No cell below “Exercise” of {notebook.name} ends with an exercise, or displays one.")
    return found


def _run(code: ast.Module | ast.Expression, notebook: Path, names: dict[str, Any]) -> object:
    mode = "eval" if isinstance(code, ast.Expression) else "exec"
    return eval(compile(code, str(notebook), mode), names)


def _code(notebook: Path, language: str) -> list[str]:
    """The code of the picture, and that of the exercises; empty if there are none."""
    cells = translated(json.loads(notebook.read_text(encoding="utf-8")), notebook.stem, language)["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    places = [k for k, cell in enumerate(cells) if cell["cell_type"] == "code"]
    section = [k for k, source in enumerate(sources) if SECTION in source]
    return [sources[k] for k in places if k == places[0] or k > section[0]] if section else []


def _makes_a_picture(statement: ast.stmt) -> bool:
    """Whether it calls `app.Picture` for a name; where it does so at the end of a cell, that is not run at all."""
    call = statement.value if isinstance(statement, ast.Assign) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == PICTURE
