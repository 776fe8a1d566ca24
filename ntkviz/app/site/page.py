"""The page of a chapter as a file: what the dashboard would send, with relative addresses and its data beside it.

The pages of a language other than English are in a folder of their own, `zh/`, which has their data, too.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voila.configuration import VoilaConfiguration
from voila.utils import get_page_config

from ..course.edition import Edition
from ..course.guides import code_of_guides
from ..server.dashboard import CONFIG
from ..server.printer import Printer
from ..server.routes import PLOTLY
from ..style.theme import STYLESHEET

TO_CHAPTER = re.compile(r'(href=\\?"(?:\.\./|[a-z]+/){0,2})(\d\d_\w+|guide_\w+)\.ipynb')
HOME, INDEX = "00_home", "index.html"
TEMPLATE = "voila/templates/ntkviz/static"  # where the template looks for its files; all of Voilà's are there


@dataclass(frozen=True)
class Addresses:
    """What pages say of where they are, as far as it is known.

    - `site`: the address at which the edition will be found, which those who share a page need for its preview.
    - `live`: that of a running course, to which pages lead.
    """

    site: str = ""
    live: str = ""


NOWHERE = Addresses()


def address(name: str) -> str:
    """The file of a chapter's page; it never changes."""
    return INDEX if name == HOME else f"{name}.html"


def linked(page: str) -> str:
    """A page with links to pages of this edition instead of notebooks."""
    return TO_CHAPTER.sub(lambda link: link[1] + address(link[2]), page)


def printer(folder: Path, addresses: Addresses, editions: Mapping[str, Edition], language: str) -> Printer:
    """Prints the pages of the notebooks in a folder, in one language; their links are still to be `linked`.

    - `editions`: all that are written, by their languages.
    """
    root = "../" if editions[language].folder else ""
    resources = {
        "static_edition": True,
        "site": addresses.site,
        "live": addresses.live,
        "editions": editions,
        "plotly": f"voila/plotly/{PLOTLY.name}",
        "code": code_of_guides(folder),
        "stylesheet": STYLESHEET,
    }
    mathjax = {"mathjax_url": None, "mathjax_config": None}  # Voilà's own, instead of one on another host
    page_config = get_page_config(root, mathjax, logging.getLogger(), VoilaConfiguration(config=CONFIG))
    return Printer(folder, resources, page_config | {"fullStaticUrl": f"{root}{TEMPLATE}"}, root)
