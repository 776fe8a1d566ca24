"""The memory and the time that a computation needs, in words for a reader."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """The cost of a computation.

    Attributes:
        memory: Peak memory, in bytes.
        seconds: Run time on this machine, in seconds.
        compiling: Compilation time, in seconds, once.
    """

    memory: float = 0.0
    seconds: float = 0.0
    compiling: float = 0.0

    def then(self, other: Cost) -> Cost:
        """This computation and then another: their times add up, and the larger memory counts.

        Args:
            other: The cost of the other computation.

        Returns:
            The cost of both.
        """
        seconds, compiling = self.seconds + other.seconds, self.compiling + other.compiling
        return Cost(max(self.memory, other.memory), seconds, compiling)

    def repeated(self, times: int) -> Cost:
        """Repetitions of the same computation, with different random numbers, say: it is compiled once.

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
        # Where compiled code is kept, an earlier run may have compiled it: that cannot be known in advance.
        return f"{said}, less if done before" if self.compiling > self.seconds else said


def readable_bytes(count: float) -> str:
    """`3 GB`, `200 MB`; not below 1 MB, and rounded to one digit below ten."""
    unit, size = next(((u, s) for u, s in (("TB", 1e12), ("GB", 1e9)) if count >= s), ("MB", 1e6))
    return f"{_rounded(max(count / size, 1)):,} {unit}"


def readable_seconds(seconds: float) -> str:
    """`40 s`, `5 min`, `3 h`; not below a second."""
    unit, size = next(((u, s) for u, s in (("h", 3600), ("min", 60)) if seconds >= 2 * s), ("s", 1))
    return f"{_rounded(max(seconds / size, 1)):,} {unit}"


def _rounded(number: float) -> int:
    """To one digit, or two from 10 on: an estimate justifies no more."""
    digits: int = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return round(number / digits) * digits
