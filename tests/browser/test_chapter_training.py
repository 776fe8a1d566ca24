"""The page on training: points are dragged and learned, time is played; the wide network ends on its prediction, the
narrow one does not; the exercise trains."""

import re

import pytest
from pages import solution, until
from playwright.sync_api import expect

CHAPTER = "03_training.ipynb"


def test_a_point_is_dragged_in_both_directions_and_time_is_played(chapter):
    page = chapter("time=256&width=16")
    point, reading = page.get_by_role("slider", name="point 3"), page.locator(".nv-reading").first
    expect(reading).to_contain_text("of width 16 and its prediction are")
    expect(point).to_have_attribute("aria-valuetext", "x 0, y 0.9")
    for key, said in (("ArrowRight", "x 0.05, y 0.9"), ("ArrowDown", "x 0.05, y 0.85")):
        point.press(key)
        expect(point).to_have_attribute("aria-valuetext", said)
    box = point.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y + 60, steps=5)
    page.mouse.up()
    until(page, r"/x3=-0\.[0-9]+&y3=-?0\.[0-9]+&x4=0.6/.test(location.hash)")
    expect(reading).to_contain_text("of width 16 and its prediction are")  # trained again
    play = page.get_by_role("button", name="Play")
    play.click()
    expect(page.locator(".nv-plot").first).to_contain_text("After 512 steps")
    expect(page.get_by_role("button", name="Play")).to_be_visible()  # at the end it stops
    expect(reading).to_contain_text("of width 16 and its prediction are")


@pytest.mark.wide
def test_a_wide_network_follows_its_prediction_and_a_narrow_one_does_not(visit):
    page = visit(f"{CHAPTER}#view=digits")
    readings = page.locator(".nv-picture .nv-plot:not(.nv-hidden) .nv-reading")
    reading, slopes = readings.nth(0), readings.nth(1)
    expect(reading).to_contain_text("at width 4,096")
    narrow, wide = (
        float(re.search(rf"([\d.]+) at width {width}", reading.inner_text())[1]) for width in ("16", "4,096")
    )
    assert wide < 0.1 < narrow
    expect(slopes).to_contain_text("Slopes: outputs −0.")
    expect(page.locator(".nv-reading").last).to_contain_text("sure (0 outside the bar) of 176")

    exercise = page.locator(".nv-exercise").nth(1)
    field = exercise.get_by_label("width")
    for answer, verdict in (
        ("256", "Not yet."),
        (solution(exercise), "Yes."),
        ("999999", "is too large for this page"),
    ):
        field.fill(answer)
        field.press("Enter")
        expect(exercise.get_by_role("status").first).to_contain_text(verdict)
