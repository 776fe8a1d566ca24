"""What holds on every page: its layout is right at every size, and it is accessible."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import DEFAULT_OPTIONS, Axe
from pages import NOTEBOOKS, PICTURES, cancel, in_its_language, until
from playwright.sync_api import Page, expect

from ntkviz.app.course.edition import apart
from ntkviz.app.translation.notebook import translated
from ntkviz.app.translation.words import PAGE

SHOTS = NOTEBOOKS.parent / ".cache" / "screenshots"
LOOKS = [  # in an order with few changes, since each lays all plots out anew
    (1366, 768, "light"),
    (1366, 768, "dark"),
    (820, 1180, "dark"),
    (390, 844, "light"),
    (683, 384, "light"),  # a laptop at 200 % zoom
    (1920, 1080, "light"),
]
PAPER = 720  # pixels: the width of A4 within its margins
IN_CHINESE_TOO = True


def cells(name: str, kind: str) -> list[str]:
    """The sources of a notebook's cells of one kind."""
    language, file = apart(f"{name}.ipynb")
    notebook = translated(json.loads((NOTEBOOKS / file).read_text()), Path(file).stem, language)
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def is_translated(name: str) -> bool:
    """Whether a page is in another language than English, whose notebook begins with a cell that says so."""
    return "/" in name


def has_picture(name: str) -> bool:
    """Whether a page has a picture with controls."""
    return name.rpartition("/")[2] in PICTURES


