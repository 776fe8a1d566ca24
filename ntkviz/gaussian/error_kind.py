"""The kinds of error: what the error of a result means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

ErrorKind = Literal["rounding", "estimate", "standard error"]
"""The kinds of error, from the strongest to the weakest.

Closed forms are exact up to rounding; quadrature gives a bound or an estimate; sampling gives a standard error, which
is exceeded in a third of all cases.
"""

MEANING: dict[ErrorKind, str] = {
    "rounding": "closed forms throughout, exact up to rounding",
    "estimate": "an estimate of the error of the numerical integrals",
    "standard error": "the standard error over independent sets of samples, which one answer in three exceeds",
}


def weaker(*kinds: ErrorKind) -> ErrorKind:
    """The weakest of some kinds of error."""
    return max(kinds, key=get_args(ErrorKind).index)


class AbsoluteError(float):
    """An absolute error as a float that also has a `kind`, as returned to callers."""

    kind: ErrorKind

    def __new__(cls, value: Any, kind: ErrorKind = "estimate") -> AbsoluteError:
        error = super().__new__(cls, value)
        error.kind = kind
        return error

    def __getnewargs__(self) -> tuple[Any, ...]:
        return float(self), self.kind

    @classmethod
    def largest(cls, errors: Iterable[float]) -> AbsoluteError:
        """The largest of some errors, with the weakest of their kinds."""
        found = [e if isinstance(e, AbsoluteError) else cls(e) for e in errors]
        return cls(max(found), weaker(*(e.kind for e in found)))
