"""Each refusal of the engine is recognised as made from its own template, and told in the reader's language."""

import pytest

from ntkviz.app import Quiz
from ntkviz.app.translation import refusals, words
from ntkviz.app.translation.fields import fields

from .pseudo import pseudo

GERMAN = r"""
msgid "{name} is {shown(value)}; give one of {name}, {{}} or {' or '.join(choices)}."
msgstr "Statt {shown(value)} gib bei {name} eins von {name}, {{}} oder {' or '.join(choices)}."

msgid " or "
msgstr " oder "

msgid "{what} is infinite{where}."
msgstr "{what} ist{where} unendlich."

msgid "{name}{where} is zero."
msgstr "Null{where} ist {name}."

msgid "The NTK at width {n}"
msgstr "Der NTK der Breite {n}"

msgid ", at {file}:{line}"
msgstr " in {file}:{line}"

msgid "Instruction {k}: {problem}"
msgstr "Zeile {k}: {problem}"

msgid "{number} is too large."
msgstr "{nummer} ist zu groß."
"""


@pytest.fixture
def german(tmp_path, monkeypatch):
    (tmp_path / "de").mkdir()
    (tmp_path / "de" / "refusals.po").write_text(GERMAN)
    monkeypatch.setattr(words, "CATALOGUES", tmp_path)
    monkeypatch.setenv(words.LANGUAGE, "de")
    yield
    words.catalogue.cache_clear()
    refusals._templates.cache_clear()


def test_every_refusal_is_told_in_the_language(found, spoken):
    templates = [one.id for one in found["refusals"] if one.id]
    assert len(templates) > 300
    for template in templates:
        added = {field for field in fields(template) if f"}}{field}" in template}
        values = {field: f"{', ' * (field in added)}value{k}" for k, field in enumerate(fields(template))}
        assert refusals.refused(refusals.filled(template, values)) == refusals.filled(pseudo(template), values)


def test_what_is_filled_in_later_is_a_field(found):
    assert any("{where}" in one.id for one in found["refusals"])
    assert [one.id for one in found["refusals"] if "{{" in one.id] == []


def test_sentences_that_the_engine_says(found):
    for known in (
        "The model makes an array with two width axes{where}, but a tensor program has only vectors.",
        "The limit NTK",
        "vanish",
        " or ",
    ):
        assert known in found["refusals"]


@pytest.mark.usefixtures("german")
@pytest.mark.parametrize(
    ("english", "told"),
    [
        # Each value in the place of its own field, though the order differs and a value looks like a field.
        (
            "{shown(value)} is 3; give one of {shown(value)}, {} or 'a' or 'b'.",
            "Statt 3 gib bei {shown(value)} eins von {shown(value)}, {} oder 'a' oder 'b'.",
        ),
        ("x is 3; give one of y, {} or 'a'.", "x is 3; give one of y, {} or 'a'."),
        ("The NTK at width 8 is infinite, at net.py:12.", "Der NTK der Breite 8 ist in net.py:12 unendlich."),
        ("max, at net.py:12 is zero.", "Null in net.py:12 ist max."),
        ("Instruction 3: x is infinite.", "Zeile 3: x ist unendlich."),
        ("Instruction 3: x is infinite", "Zeile 3: x ist unendlich"),  # a sentence that has lost its stop
        ("7 is too large.", "7 is too large."),  # the translation has another field
        ("The moon is made of cheese.", "The moon is made of cheese."),
    ],
)
def test_values_in_a_translation(english, told):
    assert refusals.refused(english) == told


@pytest.mark.usefixtures("german")
def test_a_quiz_tells_the_reasons_of_the_engine():
    quiz = Quiz("Which?", [("a", lambda: ("line 1", "x is infinite, at net.py:1."))], [["line 1", "line 2"]])
    _, choice, verdict = quiz.widget.children[1].children
    choice.value = "line 1"
    assert "x ist in net.py:1 unendlich." in verdict.value
