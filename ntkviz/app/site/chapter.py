"""Runs a chapter's notebook in a kernel and keeps the outcome until something that it depends on has changed."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from ..style.theme import PAGE_HAS_PLOTLY, STATIC

STEP = re.compile(r"^### \[[^\]]*\]\(#([^)]*=[^)]*)\)", re.MULTILINE)
LINK = re.compile(r"\]\(#([^)]*=[^)]*)\)")
LIBRARIES = "ipywidgets", "jax", "numpy", "plotly", "scipy"  # whose versions may change what is recorded
PATIENCE = 1200  # seconds for one cell


@dataclass(frozen=True)
class Recorded:
    """A chapter that was run.

    - `executed`: its notebook with outputs.
    - `record`: what `recorder.record` has written.
    """

    executed: nbformat.NotebookNode
    record: dict[str, Any]


def recorded(notebook: Path, cache: Path, seconds: float) -> tuple[Recorded, bool]:
    """A chapter, and whether it had to be run: only if it, a module that it imports, or a library has changed.

    - `seconds`: of a processor, to be spent on settings around those that the chapter names.
    """
    files = [cache / f"{notebook.stem}{suffix}" for suffix in (".ipynb", ".json", ".key")]
    executed, record, key = files
    known = all(file.exists() for file in files)
    if known and key.read_text() == _key(notebook, seconds, json.loads(record.read_text())["modules"]):
        return _read(executed, record), False
    cache.mkdir(parents=True, exist_ok=True)
    key.unlink(missing_ok=True)
    _run(notebook, executed, record, seconds)
    found = _read(executed, record)
    key.write_text(_key(notebook, seconds, found.record["modules"]))
    return found, True


def _read(executed: Path, record: Path) -> Recorded:
    return Recorded(nbformat.read(executed, as_version=4), json.loads(record.read_text(encoding="utf-8")))


def _key(notebook: Path, seconds: float, modules: Iterable[str]) -> str:
    """A hash of all that a record depends on."""
    files = [
        notebook,
        *map(Path, modules),
        *sorted(Path(str(STATIC)).glob("*.js")),
        *sorted(Path(str(STATIC)).glob("sheets/*.css")),
    ]
    contents = [file.read_bytes() if file.exists() else b"" for file in files]
    versions = [metadata.version(library).encode() for library in LIBRARIES]
    parts = [str(seconds).encode(), str(links(notebook)).encode(), *versions, *contents]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def links(notebook: Path) -> tuple[list[str], list[str]]:
    """The settings of the steps of a chapter, and those that its text and other chapters name."""
    own = _texts(notebook)
    steps = [link for text in own for link in STEP.findall(text)]
    named = [link for text in own for link in LINK.findall(text)]
    to_here = re.compile(rf"\]\({notebook.stem}\.ipynb#([^)]*=[^)]*)\)")
    others = sorted(notebook.parent.glob("*.ipynb"))
    named += [link for other in others for text in _texts(other) for link in to_here.findall(text)]
    return steps, [link for link in dict.fromkeys(named) if link not in steps]


def _texts(notebook: Path) -> list[str]:
    book = nbformat.read(notebook, as_version=4)
    return [cell.source for cell in book.cells if cell.cell_type == "markdown"]


def _run(notebook: Path, executed: Path, record: Path, seconds: float) -> None:
    book = nbformat.read(notebook, as_version=4)
    arguments = ", ".join(map(repr, [*links(notebook), str(record.resolve()), seconds]))
    recording = f"from ntkviz.app.site.recorder import record\nrecord(list(Out.values()), {arguments})"
    book.cells.append(nbformat.v4.new_code_cell(recording))
    place = {"metadata": {"path": str(notebook.parent)}}
    client = NotebookClient(book, timeout=PATIENCE, resources=place, extra_arguments=["--log-level=ERROR"])
    client.execute(env={**os.environ, PAGE_HAS_PLOTLY: "yes"})
    book.cells.pop()
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(book, executed)
