"""The page on batch normalization: one more point changes the kernel of the others; the quiz."""

from pages import reply, until
from playwright.sync_api import expect

CHAPTER = "13_batchnorm.ipynb"
COINCIDE = """() => {
  const [withIt, without] = document.querySelector('.nv-plot .js-plotly-plot')?.data ?? [];
  return withIt?.y?.length && Array.from(withIt.y).every((y, k) => Math.abs(y - without.y[k]) < 1e-9);
}"""


def test_only_batchnorm_depends_on_the_extra_point_and_the_quiz_answers(chapter):
    page = chapter("size=4.0")
    reading = page.locator(".nv-reading").first
    expect(reading).to_contain_text("1.13 without the extra point, 0.50 with it")
    until(page, f"!({COINCIDE})()")
    page.get_by_label("normalization").select_option("none")
    until(page, COINCIDE)
    expect(reading).to_contain_text("the extra point changes nothing")

    quiz = page.locator(".nv-quiz")
    right = [
        ("stays", "equal batches are the same input"),
        ("stays", "the deviation divides it out"),
        ("stays", "subtracting the mean removes it"),
        ("changes", "point 6 weighs more than before"),
        ("stays", "doubling leaves both averages alone"),
        ("changes", "point 6 weighs more than before"),
    ]
    for item, (answer, reason) in enumerate(right):
        expect(reply(page, item, "stays", reason)).to_contain_text("Yes." if answer == "stays" else "Not yet.")
    expect(quiz).to_contain_text("4 of 6 right.")
    expect(page.locator(".nv-table caption")).to_contain_text("The Simple GIA Check passes")
