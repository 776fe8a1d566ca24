"""The page on recurrent networks: sentences of different lengths, and the quiz."""

from playwright.sync_api import expect

CHAPTER = "11_rnn.ipynb"


def test_one_word_less_changes_the_last_state_more_than_the_average(chapter):
    page = chapter("width=64")
    reading = page.locator(".nv-reading").first
    expect(reading).to_contain_text("Θ = 2.17")
    page.get_by_role("slider", name="length T̄", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(reading).to_contain_text("Θ = 0.10")
    expect(reading).to_contain_text("100% of the map")
    page.get_by_label("f reads").select_option("average")
    expect(reading).to_contain_text("Θ = 0.34")


def test_the_quiz_is_answered_by_the_limit(chapter):
    page = chapter()
    answers = ["does not", "does", "does not", "does", "does not", "does"]
    for number, answer in enumerate(answers):
        page.locator(".nv-item").nth(number).get_by_role("button", name=answer, exact=True).click()
    expect(page.locator(".nv-quiz")).to_contain_text("6 of 6 right.")
