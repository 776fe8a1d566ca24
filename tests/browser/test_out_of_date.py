"""On every page, what does not belong to the controls is dimmed and tells no number: in the middle of a calculation,
after Cancel, and after a refusal."""

from pages import LAPTOP, PICTURES, until
from playwright.sync_api import Locator, Page, expect

PANELS = """(FADED => [...document.querySelectorAll('.nv-picture :is(.nv-plot, .nv-listing)')].map(panel => ({
    outdated: panel.classList.contains('nv-outdated'),
    faded: [...panel.querySelectorAll('.heatmaplayer image, .scatterlayer .trace, .barlayer .trace')]
        .some(trace => FADED.includes(trace.style.opacity)),
    reading: panel.querySelector('.nv-reading').innerText.trim(),
    label: panel.ariaLabel,
})))(['0.25', '0.1875'])"""
"""Of every panel: whether it is dimmed, or a part of it (to a quarter of an opacity of 1 or of a histogram's), what its
reading says to the eye, and what it is called."""

ALL_SAY_SO = f"{PANELS}.every(panel => panel.outdated && panel.reading.startsWith('Out of date'))"

DIMMED_SAY_SO = f"""{PANELS}.every(panel => !(panel.outdated || panel.faded) ||
    [panel.reading, panel.label].every(text => text.toLowerCase().includes('out of date')))"""
"""Whether every panel with something dimmed says that it is out of date, to the eye and to the ear; the note appears a
moment after the dimming, later on a busy machine."""


def test_what_is_out_of_date_is_dimmed_and_tells_no_number(chapter_name, chapter_page, told):
    if chapter_name not in PICTURES:
        return
    page = chapter_page
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(LAPTOP)
    until_current(page)
    stop, status = page.get_by_role("button", name="Cancel"), page.locator(".nv-foot .nv-status")

    told.answer("late")
    move(page)
    until(page, ALL_SAY_SO)
    assert_nothing_is_told_of_what_is_dimmed(page)
    expect(status).to_contain_text("computing")
    told.answer("")
    until_current(page)

    told.answer("held up")
    move(page)
    expect(stop).to_be_enabled()
    until(page, f"{PANELS}.some(panel => !panel.outdated)")
    page.wait_for_timeout(600)  # what is drawn at once has been drawn
    assert_nothing_is_told_of_what_is_dimmed(page)
    stop.click()
    expect(status).to_contain_text("Stopped")
    until(page, DIMMED_SAY_SO)
    left = page.evaluate(PANELS)
    told.answer("")
    page.wait_for_timeout(1000)
    assert page.evaluate(PANELS) == left
    assert_nothing_is_told_of_what_is_dimmed(page)

    told.answer("refused at once")
    move(page)
    expect(page.get_by_role("alert")).to_have_text("Refused.")
    until(page, ALL_SAY_SO)
    assert_nothing_is_told_of_what_is_dimmed(page)
    expect(status).to_have_text("")
    expect(stop).to_be_disabled()

    told.answer("refused as it comes")
    move(page)
    expect(page.get_by_role("alert")).to_have_text("Refused, too.")
    page.wait_for_timeout(600)
    assert_nothing_is_told_of_what_is_dimmed(page)
    expect(status).to_have_text("")
    expect(stop).to_be_disabled()


def until_current(page: Page) -> None:
    """Wait until all that is shown has been drawn for the controls as they stand."""
    until(
        page,
        f"(panels => panels.length && panels.every(panel => panel.reading && !panel.outdated && !panel.faded))"
        f"({PANELS})",
    )


def assert_nothing_is_told_of_what_is_dimmed(page: Page) -> None:
    """A dimmed panel has no number, and one with a dimmed part says that it is out of date; both to the ear as well."""
    for panel in page.evaluate(PANELS):
        if panel["outdated"]:
            assert not any(letter.isdigit() for letter in panel["reading"]), panel
    until(page, DIMMED_SAY_SO)


def move(page: Page) -> None:
    """One step of a slider, of the random draw where there is one: after it nothing takes longer than before."""
    sliders = page.locator(".nv-controls").get_by_role("slider")
    until(page, "[...document.querySelectorAll('.nv-controls [role=slider]')].every(slider => slider.ariaLabel)")
    named: Locator = page.get_by_role("slider", name="random draw")
    (named if named.count() else sliders).first.press("ArrowRight")
