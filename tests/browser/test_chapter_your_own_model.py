"""The gallery: a refusal names its line and has a repair, sources scroll on their own, and the quiz asks the tracer."""

from pages import LAPTOP, reply
from playwright.sync_api import expect

CHAPTER = "16_your_own_model.ipynb"
SOURCE = ".nv-source >> nth=0"
MARKED = ".nv-wrong-line code"


def test_a_refused_model_shows_its_line_and_no_number_and_then_its_repair(chapter):
    page = chapter("model=Flax+attention")
    expect(page.get_by_role("alert")).to_contain_text("flax_attention.py:11")
    expect(page.locator(MARKED)).to_contain_text("nn.MultiHeadDotProductAttention(num_heads=2)(y)")
    expect(page.locator(SOURCE).locator(".nv-reading")).to_contain_text("Line 11 leaves the language.")
    for plot in page.locator(".nv-plot:not(.nv-hidden)").all():
        expect(plot.locator(".nv-reading b")).to_have_count(0)
    page.get_by_label("show", exact=True).select_option("repair")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator(".nv-changed-line code").first).to_contain_text("import jax.numpy as jnp")
    expect(page.locator(MARKED)).to_have_count(1)
    page.get_by_label("model", exact=True).select_option("repaired attention")
    expect(page.locator(MARKED)).to_have_count(0)
    expect(page.locator(".nv-source:not(.nv-hidden)").nth(1)).to_contain_text("nothing to repair")


def test_the_width_that_an_exercise_asks_for_is_that_of_the_page(chapter):
    expect(chapter().locator(".nv-plot .nv-reading").last).to_contain_text("Width needed for 1\xa0%: 57,000")


def test_a_program_has_its_verdict_and_the_model_is_run_itself(chapter):
    page = chapter("model=JAX+tied+weights&view=program")
    expect(page.locator(".nv-listing:not(.nv-source, .nv-hidden) .nv-reading")).to_contain_text(
        "Simple GIA Check: fails"
    )
    expect(page.locator(".nv-lines:visible").nth(1)).to_contain_text("W[0]ᵀ reshape(x1")
    page.get_by_label("show", exact=True).select_option("kernel")
    expect(page.locator(".nv-plot:not(.nv-hidden) .nv-reading").first).to_contain_text("from the limit")
    source = page.locator(SOURCE)
    source.get_by_text("Assumed").click()
    expect(source).to_contain_text("at the rate η/fan_in")


def test_a_source_scrolls_within_its_panel_on_a_phone(chapter):
    page = chapter("model=PyTorch+MLP")
    expect(page.locator(SOURCE).locator(".nv-reading")).to_contain_text("runs the same model in Equinox")
    page = chapter("model=nnx+ResNet")
    page.set_viewport_size({"width": 390, "height": 844})
    lines = page.locator(SOURCE).locator(".nv-lines")
    expect(lines).to_contain_text("class Block(nnx.Module)")
    assert lines.evaluate("box => box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size(LAPTOP)


def test_the_quiz_is_answered_by_the_tracer(chapter):
    page = chapter()
    said = reply(page, 0, "line 11", "f is random: sigmoid into the loss")
    expect(said).to_contain_text("Not yet. The answer is not right.")
    said = reply(page, 0, "line 12", "f is random: sigmoid into the loss")
    expect(said).to_contain_text("probability.py:12")
