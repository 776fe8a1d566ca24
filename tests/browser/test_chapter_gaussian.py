"""The first chapter's page: its picture comes, every control moves it, links come back, and it can be read."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

CHAPTER = "01_gaussian.ipynb"
SHOTS = Path(__file__).parents[2] / ".cache" / "screenshots"
SLIDERS = ["width n", "random draw", "hidden layers", "weights σw", "biases σb"]


def numbers_js(plot: int, trace: int) -> str:
    """JavaScript for what a trace shows: 0 is the histogram (bars, density), 1 the functions (2: all curves)."""
    figure = f"document.querySelectorAll('.nv-plot .js-plotly-plot')[{plot}]"
    return f"Array.from({figure}?._fullData?.[{trace}]?.y ?? []).filter(isFinite)"


def numbers(page: Page, plot: int, trace: int) -> list[float]:
    return page.evaluate(numbers_js(plot, trace))


def sampled(page: Page) -> None:
    """Wait until all samples are in."""
    expect(page.locator(".nv-reading").nth(1)).to_contain_text("200 networks")


def moved(page: Page, plot: int, trace: int, before: list[float]) -> None:
    js = numbers_js(plot, trace)
    page.wait_for_function(f"before => {js}.length > 0 && JSON.stringify({js}) !== JSON.stringify(before)", arg=before)


def handle(page: Page, label: str):
    return page.get_by_role("slider", name=label, exact=True)


@pytest.fixture
def chapter(visit) -> Page:
    """The page with its first picture on it."""
    page = visit(CHAPTER)
    sampled(page)
    return page


def test_every_control_moves_its_picture(chapter):
    for label in [*SLIDERS, "nonlinearity φ"]:
        density, bars, curves = (numbers(chapter, *where) for where in ((0, 1), (0, 0), (1, 2)))
        if label in SLIDERS:
            handle(chapter, label).focus()
            chapter.keyboard.press("ArrowRight")
        else:
            chapter.get_by_label(label).select_option("erf")
        moved(chapter, 0, 0, bars)
        moved(chapter, 1, 2, curves)
        assert (numbers(chapter, 0, 1) == density) == (label in ("width n", "random draw")), label
        sampled(chapter)


def test_link_round_trip_and_reset(chapter, visit):
    handle(chapter, "width n").focus()
    chapter.keyboard.press("ArrowRight")
    chapter.wait_for_url("**#*width=16*")
    sampled(chapter)
    link, bars = chapter.url, numbers(chapter, 0, 0)
    chapter.goto("about:blank")
    chapter.goto(link)
    chapter.locator("#rendered_cells").wait_for(state="visible")
    expect(handle(chapter, "width n")).to_have_attribute("aria-valuetext", "16")
    sampled(chapter)
    assert numbers(chapter, 0, 0) == pytest.approx(bars)
    chapter.get_by_role("button", name="Reset").click()
    expect(handle(chapter, "width n")).to_have_attribute("aria-valuetext", "4")


def test_bad_link_is_refused_and_the_exercise_answers(visit):
    page = visit(f"{CHAPTER}#width=3&depth=99&sigma_w=2.0")
    refusal = page.get_by_role("alert")
    expect(refusal).to_be_visible()
    assert "width: it is '3'" in refusal.inner_text()
    assert "depth: it is '99'" in refusal.inner_text()
    expect(handle(page, "weights σw")).to_have_attribute("aria-valuenow", "2.0")
    sampled(page)
    exercise = page.locator(".nv-exercise")
    field = exercise.get_by_label("variance")
    for answer, verdict in (("21", "Not yet."), ("11", "Yes.")):
        field.fill(answer)
        field.press("Enter")
        expect(exercise.get_by_role("status")).to_contain_text(verdict)


@pytest.mark.parametrize(
    ("size", "theme"), [((1366, 768), "light"), ((1366, 768), "dark"), ((1920, 1080), "light")], ids=str
)
def test_first_picture_fits_and_nothing_is_cut_off(page, visit, assert_nothing_is_cut_off, size, theme):
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": size[0], "height": size[1]})
    visit(CHAPTER)
    sampled(page)
    page.screenshot(path=SHOTS / f"gaussian-{size[0]}x{size[1]}-{theme}.png", full_page=True)
    assert_nothing_is_cut_off(page)
    assert page.locator(".nv-reading").nth(1).evaluate("e => e.getBoundingClientRect().bottom <= innerHeight")
