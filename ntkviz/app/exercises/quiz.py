"""A quiz: several multiple-choice questions, each answered with its reason before the verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as widgets

from ..pages.background import sentence
from ..translation.refusals import refused
from ..translation.words import _, joined
from .keeper import Keeper, name_of
from .worked import Worked


class Quiz:
    """One choice for each of several items, and one reason.

    - `question`: the question about all of them, as HTML.
    - `items`: each item as HTML, with a function that returns the right choice and one sentence that gives the reason.
    - `options`: the choices, or a list of them for each item.
    - `reasons`: the reason of each item, in a few words; all of them, and `others`, which are reasons of none, are
      offered with each item. With only two choices, reasons are what keeps a quiz from being solved by elimination.

    The verdict comes once both are chosen. It names neither what is right nor, if only one of the two is wrong, more
    than which; the function's sentence follows a right answer. The function should take milliseconds. What was solved
    is kept in the reader's browser.
    """

    def __init__(
        self,
        question: str,
        items: Sequence[tuple[str, Callable[[], tuple[str, str]]]],
        options: Sequence[str] | Sequence[Sequence[str]],
        reasons: Sequence[str] = (),
        others: Sequence[str] = (),
    ):
        self._right: set[int] = set()
        self._items: list[dict[str, Any]] = []
        self._texts: list[str] = []
        self._reasons = list(reasons)
        self._offered = [_("because …"), *sorted({*reasons, *others})]
        self._question, self._score = question, widgets.HTML()
        self.keeper = Keeper(name=name_of(question))
        each: Any = [options] * len(items) if isinstance(options[0], str) else options
        rows = [self._item(k, *item, choices) for k, (item, choices) in enumerate(zip(items, each, strict=True))]
        self._count = len(rows)
        self.widget = widgets.VBox([widgets.HTML(question), *rows, self._score, self.keeper])
        self.widget.add_class("nv-exercise")
        self.widget.add_class("nv-quiz")
        self.keeper.restored(self._restore)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)

    def without_kernel(self) -> dict[str, Any]:
        """What a page needs to play this without a kernel (`static/stored/exercises.js`)."""
        items = [self._without_kernel(number, **item) for number, item in enumerate(self._items)]
        return {"kind": "quiz", "keeper": self.keeper.model_id, "score": self._score.model_id, "items": items}

    def _without_kernel(self, number: int, solve: Callable[[], tuple[str, str]], **used: Any) -> dict[str, Any]:
        right, why = solve()
        place = self._offered.index(self._reasons[number]) if self._reasons else None
        widgets_of = {name: widget.model_id for name, widget in used.items()}
        return widgets_of | {
            "right": [value for _label, value in used["choice"].options].index(right),
            "why": why,
            "right_reason": place,
        }

    def worked(self) -> Worked:
        """Each item with its answer and its reason, for teachers."""
        return Worked(self._question, parts=tuple(map(self._item_worked, range(self._count))))

    def _item_worked(self, number: int) -> Worked:
        right, why = self._items[number]["solve"]()
        said = _("<b>{answer}</b>, because {reason}.") if self._reasons else _("<b>{answer}</b>.")
        answer = said.format(answer=_(right), reason=self._reasons[number] if self._reasons else "")
        return Worked(self._texts[number], (joined([answer, escape(why)]),))

    def _restore(self) -> None:
        if self.keeper.solved:
            self._score.value = f'<span role="status"><span class="nv-right">{_("Solved.")}</span></span>'

    def _item(
        self, number: int, text: str, solve: Callable[[], tuple[str, str]], options: Sequence[str]
    ) -> widgets.Widget:
        choice = widgets.ToggleButtons(
            options=[(_(option), option) for option in options],
            value=None,
            tooltips=[_("Item {number} {option}").format(number=number + 1, option=_(option)) for option in options],
        )
        reason = widgets.Dropdown(
            options=self._offered, description=_("Reason for item {number}").format(number=number + 1)
        )
        reason.add_class("nv-reason")
        verdict = widgets.HTML()

        def told() -> tuple[str, str]:
            right, why = solve()
            return right, refused(why)  # the reason may be the engine's

        def answer(change: Any) -> None:
            if choice.value is None or (self._reasons and reason.value == self._offered[0]):
                said = _("Now choose the reason.")
                verdict.value = f'<span role="status">{said}</span>' if choice.value else ""
                return
            try:
                right, why = told()
            except Exception as error:
                verdict.value = f'<span role="status">{escape(sentence(error))}</span>'
                return
            wrong = [] if choice.value == right else [_("The answer is not right.")]
            is_other = self._reasons and reason.value != self._reasons[number]
            wrong += [_("The reason is not right.")] if is_other else []
            self._count_if_right(number, not wrong)
            verdict.value = f'<span role="status">{self._verdict(wrong, why)}</span>'

        choice.observe(answer, names="value")
        reason.observe(answer, names="value")
        self._items.append({"choice": choice, "reason": reason, "verdict": verdict, "solve": told})
        self._texts.append(text)
        item = widgets.VBox([widgets.HTML(text), choice, *([reason] if self._reasons else []), verdict])
        item.add_class("nv-item")
        return item

    def _count_if_right(self, number: int, right: bool) -> None:
        (self._right.add if right else self._right.discard)(number)
        self._score.value = _("{right} of {count} right.").format(right=len(self._right), count=self._count)
        if len(self._right) == self._count:
            self.keeper.remember(solved=True)

    def _verdict(self, wrong: list[str], why: str) -> str:
        if not wrong:
            return f'<span class="nv-right">{_("Yes.")}</span> {escape(why)}'
        which = wrong[0] if self._reasons and len(wrong) == 1 else ""
        return f'<span class="nv-wrong">{_("Not yet.")}</span> {which}'
