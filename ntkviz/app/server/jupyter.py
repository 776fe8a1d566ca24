"""An extension of Jupyter's server, for Binder and hubs, where Voilà is another extension: it shows stored chapters
before they have a kernel, as the dashboard does, and has the routes that our template needs.

Jupyter loads its extensions in alphabetical order, and of two routes for an address the first one counts: this
extension comes before `voila.server_extension`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server.utils import url_path_join
from voila.configuration import VoilaConfiguration
from voila.paths import collect_template_paths

from .lesson import StoredLesson
from .printer import printer_of
from .routes import routes
from .shelf import Shelf

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

STORED = Path(".cache", "chapters")
"""Where `binder/postBuild` stores the chapters, in the repository."""


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    """Called by Jupyter."""
    return [{"module": "ntkviz.app.server.jupyter"}]


def _load_jupyter_server_extension(server: ServerApp) -> None:
    """Called by Jupyter: add the routes."""
    configuration = VoilaConfiguration(parent=server)
    notebooks, base_url, settings = Path(server.root_dir), server.base_url, server.web_app.settings

    printer = partial(printer_of, notebooks, base_url, settings, server.log, configuration)
    settings["shelf"] = Shelf(notebooks, STORED.resolve(), printer, base_url)
    for_voila = {
        "config": server.config,
        "template_paths": collect_template_paths(["voila", "nbconvert"], configuration.template),
        "voila_configuration": configuration,
    }
    lessons = (url_path_join(base_url, "voila/render/(.*)"), StoredLesson, for_voila)
    server.web_app.add_handlers(".*$", [lessons, *routes(notebooks, base_url, str(STORED.resolve()))])
