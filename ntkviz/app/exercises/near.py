"""The check of an answer that a calculation gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def near(
    value: float | Callable[..., float], within: float = 0.01, said: str = "It is {}."
) -> Callable[..., tuple[bool, str]]:
    """A check for `Exercise`: the answer is right if it is `value`, or `value(numbers)`, to within a hundredth of it.

    - `value`: may take seconds to compute, as a measurement on random networks does.
    - `within`: another tolerance, relative to the value.
    - `said`: the sentence after a right answer, with the value in place of `{}`. A wrong answer is told only on which
      side of it the value lies.
    """

    def check(answer: float, *numbers: Any) -> tuple[bool, str]:
        right = value(*numbers) if callable(value) else value
        if abs(answer - right) <= within * abs(right):
            return True, said.format(_figures(right))
        return False, "It is larger than that." if right > answer else "It is smaller than that."

    return check


def _figures(number: float) -> str:
    return (f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}").replace("-", "−")
