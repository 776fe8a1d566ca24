"""The steps of a chapter, in a small one: they move the picture as one reads, plays, or goes back, and leave it to
whoever takes it over; and the frame of its page: rail, search, meanings of symbols."""

import json
import re

import nbformat.v4 as nb
import pytest
from pages import LAPTOP, open_chapter, reading, until
from playwright.sync_api import Page, expect

PHONE = {"width": 390, "height": 844}
PICTURE = """
import numpy as np
from ntkviz import app

x = np.linspace(-1, 1, 9)
controls = app.Controls(
    width=app.Stops("width n", [64, 256, 1024], start=256), slope=app.Slider("slope", 0, 10, start=1)
)
first, second = (app.CurvesPlot(x, heading, "x", "y", name=heading) for heading in ("First", "Second"))


def draw(c):
    for plot in (first, second):
        plot.restart(c.slope * x, c.slope * x, 0, f"Width {c.width}, slope {c.slope}.")


app.Picture(controls, [first, second], at_once=draw)
"""
STEPS = [
    "### [It starts here](#start)\n\nThe width $n$ is 256.\n\n<aside>1 min. Wait.</aside>",
    "### [Narrow](#width=64)\n\n<details><summary>What will change?</summary>\n\nThe width.\n\n</details>",
    "### [Steep](#width=1024&slope=7)\n\nThe slope is $\\frac{\\sqrt{x^2}}{y_1} z_1^2$ or 7.",
    "### [Level](#slope=0)\n\nThe slope is 0.",
]
LONG = "A line. " * 500 + r"$\class{mjx-nv-limit}{2}$"
TEXT = '## <a id="idea"></a>The idea\n\n' + LONG + '\n\n## <a id="recap"></a>Recap\n\n[Flat](#slope=0).'


