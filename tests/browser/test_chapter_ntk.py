"""The NTK's page: every control moves its picture, links come back, and what is refused is said in one sentence."""

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

CHAPTER = "02_ntk.ipynb"
SHOTS = Path(__file__).parents[2] / ".cache" / "screenshots"
SLIDERS = ["width n", "random draw", "hidden layers", "weights σw", "biases σb"]


@pytest.fixture
def chapter(visit) -> Page:
    """The page with its first picture on it."""
    page = visit(CHAPTER)
    first_picture(page)
    return page


def first_picture(page: Page) -> None:
    page.wait_for_function(f"{kernel_js(2)}.length > 0 && {kernel_js(2)}.every(isFinite)")


def kernel_js(trace: int) -> str:
    """JavaScript for a heatmap's numbers, flat: trace 2 is the random network's, 5 the limit's."""
    figure = "document.querySelector('.nv-plot .js-plotly-plot')"
    return f"Array.from({figure}?._fullData?.[{trace}]?.z ?? []).flatMap(row => Array.from(row))"


def kernel(page: Page, trace: int) -> np.ndarray:
    return np.array(page.evaluate(kernel_js(trace)), dtype=float)


def moved(page: Page, trace: int, before: np.ndarray) -> None:
    """Wait until a heatmap shows other numbers."""
    page.wait_for_function(
        f"before => JSON.stringify({kernel_js(trace)}) !== JSON.stringify(before)", arg=before.tolist()
    )


def handle(page: Page, label: str):
    return page.get_by_role("slider", name=label, exact=True)


@pytest.mark.parametrize("label", SLIDERS)
def test_slider_moves_its_picture_by_keyboard(chapter, label):
    limit, sample = kernel(chapter, 5), kernel(chapter, 2)
    slider = handle(chapter, label)
    slider.focus()
    assert slider.evaluate("element => element === document.activeElement")
    chapter.keyboard.press("ArrowRight")
    moved(chapter, 2, sample)
    if label in ("width n", "random draw"):
        assert np.array_equal(kernel(chapter, 5), limit)
    else:
        moved(chapter, 5, limit)


def test_nonlinearity_moves_the_picture(chapter):
    limit = kernel(chapter, 5)
    chapter.get_by_label("nonlinearity φ").select_option("erf")
    moved(chapter, 5, limit)


def test_points_arrive_and_cancel_stops_them(chapter):
    handle(chapter, "weights σw").focus()
    chapter.keyboard.press("ArrowRight")
    cancel = chapter.get_by_role("button", name="Cancel")
    expect(cancel).to_be_enabled()
    points = "document.querySelectorAll('.nv-plot .js-plotly-plot')[1].data[1].x.length"
    chapter.wait_for_function(f"{points} > 0")
    cancel.click()
    expect(cancel).to_be_disabled(timeout=1000)
    count = chapter.evaluate(points)
    chapter.wait_for_timeout(500)
    assert chapter.evaluate(points) == count
    expect(chapter.get_by_text("Stopped; move a control")).to_be_visible()


def test_link_round_trip_and_reset(chapter, visit):
    handle(chapter, "hidden layers").focus()
    chapter.keyboard.press("ArrowRight")
    chapter.wait_for_url("**#*depth=4*")
    link, limit = chapter.url, kernel(chapter, 5)
    chapter.goto("about:blank")
    chapter.goto(link)
    chapter.locator("#rendered_cells").wait_for(state="visible")
    expect(handle(chapter, "hidden layers")).to_have_attribute("aria-valuenow", "4.0")
    first_picture(chapter)
    chapter.wait_for_function(f"want => Math.abs({kernel_js(5)}[1] - want) < 1e-12", arg=limit[1])
    chapter.get_by_role("button", name="Reset").click()
    expect(handle(chapter, "hidden layers")).to_have_attribute("aria-valuenow", "3.0")
    chapter.wait_for_url("**#*depth=3*")


def test_bad_link_is_refused_in_one_sentence(visit):
    page = visit(f"{CHAPTER}#width=0&sigma_w=-1&depth=5")
    refusal = page.get_by_role("alert")
    expect(refusal).to_be_visible()
    assert "width: it is '0'" in refusal.inner_text()
    assert "sigma_w: it is '-1'" in refusal.inner_text()
    expect(handle(page, "hidden layers")).to_have_attribute("aria-valuenow", "5.0")
    expect(handle(page, "width n")).to_have_attribute("aria-valuetext", "256")
    first_picture(page)


def test_exercise_refuses_measures_and_agrees(chapter):
    exercise = chapter.locator(".nv-exercise")
    field = exercise.get_by_label("width")
    for answer, verdict in (("0", "whole number"), ("1000", "Not yet."), ("100000", "Yes.")):
        field.fill(answer)
        field.press("Enter")
        expect(exercise.get_by_role("status")).to_contain_text(verdict)


def test_numbers_and_picture_can_be_taken_home(chapter):
    names = []
    chapter.on("download", lambda download: names.append(download.suggested_filename))
    chapter.get_by_role("button", name="CSV").click()
    chapter.wait_for_timeout(1500)
    assert sorted(names) == ["ntkviz-deviation.csv", "ntkviz-kernels.csv"]
    plot = chapter.locator(".nv-plot").first
    plot.hover()
    assert plot.locator(".modebar-btn").count() == 1  # nothing that would send the plot away
    with chapter.expect_download() as png:
        plot.locator(".modebar-btn[data-title*='png' i]").click()
    assert png.value.suggested_filename == "ntkviz-kernels.png"


def test_present_enlarges_the_picture_and_escape_leaves(chapter):
    plot, prose = chapter.locator(".nv-plot .main-svg").first, chapter.get_by_role("heading", name="The NTK")
    before = plot.bounding_box()["height"]
    chapter.get_by_role("button", name="Present").click()
    expect(prose).to_be_hidden()
    chapter.set_viewport_size({"width": 1920, "height": 1080})
    chapter.wait_for_function(
        "before => document.querySelector('.nv-plot .main-svg').getBoundingClientRect().height > 1.4 * before",
        arg=before,
    )
    chapter.screenshot(path=SHOTS / "ntk-present.png")
    chapter.keyboard.press("Escape")
    expect(prose).to_be_visible()


def test_theme_switch_is_remembered(chapter):
    def ground():
        return chapter.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    chapter.get_by_role("button", name="Light / dark").click()
    dark = ground()
    assert dark != light
    chapter.reload()
    chapter.locator("#rendered_cells").wait_for(state="visible")
    assert ground() == dark


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080), (820, 1180)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_nothing_is_cut_off(page, visit, assert_nothing_is_cut_off, size, theme):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    visit(CHAPTER)
    first_picture(page)
    page.wait_for_timeout(3000)
    page.screenshot(path=SHOTS / f"ntk-{size[0]}x{size[1]}-{theme}.png", full_page=True)
    assert_nothing_is_cut_off(page)
