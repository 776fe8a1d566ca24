"""An exercise with its solution, as a page for teachers shows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Worked:
    """What is asked, and the solution; all texts are HTML.

    - `solutions`: one, or, of an exercise that draws numbers for each reader, one for each set of numbers.
    - `parts`: the stages of a derivation, or the items of a quiz.
    """

    question: str
    solutions: tuple[str, ...] = ()
    parts: tuple[Worked, ...] = ()
