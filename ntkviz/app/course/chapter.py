"""The chapters: the navigation and the cards of the home page are generated from the notebooks themselves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from importlib import resources
from pathlib import Path

DRAWINGS = resources.files("ntkviz.app") / "thumbnails" / "svg"
"""A folder with the drawing of each chapter's card, `02_ntk.svg`; `make thumbnails` writes them."""


@dataclass(frozen=True)
class Chapter:
    """One notebook: `02_ntk.ipynb` has number 2 and name `02_ntk`; title and summary are in its metadata."""

    number: int
    name: str
    title: str
    summary: str

    @property
    def file(self) -> str:
        """The name of its notebook."""
        return f"{self.name}.ipynb"


def chapters(folder: Path | str = ".") -> list[Chapter]:
    """The chapters in a folder, in order."""
    return [_read(path) for path in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))]


def _read(path: Path) -> Chapter:
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    return Chapter(int(path.name[:2]), path.stem, metadata.get("title", path.stem), metadata.get("summary", ""))


class Cards:
    """A card for each chapter, with its drawing; shown if it is the last expression of a cell."""

    def __init__(self, folder: Path | str = "."):
        self._chapters = chapters(folder)[1:]

    def _repr_html_(self) -> str:
        return f'<div class="nv-cards">{"".join(map(_card, self._chapters))}</div>'


def _card(chapter: Chapter) -> str:
    drawing = DRAWINGS / f"{chapter.name}.svg"
    return (
        f'<a class="nv-card" href="{chapter.file}">{drawing.read_text("utf-8") if drawing.is_file() else ""}'
        f"<div><strong>{chapter.number} · {escape(chapter.title)}</strong>"
        f"<span>{escape(chapter.summary)}</span></div></a>"
    )
