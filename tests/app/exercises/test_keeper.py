"""What a browser keeps of an exercise is shown when the page is opened again, whatever it sends."""

import pytest

from ntkviz.app import Exercise
from ntkviz.app.exercises.keeper import Keeper
from ntkviz.app.server.page_channel import may_ask

from ..conftest import wait_for

HINTS = ["Think.", "Think of c.", "c/√n = 1 %."]


def exercise(**options):
    return Exercise("How wide?", "width", lambda n: (n == 100, f"{n}."), start=1, **options)


def test_hints_open_one_by_one_and_the_solution_last():
    asked = exercise(hints=HINTS, solution="100.")
    button, shown = asked._hints.widget.children
    for count, label in enumerate(["Hint 1 of 3", "Hint 2 of 3", "Hint 3 of 3", "Show the solution"]):
        assert (button.description, asked.keeper.hints) == (label, count)
        button.click()
    assert all(hint in shown.value for hint in HINTS)
    assert "<b>Solution.</b> 100." in shown.value
    assert button.layout.display == "none"


def test_a_right_answer_opens_the_solution_alone():
    asked = exercise(hints=HINTS, solution="A hundred.")
    asked._field.value = "100"
    wait_for(lambda: "Yes." in asked._verdict.value)
    shown = asked._hints.widget.children[1].value
    assert "A hundred." in shown
    assert HINTS[0] not in shown
    assert asked.keeper.kept == {"hints": 0, "answer": "100", "solved": True}


def test_an_exercise_is_as_it_was_left():
    asked = exercise(hints=HINTS)
    asked.keeper.stored = {"seed": 7, "hints": 2, "answer": "99", "solved": True}
    assert asked._field.value == "99"
    assert "Solved." in asked._verdict.value
    assert asked._hints.widget.children[0].description == "Hint 3 of 3"


def test_each_reader_has_numbers_of_their_own_and_keeps_them():
    def drawn(seed):
        asked = Exercise(
            lambda d: f"Twice {d}?", "twice", lambda n, d: (n == 2 * d, ""), 1, numbers=lambda rng: rng.integers(10, 99)
        )
        asked.keeper.stored = {"seed": seed}
        return asked

    questions = [drawn(seed)._question.value for seed in (1, 2, 1)]
    assert questions[0] == questions[2] != questions[1]
    asked = drawn(1)
    asked._field.value = str(2 * int(asked._question.value[6:-1]))
    wait_for(lambda: "Yes." in asked._verdict.value)


def test_hints_and_the_solution_follow_the_numbers_of_the_reader():
    asked = Exercise(
        lambda d: f"Twice {d}?",
        "twice",
        lambda n, d: (n == 2 * d, ""),
        1,
        numbers=lambda rng: rng.integers(10, 10**6),
        hints=lambda d: ("Add.", "Add it to itself.", f"{d} + {d}."),
        solution=lambda d: f"{2 * d}.",
    )
    asked.keeper.stored = {"seed": 3, "hints": 4}
    number = int(asked._question.value[6:-1])
    assert number != Exercise("?", "x", lambda n, d: (True, ""), 1, numbers=asked._numbers)._drawn(0)
    assert f"{number} + {number}." in asked._hints.widget.children[1].value
    assert f"<b>Solution.</b> {2 * number}." in asked._hints.widget.children[1].value


def test_an_exercise_that_was_solved_shows_its_solution_again():
    asked = exercise(hints=HINTS, solution="A hundred.")
    asked.keeper.stored = {"solved": True, "answer": "100", "hints": 1}
    button, shown = asked._hints.widget.children
    assert "A hundred." in shown.value
    assert button.layout.display == "none"


def test_the_channel_of_a_page_lets_a_browser_send_what_it_kept_and_the_keeper_takes_nothing_else():
    update = {"data": {"method": "update", "state": {"stored": {}}}}
    assert may_ask("comm_msg", update)
    update["data"]["state"]["kept"] = {}
    assert not may_ask("comm_msg", update)
    keeper = Keeper()
    keeper.restored(lambda: None)
    keeper.stored = {"seed": 5, "name": "x" * 1000}
    assert keeper.kept == {"seed": 5}


@pytest.mark.parametrize("sent", ["7", -1, 2**40, None, [1], 1.5])
def test_what_a_browser_should_not_send_counts_as_nothing(sent):
    keeper = Keeper()
    keeper.restored(lambda: None)
    keeper.stored = {"seed": sent, "hints": sent, "answer": [sent], "solved": sent}
    assert (keeper.seed, keeper.hints, keeper.answer, keeper.solved) == (0, 0, "", False)
