"""The first chapter's page: controls change the networks, and their limit only where they should; the exercise,
which is as it was left when the page is opened again."""

import pytest
from pages import solution, until
from playwright.sync_api import Page, expect

CHAPTER = "01_gaussian.ipynb"


def numbers_js(plot: int, trace: int) -> str:
    """JavaScript for the numbers of a trace: plot 0 is the histogram (bars, density), 1 the functions (trace 2)."""
    figure = f"document.querySelectorAll('.nv-plot .js-plotly-plot')[{plot}]"
    return f"Array.from({figure}?._fullData?.[{trace}]?.y ?? []).filter(isFinite)"


def sampled(page: Page) -> None:
    """Wait until all samples have arrived."""
    expect(page.locator(".nv-reading").nth(1)).to_contain_text("200 networks")


@pytest.mark.wide
def test_width_changes_the_networks_but_not_their_limit_and_the_exercise_answers(visit):
    page = visit(CHAPTER)
    sampled(page)
    for label, limit_moves in [("random draw", False), ("width n", False), ("weights σw", True)]:
        before = [page.evaluate(numbers_js(*where)) for where in ((0, 0), (0, 1), (1, 2))]
        page.get_by_role("slider", name=label, exact=True).focus()
        page.keyboard.press("ArrowRight")
        for (plot, trace), numbers in zip([(0, 0), (1, 2)], before[::2], strict=True):
            js = numbers_js(plot, trace)
            until(page, f"before => {js}.length > 0 && JSON.stringify({js}) !== JSON.stringify(before)", arg=numbers)
        sampled(page)
        assert (page.evaluate(numbers_js(0, 1)) != before[1]) == limit_moves, label
    exercise = page.locator(".nv-exercise").first
    asked = exercise.locator(".widget-html").first.inner_text()
    field = exercise.get_by_label("variance")
    for answer, verdict in (("21", "Not yet. It is smaller than that."), (solution(exercise), "Yes.")):
        field.fill(answer)
        field.press("Enter")
        expect(exercise.get_by_role("status").first).to_contain_text(verdict)
    page.reload()
    expect(exercise.get_by_role("status").first).to_contain_text("Solved.")
    expect(exercise.locator(".widget-html").first).to_have_text(asked)  # with the same numbers
    expect(exercise.locator(".nv-hints")).to_contain_text("Solution.")
