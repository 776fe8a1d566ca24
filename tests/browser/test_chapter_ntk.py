"""The NTK's page, and what all pages share: handles are moved, sampling can be stopped, numbers downloaded, the picture
enlarged."""

import re

import pytest
from pages import solution, until
from playwright.sync_api import Page, expect

CHAPTER = "02_ntk.ipynb"
PAIRS = "view=every+pair"
SHOWN = ".nv-plot:not(.nv-hidden)"


@pytest.fixture
def ntk(chapter) -> Page:
    """The page with its first picture on it."""
    page = chapter(PAIRS)
    first_picture(page)
    return page


def first_picture(page: Page) -> None:
    until(page, f"{kernel_js(2)}.length > 0 && {kernel_js(2)}.every(isFinite)")


def kernel_js(trace: int) -> str:
    """JavaScript for a heatmap's numbers, flat: trace 2 is the random network's, 5 the limit's."""
    figure = "document.querySelector('.nv-plot:not(.nv-hidden) .js-plotly-plot')"
    return f"Array.from({figure}?._fullData?.[{trace}]?.z ?? []).flatMap(row => Array.from(row))"


def handle(page: Page, label: str):
    return page.get_by_role("slider", name=label, exact=True)


READING = ".nv-pull .nv-reading"
RING = ".nv-pull [role=slider]"


def drag_by_finger(page: Page, x: float, start: float, end: float) -> None:
    """Along a vertical line, by Chromium's own protocol: the page was opened for a mouse."""
    session = page.context.new_cdp_session(page)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for kind, places in (("touchStart", [start]), ("touchMove", [end]), ("touchEnd", [])):
        points = [{"x": x, "y": y} for y in places]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_the_target_is_moved_by_mouse_finger_and_keys_and_pulls_the_other_image(chapter):
    page = chapter("other=5&target=1.5")
    ring, target = page.locator(RING), page.get_by_role("slider", name="target y", exact=True)
    expect(page.locator(READING)).to_contain_text("· 1.5 = 0.13")
    expect(ring).to_have_attribute("aria-label", "target of the first image")
    expect(ring).to_have_attribute("aria-valuetext", "1.5")
    ring.scroll_into_view_if_needed()
    box = ring.bounding_box()
    assert min(box["width"], box["height"]) >= 44
    x, y = box["x"] + box["width"] / 2 + 9, box["y"] + box["height"] / 2 + 9  # not taken by its centre
    unit = page.evaluate("document.querySelector('.nv-pull .js-plotly-plot')._fullLayout.yaxis._length / 4.3")

    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + unit, steps=8)
    expect(page.locator(READING)).to_contain_text("· 0.5 = 0.04")  # while it is held
    page.mouse.move(x, y + 3 * unit, steps=8)
    page.mouse.up()
    expect(page.locator(READING)).to_contain_text("· (−1.5) = −0.13")
    expect(target).to_have_attribute("aria-valuetext", "−1.50")
    assert ring.bounding_box()["x"] == box["x"]

    drag_by_finger(page, x, y + 3 * unit, y + 2 * unit)
    expect(ring).to_have_attribute("aria-valuetext", "−0.5")

    ring.focus()
    for key, value in [("ArrowUp", "−0.4"), ("ArrowLeft", "−0.5"), ("PageUp", "0.5"), ("PageDown", "−0.5")]:
        page.keyboard.press(key)
        expect(ring).to_have_attribute("aria-valuetext", value)
    page.keyboard.press("PageDown")
    page.keyboard.press("PageDown")
    expect(ring).to_have_attribute("aria-valuetext", "−2")  # its end
    until(page, "location.hash.includes('target=-2.0')")
    page.get_by_role("button", name="Reset").click()
    expect(ring).to_have_attribute("aria-valuetext", "1.5")


def test_a_term_of_the_formula_lights_its_part(chapter):
    page = chapter("other=5")
    seen = "n => getComputedStyle(document.querySelectorAll('.nv-pull .xy .scatterlayer .trace')[n]).opacity"
    rope = "getComputedStyle(document.querySelector('.nv-pull .xy4 .scatterlayer .trace')).opacity"
    until(page, "location.hash.includes('&other=5&')")
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()  # later answers would take the focus away
    expect(page.locator(READING)).to_contain_text("in this network")
    for term, shown in [("gap", ["1", "0.12", "0.12"]), ("kernel", ["0.12"] * 3), ("move", ["0.12", "0.12", "1"])]:
        page.locator(f".nv-term-{term}").focus()
        assert [page.evaluate(seen, n) for n in (0, 1, 2)] == shown
        assert page.evaluate(rope) == ("1" if term == "kernel" else "0.12")
        page.locator(f"mjx-container .mjx-nv-{term}").first.wait_for(state="attached")  # in the step's formula as well
    page.keyboard.press("Tab")


