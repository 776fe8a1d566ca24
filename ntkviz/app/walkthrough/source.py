"""The source of a model with coloured words and numbered lines, some of which are marked."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from html import escape
from typing import Any

import ipywidgets as widgets
from pygments import lex
from pygments.lexers import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, String, _TokenType

from ..plots.panel import Panel
from ..translation.words import _

CLASSES = {Comment: "nv-comment", Keyword: "nv-keyword", String: "nv-string", Number: "nv-string"}
CLASSES |= {Name.Class: "nv-defined", Name.Function: "nv-defined", Name.Decorator: "nv-defined"}
"""The classes of the stylesheet by kinds of words; all other words are plain."""

MARKS = {"wrong": "nv-wrong-line", "changed": "nv-changed-line"}


class SourceListing(Panel):
    """Python source, line by line; what does not fit is scrolled within the panel."""

    def __init__(self, name: str = "source"):
        self._head, self._body = widgets.HTML("<h3></h3>"), widgets.HTML()
        super().__init__(name, widgets.VBox([self._head, self._body]))
        self.widget.add_class("nv-listing")
        self.widget.add_class("nv-source")
        self._text = ""

    def show(
        self, heading: str, text: str, note: str = "", *, marked: Collection[int] = (), mark: str = "wrong"
    ) -> None:
        """Show a source under a heading, and a `note` (HTML) below it.

        - `marked`: the numbers of its marked lines, from 1.
        - `mark`: "wrong", or "changed".
        """
        self._text = text
        lines = enumerate(coloured(text), 1)
        rows = "".join(self._row(number, line, mark if number in marked else "") for number, line in lines)
        with self.drawing():
            self._head.value = f"<h3>{escape(heading)}</h3>"
            # Focusable, so that it can be scrolled with the keyboard.
            self._body.value = (
                f'<div class="nv-lines" tabindex="0" role="region" aria-label="{escape(heading)}">'
                f"<table><tbody>{rows}</tbody></table></div>"
            )
        self.say(note)

    @staticmethod
    def _row(number: int, line: str, mark: str) -> str:
        style = f' class="{MARKS[mark]}"' if mark else ""
        heard = f'<span class="nv-heard">{_("wrong: ") if mark == "wrong" else _("changed: ")}</span>' if mark else ""
        return f"<tr{style}><td>{number}</td><td>{heard}<code>{line}</code></td></tr>"

    def table(self) -> Iterator[Sequence[Any]]:
        yield "line", "code"
        yield from enumerate(self._text.splitlines(), 1)


@functools.lru_cache(maxsize=100)
def coloured(text: str) -> list[str]:
    """The lines of a Python source as HTML, with a class for each kind of word."""
    pieces = []
    for kind, piece in lex(text, PythonLexer()):
        name = _class_of(kind)
        parts = [
            f'<span class="{name}">{escape(part)}</span>' if name and part else escape(part)
            for part in piece.split("\n")
        ]
        pieces.append("\n".join(parts))
    return "".join(pieces).rstrip("\n").split("\n")


def _class_of(kind: _TokenType) -> str:
    return next((name for known, name in CLASSES.items() if kind in known), "")


def changed_lines(before: str, after: str) -> list[int]:
    """The numbers of the lines of `after` that are not in `before`, from 1."""
    old, new = before.splitlines(), after.splitlines()
    matched = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [k + 1 for kind, _, _, low, high in matched if kind != "equal" for k in range(low, high) if new[k].strip()]
