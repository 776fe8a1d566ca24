"""An edition: the course in one language, as its pages need it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..translation.words import ENGLISH, NAMES, PAGE, languages, offered, pairs, say
from .chapter import Chapter, chapters
from .chapter import parts as parts_of


@dataclass(frozen=True)
class Edition:
    """What all pages in a language share."""

    language: str
    chapters: list[Chapter]

    @property
    def name(self) -> str:
        """The language in itself."""
        return NAMES.get(self.language, self.language)

    @property
    def is_offered(self) -> bool:
        """Whether other pages lead to it."""
        return self.language in offered()

    @property
    def folder(self) -> str:
        """Where its pages are, below those in English: `zh/`."""
        return "" if self.language == ENGLISH else f"{self.language}/"

    @property
    def parts(self) -> list[tuple[str, list[Chapter]]]:
        """The parts of the course with their chapters."""
        return list(parts_of(self.chapters).items())

    @property
    def words(self) -> dict[str, str]:
        """What the scripts of a page say; none in English, in which they are written."""
        return pairs(self.language, PAGE)

    def worded(self, text: str) -> str:
        """A text of a template in this language."""
        return say(text, self.language, PAGE)


def editions(folder: Path | str) -> dict[str, Edition]:
    """The editions of a folder of notebooks by their languages, English first."""
    return {language: Edition(language, chapters(folder, language)) for language in languages()}


def apart(path: str) -> tuple[str, str]:
    """The language and the rest of a path below that of the English pages: `zh/09_mlp.ipynb`."""
    first, _, rest = path.partition("/")
    return (first, rest) if rest and first in languages() and first != ENGLISH else (ENGLISH, path)
