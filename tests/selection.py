"""Which cases of a test `make test` runs: not those that are marked `full`, which `make test-full` runs.

A case is always run if nothing else checks the formula; further architectures, models and seeds are full.
"""

from collections.abc import Hashable, Iterable
from typing import Any

import pytest


def full_except(cases: Iterable[Hashable], *kept: Hashable) -> list[Any]:
    """Cases for `pytest.mark.parametrize`, of which all but `kept` are full.

    Raises:
        LookupError: Something else is to be kept.
    """
    cases = _all_of(cases, kept)
    return [case if case in kept else full(case) for case in cases]


def full_among(cases: Iterable[Hashable], *left_out: Hashable) -> list[Any]:
    """Cases for `pytest.mark.parametrize`, of which those in `left_out` are full.

    Raises:
        LookupError: Something else is to be left out.
    """
    cases = _all_of(cases, left_out)
    return [full(case) if case in left_out else case for case in cases]


def full(case: Any) -> Any:
    """A full case; a tuple has the values of several arguments."""
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.full)


def _all_of(cases: Iterable[Hashable], named: tuple[Hashable, ...]) -> list[Hashable]:
    """The cases, among which must be all that are named."""
    listed = list(cases)
    if unknown := [name for name in named if name not in listed]:
        raise LookupError(f"There are no cases {unknown}.")
    return listed
