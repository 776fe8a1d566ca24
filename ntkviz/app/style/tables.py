"""A table in the page's style that screen readers can read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from IPython.display import HTML

from ..translation.refusals import refused
from ..translation.words import _, joined
from .wording import kinds_of_lines


def table(caption: str | Sequence[str], headings: Sequence[str], rows: Iterable[Sequence[str]]) -> HTML:
    """A table with row headings in its first column; `passes` and `fails` get the colours of a verdict.

    Kinds of the lines of a program, and what the engine says of one, may be given as they are, in English. A caption
    of several sentences is given as their list.
    """
    sentences = [caption] if isinstance(caption, str) else caption
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = "".join(f"<tr>{_row(*row)}</tr>" for row in rows)
    return HTML(
        f'<table class="nv-table"><caption>{escape(joined(map(refused, sentences)))}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _row(name: str, *cells: str) -> str:
    return f'<th scope="row">{escape(name)}</th>' + "".join(map(_cell, cells))


def _cell(text: str) -> str:
    style = {"passes": ' class="nv-right"', "fails": ' class="nv-wrong"'}.get(text, "")
    said = {"passes": _("passes"), "fails": _("fails"), **kinds_of_lines()}.get(text, refused(text))
    return f"<td{style}>{escape(said)}</td>"
