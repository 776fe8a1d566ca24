"""The page on gradient independence: two answers diverge or coincide with the readout, and the quiz gives feedback."""

from pages import reply, until
from playwright.sync_api import Page, expect

CHAPTER = "07_gradient_independence.ipynb"
CORRECT, GIA, NETWORKS = range(3)


def trace(number: int, plot: int = 0) -> str:
    """JavaScript for the heights of one trace of a plot."""
    return f"Array.from(document.querySelectorAll('.nv-plot .js-plotly-plot')[{plot}]?.data?.[{number}]?.y ?? [])"


def first_picture(page: Page) -> None:
    until(page, f"{trace(NETWORKS)}.length && {trace(2, plot=1)}.some(height => height > 0)")


def coincide(page: Page, apart: bool = False) -> None:
    """Wait until the two answers agree everywhere (or do not)."""
    close = f"{trace(CORRECT)}.every((y, k) => Math.abs(y - {trace(GIA)}[k]) < 1e-6)"
    until(page, f"{trace(CORRECT)}.length && {'!' if apart else ''}{close}")


def handle(page: Page, label: str):
    return page.get_by_role("slider", name=label, exact=True)


def test_the_readout_decides_whether_the_check_passes(chapter):
    page = chapter()
    first_picture(page)
    coincide(page)
    reading = page.locator(".nv-reading").first
    expect(reading).to_contain_text("passes")
    page.locator(".nv-step").get_by_role("link", name="Change one word").click()
    expect(reading).to_contain_text("correct 0.46, GIA 1.27, a factor of 2.75")
    expect(reading).to_contain_text("fails")
    for label, key in [("input ξ", "ArrowRight"), ("input ξ̄", "ArrowLeft")]:
        page.get_by_role("slider", name=label, exact=True).focus()
        page.keyboard.press(key)
    expect(reading).to_contain_text("correct −0.20, GIA 0.72")  # ξξ̄ = −0.8·0.45
    coincide(page, apart=True)
    page.get_by_label("readout").select_option("random")
    coincide(page)
    expect(reading).to_contain_text("passes")
    page.get_by_label("nonlinearity φ").select_option("erf")
    page.get_by_label("readout").select_option("mean")
    expect(reading).to_contain_text("fails")
    coincide(page)


def test_the_quiz_answers(chapter):
    page = chapter()
    quiz = page.locator(".nv-quiz")
    fine, used, mean = (
        "its readout meets all conditions",
        "its readout is used elsewhere, too",
        "its readout has a mean",
    )
    right = [("passes", fine), ("fails", used), ("passes", fine), ("fails", mean), ("fails", used), ("passes", fine)]
    for item, answer in enumerate(right):
        expect(reply(page, item, "passes", fine)).to_contain_text("Yes. The " if answer[1] == fine else "Not yet.")
    expect(quiz).to_contain_text("3 of 6 right.")
    for item, answer in enumerate(right):
        expect(reply(page, item, *answer)).to_contain_text("Yes. The ")
    expect(page.locator(".nv-table tbody tr")).to_have_count(9)
