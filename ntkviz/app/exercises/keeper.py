"""What a reader's browser keeps of an exercise, so that a page opened again shows it as it was left."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from ..style.theme import STATIC

LARGEST_SEED = 2**32
KEPT = {"seed", "hints", "answer", "solved"}
"""What a browser may send."""


class Keeper(anywidget.AnyWidget):
    """Invisible; `kept` is what the browser keeps under `name`.

    Once the page shows the exercise, the browser sends what it has kept before, as `stored`. A browser may send
    anything: what is read here is checked.
    """

    _esm = (STATIC / "keeper.js").read_text(encoding="utf-8")
    name = traitlets.Unicode().tag(sync=True)
    kept = traitlets.Dict().tag(sync=True)
    stored = traitlets.Dict().tag(sync=True)

    def remember(self, **changes: Any) -> None:
        """Keep these, too."""
        self.kept = {**self.kept, **changes}

    def restored(self, restore: Callable[[], None]) -> None:
        """Call `restore` once the browser has sent what it kept."""

        def on_stored(change: Any) -> None:
            self.remember(**{name: value for name, value in self.stored.items() if name in KEPT})
            restore()

        self.observe(on_stored, names="stored")

    @property
    def seed(self) -> int:
        """The seed of this reader's numbers; 0 until the browser has sent it."""
        return self._whole("seed", LARGEST_SEED)

    @property
    def hints(self) -> int:
        """How many hints were opened."""
        return self._whole("hints", 100)

    @property
    def solved(self) -> bool:
        """Whether it was solved."""
        return self.kept.get("solved") is True

    @property
    def answer(self) -> str:
        """The last answer; empty if there was none."""
        answer = self.kept.get("answer")
        return answer if isinstance(answer, str) else ""

    def _whole(self, name: str, end: int) -> int:
        value = self.kept.get(name)
        return value if isinstance(value, int) and 0 <= value < end else 0


def name_of(question: str) -> str:
    """A name for an exercise that nobody has named, from its question: stable until that is edited."""
    return f"{zlib.crc32(question.encode()):08x}"
