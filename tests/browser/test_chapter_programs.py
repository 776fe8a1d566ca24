"""The page on tensor programs: clicks and arrow keys step through the lines, and the quiz asks about the listing."""

from playwright.sync_api import expect

CHAPTER = "06_tensor_programs.ipynb"


def test_walk_through_programs(chapter):
    page = chapter()
    score, law, average = (page.locator(".nv-reading").nth(k) for k in range(3))
    expect(score).to_contain_text("Line 8 of 24, MatMul: g3 = 1.2·W x4/√n.")
    expect(law).to_contain_text("in this network")
    rows = page.locator(".nv-plot .js-plotly-plot").first.locator(".nsewdrag")
    sixth = {"x": 200, "y": rows.bounding_box()["height"] * 5.7 / 14.3}
    rows.hover(position=sixth)
    rows.click(position=sixth)
    expect(score).to_contain_text("Line 6 of 24, Nonlin: x3 =")
    page.get_by_role("slider", name="line", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(score).to_contain_text("Line 7 of 24, Nonlin: x4 = erf(x3).")
    page.get_by_label("program", exact=True).select_option("mean readout")
    expect(score).to_contain_text("Line 7 of 10")
    page.get_by_role("slider", name="line", exact=True).focus()
    page.keyboard.press("End")  # the last line of this program
    expect(score).to_contain_text("Line 10 of 10")
    page.keyboard.press("ArrowLeft")
    expect(score).to_contain_text("Line 9 of 10, MatMul")
    expect(law).to_contain_text("Ż is built from Zx1. Mean 2.00")
    page.get_by_label("average of ψ").select_option("h·g")
    expect(average).to_contain_text("the limit is 1.25")


def test_quiz_completes_the_program(chapter):
    page = chapter()
    quiz = page.locator(".nv-quiz")
    right = ["W x4/√n", "x1[:, 2] + g3", "vᵀx6/√n", "tanh′(x5) ⊙ dx6", "Wᵀ dg3/√n"]
    for item, answer in enumerate(right):
        asked = quiz.locator(".nv-item").nth(item)
        asked.get_by_role("button", name=answer).click()
        expect(asked.get_by_role("status")).to_contain_text("Yes.")
    expect(quiz).to_contain_text("5 of 5 right.")
    quiz.locator(".nv-item").last.get_by_role("button", name="Wᵀ dx6/√n").click()
    expect(quiz.locator(".nv-item").last.get_by_role("status")).to_contain_text("No, it is Wᵀ dg3/√n.")