@pytest.mark.alone
def test_points_appear_and_cancel_stops_them(visit):
    ntk = visit(f"{CHAPTER}#{PAIRS}&depth=1")
    first_picture(ntk)
    handle(ntk, "weights σw").focus()
    ntk.keyboard.press("ArrowRight")
    cancel = ntk.get_by_role("button", name="Cancel")
    expect(cancel).to_be_enabled()
    traces = "document.querySelectorAll('.nv-plot:not(.nv-hidden) .js-plotly-plot')[1].data"
    points = f"{traces}.find(trace => trace.name === 'one network').x.length"
    until(ntk, f"{points} > 0")
    reading = ntk.locator(".nv-plot:not(.nv-hidden) .nv-reading").last  # not what is read aloud of it, later
    expect(reading).to_contain_text("Predicted: ")  # before any network, and for the current settings
    expect(reading).not_to_contain_text("The prediction is out of date")
    cancel.click()
    expect(cancel).to_be_disabled(timeout=1000)
    count = ntk.evaluate(points)
    ntk.wait_for_timeout(500)
    assert ntk.evaluate(points) == count
    expect(ntk.get_by_text("Stopped; move a control")).to_be_visible()


def test_the_exercise_refuses_measures_and_confirms(ntk):
    exercise = ntk.locator(".nv-exercise").first
    field = exercise.get_by_label("width")
    for answer, verdict in (
        ("0", "whole number"),
        ("1000", "Not yet."),
        (solution(exercise), "Yes."),
        ("1e4", "Ten networks of width 10,000"),
        ("wide", "“wide” is not a whole number"),
    ):
        field.fill(answer)
        field.press("Enter")
        expect(exercise.get_by_role("status").first).to_contain_text(verdict)
        expect(field).to_have_value(answer)


def test_numbers_and_picture_can_be_downloaded(ntk, chapter):
    chapter(f"{PAIRS}&depth=2")
    until(ntk, "location.hash.includes('depth=2') && !location.search")
    first_picture(ntk)
    ntk.evaluate("history.replaceState(history.state, '', `?token=sesame${location.hash}`)")  # as it is opened at first
    files = []
    ntk.on("download", lambda download: files.append(download))
    with ntk.expect_event("download", lambda download: len(files) == 2):
        ntk.get_by_role("button", name="CSV").click()
    ntk.wait_for_timeout(500)  # for files that should not be there
    state = "view=every_pair-depth=2-97a8ccd7"
    texts = {file.suggested_filename: file.path().read_text("utf-8") for file in files}
    assert sorted(texts) == [f"ntkviz-02_ntk-{plot}-{state}.csv" for plot in ("deviation", "kernels")]
    for text in texts.values():
        assert re.search(
            r"^# settings: view=every pair; target=1.5; other=3; width=256; draw=1; depth=2;", text, re.MULTILINE
        )
        assert re.search(
            r"^# link: http://127.0.0.1:\d+/voila/render/02_ntk.ipynb#view=every\+pair&", text, re.MULTILINE
        )
        assert "sesame" not in text
    plot = ntk.locator(".nv-plot:not(.nv-hidden)").first
    plot.hover()
    assert plot.locator(".modebar-btn").count() == 1  # no button that would send the plot elsewhere
    with ntk.expect_download() as png:
        plot.locator(".modebar-btn[data-title*='png' i]").click()
    assert png.value.suggested_filename == "ntkviz-kernels.png"


def test_present_enlarges_the_picture_and_escape_leaves(ntk):
    plot, prose = ntk.locator(".nv-plot:not(.nv-hidden) .main-svg").first, ntk.get_by_role("heading", name="The NTK")
    before = plot.bounding_box()["height"]
    ntk.get_by_role("button", name="Present").click()
    expect(prose).to_be_hidden()
    ntk.set_viewport_size({"width": 1920, "height": 1080})
    until(
        ntk,
        f"before => document.querySelector('{SHOWN} .main-svg').getBoundingClientRect().height > 1.4 * before",
        arg=before,
    )
    ntk.keyboard.press("Escape")
    expect(prose).to_be_visible()


def test_after_a_reload_the_theme_is_the_chosen_one_and_plotly_is_loaded_once_and_not_with_every_figure(ntk):
    def ground():
        return ntk.evaluate("getComputedStyle(document.body).backgroundColor")

    light = ground()
    ntk.get_by_role("button", name="Light / dark").click()
    dark = ground()
    assert dark != light

    loaded, frames = [], []
    ntk.on("request", lambda request: loaded.append(request.url) if "voila/plotly" in request.url else None)
    ntk.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(len(frame))))
    ntk.reload()
    ntk.locator("#rendered_cells").wait_for(state="visible")
    assert ground() == dark
    first_picture(ntk)
    assert len(loaded) == 1
    assert 0 < max(frames) < 1_000_000  # plotly.js is five times that
    ntk.get_by_role("button", name="Light / dark").click()
