"""A question answered in words, and a model answer to compare with."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from ..style.theme import script
from .keeper import name_of
from .worked import Worked


class Explanation(anywidget.AnyWidget):
    """Asks `question` (HTML); `answer` (HTML) can be opened once the reader has written a sentence.

    What the reader writes stays in the browser: neither this server nor anybody else is sent a word of it.
    """

    _esm = script("explanation.js")
    name = traitlets.Unicode().tag(sync=True)
    question = traitlets.Unicode().tag(sync=True)
    answer = traitlets.Unicode().tag(sync=True)

    def __init__(self, question: str, answer: str, **options: Any):
        super().__init__(name=name_of(question), question=question, answer=answer, **options)

    def worked(self) -> Worked:
        """The question and its model answer, for teachers."""
        return Worked(self.question, (self.answer,))
