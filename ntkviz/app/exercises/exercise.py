"""An exercise: a question, a field, and a check that answers with a measurement."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

import ipywidgets as widgets
import numpy as np

from ...errors import InputError
from ..pages.controls import shortened
from ..translation.words import _
from .keeper import name_of
from .near import Near
from .task import Task
from .worked import Worked

VARIANTS = 4  # sets of numbers that an edition without kernels has
READERS = 64  # whose sets of numbers teachers are shown: practically all that can be drawn
LARGEST = 10**15  # beyond any measurement of a page, yet with few enough digits to display


class Exercise(Task):
    """A question answered by a number. `check(answer)` returns whether it is correct, and why, in one sentence.

    The field takes decimal numbers if `start` is one (1.0, not 1), otherwise whole numbers. The text is parsed here and
    not by the browser, whose fields for whole numbers keep the first digits and drop the rest: 1e4 would become 1.
    Invalid text stays in the field and is not checked; a sentence says what is wrong with it.

    `numbers`, a function of a random generator, draws numbers for each reader, the same whenever they return. Exercises
    of one chapter that draw by the same function have the same numbers. `question`, `hints` and `solution` may then be
    functions of them, and the check is called with them as its second argument.
    """

    def __init__(
        self,
        question: str | Callable[[Any], str],
        label: str,
        check: Callable[..., tuple[bool, str]],
        start: float,
        *,
        numbers: Callable[[np.random.Generator], Any] | None = None,
        hints: Sequence[str] | Callable[[Any], Sequence[str]] = (),
        solution: str | Callable[[Any], str] = "",
        button: str = "",
        **options: Any,
    ):
        self._read = decimal_number if isinstance(start, float) else whole_number
        self._texts, self._numbers, self._check_number = (question, hints, solution), numbers, check
        self._field = widgets.Text(
            value=str(start), description=label, continuous_update=False, style={"description_width": "initial"}
        )

        def checked() -> tuple[bool, str]:
            return check(self._read(self._field.value), *self._numbers_of(self.keeper.seed))

        named = {"name": name_of(label)} if callable(question) else {}
        asked, nudges, worked = self._worded(0)
        super().__init__(
            asked, checked, button or _("Measure"), (self._field,), hints=nudges, solution=worked, **named | options
        )
        self._field.observe(lambda change: self.ask(), names="value")  # after its verdict has been cleared

    def _numbers_of(self, seed: int) -> tuple[Any, ...]:
        """The numbers of a reader as the check's second argument, if it has one."""
        return () if self._numbers is None else (self._drawn(seed),)

    def _drawn(self, seed: int) -> Any:
        assert self._numbers is not None
        return self._numbers(np.random.default_rng(seed))

    def _worded(self, seed: int) -> list[Any]:
        """The question, the hints and the solution, with the numbers of a reader."""
        return [text(self._drawn(seed)) if callable(text) else text for text in self._texts]

    def without_kernel(self) -> dict[str, Any]:
        """As for a task; `check` has the right answer and its tolerance, unless a measurement checks answers."""
        seeds = range(VARIANTS) if self._numbers else [0]
        return super().without_kernel() | {
            "kind": "exercise",
            "field": self._field.model_id,
            "whole": self._read is whole_number,
            "variants": [self._variant(seed) for seed in seeds],
        }

    def _variant(self, seed: int) -> dict[str, Any]:
        question, hints, solution = self._worded(seed)
        check = None
        if isinstance(self._check_number, Near):
            right = self._check_number.right(*self._numbers_of(seed))
            check = {"right": right, "within": self._check_number.within, "said": self._check_number.sentence(right)}
        return {"question": question, "hints": list(hints), "solution": solution, "check": check}

    def worked(self) -> Worked:
        """The question as one reader has it, and the solutions for all numbers that are drawn."""
        solutions = [self._worded(seed)[2] for seed in (range(READERS) if self._numbers else [0])]
        return Worked(self._worded(0)[0], tuple(dict.fromkeys(solutions)))

    def ask(self) -> None:
        """Check the number in the field, which the browser keeps."""
        self.keeper.remember(answer=self._field.value)
        super().ask()

    def _restore(self) -> None:
        self._question.value, *texts = self._worded(self.keeper.seed)
        self._hints.word(*texts)
        if self.keeper.answer:
            self._field.set_trait("value", shortened(self.keeper.answer))
            self.forget()
        super()._restore()


def decimal_number(text: str) -> float:
    """The number that a reader typed; raises `InputError` if it is not a number, or not finite."""
    return float(_number(text, whole=False))


def whole_number(text: str) -> int:
    """The whole number that a reader typed: 10000, 10,000 and 1e4 are equal; raises `InputError` for anything else."""
    grouped = re.fullmatch(r"[+-]?\d{1,3}([,\u202f\u00a0 ]\d{3})+", _plain(text))
    number = _number(re.sub(r"[^\d+-]", "", _plain(text)) if grouped else text, whole=True)
    if number != number.to_integral_value():
        raise _refusal(text, whole=True)
    return int(number)


def _number(text: str, *, whole: bool) -> Decimal:
    try:
        number = Decimal(_plain(text))
    except InvalidOperation:
        raise _refusal(text, whole=whole) from None
    if not number.is_finite():
        raise _refusal(text, whole=whole)
    if not -LARGEST <= number <= LARGEST:
        said = _("{typed} is too large for this page to measure; type a smaller number.")
        raise InputError(said.format(typed=shortened(text.strip())))
    return number


def _plain(text: str) -> str:
    return text.strip().replace("−", "-")  # the minus sign that pages write


def _refusal(text: str, *, whole: bool) -> InputError:
    typed = shortened(text.strip())
    if whole:
        said = _("“{typed}” is not a whole number such as 1000.") if typed else _("Type a whole number such as 1000.")
    else:
        said = _("“{typed}” is not a number such as 1.25.") if typed else _("Type a number such as 1.25.")
    return InputError(said.format(typed=typed))
