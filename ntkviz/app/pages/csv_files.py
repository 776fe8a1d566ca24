"""The CSV files of a picture: each states which plot, page and settings it belongs to, and how to read it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import metadata
from zlib import crc32

from ..plots.panel import Panel
from ..translation.words import _
from .controls import Controls

UNSAFE = re.compile(r"[^A-Za-z0-9_.=-]+")  # what a file name should not contain
LONGEST = 60  # characters of the settings in a file's name


def csv_file(plot: Panel, controls: Controls, page: str = "", link: str = "") -> dict[str, str]:
    """The numbers of one plot as a file: its `name`, and its `text`, which begins with comment lines.

    - `page`, `link`: the chapter's name (`02_ntk`) and its address, as the page reports them; empty in JupyterLab.
    """
    words = ["ntkviz", _safe(page), plot.name, state_name(controls)]
    text = "".join(f"# {' '.join(line.split())}\n" for line in _comments(plot, controls, page, link)) + plot.to_csv()
    return {"name": "-".join(filter(None, words)) + ".csv", "text": text}


def _comments(plot: Panel, controls: Controls, page: str, link: str) -> Iterator[str]:
    yield f"ntkviz {metadata.version('ntkviz')}"
    if page:
        yield _("page: {name}").format(name=page)
    yield _("plot: {name}").format(name=plot.name)
    settings = "; ".join(f"{name}={value}" for name, value in controls.settings().items())
    yield _("settings: {settings}").format(settings=settings)
    if link:
        yield _("link: {address}").format(address=link)
    if plot.left_out:
        yield _("left out, because not computed for these settings: {parts}").format(parts=plot.left_out)
    yield _("read it with: {code}").format(code='pandas.read_csv(file, comment="#")')


def state_name(controls: Controls) -> str:
    """The state as part of a file name: the changed settings, in safe characters; different for different states."""
    whole = "-".join(f"{name}={value}" for name, value in controls.moved().items()) or "start"
    safe = _safe(whole)
    return safe if safe == whole else f"{safe}-{crc32(whole.encode()):08x}"


def _safe(text: str) -> str:
    return UNSAFE.sub("_", text)[:LONGEST]
