"""The page beyond the kernel: the limit leaves the kernel as richness grows, steps are played, divergence refused."""

import re

from pages import until
from playwright.sync_api import Page, expect

CHAPTER = "08_beyond_the_kernel.ipynb"
ANSWERS = re.compile(r"the kernel says ([−\d.]+), infinite width ([−\d.]+) ± [\d.]+ \(s\.e\.\), networks of width")


def answers(page: Page) -> tuple[float, float]:
    """The kernel's prediction and the limit, once a network has been compared with them."""
    reading = page.locator(".nv-reading").first
    until(page, "location.hash.includes('time=')")  # the page's own address: it has followed the link
    expect(reading).to_contain_text(ANSWERS)
    while not (found := ANSWERS.search(reading.inner_text())):  # one more network has just been drawn
        page.wait_for_timeout(50)
    return float(found[1].replace("−", "-")), float(found[2].replace("−", "-"))


def test_rich_training_leaves_the_kernel_and_lazy_training_does_not(chapter):
    page = chapter("richness=0.1&width=64")
    kernel, lazy = answers(page)
    assert abs(lazy - kernel) < 0.02
    page.evaluate("link => location.hash = link", "richness=1&width=64&time=3")
    expect(page.locator(".nv-reading").first).to_contain_text("After 3 steps")
    page.get_by_role("button", name="Play").click()
    expect(page.locator(".nv-plot").nth(1)).to_contain_text("after 12 steps")
    predicted, rich = answers(page)
    assert predicted == kernel
    assert abs(rich - kernel) > 0.1
    expect(page.locator(".nv-reading").nth(1)).to_contain_text(
        re.compile(r"before, .* after\. The NTK has moved by \d")
    )


def test_what_diverges_is_refused_and_shows_no_limit(chapter):
    page = chapter("nonlinearity=relu&richness=3&rate=0.8&width=64")
    expect(page.get_by_role("alert")).to_contain_text("Training diverges")
    expect(page.locator(".nv-reading").first).not_to_contain_text(re.compile(r"infinite width [−\d]"))
    until(page, "document.querySelectorAll('.nv-picture .nv-reading')[0].innerText.includes('the kernel says')")


def test_the_derivation_opens_stage_by_stage(chapter):
    page = chapter()
    stages = page.locator(".nv-derivation .nv-exercise")
    for number, (label, answer) in enumerate((("mean square of v", "1.25"), ("output f", "0.5"))):
        field = stages.nth(number).get_by_label(label, exact=True)
        field.fill(answer)
        field.press("Enter")
        expect(stages.nth(number)).to_contain_text("Yes.")
    expect(stages.nth(2)).to_be_visible()
    expect(stages.nth(3)).to_be_hidden()
