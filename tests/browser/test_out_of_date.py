"""On every page, results that do not match the controls are dimmed and show no number: during a computation, after
Cancel, and after a refusal."""

from pages import PICTURES, until
from playwright.sync_api import Locator, Page, expect

PANELS = """(FADED => [...document.querySelectorAll(
    '.nv-picture :is(.nv-plot, .nv-listing):not(.nv-hidden)'
)].map(panel => ({
    outdated: panel.classList.contains('nv-outdated'),
    faded: [...panel.querySelectorAll('.heatmaplayer image, .scatterlayer .trace, .barlayer .trace')]
        .some(trace => FADED.includes(trace.style.opacity)),
    reading: panel.querySelector('.nv-reading').innerText.trim(),
    label: panel.ariaLabel,
})))(['0.25', '0.1875'])"""
"""For every panel: whether it is dimmed, whether a part of it is (to a quarter of an opacity of 1 or of a histogram's),
its visible text, and its accessible name."""

ALL_SAY_SO = f"{PANELS}.every(panel => panel.outdated && panel.reading.startsWith('Out of date'))"

DIMMED_SAY_SO = f"""{PANELS}.every(panel => !(panel.outdated || panel.faded) ||
    [panel.reading, panel.label].every(text => text.toLowerCase().includes('out of date')))"""
"""Whether every panel with something dimmed says that it is out of date, in its text and in its accessible name; the
note appears a moment after the dimming, later on a busy machine."""


def test_outdated_results_are_dimmed_and_show_no_number(chapter_name, chapter_page, scripted):
    if chapter_name not in PICTURES:
        return
    page = chapter_page
    until_current(page)
    stop, status = page.get_by_role("button", name="Cancel"), page.locator(".nv-foot .nv-status")

    scripted.answer("late")
    move(page)
    until(page, ALL_SAY_SO)
    assert_dimmed_results_show_no_number(page)
    expect(status).to_contain_text("computing")
    scripted.answer("")
    until_current(page)

    scripted.answer("held up")
    move(page)
    expect(stop).to_be_enabled()
    until(page, f"{PANELS}.some(panel => !panel.outdated)")
    page.wait_for_timeout(600)  # by then, the immediate part has been drawn
    assert_dimmed_results_show_no_number(page)
    stop.click()
    expect(status).to_contain_text("Stopped")
    until(page, DIMMED_SAY_SO)
    left = page.evaluate(PANELS)
    scripted.answer("")
    page.wait_for_timeout(1000)
    assert page.evaluate(PANELS) == left
    assert_dimmed_results_show_no_number(page)

    scripted.answer("refused at once")
    move(page)
    expect(page.get_by_role("alert")).to_have_text("Refused.")
    until(page, ALL_SAY_SO)
    assert_dimmed_results_show_no_number(page)
    expect(status).to_have_text("")
    expect(stop).to_be_disabled()

    scripted.answer("refused as it comes")
    move(page)
    expect(page.get_by_role("alert")).to_have_text("Refused, too.")
    page.wait_for_timeout(600)
    assert_dimmed_results_show_no_number(page)
    expect(status).to_have_text("")
    expect(stop).to_be_disabled()


def until_current(page: Page) -> None:
    """Wait until everything shown has been drawn for the current settings."""
    until(
        page,
        f"(panels => panels.length && panels.every(panel => panel.reading && !panel.outdated && !panel.faded))"
        f"({PANELS})",
    )


def assert_dimmed_results_show_no_number(page: Page) -> None:
    """A dimmed panel shows no number, and one with a dimmed part says that it is out of date, to screen readers too."""
    for panel in page.evaluate(PANELS):
        if panel["outdated"]:
            assert not any(letter.isdigit() for letter in panel["reading"]), panel
    until(page, DIMMED_SAY_SO)


def move(page: Page) -> None:
    """One step of a slider, that of the random draw if there is one, which makes no computation longer."""
    sliders = page.locator(".nv-controls").get_by_role("slider")
    until(page, "[...document.querySelectorAll('.nv-controls [role=slider]')].every(slider => slider.ariaLabel)")
    named: Locator = page.get_by_role("slider", name="random draw")
    (named if named.count() else sliders).first.press("ArrowRight")
