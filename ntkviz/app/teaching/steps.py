"""The steps of a chapter as its notebook has them: the state of the picture, the words, and the teacher's note."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ..translation import markdown
from ..translation.words import ENGLISH, say

STEP = re.compile(r"### \[(?P<title>.+)\]\(#(?P<link>[^)]*)\)\n(?P<text>.*)", re.DOTALL)
ASKED = re.compile(r"<details><summary>(?P<question>.*?)</summary>(?P<answer>.*?)</details>", re.DOTALL)
NOTE = re.compile(r"<aside>(?P<minutes>\d+) \w+[.。]\s*(?P<note>.*?)</aside>", re.DOTALL)


@dataclass(frozen=True)
class Step:
    """One step; all texts are Markdown.

    - `link`: the settings that it shows, as in an address (`width=64`), or `start`.
    - `text`: what it says at once; `question` and `answer`: what it asks first, and then shows; each may be empty.
    - `minutes` and `note`: how long it takes in a lecture, and what the teacher says or does.
    """

    title: str
    link: str
    text: str
    question: str
    answer: str
    minutes: int
    note: str


def steps(notebook: Path, language: str = ENGLISH) -> list[Step]:
    """The steps of a chapter in a language, in order; a guide has none."""
    say_it = functools.partial(say, language=language, part=notebook.stem)
    texts = (markdown.translated(text, say_it) for text in _texts(notebook))
    return [_step(found, notebook) for found in map(STEP.fullmatch, texts) if found]


def _texts(notebook: Path) -> Iterator[str]:
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield "".join(cell["source"])


def _step(found: re.Match[str], notebook: Path) -> Step:
    noted = NOTE.search(found["text"])
    if not noted:
        raise InputError(
            f"The step “{found['title']}” of {notebook.name} does not say how long it takes; end it with "
            "<aside>2 min. What the teacher says.</aside>."
        )
    asked = ASKED.search(found["text"])
    question, answer = (asked["question"], asked["answer"]) if asked else ("", "")
    text = ASKED.sub("", NOTE.sub("", found["text"]))
    text, question, answer, note = (part.strip() for part in (text, question, answer, noted["note"]))
    return Step(found["title"], found["link"], text, question, answer, int(noted["minutes"]), note)
