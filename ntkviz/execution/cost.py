"""The memory and time that a computation needs, and their wording for users."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The cost of a computation.

    Attributes:
        memory: Peak memory, in bytes.
        seconds: Run time on this machine, in seconds.
        compiling: Compilation time, in seconds, which is spent once.
    """

    memory: float = 0.0
    seconds: float = 0.0
    compiling: float = 0.0

    def then(self, other: Cost) -> Cost:
        """This computation followed by another: their times add up, and the larger memory counts.

        Args:
            other: The cost of the other computation.

        Returns:
            The cost of both.
        """
        seconds, compiling = self.seconds + other.seconds, self.compiling + other.compiling
        return Cost(max(self.memory, other.memory), seconds, compiling)

    def repeated(self, times: int) -> Cost:
        """Repetitions of the same computation, for example with different random numbers; it is compiled once.

        Args:
            times: The number of repetitions.

        Returns:
            The cost of all of them.
        """
        return Cost(self.memory, times * self.seconds, self.compiling)

    @property
    def total(self) -> float:
        """Compilation and run time together, in seconds."""
        return self.seconds + self.compiling

    def __str__(self) -> str:
        said = f"about {readable_bytes(self.memory)} and {readable_seconds(self.total)}"
        # An earlier run may have left compiled code in a cache, which cannot be known in advance.
        return f"{said}, less if done before" if self.compiling > self.seconds else said


def readable_bytes(count: float) -> str:
    """A text such as `3 GB` or `200 MB`: at least 1 MB, and rounded to one digit below ten, otherwise to two."""
    unit, size = next(((u, s) for u, s in (("TB", 1e12), ("GB", 1e9)) if count >= s), ("MB", 1e6))
    return f"{_rounded(max(count / size, 1)):,} {unit}"


def readable_seconds(seconds: float) -> str:
    """A text such as `40 s`, `5 min` or `3 h`: at least one second, and rounded as bytes are."""
    unit, size = next(((u, s) for u, s in (("h", 3600), ("min", 60)) if seconds >= 2 * s), ("s", 1))
    return f"{_rounded(max(seconds / size, 1)):,} {unit}"


def _rounded(number: float) -> int:
    """Rounded to one digit, or two from 10 on, as much as an estimate justifies."""
    digits: int = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return round(number / digits) * digits
