"""What is kept of a chapter that was run, its notebook with outputs and its stored states, until it has changed.

`site/chapter.py` writes it, once for each language, since Python writes what readers see. A static edition is made of
it, and a dashboard shows it to readers before it starts a kernel for them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import metadata, resources
from pathlib import Path

from ..course.chapter import chapters
from ..style.theme import STATIC
from ..translation import words
from ..translation.refusals import PART
from ..translation.words import CODE, ENGLISH, PAGE

STEP = re.compile(r"^### \[[^\]]*\]\(#([^)]*=[^)]*)\)", re.MULTILINE)
LINK = re.compile(r"\]\(#([^)]*=[^)]*)\)")
LIBRARIES = "ipywidgets", "jax", "numpy", "plotly", "scipy"  # whose versions may change what is recorded
PACKAGE = Path(str(resources.files("ntkviz")))
PARTS = "start", "states"  # a page needs the first one to be shown, and the second one when its reader moves a control


@dataclass(frozen=True)
class Known:
    """What is written down of a run.

    - `modules`: those of ntkviz that it imported, relative to the package.
    - `given`: the seconds of a processor that its settings were given.
    - `took`: the seconds of a processor that it took.
    - `settings`: how many are stored.
    - `digest`: of its files, which have it in their names: those of two runs never mix.
    - `key`: the hash of all that it depends on.
    """

    modules: list[str]
    given: float
    took: float
    settings: int
    digest: str
    key: str = field(default="", compare=False)


class Kept:
    """What is kept of one notebook in a language: in a folder, which has a folder for each language but English."""

    def __init__(self, notebook: Path, folder: Path, language: str = ENGLISH):
        self.notebook, self.language = notebook, language
        self.folder = folder if language == ENGLISH else folder / language

    @property
    def note(self) -> Path:
        """The file that says what is kept, which is written last."""
        return self.folder / f"{self.notebook.stem}.json"

    def file(self, known: Known, part: str) -> Path:
        """The notebook with outputs (`notebook.ipynb`), or one of `PARTS` (`start.gz`)."""
        return self.folder / f"{self.notebook.stem}-{known.digest}-{part}"

    @cached_property
    def known(self) -> Known | None:
        """What was kept when this was first asked, whether it is still valid or not."""
        try:
            return Known(**json.loads(self.note.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def valid(self) -> Known | None:
        """What is kept, if nothing that it depends on has changed."""
        known = self.known
        if known is None or known.key != self.key(known):
            return None
        complete = all(self.file(known, part).is_file() for part in ("notebook.ipynb", *(f"{one}.gz" for one in PARTS)))
        return known if complete else None

    def write(self, known: Known, contents: Mapping[str, bytes], began: float) -> None:
        """Keep a run instead of what was kept before.

        - `began`: when it began, in seconds since the epoch. If a file has changed since, the run may have read it
          before or after that: then it is kept without a key, and never valid.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.note.unlink(missing_ok=True)
        for old in self.folder.glob(f"{self.notebook.stem}-*"):
            old.unlink()
        for part, content in contents.items():
            self.file(known, part).write_bytes(content)
        since = any(changed / 1e9 > began for _, changed, _ in map(_stamp, self.depends_on(known)))
        beside = self.note.with_suffix(".new")
        beside.write_text(json.dumps(asdict(known) | {"key": "" if since else self.key(known)}), encoding="utf-8")
        beside.replace(self.note)

    def depends_on(self, known: Known) -> list[Path]:
        """The files whose contents were read for it."""
        modules = [PACKAGE / module for module in known.modules]
        looks = [*Path(str(STATIC)).glob("*.js"), *Path(str(STATIC)).glob("sheets/*.css")]
        return [self.notebook, *modules, *sorted(looks), *self._translation()]

    def _translation(self) -> list[Path]:
        """What the notebook in another language is made of, and what its kernel says."""
        if self.language == ENGLISH:
            return []
        catalogues = [
            words.CATALOGUES / self.language / f"{part}.po" for part in (self.notebook.stem, CODE, PAGE, PART)
        ]
        return [*catalogues, *sorted((PACKAGE / "app" / "translation").glob("*.py"))]

    def key(self, known: Known) -> str:
        """A hash of all that it depends on, as that is now."""
        contents = [file.read_bytes() if file.exists() else b"" for file in self.depends_on(known)]
        versions = [metadata.version(library).encode() for library in LIBRARIES]
        about = [known.given, links(self.notebook), *self._others()]
        parts = [*(str(one).encode() for one in about), *versions, *contents]
        return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """What the file system says of all these files; while it is the same, nothing has changed."""
        return tuple(map(_stamp, [self.note, *self._files, *sorted(self.notebook.parent.glob("*.ipynb"))]))

    @cached_property
    def _files(self) -> list[Path]:
        return self.depends_on(self.known) if self.known else []

    def _others(self) -> list[object]:
        """The home page has a card for each chapter."""
        return list(chapters(self.notebook.parent, ENGLISH)) if self.notebook.stem.startswith("00_") else []


def _stamp(file: Path) -> tuple[str, int, int]:
    try:
        found = os.stat(file)
    except FileNotFoundError:
        return str(file), 0, 0
    return str(file), found.st_mtime_ns, found.st_size


def digest(contents: Iterable[bytes]) -> str:
    """A short name for these contents."""
    return hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).hexdigest()[:16]


def relative(module: str) -> str:
    """The path of a module relative to the package, so that what is kept is valid in a copy elsewhere."""
    return os.path.relpath(module, PACKAGE)


def links(notebook: Path) -> tuple[list[str], list[str]]:
    """The settings of the steps of a chapter, and those that its text and other chapters name."""
    own = _texts(notebook)
    steps = [link for text in own for link in STEP.findall(text)]
    named = [link for text in own for link in LINK.findall(text)]
    to_here = re.compile(rf"\]\({notebook.stem}\.ipynb#([^)]*=[^)]*)\)")
    others = sorted(notebook.parent.glob("*.ipynb"))
    named += [link for other in others for text in _texts(other) for link in to_here.findall(text)]
    return steps, [link for link in dict.fromkeys(named) if link not in steps]


def _texts(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8")).get("cells", [])
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
