"""The check of an answer that a calculation gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..translation.words import _


@dataclass(frozen=True)
class Near:
    """A check for `Exercise`, made by `near`."""

    value: float | Callable[..., float]
    within: float
    said: str

    def right(self, *numbers: Any) -> float:
        """The right answer for a reader's numbers."""
        return float(self.value(*numbers) if callable(self.value) else self.value)

    def sentence(self, right: float) -> str:
        """What is said after a right answer."""
        return (self.said or _("It is {}.")).format(_figures(right))

    def __call__(self, answer: float, *numbers: Any) -> tuple[bool, str]:
        right = self.right(*numbers)
        if abs(answer - right) <= self.within * abs(right):
            return True, self.sentence(right)
        return False, _("It is larger than that.") if right > answer else _("It is smaller than that.")


def near(value: float | Callable[..., float], within: float = 0.01, said: str = "") -> Near:
    """A check for `Exercise`: the answer is right if it is `value`, or `value(numbers)`, to within a hundredth of it.

    - `value`: may take seconds to compute, as a measurement on random networks does.
    - `within`: another tolerance, relative to the value.
    - `said`: the sentence after a right answer, with the value in place of `{}`; by default “It is {}.” A wrong answer
      is told only on which side of it the value lies.
    """
    return Near(value, within, said)


def _figures(number: float) -> str:
    return (f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}").replace("-", "−")
