"""An exercise: a question, a field, and a check that answers with what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from typing import Any

import ipywidgets as widgets

from .background import Background, Update


class Exercise:
    """A question answered by a number. `check(answer)` returns whether it is right and one sentence why.

    The check may take seconds: it runs beside the page, and asking again drops it. A refusal by
    `ntkviz` (a width of 0, say) is shown as its sentence.
    """

    def __init__(self, question: str, label: str, check: Callable[[int], tuple[bool, str]], start: int):
        self._check = check
        self._background = Background()
        self._field = widgets.IntText(value=start, description=label, style={"description_width": "initial"})
        self._field.observe(lambda change: self.ask(), names="value")
        button = widgets.Button(description="Measure")
        button.add_class("nv-button")
        button.on_click(lambda _: self.ask())
        self._verdict = widgets.HTML()
        answer = widgets.HBox([self._field, button])
        answer.add_class("nv-answer")
        self.widget = widgets.VBox([widgets.HTML(question), answer, self._verdict])
        self.widget.add_class("nv-exercise")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)

    def ask(self) -> None:
        """Check the answer in the field."""
        answer = self._field.value
        self._verdict.value = "measuring …"

        def measure() -> Iterator[Update]:
            right, why = self._check(answer)
            yield lambda: self._show("nv-right" if right else "nv-wrong", "Yes." if right else "Not yet.", why)

        self._background.run(measure, on_end=self._end)

    def _end(self, error: str | None) -> None:
        if error is not None:
            self._show("nv-wrong", "", error)

    def _show(self, style: str, verdict: str, why: str) -> None:
        self._verdict.value = f'<span role="status"><span class="{style}">{verdict}</span> {escape(why)}</span>'
