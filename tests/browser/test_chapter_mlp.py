"""The page on order and chaos: depth splits the map, a click moves the reader, the exercise measures."""

from pages import solution, until
from playwright.sync_api import expect

CHAPTER = "09_mlp.ipynb"


def test_depth_aligns_or_decorrelates_inputs_and_a_click_moves(chapter):
    page = chapter("sigma_w=1&start=0.9&layer=40")
    map_reading, layers_reading = page.locator(".nv-reading").nth(0), page.locator(".nv-reading").nth(1)
    expect(map_reading).to_contain_text("order")
    expect(layers_reading).to_contain_text("Layer 40: correlation of the inputs 1.00")
    plot = page.locator(".nv-plot").first.locator(".nsewdrag").bounding_box()
    page.mouse.click(plot["x"] + 0.95 * plot["width"], plot["y"] + 0.95 * plot["height"])
    expect(map_reading).to_contain_text("chaos")
    expect(layers_reading).to_contain_text("Layer 40: correlation of the inputs 0.0")


def test_clicks_on_a_presented_map_hit_the_right_point(chapter):
    page = chapter("sigma_w=1&start=0.9")
    page.get_by_role("button", name="Present").click()
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.wait_for_timeout(500)  # plots follow the window
    plot = page.locator(".nv-plot").first.locator(".nsewdrag").bounding_box()
    for part, sigma_w in ((0.25, "1.10"), (0.75, "2.40")):  # 0.45 to 3.05 from left to right, in cells of 0.1
        page.wait_for_timeout(1000)  # two clicks in a moment would be a double click
        page.mouse.move(plot["x"] + part * plot["width"], plot["y"] + 0.5 * plot["height"])
        page.locator(".nv-plot .hoverlayer .hovertext").first.wait_for()
        page.mouse.click(plot["x"] + part * plot["width"], plot["y"] + 0.5 * plot["height"])
        expect(page.locator(".nv-control .widget-readout").first).to_have_text(sigma_w)
    slider = page.get_by_role("slider", name="weights σw").bounding_box()
    page.mouse.move(slider["x"] + slider["width"] / 2, slider["y"] + slider["height"] / 2)
    page.mouse.down()
    page.mouse.move(1, slider["y"])
    page.mouse.up()
    expect(page.locator(".nv-control .widget-readout").first).to_have_text("0.50")


def test_exercise_measures_the_slope(chapter):
    page = chapter()
    exercise = page.locator(".nv-exercise").first
    exercise.get_by_label("σ_w").fill("1.5")
    exercise.get_by_role("button", name="Measure").click()
    expect(exercise.get_by_role("status").first).to_contain_text("That is chaos")
    exercise.get_by_label("σ_w").fill(solution(exercise))
    exercise.get_by_role("button", name="Measure").click()
    expect(exercise.get_by_role("status").first).to_contain_text("Yes. χ₁ = ")


def test_a_link_is_followed_although_the_address_is_replaced_meanwhile(chapter):
    page = chapter("layer=3")
    page.evaluate("""() => {
        const before = location.href;
        location.hash = "layer=7"; // its event comes later
        history.replaceState(history.state, "", before); // as the toolbar does a moment after a move
    }""")
    until(page, "location.hash.includes('layer=7')")
