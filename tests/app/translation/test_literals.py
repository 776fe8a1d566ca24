"""Strings of code are messages if a reader sees them, and none if they are values."""

import pytest

from ntkviz.app.translation import literals


@pytest.mark.parametrize(
    ("source", "messages"),
    [
        ('app.Slider("depth", 1, 9, start=3, hint="the layers")', ["depth", "the layers"]),
        ('app.Controls(start=app.Choice("form", [], start="one"))', ["form"]),
        ('app.table(caption, ["value", "kind"], without=["value2 more"])', ["value", "kind"]),
        ('x = "two words"; y = "word"', ["two words"]),
        ('def f():\n    """Of two."""\n    return f"{chi**50:.2g}, {{so}} it is"', ["{chi ** 50:.2g}, {{so}} it is"]),
        ('app.Picture(controls, [], layout="nv-two one", play="time of it")', []),
        ('app.Choice("view of it", ["one row", "all"], start="all")', ["view of it"]),
        ('KIT = {"skip": 1, "relu": 2}; stacks = ["skip relu skip", "skip of relu"]', ["skip of relu"]),
        ('nv.mlp("relu"); name["one key"] = 1; a == "some value"', []),
        ('x = ("Joined " "of two"\n f" parts {x}")', ["Joined of two parts {x}"]),
    ],
)  # fmt: skip
def test_what_is_a_message(source, messages):
    found = literals.messages(source, literals.values(source))
    assert [one.text for one in found] == messages
    assert literals.translated(source, found, lambda text: text) == source


def test_a_value_is_none_wherever_it_stands():
    values = literals.values('app.Choice("show", ["one row", "all"], start="one row")')
    assert values == {"one row": True, "all": True}
    assert literals.messages('show("one row"); show("one column")', values)[0].text == "one column"


def test_choices_are_found_by_their_name():
    source = 'KINDS = {"fast one": 1}\napp.Choice("k", list(KINDS), start="fast one")\nOTHERS = {"no choice": 2}'
    assert literals.values(source) == {"fast one": True, "no choice": False}


def test_a_translated_f_string_computes_the_same():
    source = "χ = 2.5\nsaid = f\"at χ: {χ:.2f} and {d['a']!r}\" + 'the end of it'\nlist = [said]"
    words = {
        "at χ: {χ:.2f} and {d['a']!r}": "{d['a']!r}，“{χ:.2f}” \"是\"",
        "the end of it": 'so "ends" it\\',
    }
    found = literals.messages(source)
    names = {"d": {"a": "b"}}
    exec(literals.translated(source, found, words.get), names)
    assert names["said"] == '\'b\'，“2.50” "是"so "ends" it\\'


def test_a_translation_that_computes_something_else_is_not_used():
    source = 'said = f"it is {x} now"'
    found = literals.messages(source)
    for wrong in ("it is {x} and {x}", "it is {y}", "it is", "it is {__import__('os')}"):
        assert literals.translated(source, found, lambda text, wrong=wrong: wrong) == source
