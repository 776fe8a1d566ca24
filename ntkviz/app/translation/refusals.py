"""The engine's refusals in the reader's language.

The engine speaks English to those who call it from Python, and one engine may serve readers of several languages. So
the app translates a finished sentence: it finds the template in the catalogue that the sentence was made from, by the
template's constant parts, and takes the values of the fields from between them. A value may be in words itself.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from itertools import zip_longest

from .fields import FIELD, fields
from .words import language, pairs

PART = "refusals"
JOINED = re.compile(r"\{'( [^']*[a-z][^']*)'\.join\(")
"""A field in which words stand between several values, such as `{' or '.join(names)}`."""


def refused(sentence: str) -> str:
    """A refusal, or a phrase of one, in the language of this process; in English if the catalogue has no template."""
    for made, names, translation in _templates(language()):
        if found := made.fullmatch(sentence):
            values = {name: _value(name, text) for name, text in zip(names, found.groups(), strict=True)}
            return filled(translation, values)
    return sentence


def _value(field: str, value: str) -> str:
    if joined := JOINED.match(field):
        return refused(joined[1]).join(map(refused, value.split(joined[1])))
    if (phrase := refused(value)) != value:
        return phrase
    sentence = refused(f"{value}.")  # of which the refusal's own sentence has dropped the stop
    return value if sentence == f"{value}." else sentence.rstrip(".。")


@functools.cache
def _templates(language: str) -> list[tuple[re.Pattern[str], list[str], str]]:
    """The templates that are translated with the same fields, those with the longest constant parts first."""
    longest = sorted(pairs(language, PART).items(), key=lambda pair: -len(constant(pair[0])))
    known = [(english, text) for english, text in longest if set(fields(english)) == set(fields(text))]
    return [(pattern(english), list(dict.fromkeys(fields(english))), text) for english, text in known]


def pattern(template: str) -> re.Pattern[str]:
    """What matches the sentences that are made from a template: a group for each field, which repeats its value."""
    made, names = "", list[str]()
    for text, field in zip_longest(FIELD.split(template), fields(template), fillvalue=""):
        made += re.escape(_single(text))
        if field in names:
            made += rf"(?:\{names.index(field) + 1})"
        elif field:
            # Behind another field is what may be added to that, as ", at file.py:12".
            made += "(.*?)" if text or not names else "((?:[ ,:].*?)?)"
            names.append(field)
    return re.compile(made, re.DOTALL)


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its values, each in the place of its field, wherever a translation has put that."""
    parts = zip_longest(FIELD.split(template), fields(template))
    return "".join(_single(text) + (values[field] if field else "") for text, field in parts)


def constant(template: str) -> str:
    """A template without its fields."""
    return _single("".join(FIELD.split(template)))


def _single(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")
