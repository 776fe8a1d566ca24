"""The page on gated networks: the forget bias sets the half-life, and the exercise measures it."""

import re

from pages import solution
from playwright.sync_api import expect

CHAPTER = "12_gru_lstm.ipynb"


def test_the_forget_bias_sets_the_rate_and_the_exercise_measures_it(chapter):
    page = chapter("forget_bias=0.0&width=32")
    gate, memory = page.locator(".nv-reading").nth(0), page.locator(".nv-reading").nth(1)
    expect(gate).to_contain_text("has mean 0.50, its middle 68% from 0.08")
    expect(memory).to_contain_text(re.compile(r"In the limit: half-life 1\.\d"))
    expect(gate).to_contain_text("Memory multiplied by this gate alone, drawn anew at each step, halves in 1.4 steps")
    expect(memory).to_contain_text("15 random networks")
    page.get_by_label("cell", exact=True).select_option("GRU")
    page.get_by_label("gate shown").select_option("write")
    expect(gate).to_contain_text("has mean 0.50")
    expect(gate).not_to_contain_text("halves")

    exercise = page.locator(".nv-exercise").first
    for bias, verdict in (("1.0", "Not yet."), (solution(exercise), "Yes.")):
        exercise.get_by_label("forget bias").fill(bias)
        exercise.get_by_role("button", name="Measure").click()
        expect(exercise).to_contain_text(f"{verdict} With β = {float(bias):g} the half-life is")
