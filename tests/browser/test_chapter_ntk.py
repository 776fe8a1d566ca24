"""The NTK's page, and what all pages share: sampling can be stopped, numbers downloaded, the picture enlarged."""

import re

import pytest
from pages import until
from playwright.sync_api import Page, expect

CHAPTER = "02_ntk.ipynb"


@pytest.fixture
def ntk(chapter) -> Page:
    """The page with its first picture on it."""
    page = chapter()
    first_picture(page)
    return page


def first_picture(page: Page) -> None:
    until(page, f"{kernel_js(2)}.length > 0 && {kernel_js(2)}.every(isFinite)")


def kernel_js(trace: int) -> str:
    """JavaScript for a heatmap's numbers, flat: trace 2 is the random network's, 5 the limit's."""
    figure = "document.querySelector('.nv-plot .js-plotly-plot')"
    return f"Array.from({figure}?._fullData?.[{trace}]?.z ?? []).flatMap(row => Array.from(row))"


def handle(page: Page, label: str):
    return page.get_by_role("slider", name=label, exact=True)


@pytest.mark.alone
def test_points_appear_and_cancel_stops_them(chapter):
    ntk = chapter("depth=1")
    handle(ntk, "weights σw").focus()
    ntk.keyboard.press("ArrowRight")
    cancel = ntk.get_by_role("button", name="Cancel")
    expect(cancel).to_be_enabled()
    traces = "document.querySelectorAll('.nv-plot .js-plotly-plot')[1].data"
    points = f"{traces}.find(trace => trace.name === 'one network').x.length"
    until(ntk, f"{points} > 0")
    expect(ntk.get_by_text("Predicted: ")).to_be_visible()  # before any network, and for the current settings
    expect(ntk.get_by_text("The prediction is out of date")).to_be_hidden()
    cancel.click()
    expect(cancel).to_be_disabled(timeout=1000)
    count = ntk.evaluate(points)
    ntk.wait_for_timeout(500)
    assert ntk.evaluate(points) == count
    expect(ntk.get_by_text("Stopped; move a control")).to_be_visible()


def test_the_exercise_refuses_measures_and_confirms(ntk):
    exercise = ntk.locator(".nv-exercise")
    field = exercise.get_by_label("width")
    for answer, verdict in (
        ("0", "whole number"),
        ("1000", "Not yet."),
        ("100000", "Yes."),
        ("1e4", "Ten networks of width 10,000"),
        ("wide", "“wide” is not a whole number"),
    ):
        field.fill(answer)
        field.press("Enter")
        expect(exercise.get_by_role("status")).to_contain_text(verdict)
        expect(field).to_have_value(answer)


def test_numbers_and_picture_can_be_downloaded(visit):
    chapter = visit(f"{CHAPTER}?token=sesame#depth=2")
    first_picture(chapter)
    files = []
    chapter.on("download", lambda download: files.append(download))
    chapter.get_by_role("button", name="CSV").click()
    chapter.wait_for_timeout(1500)
    texts = {file.suggested_filename: file.path().read_text("utf-8") for file in files}
    assert sorted(texts) == [f"ntkviz-02_ntk-{plot}-depth=2.csv" for plot in ("deviation", "kernels", "pixels")]
    for text in texts.values():
        assert re.search(r"^# settings: width=256; draw=1; depth=2;", text, re.MULTILINE)
        assert re.search(r"^# link: http://127.0.0.1:\d+/voila/render/02_ntk.ipynb#width=256&", text, re.MULTILINE)
        assert "sesame" not in text
    plot = chapter.locator(".nv-plot").first
    plot.hover()
    assert plot.locator(".modebar-btn").count() == 1  # no button that would send the plot elsewhere
    with chapter.expect_download() as png:
        plot.locator(".modebar-btn[data-title*='png' i]").click()
    assert png.value.suggested_filename == "ntkviz-kernels.png"


def test_present_enlarges_the_picture_and_escape_leaves(ntk):
    plot, prose = ntk.locator(".nv-plot .main-svg").first, ntk.get_by_role("heading", name="The NTK")
    before = plot.bounding_box()["height"]
    ntk.get_by_role("button", name="Present").click()
    expect(prose).to_be_hidden()
    ntk.set_viewport_size({"width": 1920, "height": 1080})
    until(
        ntk,
        "before => document.querySelector('.nv-plot .main-svg').getBoundingClientRect().height > 1.4 * before",
        arg=before,
    )
    ntk.keyboard.press("Escape")
    expect(prose).to_be_visible()


def test_theme_switch_is_remembered(ntk):
    def ground():
        return ntk.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    ntk.get_by_role("button", name="Light / dark").click()
    dark = ground()
    assert dark != light
    ntk.reload()
    ntk.locator("#rendered_cells").wait_for(state="visible")
    assert ground() == dark


def test_plotly_is_loaded_once_and_not_with_every_figure(page, visit):
    loaded, frames = [], []
    page.on("request", lambda request: loaded.append(request.url) if "voila/plotly" in request.url else None)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(len(frame))))
    first_picture(visit(CHAPTER))
    assert len(loaded) == 1
    assert 0 < max(frames) < 1_000_000  # plotly.js is five times that
