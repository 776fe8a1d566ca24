"""Prints the page of a chapter that was run before: what the dashboard sends a reader, without a kernel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from logging import Logger
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.largefilemanager import LargeFileManager
from nbformat import NotebookNode
from traitlets.config import Config
from voila.configuration import VoilaConfiguration
from voila.exporter import VoilaExporter
from voila.paths import collect_template_paths
from voila.utils import get_page_config


def printer_of(
    notebooks: Path | str, base_url: str, settings: dict[str, Any], log: Logger, configuration: VoilaConfiguration
) -> Printer:
    """What prints the pages of a folder as Voilà renders them on a server, with its settings and configuration."""
    page_config = get_page_config(base_url, settings, log, configuration)
    return Printer(notebooks, configuration.config.VoilaConfiguration.resources, page_config, base_url)


class Printer:
    """Prints pages of the notebooks in a folder from the dashboard's own template.

    - `resources`: what the template needs.
    - `page_config`: Voilà's, for the scripts in the page.
    """

    def __init__(
        self, folder: Path | str, resources: Mapping[str, Any], page_config: dict[str, Any], base_url: str = ""
    ):
        self.page_config = page_config
        self._resources = {"base_url": base_url, "theme": "light", **resources}
        self._exporter = VoilaExporter(
            template_paths=collect_template_paths(["voila", "nbconvert"], "ntkviz"),
            template_name="ntkviz",
            config=Config(),
            contents_manager=LargeFileManager(root_dir=str(folder)),
            theme="light",
            base_url=base_url,
            exclude_input=True,
            exclude_input_prompt=True,
            exclude_output_prompt=True,
        )

    def page(self, name: str, executed: NotebookNode, store: str = "") -> str:
        """The page of a chapter whose notebook has been run.

        - `store`: the address of its data on a server, without the ends of their names; empty in the static edition,
          whose data lie beside it.
        """
        return asyncio.run(self._page(name, executed, store))

    async def _page(self, name: str, executed: NotebookNode, store: str) -> str:
        async def kernel_start(nb: NotebookNode) -> str:
            return "stored"

        async def cells(nb: NotebookNode, kernel: str) -> AsyncIterator[NotebookNode]:
            for cell in nb.cells:
                yield cell

        context: dict[str, Any] = {"frontend": "voila", "main_js": "voila.js"}
        context |= {"kernel_start": kernel_start, "cell_generator": cells, "progressive_rendering": False}
        about = {"metadata": {"name": name}, "page_config": self.page_config, "store": store}
        written = self._exporter.generate_from_notebook_node(
            executed,
            resources=self._resources | about,
            extra_context=context,
            page_config=self.page_config,
        )
        return "".join([part async for part, _ in written])
