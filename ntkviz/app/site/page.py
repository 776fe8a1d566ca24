"""The page of a chapter as a file: what the dashboard would send, with relative addresses and its data beside it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import LargeFileManager
from nbformat import NotebookNode
from traitlets.config import Config
from voila.configuration import VoilaConfiguration
from voila.exporter import VoilaExporter
from voila.paths import collect_template_paths
from voila.utils import get_page_config

from ..course.chapter import chapters, parts
from ..course.guides import code_of_guides
from ..server.dashboard import CONFIG, PLOTLY
from ..style.theme import STYLESHEET

TO_CHAPTER = re.compile(r'(href=\\?")(\d\d_\w+|guide_\w+)\.ipynb')
HOME, INDEX = "00_home", "index.html"
TEMPLATE = "voila/templates/ntkviz/static"  # where the template looks for its files; all of Voilà's are there


def address(name: str) -> str:
    """The file of a chapter's page; it never changes."""
    return INDEX if name == HOME else f"{name}.html"


def linked(page: str) -> str:
    """A page with links to pages of this edition instead of notebooks."""
    return TO_CHAPTER.sub(lambda link: link[1] + address(link[2]), page)


class Printer:
    """Makes the pages of the notebooks in a folder.

    - `site`: the address at which they will be found, which those who share a page need for its preview; may be empty.
    """

    def __init__(self, folder: Path, site: str):
        self._config = VoilaConfiguration(config=CONFIG)
        found = chapters(folder)
        self._resources = {
            "base_url": "",
            "theme": "light",
            "stored": True,
            "site": site,
            "chapters": found,
            "parts": list(parts(found).items()),
            "plotly": f"voila/plotly/{PLOTLY.name}",
            "code": code_of_guides(folder),
            "stylesheet": STYLESHEET,
        }
        self._exporter = VoilaExporter(
            template_paths=collect_template_paths(["voila", "nbconvert"], "ntkviz"),
            template_name="ntkviz",
            config=Config(),
            contents_manager=LargeFileManager(root_dir=str(folder)),
            theme="light",
            base_url="",
            exclude_input=True,
            exclude_input_prompt=True,
            exclude_output_prompt=True,
        )
        mathjax = {"mathjax_url": None, "mathjax_config": None}  # Voilà's own, instead of one on another host
        self.page_config = get_page_config("", mathjax, logging.getLogger(), self._config) | {"fullStaticUrl": TEMPLATE}

    def page(self, name: str, executed: NotebookNode) -> str:
        """The page of a chapter whose notebook has been run."""
        return linked(asyncio.run(self._page(name, executed)))

    async def _page(self, name: str, executed: NotebookNode) -> str:
        async def kernel_start(nb: NotebookNode) -> str:
            return "stored"

        async def cells(nb: NotebookNode, kernel: str) -> AsyncIterator[NotebookNode]:
            for cell in nb.cells:
                yield cell

        context: dict[str, Any] = {"frontend": "voila", "main_js": "voila.js"}
        context |= {"kernel_start": kernel_start, "cell_generator": cells, "progressive_rendering": False}
        written = self._exporter.generate_from_notebook_node(
            executed,
            resources=self._resources | {"metadata": {"name": name}, "page_config": self.page_config},
            extra_context=context,
            page_config=self.page_config,
        )
        return "".join([part async for part, _ in written])
