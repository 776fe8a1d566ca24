"""The playground: every stack of blocks has a program, a verdict and a limit, and the tasks check it."""

from playwright.sync_api import Page, expect

CHAPTER = "15_playground.ipynb"


def build(page: Page, *blocks: str) -> None:
    for place in range(6):
        choice = page.get_by_label(f"block {place + 1}")
        choice.select_option(blocks[place] if place < len(blocks) else "empty")


def verdict(page: Page, task: int):
    page.get_by_role("button", name="Check my answer").nth(task).click()
    return page.locator(".nv-exercise").nth(task).get_by_role("status").first  # the second has the solution


def test_whatever_is_built_has_a_limit_and_the_tasks_check_it(visit):
    page = visit(f"{CHAPTER}#b1=A&b2=A.T&b3=empty&b4=empty&b5=empty&b6=empty&width=64")
    listing, kernels = page.locator(".nv-listing"), page.locator(".nv-plot .nv-reading").first
    expect(listing).to_contain_text("Aᵀ g2")
    expect(listing.locator(".nv-reading")).to_contain_text("passes")
    expect(kernels).to_contain_text("from the limit")
    expect(verdict(page, 1)).to_contain_text("Yes.")
    expect(verdict(page, 0)).to_contain_text("Not yet. This network passes the check")

    page.get_by_label("readout").select_option("tied")
    expect(listing.locator(".nv-reading")).to_contain_text("fails")
    expect(kernels).to_contain_text("from the limit")
    expect(verdict(page, 1)).to_contain_text("Not yet. The Simple GIA Check fails.")

    page.get_by_label("readout").select_option("random")
    build(page, "relu", "W", "layernorm")
    expect(kernels).to_contain_text("from the limit")
    expect(verdict(page, 2)).to_contain_text("Yes. Between σ_w = 1 and σ_w = 2 its kernel changes by 0.0%.")

    page.get_by_label("readout").select_option("mean")  # of a vector whose mean is 0 by definition
    expect(page.get_by_role("alert")).to_contain_text("output is 0 whatever its weights are")
