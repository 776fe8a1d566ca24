"""The page on training: a wide network ends at its prediction, a narrow one does not; the exercise trains networks."""

import re

import pytest
from playwright.sync_api import expect

CHAPTER = "03_training.ipynb"


@pytest.mark.wide
def test_a_wide_network_follows_its_prediction_and_a_narrow_one_does_not(visit):
    page = visit(CHAPTER)
    reading = page.locator(".nv-reading").first
    expect(reading).to_contain_text("at width 4,096")
    narrow, wide = (
        float(re.search(rf"([\d.]+) at width {width}", reading.inner_text())[1]) for width in ("16", "4,096")
    )
    assert wide < 0.1 < narrow
    expect(page.locator(".nv-reading").nth(1)).to_contain_text("Slopes: outputs −0.")
    expect(page.locator(".nv-reading").nth(2)).to_contain_text("sure (0 outside the bar) of 176")

    exercise = page.locator(".nv-exercise")
    field = exercise.get_by_label("width")
    for answer, verdict in (("256", "Not yet."), ("12000", "Yes."), ("999999", "is too large for this page")):
        field.fill(answer)
        field.press("Enter")
        expect(exercise.get_by_role("status")).to_contain_text(verdict)
