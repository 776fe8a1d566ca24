"""Numbers in sentences: only significant digits, and no percentages in the thousands."""

import numpy as np
import pytest

from ntkviz.app.style.wording import about, as_predicted, figures, plus_minus, share, signed, width_needed, with_error
from ntkviz.app.translation import words
from ntkviz.convergence import Slope


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0.00"),
        (0.4608, "0.46"),
        (-0.06, "−0.06"),
        (0.00123, "0.0012"),
        (5.747, "5.75"),
        (36.39, "36.4"),
        (-206.1, "−206"),
        (36850, "36,850"),
        (979200.0, "9.79·10<sup>5</sup>"),
        (3.1e-7, "3.10·10<sup>−7</sup>"),
    ],
)
def test_figures(number, said):
    assert figures(number) == said


@pytest.mark.parametrize(
    ("distance", "said"),
    [(0.0042, "0.4%"), (0.142, "14.2%"), (1.4, "140%"), (58.5, "58.5 × the limit’s norm")],
)
def test_share(distance, said):
    assert share(distance) == said


@pytest.mark.parametrize(
    ("mean", "std", "said"),
    [
        (1.0, 2**0.5, "<b>1.00</b> ± 1.41"),
        (786.4, 22.84, "<b>786.4</b> ± 22.8"),
        (4296.0, 816.0, "<b>4,296</b> ± 816"),
        (0.51, 0.0028, "<b>0.510</b> ± 0.003"),
        (0.51, 0.0, "<b>0.51</b> ± 0.00"),
        (0.51, np.nan, "<b>0.51</b>"),
    ],
)
def test_a_mean_has_as_many_decimals_as_its_spread(mean, std, said):
    assert plus_minus(mean, std) == said


def test_slopes_with_errors():
    assert with_error(Slope(-0.512, 0.034)) == "<b>−0.51</b> ± 0.03"
    assert with_error(Slope(-0.5123, 0.0012)) == "<b>−0.512</b> ± 0.001"
    assert with_error(Slope(-0.5123, np.nan)) == "<b>−0.51</b>"
    assert signed(-0.001) == "0.00"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (7.2, "7"),
        (876, "880"),
        (87_781, "88,000"),
        (996_000, "1.0 million"),
        (8_778_100, "8.8 million"),
        (12_345_678, "12 million"),
        (8.8e9, "8.8 billion"),
        (1.26e13, "1.30·10<sup>13</sup>"),
    ],
)
def test_a_large_count_has_two_digits(count, said):
    assert about(count) == said


@pytest.mark.parametrize(
    ("count", "said"), [(876, "880"), (9_960, "1.0 万"), (87_781, "8.8 万"), (8_778_100, "880 万"), (8.8e9, "88 亿")]
)
def test_a_large_count_in_the_units_of_chinese(count, said, monkeypatch):
    monkeypatch.setenv(words.LANGUAGE, "zh")
    assert about(count) == said


def test_the_needed_width():
    said = "Width needed for 10 % (to leading order): <b>1</b>; 1 %: <b>100</b>; ± 20 % (s.e.)."
    assert width_needed(0.1, 0.01, [0.1, 0.01]) == said.replace(" %", "\N{NO-BREAK SPACE}%")


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ((1.1, 1.0, 0.9), "they agree."),
        ((1.27, 1.15, 1.03), "they agree."),  # 2.1 errors from 1: of three networks, nothing unusual
        ((1.3, 1.2, 1.1, 1.2), "By chance alone"),
        ((1.3, 1.2, 1.1) * 4, "more than chance explains"),
        ((0.6, 1.0, 1.4), "too uncertain"),
    ],
)
def test_few_networks_are_judged_cautiously(ratios, said):
    distances = {(10**4, seed): ratio * 0.02 for seed, ratio in enumerate(ratios)}
    assert said in as_predicted(distances, 2.0, 0.07)
