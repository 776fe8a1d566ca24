"""The page on predicted deviations: a line before any network, both kinds of networks, and a refusal."""

import pytest
from pages import solution, until
from playwright.sync_api import expect

CHAPTER = "04_how_wide.ipynb"


def points(plot: int, trace: int) -> str:
    """JavaScript for how many points a trace of a plot has."""
    return f"(document.querySelectorAll('.nv-plot .js-plotly-plot')[{plot}]?.data?.[{trace}]?.x ?? []).length"


@pytest.mark.wide
def test_the_prediction_is_shown_and_both_kinds_of_networks_are_sampled(visit):
    page = visit(f"{CHAPTER}#depth=1&width=64")
    until(page, f"{points(0, 1)} > 0 && {points(1, 2)} > 0 && {points(2, 0)} > 0")
    until(page, f"{points(1, 0)} > 0 && {points(1, 1)} > 0")
    readings = page.locator(".nv-reading")
    expect(readings.nth(1)).to_contain_text("virtual networks: ")
    expect(readings.nth(2)).to_contain_text("1,024 draws of Z")


@pytest.mark.wide
def test_no_line_is_drawn_where_there_is_no_law(visit):
    page = visit(f"{CHAPTER}#which=batchnorm+of+4&depth=1&width=64")
    reading = page.locator(".nv-reading").first
    expect(reading).to_contain_text("the 1/√n law does not hold")
    expect(page.locator(".nv-tour.nv-pinned")).to_have_count(1)  # the reason leaves the picture low enough for steps
    assert page.evaluate(points(0, 1)) == 0
    expect(page.locator(".nv-reading").nth(1)).to_contain_text("no standard deviation to predict")
    until(page, f"{points(1, 0)} > 0")  # networks are sampled nevertheless
    stages = page.locator(".nv-derivation .nv-exercise")
    for stage, said in enumerate(("It is", "It is 2.", "It is 12.", "200 virtual networks of width")):
        expect(stages.nth(stage)).to_be_visible()  # and the next one is not, until this one is solved
        assert stages.locator("visible=true").count() == stage + 1
        stages.nth(stage).get_by_role("textbox").fill(solution(stages.nth(stage)))
        stages.nth(stage).get_by_role("textbox").press("Enter")
        expect(stages.nth(stage).get_by_role("status").first).to_contain_text(f"Yes. {said}")
