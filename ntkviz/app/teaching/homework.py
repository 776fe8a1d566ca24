"""The homework: notebooks with solutions and tests in nbgrader's format, and what students get of them.

A source notebook marks what students write by `### BEGIN SOLUTION` and `### END SOLUTION`, and tests that they do not
see by `### BEGIN HIDDEN TESTS` and `### END HIDDEN TESTS`; the metadata of each cell say what it is. The student's
version is the one that `nbgrader generate_assignment` makes, but for its checksums: blanks in place of solutions, no
hidden tests, no outputs.
"""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import nbformat

from ..translation import markdown
from ..translation.words import ENGLISH, languages, say

SOLUTION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?### END SOLUTION$", re.MULTILINE | re.DOTALL)
HIDDEN = re.compile(r"^[ \t]*### BEGIN HIDDEN TESTS\n.*?### END HIDDEN TESTS\n?", re.MULTILINE | re.DOTALL)
BLANK, BLANK_TEXT = "# YOUR CODE HERE\nraise NotImplementedError()", "YOUR ANSWER HERE"

SOURCES = Path(str(resources.files("ntkviz.app") / "teaching" / "assignments"))


def sources() -> list[Path]:
    """The notebooks with solutions, in order."""
    return sorted(SOURCES.glob("*.ipynb"))


def worded(source: Path, language: str = ENGLISH) -> nbformat.NotebookNode:
    """A notebook with solutions in a language; its code, which students see, stays as it is."""
    book: nbformat.NotebookNode = nbformat.read(source, as_version=4)
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = markdown.translated(cell.source, functools.partial(say, language=language, part=source.stem))
    return book


def released(source: Path, language: str = ENGLISH) -> nbformat.NotebookNode:
    """What students get of a notebook."""
    book = worded(source, language)
    for cell in book.cells:
        if cell.metadata.nbgrader["solution"]:
            cell.source = _blank(cell.source) if cell.cell_type == "code" else BLANK_TEXT
        cell.source = HIDDEN.sub("", cell.source).rstrip("\n")
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return book


def _blank(source: str) -> str:
    return SOLUTION.sub(lambda found: "\n".join(found[1] + line for line in BLANK.split("\n")), source)


def write(folder: Path, language: str = ENGLISH) -> None:
    """Write a course folder of nbgrader: `source/` with solutions and all tests, `release/` for students."""
    for source in sources():
        for version, book in (("source", worded(source, language)), ("release", released(source, language))):
            place = folder / version / source.stem
            place.mkdir(parents=True, exist_ok=True)
            nbformat.write(book, place / source.name)


def main(argv: Sequence[str]) -> None:
    """The command `ntkviz homework FOLDER`: write it, and say where it is."""
    parser = argparse.ArgumentParser("ntkviz homework", description="Write the homework as a course of nbgrader.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--language", choices=languages(), default=ENGLISH)
    given = parser.parse_args(argv)
    folder = given.folder
    try:
        write(folder, given.language)
    except OSError as problem:
        parser.error(f"{folder} cannot be written ({problem.strerror}); name another folder")
    print(f"For students: {folder / 'release'}. With solutions and hidden tests: {folder / 'source'}.")
