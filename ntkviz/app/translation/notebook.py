"""A notebook in another language, made in memory of the English one: code, states and formulas have no copies."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import literals, markdown
from .words import ENGLISH, LANGUAGE, PAGE, say

ABOUT = "title", "summary", "part"  # of the metadata: the menu has those of all chapters
CHAPTER = re.compile(r"\d\d_")  # the name of one
SPOKEN = f'import os\n\nos.environ["{LANGUAGE}"] = "{{language}}"\n'
"""The first lines of the code of a notebook in another language; so what it imports speaks that language."""


@dataclass(frozen=True)
class Message:
    """A text to be translated.

    - `place`: where it is, for a translator who looks for it.
    """

    text: str
    place: str


def messages(book: dict[str, Any], name: str) -> Iterator[Message]:
    """The messages of a notebook, in order; those of its code, too, unless that is shown as it is (guides, homework).

    - `name`: `09_mlp`.
    """
    known, heading = _values(book), book["metadata"].get("title", "")
    for cell in _cells(book):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            frame = ""
            for text, is_message in markdown.pieces(source):
                if is_message:
                    heading = text if frame.startswith("#") else heading
                    yield Message(text, f"{cell['id']}, {heading}")
                frame = text or frame
        elif cell["cell_type"] == "code" and not _shows_code(name):
            yield from (Message(one.text, f"{cell['id']}, code") for one in literals.messages(source, known))


def choices(book: dict[str, Any]) -> list[str]:
    """The choices of controls, which the app shows in the reader's language and keeps in English."""
    found = [text for source in _code(book) for text, is_seen in literals.values(source).items() if is_seen]
    return list(dict.fromkeys(text for text in found if markdown.in_words(text)))


def translated(book: dict[str, Any], name: str, language: str) -> dict[str, Any]:
    """A notebook in a language, whose `metadata` then name it; what is not translated stays English."""
    if language == ENGLISH:
        return book
    word = functools.partial(say, language=language, part=name)
    book, known = copy.deepcopy(book), _values(book)
    about = {key: say(book["metadata"][key], language, PAGE) for key in ABOUT if key in book["metadata"]}
    book["metadata"] |= about | {"language": language}
    for cell in _cells(book):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            cell["source"] = markdown.translated(source, word)
        elif cell["cell_type"] == "code" and not _shows_code(name):
            cell["source"] = literals.translated(source, literals.messages(source, known), word)
    _speak(book, language)
    return book


def _speak(book: dict[str, Any], language: str) -> None:
    code = next((cell for cell in _cells(book) if cell["cell_type"] == "code"), None)
    if code is not None:
        code["source"] = f"{SPOKEN.format(language=language)}{''.join(code['source'])}"


def _values(book: dict[str, Any]) -> list[str]:
    return [text for source in _code(book) for text in literals.values(source)]


def _code(book: dict[str, Any]) -> Iterator[str]:
    return ("".join(cell["source"]) for cell in _cells(book) if cell["cell_type"] == "code")


def _cells(book: dict[str, Any]) -> list[Any]:
    """The cells of a notebook, none if it is not one: a server with an unreadable file among others must start."""
    cells: list[Any] = book.get("cells", [])
    return cells


def _shows_code(name: str) -> bool:
    """Whether readers see its code, which then stays as it is; only chapters, numbered with two digits, hide theirs."""
    return not CHAPTER.match(name)
