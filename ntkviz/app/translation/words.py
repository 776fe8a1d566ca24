"""The language of a process, and the messages of its catalogues: an English text without a translation stays English.

Kernels load this module: in English it reads nothing, and the library for catalogues (2.7 MB) is not imported.
"""

from __future__ import annotations

import functools
import gettext
import io
import os
import re
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

LANGUAGE = "NTKVIZ_LANGUAGE"
"""The environment variable with the language of a process. Notebooks in other languages set it in their first line."""

ENGLISH = "en"
CATALOGUES = Path(os.environ.get("NTKVIZ_CATALOGUES", str(resources.files("ntkviz.app.translation") / "catalogues")))
"""A folder for each language, with a file for each notebook and for each kind of text that all of them share.

The environment variable names another folder, for translators who have no checkout, and for tests.
"""

NAMES = {ENGLISH: "English", "zh": "中文"}
"""The languages in themselves, by their codes."""

DRAFTS: set[str] = set()
"""Languages in which most chapters are not translated yet: readers are not led to them, but their pages are served.

None at present; a new language starts here.
"""

STOP_AND_SPACE = re.compile(r"(?<=[，。；：！？]) +")
"""A full-width punctuation mark brings its own space."""

CODE, PAGE = "app", "page"
"""The catalogues of texts in Python code, and of those in templates, scripts and menus."""


def languages() -> list[str]:
    """The languages in which the course can be read: English, and those that have catalogues."""
    return [ENGLISH, *sorted(folder.name for folder in CATALOGUES.iterdir() if folder.is_dir())]


def offered() -> list[str]:
    """The languages that readers are led to."""
    return [code for code in languages() if code not in DRAFTS]


def language() -> str:
    """The language of this process."""
    return os.environ.get(LANGUAGE, ENGLISH)


@functools.cache
def catalogue(language: str, part: str) -> gettext.NullTranslations:
    """The messages of one file of a language; of English, or of a file that does not exist, the English texts.

    - `part`: the name of a notebook (`09_mlp`), or `app`, `page`, `glossary` or `refusals`.
    """
    known = _read(language, part)
    if known is None:
        return gettext.NullTranslations()
    from babel.messages import mofile

    compiled = io.BytesIO()
    mofile.write_mo(compiled, known)  # without what is marked as fuzzy
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def pairs(language: str, part: str) -> dict[str, str]:
    """The messages of one file that are translated, each with its translation; none in English."""
    known = _read(language, part) or ()
    return {one.id: one.string for one in known if one.id and one.string and not one.fuzzy and not one.pluralizable}


def _read(language: str, part: str) -> Any:
    """A file of messages as babel's catalogue, if there is one."""
    file = CATALOGUES / language / f"{part}.po"
    if language == ENGLISH or not file.is_file():
        return None
    from babel.messages import pofile

    with file.open("rb") as source:
        return pofile.read_po(source, language)


def say(text: str, language: str, part: str) -> str:
    """A text in a language."""
    return catalogue(language, part).gettext(text) if text else ""  # "" stands for the header of a catalogue


def _(text: str) -> str:
    """A text of the app's code in the language of this process; fields such as `{count}` are filled in afterwards."""
    return say(text, language(), CODE)


def counted(one: str, many: str, count: int) -> str:
    """A text of the app's code in the form for this count, which languages distinguish in different ways.

    - `one`, `many`: its English forms.
    """
    return catalogue(language(), CODE).ngettext(one, many, count)


def joined(sentences: Iterable[str]) -> str:
    """Sentences in a row, without spaces between them where the punctuation is full-width; empty ones are left out."""
    return STOP_AND_SPACE.sub("", " ".join(filter(None, sentences)))


def listed(items: Iterable[str]) -> str:
    """Items in a row, as a language separates those of a list; empty if there are none."""
    return _in_a_row(items, _("{row}, {item}"))


def clauses(items: Iterable[str]) -> str:
    """Items in a row, as a language separates those with commas in them; empty if there are none."""
    return _in_a_row(items, _("{row}; {item}"))


def _in_a_row(items: Iterable[str], row_and_item: str) -> str:
    found = list(items)
    return functools.reduce(lambda row, item: row_and_item.format(row=row, item=item), found) if found else ""
