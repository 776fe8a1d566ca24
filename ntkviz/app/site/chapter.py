"""Runs a chapter's notebook in a kernel and keeps the outcome until something that it depends on has changed."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient

from ...distant.kept_answers import KEPT
from ...distant.requests import ENGINE
from ..server.kept import PARTS, Kept, Known, digest, links, relative
from ..style.theme import PAGE_HAS_PLOTLY
from ..translation.notebook import translated
from ..translation.words import ENGLISH, LANGUAGE, catalogue
from .packing import packed, unpacked

if TYPE_CHECKING:
    from .recorder import Chosen  # which imports what only kernels need

PATIENCE = 1200  # seconds for one cell


@dataclass(frozen=True)
class Recorded:
    """A chapter that was run.

    - `executed`: its notebook with outputs.
    - `parts`: what its page loads, packed, by name.
    - `known`: what is written down of the run.
    """

    executed: nbformat.NotebookNode
    parts: dict[str, bytes]
    known: Known


def recorded(
    notebook: Path, cache: Path, seconds: float, language: str = ENGLISH, answers: str = ""
) -> tuple[Recorded, bool]:
    """A chapter in a language, and whether it had to be run: only if its notebook or its translation, a module that it
    imports, or a library has changed.

    - `seconds`: of a processor, to be spent on settings around those that the chapter names.
    - `answers`: a folder that keeps what is computed, for another language; none by default.
    """
    kept = Kept(notebook, cache, language)
    known = kept.valid()
    if known is not None and known.given == seconds:
        return _read(kept, known), False
    run(notebook, cache, seconds, language, answers)
    kept = Kept(notebook, cache, language)
    assert kept.known is not None
    return _read(kept, kept.known), True


def _read(kept: Kept, known: Known) -> Recorded:
    executed = nbformat.read(kept.file(known, "notebook.ipynb"), as_version=4)
    return Recorded(executed, {part: kept.file(known, f"{part}.gz").read_bytes() for part in PARTS}, known)


def run(notebook: Path, cache: Path, seconds: float, language: str = ENGLISH, answers: str = "") -> None:
    """Run a chapter, and keep the outcome.

    In other languages than English it stores the settings that are kept of the English chapter, if there are any, with
    the same networks: a reader who changes the language finds the same picture. It depends on the modules of both,
    since it finds what the English chapter has computed.
    """
    began = time.time()
    catalogue.cache_clear()  # a catalogue may have changed since another chapter was run
    kept = Kept(notebook, cache, language)
    kept.note.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        executed, record = (Path(folder) / name for name in ("notebook.ipynb", "record.json"))
        chosen, depends = _in_english(notebook, cache) if language != ENGLISH else ([], [])
        _run(kept, executed, record, seconds, chosen, answers)
        found = json.loads(record.read_text(encoding="utf-8"))
        contents = {"notebook.ipynb": executed.read_bytes()}
    pictures = [{key: value for key, value in one.items() if key != "states"} for one in found["pictures"]]
    states = [picture["states"] for picture in found["pictures"]]
    start = {"models": found["models"], "pictures": pictures, "exercises": found["exercises"]}
    contents |= {"start.gz": packed(start), "states.gz": packed(states)}
    modules = {*depends, *(relative(module) for module in found["modules"])}
    known = Known(sorted(modules), seconds, found["seconds"], sum(map(len, states)), digest(contents.values()))
    kept.write(known, contents, began)


def _in_english(notebook: Path, cache: Path) -> tuple[list[Chosen], list[str]]:
    """What is kept of the English chapter: the settings of each picture, and the modules that it depends on.

    Both are empty if nothing is kept, or if something has changed.
    """
    kept = Kept(notebook, cache)
    known = kept.valid()
    if known is None:
        return [], []
    pictures = unpacked(kept.file(known, "start.gz").read_bytes())["pictures"]
    return [list(zip(one["settings"], one["sampled"], strict=True)) for one in pictures], known.modules


def _run(kept: Kept, executed: Path, record: Path, seconds: float, chosen: list[Chosen], answers: str) -> None:
    notebook = kept.notebook
    english = json.loads(notebook.read_text(encoding="utf-8"))
    book = nbformat.reads(json.dumps(translated(english, notebook.stem, kept.language)), as_version=4)
    arguments = ", ".join(map(repr, [*links(notebook), str(record.resolve()), seconds, chosen]))
    recording = f"from ntkviz.app.site.recorder import record\nrecord(list(Out.values()), {arguments})"
    book.cells.append(nbformat.v4.new_code_cell(recording))
    place = {"metadata": {"path": str(notebook.parent)}}
    client = NotebookClient(book, timeout=PATIENCE, resources=place, extra_arguments=["--log-level=ERROR"])
    client.execute(env=_environment(answers))
    book.cells.pop()
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
    nbformat.write(book, executed)


def _environment(answers: str) -> dict[str, str]:
    """Of the kernel, which computes by itself: only then has it imported all modules on which the record depends.

    A notebook in another language than English sets it itself.
    """
    without = {name: value for name, value in os.environ.items() if name not in (ENGINE, KEPT, LANGUAGE)}
    return without | {PAGE_HAS_PLOTLY: "yes"} | ({KEPT: answers} if answers else {})
