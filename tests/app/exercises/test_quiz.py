"""A quiz answers each item at once."""

from ntkviz.app import Quiz

from ..conftest import text


def test_quiz_answers_with_the_reason_and_counts():
    quiz = Quiz("Which?", [("a", lambda: ("passes", "because")), ("b", lambda: ("fails", "so"))], ["passes", "fails"])
    _, first, second, score = quiz.widget.children
    for item, choice, said in ((first, "passes", "Yes. because"), (second, "passes", "No, it fails. so")):
        item.children[1].value = choice
        assert text(item.children[2].value) == said
    assert score.value == "1 of 2 right."
    second.children[1].value = "fails"
    assert score.value == "2 of 2 right."
