"""The page on convolutions: average pooling does not see a shift, flattening does, and the table says why; the quiz."""

from pages import reply
from playwright.sync_api import expect

CHAPTER = "10_cnn.ipynb"


def test_only_flattening_depends_on_the_shift(chapter):
    page = chapter("shift=1&sigma_b=0")
    table, reading = page.locator(".nv-reading").nth(1), page.locator(".nv-reading").nth(2)
    expect(table).to_contain_text("Of all 16,384 entries, the mean is 0.185")
    expect(table).to_contain_text("Of the 128 on the diagonal it is 0.604")
    expect(reading).to_contain_text("Flattening: 0.53")
    expect(reading).to_contain_text("Average pooling: 1.00")
    page.get_by_role("slider", name="shift of x′", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(reading).to_contain_text("Flattening: 1.00")
    expect(table).to_contain_text("Of the 128 on the diagonal it is 1.135")

    quiz = page.locator(".nv-quiz")
    right = [
        ("stays", "the sum is over all pairs"),
        ("changes", "the diagonal meets other strokes"),
        ("stays", "the diagonal meets the same strokes"),
        ("changes", "the border cuts off a part of the 3"),
        ("changes", "the pixels’ inner product changes"),
        ("stays", "the pixels’ inner product stays"),
    ]
    for item, answer in enumerate(right):
        expect(reply(page, item, *answer)).to_contain_text("Yes. It was")
    expect(quiz).to_contain_text("6 of 6 right.")
