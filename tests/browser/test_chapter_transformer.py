"""The page on the transformer: attention converges with width, and the quiz gives feedback."""

import re

from pages import reply
from playwright.sync_api import expect

CHAPTER = "14_transformer.ipynb"


def test_attention_converges_and_the_quiz_answers(chapter):
    page = chapter("width=64&temperature=0.05&word=1")
    reading = page.locator(".nv-reading").nth(1)
    expect(reading).to_contain_text("40 networks of width 64 ")
    weights = (
        "Array.from(document.querySelectorAll('.nv-plot .js-plotly-plot')[1].data[1].y).filter((y, k) => k % 3 == 0)"
    )
    halves = page.evaluate(weights)
    assert [round(weight, 2) for weight in halves] == [0.5, 0, 0, 0, 0.5, 0, 0]  # the two "the"
    page.get_by_role("button", name="Reset").click()
    expect(reading).to_contain_text(re.compile("40 networks of width 256 vary by ± 0.0(19|20)"))

    quiz = page.locator(".nv-quiz")
    right = [
        ("is not", "a token is most similar to itself"),
        ("is uniform", "a high τ makes scores small"),
        ("is uniform", "all scores are large and equal"),
        ("is not", "a token finds itself and its twin"),
        ("is uniform", "small keys make small scores"),
        ("is uniform", "queries are independent of keys"),
    ]
    for item, (answer, reason) in enumerate(right):
        said = "Yes." if answer == "is uniform" else "Not yet. The answer is not right."
        expect(reply(page, item, "is uniform", reason)).to_contain_text(said)
    expect(quiz).to_contain_text("4 of 6 right.")
    expect(page.locator(".nv-table caption")).to_contain_text("The Simple GIA Check passes")
