"""What can be searched in the course: its sections and steps, and its glossary, as data for the page's own search."""

from __future__ import annotations

import functools
import json
import re
import tomllib
import unicodedata
from importlib import resources
from pathlib import Path
from typing import Any

from ..translation.notebook import translated
from ..translation.words import ENGLISH, say
from .chapter import Chapter, chapters

GLOSSARY = resources.files("ntkviz.app") / "course" / "glossary.toml"

HEADING = re.compile(r"^#{1,3} +(?:<a id=\"(?P<anchor>[\w-]+)\"></a>)?(?P<title>.+)$", re.MULTILINE)
STATE = re.compile(r"^\[(?P<title>.+)\]\((?P<link>#[^)]*)\)$")  # a step's heading
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
DISPLAYED = re.compile(r"\$\$.*?\$\$", re.DOTALL)
INLINE = re.compile(r"\$([^$]+)\$")
COMMAND = re.compile(r"\\(?:var)?([A-Za-z]+) ?|\\.")
CLASS = re.compile(r"\\class\{[^}]*\}")  # of a term that stands for a part of the picture
MARKUP = re.compile(r"<[^>]+>|\]\([^)]*\)|[*`\[>|]")


def search_data(folder: Path | str = ".", language: str = ENGLISH) -> dict[str, Any]:
    """The sections of all chapters, `{chapter, page, title, link, text}`, and the entries of the glossary."""
    found = chapters(folder, language)
    sections = [section for chapter in found for section in _sections(chapter, Path(folder), language)]
    return {"sections": sections, "glossary": glossary(found, language)}


def glossary(found: list[Chapter], language: str = ENGLISH) -> list[dict[str, Any]]:
    """The entries of the glossary; each names the chapter that explains it, if that exists, as a page.

    The symbols of an entry hold in the pages `in`, or, if that is empty, in all.
    """
    entries = tomllib.loads(GLOSSARY.read_text(encoding="utf-8"))["entry"]
    word = functools.partial(say, language=language, part="glossary")
    return [_entry(entry | {key: word(entry[key]) for key in ("term", "meaning")}, found) for entry in entries]


def _entry(entry: dict[str, Any], found: list[Chapter]) -> dict[str, Any]:
    def pages(names: list[str]) -> list[Chapter]:
        return [one for one in found if re.sub(r"^\d\d_", "", one.name) in names]

    home = [{"page": one.file, "title": one.title} for one in pages([entry["chapter"]])]
    places = [one.name for one in pages(entry.get("in", []))]
    return {key: entry.get(key, []) for key in ("term", "symbols", "meaning")} | {"home": home, "in": places}


def _sections(chapter: Chapter, folder: Path, language: str) -> list[dict[str, str]]:
    book = translated(json.loads((folder / chapter.file).read_text(encoding="utf-8")), chapter.name, language)
    texts = ["".join(cell["source"]) for cell in book.get("cells", []) if cell["cell_type"] == "markdown"]
    return [section for text in texts for section in _split(text, chapter)]


def _split(text: str, chapter: Chapter) -> list[dict[str, str]]:
    """The sections of one cell; what comes before its first heading belongs to the chapter."""
    text = CODE.sub("", text)
    heads = list(HEADING.finditer(text))
    starts = [*(head.start() for head in heads), len(text)]
    lead = text[: starts[0]]
    found = [_section(chapter, chapter.title, "", lead)] if lead.strip() else []
    for head, end in zip(heads, starts[1:], strict=True):
        title, link = head["title"], f"#{head['anchor'] or anchor(head['title'])}"
        if step := STATE.match(title):
            title, link = step["title"], step["link"]
        found.append(_section(chapter, _plain(title), link, text[head.end() : end]))
    return found


def anchor(title: str) -> str:
    """The `id` that a page gives to a heading without an anchor of its own."""
    return _plain(title).replace(" ", "-")


def _section(chapter: Chapter, title: str, link: str, text: str) -> dict[str, str]:
    page = {"chapter": chapter.heading, "page": chapter.file}
    return page | {"title": title, "link": link, "text": _plain(text)}


def _plain(text: str) -> str:
    """Markdown as one line of text: displayed formulas are dropped, and others become characters."""
    text = INLINE.sub(lambda formula: _formula(formula[1]), DISPLAYED.sub(" ", text))
    return re.sub(r"\s+", " ", MARKUP.sub("", text)).strip()


def _formula(latex: str) -> str:
    words = COMMAND.sub(lambda command: _character(command[1] or ""), CLASS.sub("", latex))
    return re.sub(r"[{}]", "", words)


def _character(command: str) -> str:
    """The Greek letter of a LaTeX command; other commands are dropped."""
    case = "CAPITAL" if command[:1].isupper() else "SMALL"
    try:
        return unicodedata.lookup(f"GREEK {case} LETTER {command.upper()}")
    except KeyError:
        return ""
