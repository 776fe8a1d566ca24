"""The page on recurrent networks: sentences of different lengths, and the quiz."""

from pages import reply, until
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


CELL = """([row, column]) => {
  const plot = document.querySelector('.nv-plot .js-plotly-plot');
  const { left, top } = plot.getBoundingClientRect();
  const { xaxis2, yaxis2 } = plot._fullLayout;
  return [left + xaxis2._offset + xaxis2.c2p(column), top + yaxis2._offset + yaxis2.c2p(row)];
}"""


def test_a_cell_shows_its_terms_whether_it_is_clicked_or_chosen_by_its_sliders(chapter):
    page = chapter("width=64")
    terms = page.locator(".nv-reading").nth(1)
    expect(terms).to_contain_text("acts once: limit 0.45, network")
    page.mouse.click(*page.evaluate(CELL, [0, 4]))
    expect(terms).to_contain_text("acts 5 times and once: limit 0.00, network 0.03 − 0.019 = 0.011")
    page.get_by_role("slider", name="word t", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(terms).to_contain_text("acts 4 times and once: limit 0.00, network")


FADED = """[...document.querySelectorAll('.nv-plot')[1].querySelectorAll('.scatterlayer .trace')].some(
    line => line.style.opacity === '0.25'
)"""


def test_a_sum_that_is_drawn_again_with_the_same_numbers_is_no_longer_faded(chapter, scripted):
    """Beside its looks only the range of an axis changes then, of which plotly.js alone would take notice."""
    page = chapter("step=4&width=64")
    terms = page.locator(".nv-reading").nth(1)
    expect(terms).to_contain_text("limit 0.00, network")
    scripted.answer("put off")
    page.get_by_role("slider", name="word t", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(terms).to_contain_text("limit 0.45.")
    until(page, FADED)
    page.keyboard.press("ArrowLeft")
    expect(terms).to_contain_text("limit 0.00.")
    scripted.answer("")
    expect(terms).to_contain_text("limit 0.00, network")
    until(page, f"!{FADED}")


def test_the_quiz_asks_the_limit(chapter):
    page = chapter()
    right = [
        ("does not", "the lags differ"),
        ("does", "f reads every state"),
        ("does not", "W is first used at step 2"),
        ("does", "the lags are equal"),
        ("does not", "the lags differ"),
        ("does", "the lags are equal"),
    ]
    for item, answer in enumerate(right):
        reply(page, item, *answer)
    expect(page.locator(".nv-quiz")).to_contain_text("6 of 6 right.")
