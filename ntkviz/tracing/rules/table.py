"""The table of rules: for each primitive, a function `(walk, equation, *arguments)` that returns its traced results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

RULES: dict[str, Callable[..., Any]] = {}
"""The rule of each primitive, by name; "of numbers" is the rule of all others, if all arguments are numbers."""
RULES_OF_WEIGHTED = {"reduce_sum"}
"""Primitives whose rules take `Weighted` products, as they can be readouts; all others get them as vectors."""


def rule(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the rule of primitives."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            assert name not in RULES, name
            RULES[name] = function
        return function

    return register