def violations(page: Page, theme: str) -> list[str]:
    """The serious accessibility violations that axe-core finds; themes differ in their colours only."""
    rules = {"runOnly": ["color-contrast"]} if theme == "dark" else {}
    found = Axe().run(page, options=DEFAULT_OPTIONS | rules).response["violations"]
    return [
        f"{one['impact']}: {one['help']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture
def name(chapter_name) -> str:
    """Each notebook in turn."""
    return chapter_name


@pytest.fixture
def page(chapter_page) -> Page:
    """Its page, opened once for all tests of the chapter."""
    return chapter_page


@contextmanager
def shown_if_it_fails(page: Page, name: str) -> Iterator[None]:
    """Save a screenshot if the block fails; screenshots of every page at every size would take a minute."""
    try:
        yield
    except AssertionError:
        page.screenshot(path=SHOTS / f"{name.replace('/', '-')}.png", full_page=True)
        raise


def test_it_shows_the_notebooks_results_and_not_its_code(name, page):
    if "guide" in name:  # whose code is to be read
        shown = "".join(page.locator(".nv-code .highlight").all_text_contents())
        own = cells(name, "code")[is_translated(name) :]  # without the cell that chooses the language
        assert all(source.splitlines()[0] in shown for source in own)
        return
    assert page.locator(".jp-CodeCell .jp-InputArea:visible").count() == 0
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    shown = page.content()
    assert not [source for source in cells(name, "code") if source.splitlines()[0] in shown]
    if any("$" in source for source in cells(name, "markdown")):
        page.locator("mjx-container:visible").first.wait_for()


# A plot that is not drawn yet does not fill its place.
FILLED = """[...document.querySelectorAll('.nv-plot:not(.nv-hidden)')].every(plot => {
    const drawn = plot.querySelector('.main-svg');
    return drawn && Math.abs(drawn.getBoundingClientRect().width - plot.clientWidth) <= 2;
})"""


def test_plots_fill_their_places(page):
    until(page, FILLED)  # a plot follows the window, whose size the test before may have changed, in a moment


# For phones: texts of a plot that overlap each other or extend beyond its edge, and words of an axis that are cut.
CRAMPED = """() => [...document.querySelectorAll('.nv-plot .js-plotly-plot')].flatMap(plot => {
    const box = (part) => part.getBoundingClientRect();
    const texts = [...plot.querySelectorAll('.annotation-text, .legendtext, .xtitle, .x2title, .ytitle')].filter(
        text => text.textContent.trim() && box(text).height);
    const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1;
    const on = texts.filter((one, k) => texts.slice(k + 1).some(other => meet(box(one), box(other))));
    const beyond = texts.filter(text => box(text).left < box(plot).left - 1 || box(text).right > box(plot).right + 1);
    const words = [...plot.querySelectorAll('.xtick text, .x2tick text')];
    const cut = words.filter(word => box(word).bottom > box(plot).bottom + 1);
    return [...on, ...beyond, ...cut].map(text => text.textContent);
})"""


# Whether the menu shows the whole title of the current chapter, which the home page does not have.
TITLE_IN_MENU = """() => {
    const [menu, title] = ['ol', '[aria-current]'].map(part => document.querySelector(`.nv-header ${part}`));
    if (!title) return true;
    title.scrollIntoView({ inline: 'center', block: 'nearest' });
    const [outer, inner] = [menu, title].map(part => part.getBoundingClientRect());
    return outer.left - 1 <= inner.left && inner.right <= outer.right + 1 && title.scrollWidth <= title.clientWidth + 1;
}"""


# The links to the parts of the page are all to be seen, or none if there is no room for them.
RAIL = """() => {
    const rail = document.querySelector('.nv-rail');
    return !rail || getComputedStyle(rail).visibility === 'hidden' || rail.scrollWidth <= rail.clientWidth;
}"""

# Parts of the header that reach into the next one.
HEADER = """() => {
    const shown = [...document.querySelector('.nv-header').children].filter(
        part => part.offsetWidth && !part.matches('.nv-skip'));
    const [ends, starts] = ['right', 'left'].map(side => shown.map(part => part.getBoundingClientRect()[side]));
    return shown.filter((part, k) => starts[k + 1] < ends[k] - 1).map(part => part.className);
}"""


def assert_nothing_is_cramped(page: Page) -> None:
    """On a phone, plots make room for their texts, which takes a moment."""
    for _ in range(50):
        if not (found := page.evaluate(CRAMPED)):
            return
        page.wait_for_timeout(100)
    assert found == []


def test_its_layout_is_right_and_it_is_accessible(name, page, assert_nothing_is_cut_off):
    cancel(page)
    for width, height, theme in LOOKS:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(700)  # plots follow the window
        with shown_if_it_fails(page, f"{name}-{width}x{height}-{theme}"):
            if width < 700:
                assert_nothing_is_cramped(page)
                assert page.evaluate(TITLE_IN_MENU)
            assert page.evaluate(RAIL)
            assert page.evaluate(HEADER) == []
            assert_nothing_is_cut_off(page)
            if (width, theme) in [(390, "light"), (1366, "light"), (1366, "dark")]:
                assert not violations(page, theme)
            if has_picture(name) and width > 1000:  # the picture with its controls is one view, which stays
                page.locator(".nv-step").last.evaluate("step => step.scrollIntoView({ block: 'center' })")
                foot = page.locator(".nv-foot").first.bounding_box()
                page.evaluate("scrollTo(0, 0)")
                assert foot["y"] + foot["height"] <= height


def test_on_paper_nothing_is_cut(name, page):
    page.wait_for_timeout(700)  # plots follow the window
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    # Not the window: plots would follow it, which they do not when a page is printed.
    page.evaluate("width => { document.body.style.width = `${width}px`; }", PAPER)
    with shown_if_it_fails(page, f"{name}-paper"):
        for drawing in page.locator(".nv-plot:not(.nv-hidden) .main-svg").all():
            box = drawing.bounding_box()
            assert box["height"] > 100
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PAPER + 1
        assert page.evaluate("document.body.scrollWidth") <= PAPER
    page.evaluate("document.body.style.width = ''")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")


# For a presented picture: panels whose plot is too low or overlaps its text, legends that overlap headings, parts
# beyond the window, and the font size of the smallest text as a share of the window's height.
PRESENTED = """() => {
    const box = (part) => part.getBoundingClientRect();
    const all = (where, from = document.querySelector('.nv-presented')) => [...from.querySelectorAll(where)];
    const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
    const panels = all(':is(.nv-plot, .nv-listing):not(.nv-hidden)');
    const wrong = panels.filter(panel => {
        const reading = box(panel.querySelector('.nv-reading')).top;
        const shown = all('.main-svg, .nv-lines', panel).map(box);
        return shown.some(({ bottom, height }) => bottom > reading + 1 || height < innerHeight / 4);
    });
    const across = panels.filter(panel => all('.legendtext', panel).some(
        text => all('.annotation-text', panel).some(heading => meet(box(text), box(heading)))));
    const beyond = all('.nv-foot, .nv-controls, .nv-plot, .nv-listing').filter(
        part => box(part).bottom > innerHeight || box(part).right > innerWidth);
    const words = all('.main-svg text, .nv-lines td, .nv-reading, .nv-button, .widget-label').filter(
        word => word.textContent.trim() && box(word).height);
    const [picture] = all('.nv-picture');
    const smallest = Math.min(...words.map(word => parseFloat(getComputedStyle(word).fontSize)));
    return {
        wrong: [wrong, across, beyond].map(parts => parts.map(part => part.textContent.slice(0, 40))),
        smallest: smallest * box(picture).width / picture.offsetWidth / innerHeight,
    };
}"""


def test_presented_it_fills_the_screen_in_large_type(name, page, assert_nothing_is_cut_off):
    if not has_picture(name):
        return
    page.get_by_role("button", name=in_its_language(page, "Present", PAGE), exact=True).click()
    for width, height, theme in [(1920, 1080, "light"), (1280, 720, "dark")]:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(700)
        for _ in range(50):  # plots take a moment to follow the window
            if not any((shown := page.evaluate(PRESENTED))["wrong"]):
                break
            page.wait_for_timeout(100)
        with shown_if_it_fails(page, f"{name}-presented-{width}x{height}-{theme}"):
            assert_nothing_is_cut_off(page)
            assert shown["wrong"] == [[], [], []]
            assert shown["smallest"] > 0.017, "of the window's height"
    page.keyboard.press("Escape")
    expect(page.locator(".nv-presented")).to_have_count(0)
