"""The chapters: the menu, the cards of the home page and the rail are generated from the notebooks themselves."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from importlib import resources
from itertools import groupby
from pathlib import Path

from ..translation.words import PAGE, _, say
from ..translation.words import language as spoken

DRAWINGS = resources.files("ntkviz.app") / "thumbnails" / "svg"
"""A folder with the drawing of each chapter's card, `02_ntk.svg`; `make thumbnails` writes them."""

DESCRIPTION = re.compile(r'(?<=aria-label=")[^"]*')  # of a drawing


@dataclass(frozen=True)
class Chapter:
    """One notebook: `02_ntk.ipynb` has number 2 and name `02_ntk`; the rest is in its metadata.

    The home page has number 0, and guides have none.
    """

    number: int | None
    name: str
    title: str
    summary: str
    part: str

    @property
    def file(self) -> str:
        """The name of its notebook."""
        return f"{self.name}.ipynb"

    @property
    def heading(self) -> str:
        """Its title with its number: `2 · The NTK`."""
        return f"{self.number} · {self.title}" if self.number else self.title


def chapters(folder: Path | str = ".", language: str = "") -> list[Chapter]:
    """The home page and the chapters in a folder in order, and the guides after them.

    - `language`: of their titles, by default that of this process.
    """
    numbered, guides = (sorted(Path(folder).glob(pattern)) for pattern in ("[0-9][0-9]_*.ipynb", "guide_*.ipynb"))
    return [_read(path, language or spoken()) for path in [*numbered, *guides]]


def parts(found: list[Chapter]) -> dict[str, list[Chapter]]:
    """The chapters by the part of the course that they belong to, without the home page."""
    return {part: list(group) for part, group in groupby(found, lambda one: one.part) if part}


def _read(path: Path, language: str) -> Chapter:
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    number = int(path.name[:2]) if path.name[0].isdigit() else None
    texts = (metadata.get(key, default) for key, default in _METADATA.items())
    title, summary, part = (say(text, language, PAGE) for text in texts)
    return Chapter(number, path.stem, title or path.stem, summary, "" if number == 0 else part)


_METADATA = {"title": "", "summary": "", "part": "Chapters"}


class Cards:
    """A card for each chapter, with its drawing, part by part; shown if it is the last expression of a cell."""

    def __init__(self, folder: Path | str = "."):
        self._parts = parts(chapters(folder))

    def _repr_html_(self) -> str:
        return f"<div>{''.join(map(_part, self._parts, self._parts.values()))}</div>"


def _part(name: str, found: list[Chapter]) -> str:
    return f'<h2>{escape(name)}</h2><div class="nv-cards">{"".join(map(_card, found))}</div>'


def _card(chapter: Chapter) -> str:
    return (
        f'<a class="nv-card" href="{chapter.file}">{_drawing(chapter)}'
        f"<div><strong>{escape(chapter.heading)}</strong>"
        f"<span>{escape(chapter.summary)}</span></div></a>"
    )


def _drawing(chapter: Chapter) -> str:
    """Its drawing, with a description in the language of this process; empty if there is none."""
    file = DRAWINGS / f"{chapter.name}.svg"
    drawing = file.read_text("utf-8") if file.is_file() else ""
    return DESCRIPTION.sub(lambda found: escape(_(found[0])), drawing)
