"""The playground: blocks are stacked by mouse, finger and keys, each stack has its Python, its program, a verdict and a
limit, and the tasks check it."""

import pytest
from pages import until
from playwright.sync_api import Locator, Page, expect

CHAPTER = "15_playground.ipynb"
STACK = ".nv-blocks .nv-block"
PYTHON = ".nv-python code"
KERNELS = ".nv-plot .nv-reading"


@pytest.fixture
def playground(chapter):
    """`playground("A+A.T")`: the page with a stack, once its program is listed."""

    def with_stack(blocks: str, more: str = "") -> Page:
        page = chapter(f"blocks={blocks}{more}")
        expect(page.locator(STACK)).to_have_text(blocks.split("+") if blocks else [])
        page.locator(".nv-stack").scroll_into_view_if_needed()
        return page

    return with_stack


def shows(page: Page, *blocks: str) -> None:
    """Wait until the stack, the program and the address have these blocks."""
    expect(page.locator(STACK)).to_have_text(list(blocks))
    until(page, "blocks => new URLSearchParams(location.hash.slice(1)).get('blocks') === blocks", " ".join(blocks))
    expect(page.locator(".nv-listing.nv-outdated")).to_have_count(0)


def of_kit(page: Page, name: str) -> Locator:
    return page.get_by_role("toolbar", name="Kit of blocks").get_by_text(name, exact=True)


def middle(element: Locator) -> tuple[float, float]:
    box = element.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, start: Locator, end: tuple[float, float]) -> None:
    page.mouse.move(*middle(start))
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()


def drag_by_finger(page: Page, start: Locator, end: tuple[float, float]) -> None:
    """By Chromium's own protocol: the page was opened for a mouse."""
    session, (x, y) = page.context.new_cdp_session(page), middle(start)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for kind, at in (("touchStart", (x, y)), ("touchMove", (x + 9, y + 9)), ("touchMove", end), ("touchEnd", None)):
        session.send(
            "Input.dispatchTouchEvent",
            {"type": kind, "touchPoints": [] if at is None else [{"x": at[0], "y": at[1]}]},
        )
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})


def test_blocks_are_dragged_into_the_stack_along_it_and_out_of_it(playground):
    page = playground("A+A.T")
    x, y = middle(page.locator(STACK).nth(1))
    drag(page, of_kit(page, "relu"), (x - 30, y))
    shows(page, "A", "relu", "A.T")
    expect(page.locator(PYTHON)).to_contain_text("x = A @ x\n    x = nv.relu(x)\n    x = A.T @ x\n")
    expect(page.locator(".nv-listing")).to_contain_text("= relu(")
    x, y = middle(page.locator(STACK).nth(2))
    drag(page, page.locator(STACK).first, (x + 40, y))
    shows(page, "relu", "A.T", "A")
    drag_by_finger(page, of_kit(page, "W"), middle(page.locator(STACK).first))
    expect(page.locator(STACK)).to_have_count(4)
    drag_by_finger(page, page.locator(STACK).filter(has_text="A.T"), middle(page.locator(".nv-python")))
    shows(page, *[name for name in page.locator(STACK).all_text_contents() if name != "A.T"])
    expect(page.locator(".nv-ghost")).to_have_count(0)


def test_blocks_are_stacked_by_keys_which_are_heard(playground):
    page = playground("A+A.T")
    heard = page.locator(".nv-stack [aria-live]")
    of_kit(page, "relu").focus()
    page.keyboard.press("ArrowRight")  # through the kit
    page.keyboard.press("Enter")
    shows(page, "A", "A.T", "gelu")
    expect(heard).to_have_text("gelu is now block 3 of 3.")
    page.get_by_role("button", name="gelu, block 3 of 3", exact=True).focus()
    page.keyboard.press("ArrowLeft")
    expect(heard).to_have_text("gelu is now block 2 of 3.")
    page.keyboard.press("ArrowUp")
    shows(page, "gelu", "A", "A.T")
    expect(page.get_by_role("button", name="gelu, block 1 of 3", exact=True)).to_be_focused()
    page.keyboard.press("Delete")
    shows(page, "A", "A.T")
    expect(heard).to_have_text("gelu is removed; 2 of 8 blocks are left.")
    expect(page.get_by_role("button", name="A, block 1 of 2", exact=True)).to_be_focused()
    for _ in range(6):
        of_kit(page, "relu").click()
    of_kit(page, "relu").press("Enter")
    expect(heard).to_contain_text("The stack is full")
    page.get_by_role("button", name="Remove A.T, block 2 of 8").click()
    shows(page, "A", *["relu"] * 6)


def test_presets_reset_and_the_python_follow_the_stack(playground):
    page = playground("")
    preset = page.get_by_label("preset")
    expect(preset).to_have_value("11")
    preset.select_option("two fresh matrices")
    shows(page, "W", "W")
    expect(page.locator(PYTHON)).to_contain_text('x = net.matrix("W2", std=sigma_w) @ x')
    page.get_by_label("readout", exact=True).select_option("tied")
    expect(page.locator(PYTHON)).to_contain_text("return nv.inner(first, x).mean(1)")
    page.locator(STACK).first.hover()
    expect(page.locator(".nv-lit-line")).to_have_text('x = net.matrix("W1", std=sigma_w) @ x')
    page.get_by_role("button", name="Copy", exact=True).click()
    page.get_by_role("button", name="Reset").click()
    shows(page, "relu", "W", "attention", "skip", "layernorm", "relu")
    of_kit(page, "erf").click()
    expect(preset).to_have_value("own")


def verdict(page: Page, task: int) -> Locator:
    page.get_by_role("button", name="Check my answer").nth(task).click()
    return page.locator(".nv-exercise").nth(task).get_by_role("status").first  # the second has the solution


def test_whatever_is_built_has_a_limit_and_the_tasks_check_it(playground):
    page = playground("A+A.T", "&width=64")
    listing = page.locator(".nv-listing")
    expect(listing).to_contain_text("Aᵀ g2")
    expect(listing.locator(".nv-reading")).to_contain_text("passes")
    expect(page.locator(KERNELS).first).to_contain_text("from the limit")
    expect(verdict(page, 1)).to_contain_text("Yes.")
    expect(verdict(page, 0)).to_contain_text("Not yet. This network passes the check")

    page.get_by_label("readout", exact=True).select_option("tied")
    expect(listing.locator(".nv-reading")).to_contain_text("fails")
    expect(verdict(page, 1)).to_contain_text("Not yet. The Simple GIA Check fails.")


def test_layernorm_makes_a_network_indifferent_to_sigma_and_its_mean_is_refused(playground):
    page = playground("relu+W+layernorm")
    expect(verdict(page, 2)).to_contain_text("Yes. Between σ_w = 1 and σ_w = 2 its kernel changes by 0.0%.")
    page.get_by_label("readout", exact=True).select_option("mean")  # of a vector whose mean is 0 by definition
    expect(page.get_by_role("alert")).to_contain_text("output is 0 whatever its weights are")
    page.get_by_role("button", name="Remove layernorm").click()
    expect(page.get_by_role("alert")).to_be_hidden()
