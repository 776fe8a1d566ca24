"""The notebooks of other languages, `zh/09_mlp.ipynb`, which are no files: they are made when they are asked for."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

import nbformat
from jupyter_server.services.contents.largefilemanager import LargeFileManager
from tornado.web import RequestHandler

from ..course.edition import apart
from ..translation.notebook import translated
from ..translation.words import ENGLISH
from .page_policy import language_of


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
        language = language_of(self)
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.pages}{'' if language == ENGLISH else f'{language}/'}{self.home}{query}")
