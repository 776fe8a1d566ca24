"""What a translation has in common with its English text: links, states, formulas, code, tags, fields and numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from .fields import fields

FORMULA = re.compile(r"\$[^$]*\$")
CODE = re.compile(r"`[^`]*`")
TARGET = re.compile(r"\]\(([^)]*)\)")
TAG = re.compile(r"</?[a-z]+[^>]*>")
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?")
LARGE = {"million": 1e6, "billion": 1e9, "万": 1e4, "百万": 1e6, "亿": 1e8}
COUNTED = re.compile(rf"({NUMBER.pattern})(?:\s*({'|'.join(sorted(LARGE, key=len, reverse=True))}))?")
EMPHASIS = re.compile(r"(\*+)([^*]+)\1(\w?)")


def _quantities(text: str) -> list[str]:
    """The numbers in a text in one form: 2 million and 200 万 are the same."""
    bare = TAG.sub(" ", TARGET.sub("]", CODE.sub(" ", FORMULA.sub(" ", text))))
    for field in fields(bare):
        bare = bare.replace(field, " ")
    return [f"{float(count.replace(',', '')) * LARGE.get(unit, 1):.10g}" for count, unit in COUNTED.findall(bare)]


ALIKE: dict[str, Callable[[str], list[str]]] = {
    "formulas": FORMULA.findall,
    "code": CODE.findall,
    "links": TARGET.findall,
    "tags": TAG.findall,
    "fields": fields,
    "numbers": _quantities,
}


def faults(english: str, translation: str) -> list[str]:
    """What is wrong with a translation, in words; empty if nothing is found."""
    found = []
    for name, parts in ALIKE.items():
        before, after = Counter(parts(english)), Counter(parts(translation))
        if before != after:
            found.append(f"{name}: {sorted((before - after).elements())} became {sorted((after - before).elements())}")
    spans = EMPHASIS.findall(CODE.sub("", FORMULA.sub("", translation)))
    if any(text[-1] in "。，：；！？、" and after for _, text, after in spans):
        found.append("emphasis: put the punctuation after the asterisks, or Markdown does not end it")
    if english[:1].isspace() != translation[:1].isspace() or english[-1:].isspace() != translation[-1:].isspace():
        found.append("spaces: the translation begins or ends with a space, or lacks one")
    return found
