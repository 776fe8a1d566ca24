"""Adds the pages that are made from other files: the notes and solutions for teachers, and the changelog."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
from mkdocs.structure.files import File, Files

from ntkviz.app.teaching import homework, pages
from ntkviz.app.teaching.formulas import with_formulas
from ntkviz.app.translation.words import ENGLISH

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
FOLDER = "teaching/"
CHINESE = "zh"
TITLE = re.compile(r"^# .*$", re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Called by MkDocs once it has found the files of the documentation."""
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    files.append(File.generated(config, "changes.md", content=changes))
    chosen = config.extra["solutions"]
    of = None if chosen == "all" else chosen.split()
    for language in (ENGLISH, CHINESE):
        made = {"notes": pages.notes(NOTEBOOKS, language), "solutions": pages.solutions(NOTEBOOKS, language, of)}
        for name, text in made.items():
            here = f"{FOLDER}{name}{'' if language == ENGLISH else f'.{language}'}.md"
            link = f"[中文]({name}.zh.md)" if language == ENGLISH else f"[English]({name}.md)"
            files.append(File.generated(config, here, content=_leading_to(link, text)))
    for source in homework.sources():
        for language, folder in ((ENGLISH, "homework"), (CHINESE, f"homework/{CHINESE}")):
            book = nbformat.writes(homework.released(source, language))
            files.append(File.generated(config, f"{FOLDER}{folder}/{source.name}", content=book))
    return files


def _leading_to(link: str, page: str) -> str:
    """A page with a link to it in another language below its title."""
    return TITLE.sub(lambda title: f"{title[0]}\n\n{link}", page, count=1)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Called by MkDocs for each page. `extra.course` is the folder of the course, as seen from the documentation."""
    if not page.file.src_uri.startswith(FOLDER):
        return markdown
    course = config.extra["course"] + (f"{CHINESE}/" if page.file.src_uri.endswith(f".{CHINESE}.md") else "")
    return pages.course_links(with_formulas(markdown), course if "://" in course else f"../{course}")
