"""A quiz asks for the reason, and then answers."""

import pytest

from ntkviz.app import Quiz

from ..conftest import text

ITEMS = [("a", lambda: ("passes", "It does.")), ("b", lambda: ("fails", "It does not."))]


@pytest.fixture
def quiz():
    return Quiz("Which?", ITEMS, ["passes", "fails"], ["it is centred", "it is used twice"], ["it is small"])


def test_the_verdict_waits_for_the_reason(quiz):
    _, first, *_ = quiz.widget.children
    _, choice, reason, verdict = first.children
    choice.value = "passes"
    assert text(verdict.value) == "Now choose the reason."
    reason.value = "it is centred"
    assert text(verdict.value) == "Yes. It does."


@pytest.mark.parametrize(
    ("choice", "reason", "said"),
    [
        ("fails", "it is small", "Not yet. "),
        ("passes", "it is used twice", "Not yet. The reason is not right."),
        ("fails", "it is centred", "Not yet. The answer is not right."),
    ],
)
def test_a_wrong_answer_does_not_give_away_the_right_one(quiz, choice, reason, said):
    _, first, *_ = quiz.widget.children
    first.children[1].value, first.children[2].value = choice, reason
    assert text(first.children[3].value) == said


def test_every_item_offers_the_reasons_of_all_and_of_none(quiz):
    for item in quiz.widget.children[1:3]:
        assert item.children[2].options == ("because …", "it is centred", "it is small", "it is used twice")


def test_it_counts_and_keeps_that_it_was_solved(quiz):
    _, first, second, score, keeper = quiz.widget.children
    first.children[1].value, first.children[2].value = "passes", "it is centred"
    assert (score.value, keeper.solved) == ("1 of 2 right.", False)
    second.children[1].value, second.children[2].value = "fails", "it is used twice"
    assert (score.value, keeper.solved) == ("2 of 2 right.", True)


def test_items_of_many_choices_need_no_reason():
    quiz = Quiz("Which?", ITEMS, [["passes", "fails", "both"]] * 2)
    _, choice, verdict = quiz.widget.children[1].children
    choice.value = "both"
    assert text(verdict.value) == "Not yet. "
    choice.value = "passes"
    assert text(verdict.value) == "Yes. It does."


def test_without_a_kernel_a_page_knows_the_verdicts(quiz):
    known = quiz.without_kernel()
    assert [(item["right"], item["why"]) for item in known["items"]] == [(0, "It does."), (1, "It does not.")]
    offered = quiz._items[0]["reason"].options
    assert [offered[item["right_reason"]] for item in known["items"]] == ["it is centred", "it is used twice"]
    assert Quiz("Which?", ITEMS, ["passes", "fails"]).without_kernel()["items"][0]["right_reason"] is None