@pytest.fixture(scope="module")
def opened(chromium, serve, tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    texts = [nb.new_markdown_cell(text) for text in ("# Small\n\nA line.", *STEPS, TEXT)]
    chapter = nb.new_notebook(cells=[texts[0], nb.new_code_cell(PICTURE), *texts[1:]], metadata={"title": "Small"})
    (folder / "01_small.ipynb").write_text(json.dumps(chapter))
    (folder / "00_home.ipynb").write_text(json.dumps(nb.new_notebook(metadata={"title": "Home"})))
    with serve(folder, "--VoilaConfiguration.preheat_kernel=False") as server, reading(chromium) as page:
        yield open_chapter(page, server.chapter("01_small.ipynb"))


@pytest.fixture
def page(opened: Page) -> Page:
    """The page as at first, on a laptop."""
    if opened.locator("body.nv-present").count():
        opened.keyboard.press("Escape")
    opened.set_viewport_size(LAPTOP)
    opened.evaluate("document.querySelectorAll('.nv-step details').forEach(details => { details.open = false; })")
    opened.get_by_role("link", name="It starts here").click()
    expect(opened.locator(".nv-plot .nv-reading").first).to_contain_text("Width 256, slope 1.")
    opened.locator(".nv-tour.nv-pinned").wait_for()
    opened.wait_for_timeout(800)  # for which a page that scrolls by itself is not being read
    return opened


def shows(page: Page, width: int, slope: int) -> None:
    """Wait until the picture is of these settings, and the address too."""
    expect(page.locator(".nv-plot .nv-reading").first).to_contain_text(f"Width {width}, slope {slope}.")
    until(page, "state => location.hash.includes(state)", f"width={width}&slope={slope}")


def read(page: Page, step: int) -> None:
    """Scroll to a step, as a reader does."""
    page.locator(".nv-step").nth(step).evaluate("step => step.scrollIntoView({ block: 'center' })")


def test_the_picture_stays_in_view_and_follows_the_steps_and_back_undoes_one(page):
    for step, settings in [(1, (64, 1)), (2, (1024, 7)), (3, (256, 0))]:
        read(page, step)
        shows(page, *settings)
        expect(page.locator(".nv-picture")).to_be_in_viewport(ratio=1)
        expect(page.locator(".nv-active h3")).to_have_text(re.compile(["", "Narrow", "Steep", "Level"][step]))
    page.go_back()
    shows(page, 1024, 7)
    page.go_back()
    shows(page, 64, 1)


def test_whoever_moves_a_control_takes_over_until_a_step_is_chosen(page):
    read(page, 1)
    shows(page, 64, 1)
    page.locator(".nv-controls").get_by_role("slider").nth(1).focus()
    page.keyboard.press("ArrowRight")
    shows(page, 64, 2)
    read(page, 2)
    page.wait_for_timeout(600)
    shows(page, 64, 2)
    page.get_by_role("button", name="Show this step again").click()
    shows(page, 1024, 7)


def test_a_step_s_heading_and_a_link_in_the_text_show_their_settings(page):
    page.get_by_role("link", name="Steep").click()
    shows(page, 1024, 7)
    page.get_by_role("link", name="Flat").click()
    shows(page, 256, 0)


def test_presented_the_arrow_keys_play_the_steps_and_answers_come_second(page):
    page.get_by_role("button", name="Present").click()
    caption = page.locator(".nv-caption")
    expect(caption).to_contain_text("1 / 4")
    expect(caption.locator("aside")).to_be_hidden()
    page.keyboard.press("n")
    expect(caption.locator("aside")).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.press("ArrowRight")
    shows(page, 64, 1)
    expect(caption).to_contain_text("2 / 4")
    expect(caption.locator("details")).not_to_have_attribute("open", "")
    page.keyboard.press("ArrowRight")
    expect(caption.locator("details")).to_have_attribute("open", "")
    page.keyboard.press("PageDown")
    shows(page, 1024, 7)
    page.keyboard.press("Escape")
    expect(caption).to_have_count(0)


def test_on_a_phone_picture_step_and_slider_are_seen_together(page):
    page.set_viewport_size(PHONE)
    page.locator(".nv-tour.nv-pinned").wait_for()
    read(page, 2)
    shows(page, 1024, 7)
    plot, step = page.locator(".nv-plot").first, page.locator(".nv-step").nth(2).locator("p")
    for part in (plot, step):
        expect(part).to_be_in_viewport(ratio=0.9)
    slider = page.locator(".nv-controls").get_by_role("slider").nth(1)
    expect(slider).to_be_hidden()
    page.get_by_role("button", name="Controls").click()
    expect(slider).to_be_in_viewport(ratio=1)
    expect(plot.locator(".js-plotly-plot")).to_be_in_viewport(ratio=0.9)
    bottom, top = (plot.locator(".js-plotly-plot").bounding_box(), page.locator(".nv-controls").bounding_box())
    assert bottom["y"] + bottom["height"] <= top["y"]
    page.get_by_role("button", name="Controls").click()
    page.get_by_role("button", name="Next plot").click()
    expect(page.locator(".nv-plot").nth(1)).to_be_in_viewport(ratio=0.9)


def test_the_rail_leads_to_the_sections_and_the_recap_marks_the_chapter_as_read(page):
    rail = page.get_by_role("navigation", name="On this page")
    expect(rail.get_by_role("link")).to_have_text(["Play", "Idea", "Recap"])
    rail.get_by_role("link", name="Recap").click()
    expect(page.get_by_role("heading", name="Recap")).to_be_in_viewport()
    page.locator(".nv-menu summary").click()
    expect(page.get_by_role("link", name="1 · Small (read)")).to_be_visible()
    page.keyboard.press("Escape")


def test_search_finds_steps_and_words(page):
    page.keyboard.press("/")
    page.keyboard.type("slope 7")
    hits = page.get_by_role("list", name="Search results").get_by_role("link")
    expect(hits).to_have_text(["Steep"])
    assert hits.first.get_attribute("href").endswith("01_small.ipynb#width=1024&slope=7")
    page.get_by_role("searchbox").fill("tensor prog")
    expect(hits.first).to_have_text("tensor program")
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Escape")


def test_a_symbol_says_what_it_means_and_its_control_lights_up(page):
    page.locator(".nv-step mjx-c").first.hover()
    expect(page.get_by_role("tooltip")).to_contain_text("number of neurons")
    expect(page.locator(".nv-lit")).to_contain_text("width n")
    page.locator("h1").hover()
    expect(page.get_by_role("tooltip")).to_be_hidden()
    expect(page.locator(".nv-lit")).to_have_count(0)
    page.get_by_text("Symbols on this page").click()
    expect(page.locator(".nv-symbols dt").first).to_have_text("n")


def test_a_term_lights_what_has_its_colour_in_a_copy_of_the_plot(page):
    page.locator("mjx-math .mjx-nv-limit").hover()
    limits = "[...document.querySelectorAll('.nv-glimpse .trace')].map(trace => trace.innerHTML.includes('213, 94, 0'))"
    lit = "[...document.querySelectorAll('.nv-glimpse .trace')].map(trace => getComputedStyle(trace).opacity === '1')"
    expect(page.locator(".nv-glimpse")).to_be_in_viewport(ratio=1)
    assert page.evaluate(lit) == page.evaluate(limits)
    assert {True, False} == set(page.evaluate(lit))
    page.locator("h1").hover()  # where the picture is
    expect(page.locator(".nv-glimpse")).to_have_count(0)


def test_a_plot_has_its_numbers_as_a_table(page):
    page.get_by_role("button", name="Data as a table").first.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("table").first.locator("tr")).to_have_count(10)  # nine points and a head
    expect(dialog.locator("th").first).to_have_text("x")
    dialog.get_by_role("button", name="Close").press("Enter")
    expect(dialog).to_have_count(0)


def test_readings_are_announced_once_they_rest(page):
    page.locator(".nv-controls").get_by_role("slider").nth(1).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".nv-heard")).to_contain_text("Width 256, slope 2.")


def test_formulas_have_words(page):
    formulas = page.locator(".nv-step mjx-container")
    expect(formulas.nth(0)).to_have_attribute("aria-label", "n")
    expect(formulas.nth(1)).to_have_attribute(
        "aria-label", "( the root of (x to the 2) ) over (y sub 1) z sub 1 to the 2"
    )


def test_paper_shows_whole_plots_every_step_and_its_answer(page):
    page.set_viewport_size({"width": 720, "height": 1000})  # of A4 within its margins
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for drawing in page.locator(".nv-plot .main-svg").all():
        box = drawing.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 720
    expect(page.locator(".nv-step details p")).to_be_visible()
    for part in (".nv-header", ".nv-foot", ".nv-bar"):
        expect(page.locator(part)).to_be_hidden()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    expect(page.locator(".nv-step details p")).to_be_hidden()
