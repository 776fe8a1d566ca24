"""What both servers of the course need, the dashboard and Jupyter with Voilà: resources of the template, and routes."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import AuthenticatedFileHandler, JupyterHandler
from tornado.web import StaticFileHandler, authenticated

from ..course.edition import editions
from ..course.guides import code_of_guides
from ..course.search import search_data
from ..style.theme import STATIC, STYLESHEET
from .shelf import DATA, StoredData

PLOTLY = Path(str(STATIC / "vendor" / "plotly-cartesian.min.js"))  # a third of plotly.js, enough for our plots


class SearchData(JupyterHandler):
    """What a page needs to search the course, and to explain its symbols, as JSON."""

    def initialize(self, data: dict[str, Any]) -> None:
        """Called by Tornado for each request."""
        self.data = data

    @authenticated
    def get(self) -> None:
        """Send it; browsers keep it for an hour."""
        self.set_header("Cache-Control", "private, max-age=3600")
        self.finish(self.data)


class GuideFile(AuthenticatedFileHandler):
    """A guide's notebook, to be saved."""

    def set_extra_headers(self, path: str) -> None:
        """Called by Tornado: browsers save the file instead of showing it."""
        super().set_extra_headers(path)
        self.set_header("Content-Disposition", "attachment")


def template_resources(notebooks: Path | str) -> dict[str, Any]:
    """What our template needs, beside what Voilà gives it; addresses are relative to the server's base URL."""
    plotly = f"voila/plotly/{PLOTLY.name}?v={metadata.version('plotly')}"
    code = code_of_guides(notebooks)
    return {"editions": editions(notebooks), "code": code, "plotly": plotly, "stylesheet": STYLESHEET}


def routes(notebooks: Path | str, server_url: str, stored: str) -> list[Any]:
    """What pages ask for, beside what Voilà has.

    - `server_url`: the base URL, with a slash at its end.
    - `stored`: the folder in which chapters are kept; empty if there is none.
    """
    guides = (rf"{server_url}voila/notebook/(guide_[a-z_]+\.ipynb)", GuideFile, {"path": str(notebooks)})
    plotly = (f"{server_url}voila/plotly/({re.escape(PLOTLY.name)})", StaticFileHandler, {"path": str(PLOTLY.parent)})
    kept = [(f"{server_url}{DATA}", StoredData, {"path": stored})] if stored else []
    return [guides, *_search_data(notebooks, server_url), plotly, *kept]


def _search_data(notebooks: Path | str, server_url: str) -> list[Any]:
    found = editions(notebooks).values()
    data = [(edition.folder, {"data": search_data(notebooks, edition.language)}) for edition in found]
    return [(f"{server_url}voila/{folder}course.json", SearchData, data) for folder, data in data]
