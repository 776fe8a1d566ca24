"""The page on Figure 1: curves are filled for the chosen architectures; the exercise measures a slope."""

import pytest
from pages import until
from playwright.sync_api import expect

CHAPTER = "05_figure_1.ipynb"


def points(architecture: int) -> str:
    """JavaScript for how many widths of one architecture are drawn."""
    return f"(document.querySelector('.nv-plot .js-plotly-plot')?.data?.[{2 + architecture}]?.x ?? []).length"


@pytest.mark.wide
@pytest.mark.full  # eighty networks, of width 4,096 at most
def test_curves_are_filled_and_the_exercise_measures(visit):
    page = visit(f"{CHAPTER}#which=check+fails&largest=256&networks=10")
    until(page, f"{points(0)} == 3 && {points(3)} == 3")
    reading = page.locator(".nv-reading")
    expect(reading.first).to_contain_text("60 networks so far")
    expect(reading.last).to_contain_text("measured −0.")
    exercise = page.locator(".nv-exercise").first
    exercise.get_by_label("network").select_option("gossip, from GIA’s answer")
    exercise.get_by_label("slope").select_option("0")
    exercise.get_by_role("button", name="Measure").click()
    expect(exercise.get_by_role("status").first).to_contain_text("Yes. Twenty networks at widths 256, 1,024 and 4,096")
    step = page.locator(".nv-step").filter(has=page.get_by_role("link", name="A law, or three laws?"))
    step.get_by_role("link").click()
    expect(page.get_by_label("vertical axis")).to_have_value("times √n")
    expect(page.get_by_label("architectures")).to_have_value("Figure 1")
    expect(step).to_have_class("nv-step nv-active")
    step.locator("summary").click()
    expect(step).to_contain_text("Horizontal curves")
