"""The fields of a message: what is filled in."""

from __future__ import annotations

import re

FIELD = re.compile(r"(?<!\{)\{[^{}]*\}(?!\})")


def fields(text: str) -> list[str]:
    """The fields of a message, such as `{chi:.3f}`; double braces stand for themselves."""
    return FIELD.findall(text)
