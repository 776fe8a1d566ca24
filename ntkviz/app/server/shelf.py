"""The chapters that readers are shown before they have a kernel: pages and states that were stored by running them.

`site/chapter.py` keeps the outcome of such a run in a folder. Here it becomes the page that the dashboard sends as long
as nothing that the run depended on has changed; otherwise the dashboard starts a kernel, as if there were no folder.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from jupyter_server.base.handlers import AuthenticatedFileHandler

from ..course.edition import apart
from .kept import Kept
from .printer import Printer

NAME = re.compile(r"[A-Za-z0-9_]{1,100}\.ipynb")  # no file system would look for a longer one
DATA = r"voila/stored/((?:[a-z]+/)?\w+-\w+-\w+\.gz)"
"""Where the data of pages are; the names change with their contents (`Kept.file`)."""


class Shelf:
    """Pages of the notebooks in a folder, from what is kept of them in another one.

    - `printer`: makes what prints the pages, once the server is ready for it.
    """

    def __init__(self, notebooks: Path, folder: Path, printer: Callable[[], Printer], base_url: str):
        self._notebooks, self._folder, self._base_url = notebooks, folder, base_url
        self._printer = functools.cache(printer)
        self._pages: dict[str, _Page] = {}  # by their paths
        self._printing = asyncio.Lock()

    async def page(self, path: str) -> str | None:
        """The page of a notebook, if there is one in its language that belongs to the current code and notebooks.

        - `path`: `09_mlp.ipynb`, or `zh/09_mlp.ipynb`.
        """
        _, name = apart(path)
        if not NAME.fullmatch(name) or not (self._notebooks / name).is_file():
            return None
        if not self._is_current(path):
            async with self._printing:
                if not self._is_current(path):
                    self._pages[path] = await asyncio.to_thread(self._print, path)
        return self._pages[path].text

    def _is_current(self, path: str) -> bool:
        page = self._pages.get(path)
        return page is not None and page.kept.stamp() == page.stamp

    def _print(self, path: str) -> _Page:
        language, name = apart(path)
        kept = Kept(self._notebooks / name, self._folder, language)
        stamp = kept.stamp()  # before the files are read
        known = kept.valid()
        if known is None:
            return _Page(kept, stamp, None)
        executed = nbformat.read(kept.file(known, "notebook.ipynb"), as_version=4)
        place = kept.file(known, "").relative_to(self._folder).as_posix().removesuffix("-")
        address = f"{self._base_url}voila/stored/{place}"
        return _Page(kept, stamp, self._printer().page(kept.notebook.stem, executed, address))


@dataclass(frozen=True)
class _Page:
    """What was printed, if anything is kept that is valid; and what was kept then, with the stamp of its files."""

    kept: Kept
    stamp: object
    text: str | None


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
