"""The chapters that readers are shown before they have a kernel: pages and states that were stored by running them.

`site/chapter.py` keeps the outcome of such a run in a folder. Here it becomes the page that the dashboard sends as long
as nothing that the run depended on has changed; otherwise the dashboard starts a kernel, as if there were no folder.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from jupyter_server.base.handlers import AuthenticatedFileHandler

from .kept import Kept
from .printer import Printer

NAME = re.compile(r"\w+\.ipynb")
DATA = r"voila/stored/(\w+-[0-9a-f]{16}-(?:start|states)\.gz)"
"""Where the data of pages are; the names change with their contents (`Kept.file`)."""


class Shelf:
    """Pages of the notebooks in a folder, from what is kept of them in another one.

    - `printer`: makes what prints the pages, once the server is ready for it.
    """

    def __init__(self, notebooks: Path, folder: Path, printer: Callable[[], Printer], base_url: str):
        self._notebooks, self._folder, self._base_url = notebooks, folder, base_url
        self._printer = functools.cache(printer)
        self._pages: dict[str, tuple[object, str | None]] = {}  # by the name of a notebook, with the stamp of its files
        self._printing = asyncio.Lock()

    async def page(self, name: str) -> str | None:
        """The page of a notebook, if there is one that belongs to the current code and notebooks."""
        if not NAME.fullmatch(name) or not (self._notebooks / name).is_file():
            return None
        stamp = self._kept(name).stamp()
        if self._pages.get(name, (None,))[0] != stamp:
            async with self._printing:
                if self._pages.get(name, (None,))[0] != stamp:
                    self._pages[name] = stamp, await asyncio.to_thread(self._print, name)
        return self._pages[name][1]

    def _kept(self, name: str) -> Kept:
        return Kept(self._notebooks / name, self._folder)

    def _print(self, name: str) -> str | None:
        kept = self._kept(name)
        known = kept.valid()
        if known is None:
            return None
        executed = nbformat.read(kept.file(known, "notebook.ipynb"), as_version=4)
        address = f"{self._base_url}voila/stored/{kept.file(known, '').name.removesuffix('-')}"
        return self._printer().page(kept.notebook.stem, executed, address)


class StoredData(AuthenticatedFileHandler):
    """The data of a stored page; browsers keep them, since other data have other names."""

    def check_xsrf_cookie(self) -> None:
        """Called by Jupyter: reading needs no such cookie, which a stored page does not set."""

    def set_headers(self) -> None:
        """Called by Tornado."""
        super().set_headers()
        self.set_header("Cache-Control", "private, max-age=31536000, immutable")

    def get_content_type(self) -> str:
        """Called by Tornado: bytes, which the page itself unpacks."""
        return "application/octet-stream"
