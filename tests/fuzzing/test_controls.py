"""Controls set at random: pictures answer at once with numbers, or in one sentence. `controls.py` sets hundreds."""

import random

import numpy as np
import pytest
from selection import full_among

from .controls import CHAPTERS, Fuzz, any_settings

SOON_COMPILED = ["01_gaussian", "02_ntk", "06_tensor_programs", "05_figure_1", "03_training", "15_playground"]


@pytest.mark.parametrize("chapter", full_among(SOON_COMPILED, "02_ntk", "06_tensor_programs", "03_training"))
def test_any_settings_are_answered_with_numbers_or_one_sentence(chapter):
    fuzz = Fuzz(chapter)
    for number in range(2):
        settings = any_settings(fuzz.picture.controls, random.Random(f"{chapter} {number}"))
        assert fuzz.problem(settings) is None, settings


def test_the_check_finds_nan_and_unnamed_errors():
    """The check itself detects NaN in an answer, and an error that is not an `NtkvizError`."""
    fuzz = Fuzz(CHAPTERS[0])
    settings = any_settings(fuzz.picture.controls, random.Random(0))
    plot, answer = fuzz.picture.panels[0], fuzz.picture._at_once
    fuzz.picture._at_once = lambda c: (answer(c), plot.figure.data[0].update(y=np.array([1.0, np.nan])))
    assert "not finite" in fuzz.problem(settings)
    fuzz.picture._at_once = lambda c: 1 / 0
    assert "ZeroDivisionError" in fuzz.problem(settings)
