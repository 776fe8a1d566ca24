"""A quiz: several multiple-choice questions, each with immediate feedback and its reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from ..pages.background import sentence


class Quiz:
    """One choice for each of several items.

    - `question`: the question about all of them, as HTML.
    - `items`: each item as HTML, with a function that returns the right choice and one sentence why.
    - `options`: the choices, or a list of them for each item.
    - `no`: the answer to a wrong choice, with `{}` for the right one.

    The function is called when the item is answered and should take milliseconds.
    """

    def __init__(
        self,
        question: str,
        items: Sequence[tuple[str, Callable[[], tuple[str, str]]]],
        options: Sequence[str] | Sequence[Sequence[str]],
        no: str = "No, it {}.",
    ):
        self._no = no
        self._right: set[int] = set()
        self._score = widgets.HTML()
        each: Any = [options] * len(items) if isinstance(options[0], str) else options
        rows = [self._item(k, *item, choices) for k, (item, choices) in enumerate(zip(items, each, strict=True))]
        self._count = len(rows)
        self.widget = widgets.VBox([widgets.HTML(question), *rows, self._score])
        self.widget.add_class("nv-exercise")
        self.widget.add_class("nv-quiz")

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)

    def _item(
        self, number: int, text: str, solve: Callable[[], tuple[str, str]], options: Sequence[str]
    ) -> widgets.Widget:
        choice = widgets.ToggleButtons(
            options=list(options), value=None, tooltips=[f"Item {number + 1} {o}" for o in options]
        )
        verdict = widgets.HTML()

        def answer(change: Any) -> None:
            try:
                right, why = solve()
            except Exception as error:
                verdict.value = f'<span role="status">{escape(sentence(error))}</span>'
                return
            (self._right.add if choice.value == right else self._right.discard)(number)
            style, word = ("nv-right", "Yes.") if choice.value == right else ("nv-wrong", self._no.format(right))
            verdict.value = f'<span role="status"><span class="{style}">{escape(word)}</span> {escape(why)}</span>'
            self._score.value = f"{len(self._right)} of {self._count} right."

        choice.observe(answer, names="value")
        item = widgets.VBox([widgets.HTML(text), choice, verdict])
        item.add_class("nv-item")
        return item
