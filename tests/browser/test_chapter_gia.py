"""The page on gradient independence: controls move its pictures, links come back, the quiz answers."""

from pathlib import Path

from playwright.sync_api import Page, expect

CHAPTER = "04_gradient_independence.ipynb"
SHOTS = Path(__file__).parents[2] / ".cache" / "screenshots"
CORRECT, GIA, NETWORKS = range(3)


def trace(number: int, plot: int = 0) -> str:
    """JavaScript for the heights of one trace of a plot."""
    return f"Array.from(document.querySelectorAll('.nv-plot .js-plotly-plot')[{plot}]?.data?.[{number}]?.y ?? [])"


def first_picture(page: Page) -> None:
    page.wait_for_function(f"{trace(NETWORKS)}.length && {trace(2, plot=1)}.some(height => height > 0)")


def coincide(page: Page, apart: bool = False) -> None:
    """Wait until the two answers agree everywhere (or do not)."""
    close = f"{trace(CORRECT)}.every((y, k) => Math.abs(y - {trace(GIA)}[k]) < 1e-6)"
    page.wait_for_function(f"{trace(CORRECT)}.length && {'!' if apart else ''}{close}")


def handle(page: Page, label: str):
    return page.get_by_role("slider", name=label, exact=True)


def test_every_control_moves_the_picture_and_links_come_back(page, visit):
    visit(CHAPTER)
    first_picture(page)
    reading = page.locator(".nv-reading").first
    expect(reading).to_contain_text("correct 0.46, GIA 1.27, a factor of 2.75")
    expect(reading).to_contain_text("fails")
    for label, moved in [("input ξ", CORRECT), ("width n", NETWORKS), ("random draw", NETWORKS)]:
        before = page.evaluate(trace(moved))
        handle(page, label).focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            f"before => {trace(NETWORKS)}.length && JSON.stringify({trace(moved)}) !== JSON.stringify(before)",
            arg=before,
        )
    handle(page, "input ξ̄").focus()
    page.keyboard.press("ArrowLeft")
    expect(reading).to_contain_text("correct −0.20, GIA 0.72")  # ξξ̄ = −0.8·0.45
    coincide(page, apart=True)
    page.get_by_label("readout").select_option("random")
    coincide(page)
    expect(reading).to_contain_text("passes")
    page.get_by_label("nonlinearity φ").select_option("erf")
    page.get_by_label("readout").select_option("mean")
    expect(reading).to_contain_text("fails")
    coincide(page)

    page.wait_for_url("**#*nonlinearity=erf*")
    link, limit = page.url, page.evaluate(trace(CORRECT))
    page.goto("about:blank")
    page.goto(link)
    page.wait_for_function(f"want => Math.abs({trace(CORRECT)}[0] - want) < 1e-9", arg=limit[0])
    expect(page.get_by_label("nonlinearity φ")).to_have_value("erf")
    page.get_by_role("button", name="Reset").click()
    coincide(page, apart=True)
    page.wait_for_url("**#*nonlinearity=square*")


def test_bad_link_is_refused_and_the_quiz_answers(visit):
    page = visit(f"{CHAPTER}#readout=none&xi=9&width=64")
    refusal = page.get_by_role("alert")
    expect(refusal).to_contain_text("readout: it is 'none'")
    expect(refusal).to_contain_text("xi: it is '9'")
    expect(handle(page, "width n")).to_have_attribute("aria-valuetext", "64")

    quiz = page.locator(".nv-quiz")
    for item, right in enumerate(["passes", "fails", "passes", "fails", "fails", "passes"]):
        asked = quiz.locator(".nv-item").nth(item)
        asked.get_by_role("button", name="passes").click()
        expect(asked.get_by_role("status")).to_contain_text("Yes." if right == "passes" else "No, it fails.")
        expect(asked.get_by_role("status")).to_contain_text("The ")
    expect(quiz).to_contain_text("3 of 6 right.")
    expect(page.locator(".nv-table tbody tr")).to_have_count(9)
    quiz.screenshot(path=SHOTS / "gia-quiz.png")


def test_nothing_is_cut_off(page, visit, assert_nothing_is_cut_off):
    visit(CHAPTER)
    first_picture(page)
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()  # all networks are there
    for width, height, theme in [(1366, 768, "light"), (1366, 768, "dark"), (1920, 1080, "light"), (820, 1180, "dark")]:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(1000)
        page.screenshot(path=SHOTS / f"gia-{width}x{height}-{theme}.png", full_page=True)
        assert_nothing_is_cut_off(page)
        foot = page.locator(".nv-foot").bounding_box()
        assert width < 1000 or foot["y"] + foot["height"] <= height  # the picture with its controls is one view
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.get_by_role("button", name="Present").click()
    expect(page.get_by_role("heading", name="Gradient independence")).to_be_hidden()
    page.wait_for_timeout(1000)
    page.screenshot(path=SHOTS / "gia-present.png")
