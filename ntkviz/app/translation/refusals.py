"""The engine's refusals in the reader's language.

The engine speaks English to those who call it from Python, and one engine may serve readers of several languages. So
the app translates a finished sentence: it finds the template in the catalogue that the sentence was made from, by the
template's constant parts, and takes the values of the fields from between them.
"""

from __future__ import annotations

import functools
import re

from .fields import fields
from .words import language, pairs

PART = "refusals"


def refused(sentence: str) -> str:
    """A refusal in the language of this process; in English if no template in the catalogue fits."""
    for pattern, names, translation in _templates(language()):
        if found := pattern.fullmatch(sentence):
            for name, value in zip(names, found.groups(), strict=True):
                translation = translation.replace(name, value, 1)
            return translation
    return sentence


@functools.cache
def _templates(language: str) -> list[tuple[re.Pattern[str], list[str], str]]:
    """The templates that are translated, those with the longest constant parts first."""
    longest = sorted(pairs(language, PART).items(), key=lambda pair: -len(constant(pair[0])))
    return [(pattern(english), fields(english), text) for english, text in longest]


def pattern(template: str) -> re.Pattern[str]:
    """What matches the sentences that are made from a template; a group for each field."""
    parts = re.split("|".join(map(re.escape, fields(template))) or r"(?!)", template)
    return re.compile("(.*?)".join(map(re.escape, map(_single, parts))), re.DOTALL)


def constant(template: str) -> str:
    """A template without its fields."""
    for field in fields(template):
        template = template.replace(field, "", 1)
    return _single(template)


def _single(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")
