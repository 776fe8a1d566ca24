"""The page on tensor programs: a click on a line and the arrow keys walk through it, dots move to what a line makes
of them, and the quiz knows the listing."""

from pages import reply, until
from playwright.sync_api import Page, expect

CHAPTER = "06_tensor_programs.ipynb"
MOVING = "document.getAnimations().some(one => one.effect.target.matches('.scatterlayer path.point'))"


def walk(page: Page, key: str) -> None:
    page.get_by_role("slider", name="line", exact=True).focus()
    page.keyboard.press(key)


def test_walk_through_programs(chapter):
    page = chapter()
    law, score, average = (page.locator(".nv-reading").nth(k) for k in range(3))
    expect(score).to_contain_text("Line 1 of 12, given: g1 = U ξ/√2")
    expect(law).to_contain_text("here")
    rows = page.locator(".nv-plot .js-plotly-plot").nth(1).locator(".nsewdrag")
    third = {"x": 200, "y": rows.bounding_box()["height"] * 2.7 / 14.3}
    rows.hover(position=third)
    rows.click(position=third)
    expect(score).to_contain_text("Line 3 of 12, MatMul: g2 = W x1/√n")
    walk(page, "ArrowRight")
    expect(score).to_contain_text("Line 4 of 12, Nonlin: x2 = g2².")
    walk(page, "End")
    expect(score).to_contain_text("Line 12 of 12")
    page.get_by_label("program", exact=True).select_option("mean readout")
    expect(score).to_contain_text("Line 10 of 10")  # which is the end of this program
    walk(page, "ArrowLeft")
    expect(score).to_contain_text("Line 9 of 10, MatMul")
    expect(law).to_contain_text("Z = Ẑ + 2.00·Zx1. Mean 0.80")
    page.get_by_label("average of ψ").select_option("h·g")
    expect(average).to_contain_text("the limit is 1.00")
    page.get_by_label("average of ψ").select_option("h²")


def test_dots_move_unless_a_reader_wants_less_motion(chapter):
    page = chapter("program=mean+readout&line=8")
    dots = page.locator(".nv-plot").first.locator(".scatterlayer path.point")
    reading = page.locator(".nv-reading").first
    expect(page.locator(".nv-reading").nth(1)).to_contain_text("Line 8 of 10")
    expect(reading).to_contain_text("here")
    expect(dots).to_have_count(400)
    until(page, f"!({MOVING})")
    walk(page, "ArrowRight")
    until(page, MOVING)
    until(page, f"!({MOVING})")
    page.emulate_media(reduced_motion="reduce")
    page.evaluate(f"() => {{ window.moved = false; window.watch = setInterval(() => moved ||= {MOVING}, 10); }}")
    for key, said in [("ArrowLeft", "Mean 0.00"), ("ArrowRight", "Mean 0.80")]:
        walk(page, key)
        expect(reading).to_contain_text(said)
        expect(reading).to_contain_text("here")
        expect(dots).to_have_count(400)
    page.evaluate("clearInterval(window.watch)")
    assert not page.evaluate("window.moved")
    page.emulate_media(reduced_motion="no-preference")


def test_quiz_completes_the_program(chapter):
    page = chapter()
    quiz = page.locator(".nv-quiz")
    right = [
        ("W x4/√n", "one matrix serves every step"),
        ("vᵀx6/√n", "a parameter reads the last state"),
        ("tanh′(x5) ⊙ dx6", "a slope is taken at the argument"),
        ("Wᵀ dg3/√n", "a MatMul returns as its transpose"),
    ]
    for item, answer in enumerate(right):
        expect(reply(page, item, *answer)).to_contain_text("Yes.")
    expect(quiz).to_contain_text("4 of 4 right.")
    quiz.locator(".nv-item").last.get_by_role("button", name="Wᵀ dx6/√n").click()
    expect(quiz.locator(".nv-item").last.get_by_role("status")).to_contain_text("Not yet. The answer is not right.")
