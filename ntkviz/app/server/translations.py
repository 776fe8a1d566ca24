"""The notebooks of other languages, `zh/09_mlp.ipynb`, which are no files: they are made when they are asked for."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import nbformat
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from tornado.web import RequestHandler

from ..course.edition import apart
from ..translation.notebook import translated
from ..translation.words import ENGLISH, languages

COOKIE = "ntkviz-language"
"""Remembers which language a reader has chosen (`static/page.js`)."""


class Translations(LargeFileManager):
    """The folder of notebooks, with a folder for each language that has those in that language."""

    def get(self, path: str, *args: Any, **options: Any) -> dict[str, Any]:
        """Called by Voilà to read a notebook."""
        language, file = apart(path.strip("/"))
        model: dict[str, Any] = super().get(file, *args, **options)  # type: ignore[no-untyped-call]
        if language == ENGLISH or model["type"] != "notebook" or not model["content"]:
            return model
        content = translated(model["content"], PurePosixPath(file).stem, language)
        return model | {"path": path, "content": nbformat.from_dict(content)}


class Start(RequestHandler):
    """The way from the server's address to the home page, in the language that a reader has chosen or understands."""

    def initialize(self, pages: str, home: str) -> None:
        """Called by Tornado for each request."""
        self.pages, self.home = pages, home

    def get(self) -> None:
        """Redirect."""
        language = preferred(self.get_cookie(COOKIE, ""), self.request.headers.get("Accept-Language", ""), languages())
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.pages}{'' if language == ENGLISH else f'{language}/'}{self.home}{query}")


def preferred(chosen: str | None, understood: str, known: list[str]) -> str:
    """The language of a reader, one of those that are known.

    - `chosen`: on an earlier page.
    - `understood`: what the browser says: `zh-CN,zh;q=0.9,en;q=0.8`.
    """
    if chosen in known:
        return str(chosen)
    weighed: list[tuple[float, str]] = []
    for part in understood.split(","):
        name, _, weight = part.strip().partition(";q=")
        try:
            weighed.append((-float(weight or 1), name.partition("-")[0].lower()))
        except ValueError:
            continue
    ordered = [name for weight, name in sorted(weighed, key=lambda one: one[0]) if weight < 0]
    return next((name for name in ordered if name in known), ENGLISH)
