"""Writes the static edition: runs each chapter once, and puts its page beside its data and Voilà's own files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

from voila.paths import collect_static_paths
from voila.utils import get_voila_labextensions_path

from ... import machine
from ..course.chapter import chapters
from ..course.search import search_data
from ..serve import keep_compiled_code
from ..server.dashboard import PLOTLY, find_templates
from .chapter import recorded
from .packing import packed, script
from .page import TEMPLATE, address, linked, printer

SECONDS = 30.0  # of a processor, spent on each chapter's settings around those that it names
KERNEL = 2e9  # bytes that a chapter's kernel may take
NEEDED = "*.js", "*.woff2", "*.woff", "*.css"  # of Voilà's files: browsers have long asked for no other kind of font
UNUSED = ("reveal.js",)
PREVIEWS = resources.files("ntkviz.app") / "thumbnails" / "previews"
"""The pictures of shared pages; `tests/browser/preview_pictures.py` draws them."""


def build(notebooks: Path, folder: Path, cache: Path, site: str = "", seconds: float = SECONDS) -> Iterator[str]:
    """Write the static edition of a folder of notebooks; yields a line about each chapter as it is done.

    - `cache`: where the outcome of running a chapter is kept, for the next time.
    - `site`: the address at which `folder` will be found, for previews of shared pages.
    """
    keep_compiled_code()
    find_templates()
    folder.mkdir(parents=True, exist_ok=True)
    prints = printer(notebooks, site)
    found = chapters(notebooks)
    with ThreadPoolExecutor(at_once()) as pool:
        runs = [pool.submit(recorded, notebooks / one.file, cache, seconds) for one in found]
        for one, run in zip(found, runs, strict=True):
            chapter, was_run = run.result()
            page = linked(prints.page(one.name, chapter.executed))
            (folder / address(one.name)).write_text(page, encoding="utf-8")
            for part, data in chapter.parts.items():
                _write_script(folder / "data", f"{one.name}-{part}", data)
            took = f"{chapter.known.took:.0f} s of a processor" if was_run else "unchanged"
            yield f"{one.heading}: {chapter.known.settings} settings ({took})"
    _write_script(folder / "data", "course", packed(_search(notebooks)))
    _copy_assets(folder, prints.page_config)
    for one in found:
        if one.number is None:
            shutil.copy(notebooks / one.file, folder)
        if (picture := Path(str(PREVIEWS)) / f"{one.name}.png").is_file():
            _copy_file(picture, folder / "previews" / picture.name)


def at_once() -> int:
    """How many chapters are run at once: one for each processor, if there is memory for their kernels."""
    return max(1, min(machine.cores(), int(machine.memory_available() / KERNEL)))


def _write_script(folder: Path, name: str, data: bytes) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.js").write_text(script(name, data), encoding="utf-8")


def _search(notebooks: Path) -> object:
    data = search_data(notebooks)
    for place in [*data["sections"], *(home for entry in data["glossary"] for home in entry["home"])]:
        place["page"] = address(place["page"].removesuffix(".ipynb"))
    return data


def _copy_assets(folder: Path, page_config: dict[str, Any]) -> None:
    """The scripts, styles and fonts that pages load."""
    for path in map(Path, reversed(collect_static_paths(["voila", "nbconvert"], "ntkviz"))):
        _copy(path, folder / TEMPLATE)
    _copy_file(PLOTLY, folder / "voila" / "plotly" / PLOTLY.name)
    for extension in page_config["federated_extensions"]:
        place = Path(extension["name"]) / "static"
        for path in get_voila_labextensions_path():
            if (Path(path) / place).is_dir():
                _copy(Path(path) / place, folder / "voila" / "labextensions" / place)
                break


def _copy(source: Path, target: Path) -> None:
    for pattern in NEEDED:
        for file in source.glob(pattern):
            if file.name not in UNUSED:
                _copy_file(file, target / file.name)


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
