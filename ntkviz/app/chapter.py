"""The chapters that exist: the navigation and the cards of the home page are made from the notebooks themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from .background import Background, Update
from .release import release
from .thumbnails import THUMBNAILS
from .thumbnails.drawing import placeholder


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


class Cards:
    """The map of the path: a card for each chapter, whose drawing is computed beside the page and appears when it is.

    Leave it at the end of a cell to show it.
    """

    def __init__(self, folder: Path | str = "."):
        self._chapters = chapters(folder)[1:]
        self._cards = [widgets.HTML(_card(chapter, placeholder())) for chapter in self._chapters]
        self.widget = widgets.Box(self._cards)
        self.widget.add_class("nv-cards")
        Background().run(self._drawings)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)

    def _drawings(self) -> Iterator[Update]:
        for chapter, card in zip(self._chapters, self._cards, strict=True):
            text = _card(chapter, THUMBNAILS[chapter.name]())
            yield lambda: setattr(card, "value", text)  # noqa: B023  (shown before the next one is drawn)
        release()  # thirteen chapters' code: most of a gigabyte


def _card(chapter: Chapter, drawing: str) -> str:
    return (
        f'<a class="nv-card" href="{chapter.name}.ipynb">{drawing}'
        f"<div><strong>{chapter.number} · {escape(chapter.title)}</strong>"
        f"<span>{escape(chapter.summary)}</span></div></a>"
    )
