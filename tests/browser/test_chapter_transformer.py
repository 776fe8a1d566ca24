"""The page on the transformer: attention converges with width, and the quiz gives feedback."""

import re

from playwright.sync_api import expect

CHAPTER = "14_transformer.ipynb"


def test_attention_converges_and_the_quiz_answers(visit):
    page = visit(f"{CHAPTER}#width=64&temperature=0.05&word=1")
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
    for item in range(6):
        asked = quiz.locator(".nv-item").nth(item)
        asked.get_by_role("button", name="is uniform").click()
        expect(asked.get_by_role("status")).to_contain_text("Not yet." if item in (0, 3) else "Yes.")
    expect(quiz).to_contain_text("4 of 6 right.")
    expect(page.locator(".nv-table caption")).to_contain_text("The Simple GIA Check passes")
