"""Adds the pages that are made from other files: the notes and solutions for teachers, and the changelog."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from mkdocs.structure.files import File, Files

from ntkviz.app.teaching import homework, pages
from ntkviz.app.teaching.formulas import with_formulas

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
FOLDER = "teaching/"


def on_files(files: Files, config: Any) -> Files:
    """Called by MkDocs once it has found the files of the documentation."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "changes.md", content=changes))
    chosen = config.extra["solutions"]
    solutions = pages.solutions(NOTEBOOKS, of=None if chosen == "all" else chosen.split())
    for name, text in {"notes": pages.notes(NOTEBOOKS), "solutions": solutions}.items():
        files.append(File.generated(config, f"{FOLDER}{name}.md", content=text))
    for source in homework.sources():
        book = nbformat.writes(homework.released(source))
        files.append(File.generated(config, f"{FOLDER}homework/{source.name}", content=book))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Called by MkDocs for each page. `extra.course` is the folder of the course, as seen from the documentation."""
    if not page.file.src_uri.startswith(FOLDER):
        return markdown
    course = config.extra["course"]
    return pages.course_links(with_formulas(markdown), course if "://" in course else f"../{course}")
