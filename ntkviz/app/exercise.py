"""An exercise: a question, a field, and a check that answers with what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from .task import Task


class Exercise(Task):
    """A question answered by a number. `check(answer)` returns whether it is right and one sentence why.

    The field takes decimal numbers if `start` is one (1.0, not 1).
    """

    def __init__(self, question: str, label: str, check: Callable[[Any], tuple[bool, str]], start: float):
        field = widgets.FloatText if isinstance(start, float) else widgets.IntText
        self._field = field(value=start, description=label, style={"description_width": "initial"})
        self._field.observe(lambda change: self.ask(), names="value")
        super().__init__(question, lambda: check(self._field.value), button="Measure", beside=(self._field,))
