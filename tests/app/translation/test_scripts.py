"""What the scripts of pages say goes through `worded`."""

import re

import pytest
from babel.messages.jslexer import tokenize

from ntkviz.app.translation.extraction import APP

SCRIPTS = [path for path in sorted((APP / "static").rglob("*.js")) if "vendor" not in path.parts]
SENTENCE = re.compile(r"\W*[A-Z]\w*(\W* [a-z]|[.…]$)")


def said(source: str) -> list[str]:
    """The strings of a script that look like sentences, and that it does not look up."""
    tokens = [token for token in tokenize(source, jsx=False) if "comment" not in token.type]
    texts = [
        re.sub(r"<[^>]*>|\$\{[^}]*\}", "", token.value[1:-1])
        for at, token in enumerate(tokens)
        if token.type in ("string", "template_string") and [one.value for one in tokens[at - 2 : at]] != ["worded", "("]
    ]
    return [text for text in texts if SENTENCE.match(text)]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_sentence_is_shown_without_being_looked_up(path):
    assert said(path.read_text(encoding="utf-8")) == []


def test_a_sentence_is_found():
    assert said('say("Not yet."); say(`It is <b>${x}</b> larger.`); say(worded("Yes.")); on("keydown", "a b");') == [
        "Not yet.",
        "It is  larger.",
    ]
