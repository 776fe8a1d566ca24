"""The page on order and chaos: depth splits the map, a click moves the reader, the exercise measures."""

from playwright.sync_api import expect

CHAPTER = "05_mlp.ipynb"


def test_depth_makes_inputs_alike_or_strangers_and_a_click_moves(visit):
    page = visit(f"{CHAPTER}#sigma_w=1&start=0.9&layer=40")
    map_reading, layers_reading = page.locator(".nv-reading").nth(0), page.locator(".nv-reading").nth(1)
    expect(map_reading).to_contain_text("order")
    expect(layers_reading).to_contain_text("Layer 40: correlation 1.00")
    plot = page.locator(".nv-plot").first.locator(".nsewdrag").bounding_box()
    page.mouse.click(plot["x"] + 0.95 * plot["width"], plot["y"] + 0.95 * plot["height"])
    expect(map_reading).to_contain_text("chaos")
    expect(layers_reading).to_contain_text("Layer 40: correlation 0.0")


def test_exercise_measures_the_slope(visit):
    page = visit(CHAPTER)
    exercise = page.locator(".nv-exercise")
    exercise.get_by_label("σ_w").fill("1.5")
    exercise.get_by_role("button", name="Measure").click()
    expect(exercise.get_by_role("status")).to_contain_text("That is chaos")
    exercise.get_by_label("σ_w").fill("1.153")
    exercise.get_by_role("button", name="Measure").click()
    expect(exercise.get_by_role("status")).to_contain_text("Yes. χ₁ = 1.000")
