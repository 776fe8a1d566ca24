"""A task: a question about what the reader has built on the page, and a check of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from ..pages.background import Background, Update
from ..translation.words import _
from .hints import Hints
from .keeper import Keeper, name_of
from .worked import Worked


class Task:
    """A question answered by doing something on the page. `check()` returns whether it is done, and why, in a sentence.

    The check may take seconds: it runs in the background, and a new request cancels it. An `NtkvizError`
    (for a width of 0, say) is shown as its sentence. What was opened and solved is kept in the reader's browser.

    - `question`: what to do, as HTML.
    - `button`: the label of the button that starts the check, by default “Check my answer”; `beside`: the widgets to
      its left.
    - `about`: the widgets that the check reads, by default `beside`. A change of one of them clears the verdict.
    - `hints`: up to three, from a nudge to nearly all of it, and `solution`, the worked solution, all as HTML.
    - `name`: under which the browser keeps it; by default from the question.
    """

    def __init__(
        self,
        question: str,
        check: Callable[[], tuple[bool, str]],
        button: str = "",
        beside: Sequence[widgets.Widget] = (),
        about: Sequence[widgets.Widget] | None = None,
        *,
        hints: Sequence[str] = (),
        solution: str = "",
        name: str = "",
    ):
        self._check = check
        self._background = Background()
        self.keeper = Keeper(name=name or name_of(question))
        self._question = widgets.HTML(question)
        self._button = ask = widgets.Button(description=button or _("Check my answer"))
        ask.add_class("nv-button")
        ask.on_click(lambda button: self.ask())
        self._verdict = widgets.HTML()
        for widget in beside if about is None else about:
            widget.observe(lambda change: self.forget(), names="value")
        answer = widgets.HBox([*beside, ask])
        answer.add_class("nv-answer")
        self._hints = Hints(hints, solution, lambda count: self.keeper.remember(hints=count))
        parts = [self._question, answer, self._verdict, *([self._hints.widget] if hints or solution else [])]
        self.widget = widgets.VBox([*parts, self.keeper])
        self.widget.add_class("nv-exercise")
        self.keeper.restored(self._restore)

    def _restore(self) -> None:
        """Show it as this reader left it."""
        self._hints.open(self.keeper.hints)
        if self.keeper.solved:
            self._show("nv-right", _("Solved."), "")
            self._hints.solve()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)

    def without_kernel(self) -> dict[str, Any]:
        """What a page needs to play this without a kernel (`static/stored/exercises.js`).

        Each of `variants` has the texts for one reader's numbers, and `check`, which is `None`: only a kernel can check
        what a reader has built.
        """
        question, hints, solution = self._question.value, *self._hints.texts
        named = {"keeper": self.keeper, "question": self._question, "ask": self._button, "verdict": self._verdict}
        return {
            "kind": "task",
            **{name: widget.model_id for name, widget in named.items()},
            "hints": self._hints.without_kernel(),
            "variants": [{"question": question, "hints": hints, "solution": solution, "check": None}],
        }

    def worked(self) -> Worked:
        """The question and its solution, for teachers."""
        return Worked(self._question.value, (self._hints.texts[1],))

    def ask(self) -> None:
        """Check the current state of the page."""
        self._verdict.value = _("measuring …")

        def measure() -> Iterator[Update]:
            right, why = self._check()
            yield lambda: self._answer(right, why)

        self._background.run(measure, on_end=self._end)

    def _answer(self, right: bool, why: str) -> None:
        self._show("nv-right" if right else "nv-wrong", _("Yes.") if right else _("Not yet."), why)
        if right:
            self.keeper.remember(solved=True)
            self._hints.solve()

    def forget(self) -> None:
        """Clear the verdict: a widget that the check reads has changed."""
        self._background.cancel()
        self._verdict.value = ""

    def _end(self, error: str | None) -> None:
        if error is not None:
            self._show("nv-wrong", "", error)

    def _show(self, style: str, verdict: str, why: str) -> None:
        self._verdict.value = f'<span role="status"><span class="{style}">{verdict}</span> {escape(why)}</span>'
