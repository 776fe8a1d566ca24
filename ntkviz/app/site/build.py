"""Writes the static edition: runs each chapter once in each language, and puts its page beside its data and Voilà's own
files."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path
from typing import Any

from voila.paths import collect_static_paths
from voila.utils import get_voila_labextensions_path

from ... import machine
from ..course.chapter import Chapter
from ..course.edition import Edition, editions
from ..course.search import search_data
from ..serve import keep_compiled_code
from ..server.dashboard import find_templates
from ..server.printer import Printer
from ..server.routes import PLOTLY
from ..translation.notebook import translated
from ..translation.words import ENGLISH
from .chapter import Recorded, recorded
from .packing import packed, script
from .page import NOWHERE, TEMPLATE, Addresses, address, linked, printer

SECONDS = 15.0  # of a processor, spent on each chapter's settings around those that it names
KERNEL = 2e9  # bytes that a chapter's kernel may take
NEEDED = "*.js", "*.woff2", "*.woff", "*.css"  # of Voilà's files: browsers have long asked for no other kind of font
UNUSED = ("reveal.js",)
PREVIEWS = resources.files("ntkviz.app") / "thumbnails" / "previews"
"""The pictures of shared pages; `tests/browser/preview_pictures.py` draws them."""


def build(
    notebooks: Path,
    folder: Path,
    cache: Path,
    addresses: Addresses = NOWHERE,
    seconds: float = SECONDS,
    languages: Sequence[str] = (ENGLISH,),
) -> Iterator[str]:
    """Write the static edition of a folder of notebooks; yields a line about each page as it is done.

    - `cache`: where the outcome of running a chapter is kept, for the next time.
    - `languages`: those in which it is written, English first.
    """
    keep_compiled_code()
    find_templates()
    known = editions(notebooks)
    written = {language: known[language] for language in languages}
    printers = {language: printer(notebooks, addresses, written, language) for language in written}
    names = [one.file for one in known[ENGLISH].chapters]
    for edition in written.values():
        _write_script(folder / edition.folder, "course", packed(_search(notebooks, edition.language)))
    with ThreadPoolExecutor(at_once()) as pool:
        runs = [pool.submit(_recorded, notebooks / name, cache, seconds, languages) for name in names]
        for number, run in enumerate(runs):
            for edition, (chapter, was_run) in zip(written.values(), run.result(), strict=True):
                one = edition.chapters[number]
                _write_page(folder / edition.folder, one, chapter, printers[edition.language])
                took = f"{chapter.known.took:.0f} s of a processor" if was_run else "unchanged"
                yield f"{one.heading}: {chapter.known.settings} settings ({took})"
    _copy_assets(folder, next(iter(printers.values())).page_config)
    for edition in written.values():
        _write_guides(folder / edition.folder, notebooks, edition)
    for one in known[ENGLISH].chapters:
        if (picture := Path(str(PREVIEWS)) / f"{one.name}.png").is_file():
            _copy_file(picture, folder / "previews" / picture.name)


def _recorded(notebook: Path, cache: Path, seconds: float, languages: Sequence[str]) -> list[tuple[Recorded, bool]]:
    """A chapter in all languages, one after the other: the settings of the English one are stored in all."""
    with tempfile.TemporaryDirectory() as answers:
        return [recorded(notebook, cache, seconds, language, answers) for language in languages]


def _write_page(folder: Path, one: Chapter, chapter: Recorded, printer: Printer) -> None:
    page = linked(printer.page(one.name, chapter.executed))
    (folder / address(one.name)).write_text(page, encoding="utf-8")
    for part, data in chapter.parts.items():
        _write_script(folder, f"{one.name}-{part}", data)


def _write_guides(folder: Path, notebooks: Path, edition: Edition) -> None:
    """The notebooks of the guides, which their pages offer."""
    for one in edition.chapters:
        if one.number is None:
            book = json.loads((notebooks / one.file).read_text(encoding="utf-8"))
            text = json.dumps(translated(book, one.name, edition.language), ensure_ascii=False, indent=1)
            (folder / one.file).write_text(f"{text}\n", encoding="utf-8")


def at_once() -> int:
    """How many chapters are run at once: one for each processor, if there is memory for their kernels."""
    return max(1, min(machine.cores(), int(machine.memory_available() / KERNEL)))


def _write_script(folder: Path, name: str, data: bytes) -> None:
    """Write a file of data of the pages in a folder."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / f"{name}.js").write_text(script(name, data), encoding="utf-8")


def _search(notebooks: Path, language: str) -> object:
    data = search_data(notebooks, language)
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
