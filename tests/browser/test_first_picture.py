"""What a page shows until its widgets are there: its picture as it was when the page was rendered."""

from pages import until
from playwright.sync_api import expect

CHAPTER = "09_mlp.ipynb"
DRAWN = """
    (plots => plots.length === 2 && plots.every(plot => plot.querySelector('.main-svg')))(
        [...document.querySelectorAll('.nv-preview .nv-plot')])
"""


def test_the_picture_is_shown_before_jupyters_code_arrives_and_does_not_move_then(page, dashboard):
    held = []
    page.route("**/voila/static/voila.js", lambda route: held.append(route))
    page.goto(dashboard.chapter(CHAPTER), wait_until="commit")
    until(page, DRAWN)
    preview = page.locator(".nv-preview")
    expect(page.get_by_role("heading", name="MLP: order and chaos")).to_be_visible()
    expect(preview.locator(".nv-control")).to_have_count(6)
    expect(preview.locator(".nv-reading").first).to_contain_text("You are at χ₁ = 1.50")
    expect(preview).to_contain_text("Loading the controls")
    expect(page.get_by_text("In one sentence.")).to_be_hidden()  # its formulas are not typeset yet
    before = [plot.bounding_box() for plot in preview.locator(".nv-plot .main-svg").all()]

    while not held:  # drawing does not need it, so it may be requested later
        page.wait_for_timeout(50)
    for route in held:
        route.continue_()
    expect(preview).to_have_count(0)
    expect(page.locator(".nv-picture")).to_be_visible()
    expect(page.get_by_text("In one sentence.")).to_be_visible()
    after = [plot.bounding_box() for plot in page.locator(".nv-plot .main-svg").all()]
    assert len(before) == len(after) > 0
    for was, became in zip(before, after, strict=True):
        assert all(abs(was[side] - became[side]) < 3 for side in was), (was, became)


def test_an_address_with_settings_shows_them_and_no_preview(page, dashboard):
    page.add_init_script("""
        new MutationObserver(() => { if (document.querySelector('.nv-preview')) window.previewed = true; })
            .observe(document, { childList: true, subtree: true });
    """)
    settings = "sigma_w=1.0&sigma_b=0.4&layer=7&nonlinearity=erf&start=0.5&width=64"
    page.goto(f"{dashboard.chapter(CHAPTER)}#{settings}&nonsense=1")
    expect(page.get_by_role("alert")).to_contain_text("'nonsense' is not a control of this page")
    expect(page.locator(".nv-reading").first).to_contain_text("order: a layer multiplies")
    until(page, "settings => location.hash === `#${settings}`", settings)
    for label, value in {"weights σw": "1.00", "biases σb": "0.40", "layer ℓ": "7", "width n": "64"}.items():
        expect(page.get_by_role("slider", name=label, exact=True)).to_have_attribute("aria-valuetext", value)
    assert not page.evaluate("window.previewed")
