"""In what sense a result is off by its error."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

ErrorKind = Literal["rounding", "estimate", "standard error"]
"""The kinds of error, from the strongest to the weakest: closed forms are exact up to rounding; quadrature comes with a
bound or an estimate; sampling with a standard error, which is exceeded in a third of all cases."""

MEANING: dict[ErrorKind, str] = {
    "rounding": "closed forms throughout, exact up to rounding",
    "estimate": "an estimate of the error of the numerical integrals",
    "standard error": "the standard error over independent sets of samples, which one answer in three exceeds",
}


def weaker(*kinds: ErrorKind) -> ErrorKind:
    """The weakest of some kinds of error."""
    return max(kinds, key=get_args(ErrorKind).index)


class AbsoluteError(float):
    """An error as a number, with its kind, as returned to callers."""

    kind: ErrorKind

    def __new__(cls, value: Any, kind: ErrorKind = "estimate") -> AbsoluteError:
        error = super().__new__(cls, value)
        error.kind = kind
        return error

    def __getnewargs__(self) -> tuple[Any, ...]:
        return float(self), self.kind

    @classmethod
    def largest(cls, errors: Iterable[float]) -> AbsoluteError:
        """The largest of some errors, of the weakest of their kinds."""
        found = [e if isinstance(e, AbsoluteError) else cls(e) for e in errors]
        return cls(max(found), weaker(*(e.kind for e in found)))
