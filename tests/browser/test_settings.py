"""On every page, each control changes the picture, and the page's address restores its settings."""

from pages import PICTURES, cancel, until, wait_for_pictures
from playwright.sync_api import Page, expect

# Everything that the plots of a page show, as one text: numbers, markers and labels.
SHOWN = """() => JSON.stringify(
    [...document.querySelectorAll('.nv-plot .js-plotly-plot')].map(plot => [
        (plot._fullData ?? []).map(trace => [
            trace.x, trace.y, trace.z, trace.text, trace.error_y?.array, trace.marker?.color, trace.line?.color,
            trace.opacity,
        ]),
        plot.layout?.shapes, plot.layout?.annotations, plot.layout?.images,
    ]),
    (key, value) => ArrayBuffer.isView(value) ? Array.from(value) : value,
)"""


CHANGED = f"({SHOWN})() !== shownBefore"
ANSWERED = """[...document.querySelectorAll('.nv-foot button')].some(
    button => button.textContent === 'Cancel' && !button.disabled
) || Boolean(document.querySelector('.nv-error [role=alert]'))"""
"""Whether the limit is there and networks are being sampled, or a refusal."""

SAMPLED = """document.querySelector('.nv-foot .progress-bar').getBoundingClientRect().width > 0 ||
    Boolean(document.querySelector('.nv-error [role=alert]'))"""
"""Whether the first network is there, or a refusal."""


# The visible sliders and drop-down lists of a picture: each one's label, value, and the key that moves it one step.
CONTROLS = """[...document.querySelectorAll('.nv-controls :is([role=slider], select)')].filter(
    control => control.checkVisibility({ visibilityProperty: true })
).map(control => {
    const list = Boolean(control.options);
    const atEnd = list
        ? control.selectedIndex === control.options.length - 1
        : control.ariaValueNow === control.ariaValueMax;
    return {
        label: control.ariaLabel ?? control.labels?.[0]?.textContent ?? '',
        value: list ? control.value : control.ariaValueText,
        key: list ? (atEnd ? 'ArrowUp' : 'ArrowDown') : (atEnd ? 'ArrowLeft' : 'ArrowRight'),
        control,
    };
})"""
FOCUS = f"""label => {{
    const {{ control, key }} = {CONTROLS}.find(found => found.label === label);
    control.focus();
    return control === document.activeElement ? key : '';
}}"""


def values(page: Page) -> dict[str, str]:
    """What the visible controls are set to, by label, once a new page has labelled them all."""
    until(page, f"{CONTROLS}.length && {CONTROLS}.every(control => control.label)")
    found = page.evaluate(f"{CONTROLS}.map(({{ label, value }}) => [label, value])")
    assert len(dict(found)) == len(found), "two controls have the same label"
    return {label: plain(value) for label, value in found}


def plain(text: str) -> str:
    """The value of a control without the rounding of 0.9000000000000001."""
    try:
        return f"{float(text.replace('−', '-')):.9g}"
    except ValueError:
        return text


def move(page: Page, label: str) -> None:
    """One step by keyboard, backwards at the end of the range."""
    key = page.evaluate(FOCUS, label)
    assert key, f"{label} cannot be focused"
    page.keyboard.press(key)


def test_controls_change_the_picture_and_its_address_restores_it(chapter_name, chapter_page, scripted):
    if chapter_name not in PICTURES:
        return
    page = chapter_page
    scripted.answer("put off")  # networks take longest, and most controls change the limit as well
    start = at_rest(page)
    for label in sorted(start, key=lambda label: label == "show"):  # last: other views have other controls
        cancel(page)
        scripted.answer("put off")
        address = page.url
        page.evaluate(f"window.shownBefore = ({SHOWN})()")
        move(page, label)
        until(page, "address => location.href !== address", arg=address)  # it follows once the control is at rest
        until(page, ANSWERED)
        if not page.evaluate(CHANGED):
            scripted.answer("")
            until(page, CHANGED)
        assert page.locator(".nv-error:visible").count() == 0, label
    scripted.answer("")
    until(page, SAMPLED)
    assert page.locator(".nv-error:visible").count() == 0
    scripted.answer("put off")
    left, link = values(page), page.url.split("#")[1]
    reset(page)
    assert settled(page) == start

    page.evaluate("link => { location.hash = link; }", f"{link}&nonsense=1")
    expect(page.get_by_role("alert")).to_contain_text("'nonsense' is not a control of this page")
    assert settled(page) == left
    wait_for_pictures(page)
    reset(page)
    expect(page.get_by_role("alert")).to_be_hidden()
    assert settled(page) == start


def reset(page: Page) -> None:
    """Press Reset, and wait until the address has followed."""
    address = page.url
    page.get_by_role("button", name="Reset").click()
    until(page, "address => location.href !== address", arg=address)


def at_rest(page: Page) -> dict[str, str]:
    """The initial values of the controls, once no step that was scrolled past moves them any more."""
    page.evaluate("scrollTo(0, 0)")
    cancel(page)
    page.wait_for_timeout(1000)
    page.get_by_role("button", name="Reset").click()
    return settled(page)


def settled(page: Page) -> dict[str, str]:
    """The values of the controls once they are the same for a second."""
    found, before = values(page), None
    while found != before:
        page.wait_for_timeout(1000)
        found, before = values(page), found
    return found
