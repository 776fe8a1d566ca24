"""What a reader types into an exercise: every way of writing a number is understood, and anything else is refused."""

import json

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import Exercise, near
from ntkviz.app.exercises.exercise import VARIANTS, decimal_number, whole_number
from ntkviz.errors import InputError

from ..conftest import wait_for


@pytest.fixture
def asked():
    return []


@pytest.fixture
def exercise(asked):
    """An exercise that takes whole numbers and records in `asked` every answer that it checks."""

    def check(answer):
        asked.append(answer)
        return answer == 10_000, "measured"

    return Exercise("?", "width", check, start=1000)


@pytest.mark.parametrize("typed", ["10000", "1e4", "1E4", "1.0e4", "10000.0", "10,000", "10 000", " 10000 ", "+1e+4"])
def test_a_whole_number_can_be_written_in_many_ways(typed):
    assert whole_number(typed) == 10_000


@pytest.mark.parametrize("typed", ["1.5", "1e-1", "ten", "1e", "1,5", "1,00", "10k", "0x10", "nan", "inf", "12 3"])
def test_anything_but_a_whole_number_is_refused_in_one_sentence(typed):
    with pytest.raises(InputError, match=f"^“{typed}” is not a whole number such as 1000[.]$"):
        whole_number(typed)


@pytest.mark.parametrize(("typed", "number"), [("1.25", 1.25), ("-0.4", -0.4), ("−0.4", -0.4), ("1e-1", 0.1), ("2", 2)])
def test_a_decimal_number_can_be_written_in_many_ways(typed, number):
    assert decimal_number(typed) == number


@pytest.mark.parametrize("typed", ["1,25", "one", "nan", "-inf", "1.2.3"])
def test_anything_but_a_number_is_refused(typed):
    with pytest.raises(InputError, match=r"is not a number such as 1\.25"):
        decimal_number(typed)


@pytest.mark.parametrize("read", [whole_number, decimal_number])
def test_empty_and_too_large_answers_are_refused(read):
    with pytest.raises(InputError, match=r"^Type a "):
        read("  ")
    for much in ("1e16", "-1e999999999"):
        with pytest.raises(InputError, match="is too large for this page to measure"):
            read(much)


def test_the_field_is_read_as_typed_and_keeps_what_is_refused(exercise, asked):
    exercise._field.value = "1e4"
    wait_for(lambda: "Yes." in exercise._verdict.value)
    assert asked == [10_000]
    exercise._field.value = "many"
    wait_for(lambda: "“many” is not a whole number" in exercise._verdict.value)
    assert (asked, exercise._field.value) == ([10_000], "many")
    exercise._field.value = "1e3"
    wait_for(lambda: "Not yet." in exercise._verdict.value)
    assert asked == [10_000, 1000]


def test_decimal_numbers_are_accepted_where_the_start_is_a_decimal(asked):
    exercise = Exercise("?", "x", lambda answer: (bool(asked.append(answer)), "measured"), start=1.0)
    exercise._field.value = "1.25"
    wait_for(lambda: "measured" in exercise._verdict.value)
    assert asked == [1.25]


def test_no_page_has_a_field_that_the_browser_parses(root):
    """In a field for whole numbers, browsers read 1e4 as 1, so pages use `Exercise` alone."""
    for path in sorted((root / "notebooks").glob("*.ipynb")):
        code = [
            "".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"
        ]
        assert "IntText" not in "".join(code), path
        assert "FloatText" not in "".join(code), path


def test_exercise_shows_measurements_and_refusals():
    def check(width):
        if width < 1:
            raise nv.HyperparameterError("The width is 0; it must be a whole number ≥ 1.")
        return width > 10, f"Width {width} was measured."

    exercise = Exercise("How wide?", "width", check, start=1)
    for answer, expected in (("5", "Not yet."), ("20", "Yes."), ("0", "whole number")):
        exercise._field.value = answer
        wait_for(lambda expected=expected: expected in exercise._verdict.value)


def test_without_a_kernel_a_page_knows_the_texts_and_the_answer_for_the_numbers_of_a_reader():
    twice = near(lambda d: 2.0 * d, within=0.1)
    exercise = Exercise(
        lambda d: f"2 · {d}?", "x", twice, 0, numbers=lambda rng: int(rng.integers(1, 90)),
        hints=lambda d: [f"Double {d}."], solution=lambda d: f"<b>{2 * d}</b>",
    )  # fmt: skip
    known = exercise.without_kernel()
    drawn = [int(np.random.default_rng(seed).integers(1, 90)) for seed in range(VARIANTS)]
    assert [variant["check"]["right"] for variant in known["variants"]] == [2 * d for d in drawn]
    assert known["variants"][1] | {"check": None} == {
        "question": f"2 · {drawn[1]}?", "hints": [f"Double {drawn[1]}."], "solution": f"<b>{2 * drawn[1]}</b>",
        "check": None,
    }  # fmt: skip
    assert known["variants"][0]["check"] == {"right": 2.0 * drawn[0], "within": 0.1, "said": f"It is {2 * drawn[0]}."}
    assert known["whole"]


def test_without_a_kernel_a_measurement_is_not_checked():
    known = Exercise("?", "x", lambda x: (True, ""), 1.0).without_kernel()
    assert [variant["check"] for variant in known["variants"]] == [None]
    assert not known["whole"]
