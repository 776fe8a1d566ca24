"""Exercises are found where chapters show them, with their solutions."""

import json

import pytest

from ntkviz.app.exercises.worked import Worked
from ntkviz.app.teaching.answers import answers
from ntkviz.errors import InputError

PICTURE = "from ntkviz import app\nnumber = 3\npicture = app.Picture(what_is_not_run)\npicture.widget"
EXERCISES = """
app.Derivation("Derive it.", [
    app.Exercise(lambda d: f"What is {d} + {d}?", "sum", app.near(lambda d: 2.0 * d), start=0,
                 numbers=lambda rng: int(rng.choice([number, 4])),
                 hints=lambda d: ("Add.",), solution=lambda d: f"<b>{2 * d}</b>"),
])
"""
SHOWN = """
display(app.Quiz("Which?", [("a", lambda: ("yes", "5 < 6."))], ["yes", "no"], reasons=["law"], others=["luck"]),
        app.Explanation("Why?", "Because."))
"""


@pytest.fixture
def notebook(tmp_path):
    def write(*code, section='## <a id="exercise"></a>Exercise'):
        sources = [("code", PICTURE), ("markdown", section), *(("code", one) for one in code)]
        cells = [{"cell_type": kind, "source": source.splitlines(keepends=True)} for kind, source in sources]
        (tmp_path / "01_a.ipynb").write_text(json.dumps({"cells": cells}))
        return tmp_path / "01_a.ipynb"

    return write


def test_exercises_come_with_the_solutions_for_all_numbers(notebook):
    derivation, quiz, explanation = answers(notebook(EXERCISES, SHOWN))
    assert derivation.question == "Derive it."
    assert {*derivation.parts[0].solutions} == {"<b>6</b>", "<b>8</b>"}
    assert quiz == Worked("Which?", parts=(Worked("a", ("<b>yes</b>, because law. 5 &lt; 6.",)),))
    assert explanation == Worked("Why?", ("Because.",))


def test_a_page_without_exercises_has_none(notebook):
    assert answers(notebook(section="## Recap")) == []


def test_exercises_that_are_not_shown_are_missed_by_name(notebook):
    with pytest.raises(InputError, match=r"01_a\.ipynb"):
        answers(notebook("lost = " + EXERCISES.strip()))
