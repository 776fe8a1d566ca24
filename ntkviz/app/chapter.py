"""The chapters that exist: the navigation and the cards of the home page are made from the notebooks themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

from IPython.display import HTML

from .thumbnails import THUMBNAILS


@dataclass(frozen=True)
class Chapter:
    """One notebook: `02_ntk.ipynb` has number 2 and name `02_ntk`; title and summary are in its metadata."""

    number: int
    name: str
    title: str
    summary: str


def chapters(folder: Path | str = ".") -> list[Chapter]:
    """The chapters in a folder, in order."""
    return [_read(path) for path in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))]


def _read(path: Path) -> Chapter:
    metadata = json.loads(path.read_text(encoding="utf-8"))["metadata"]
    return Chapter(int(path.name[:2]), path.stem, metadata.get("title", path.stem), metadata.get("summary", ""))


def cards(folder: Path | str = ".") -> HTML:
    """The map of the path: a card for each chapter, with a thumbnail computed now."""
    return HTML(f'<div class="nv-cards">{"".join(map(_card, chapters(folder)[1:]))}</div>')


def _card(chapter: Chapter) -> str:
    draw: Callable[[], str] = THUMBNAILS[chapter.name]
    return (
        f'<a class="nv-card" href="{chapter.name}.ipynb">{draw()}'
        f"<div><strong>{chapter.number} · {escape(chapter.title)}</strong>"
        f"<span>{escape(chapter.summary)}</span></div></a>"
    )
