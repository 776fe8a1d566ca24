"""Deviations against width: what is measured, fitted and said, on axes that hold still."""

import re

import numpy as np
import pytest

from ntkviz.app import ConvergencePlot

from ..conftest import reading


def test_convergence_plot_keeps_points_of_one_network_only():
    plot = ConvergencePlot([64, 256], seeds=2)
    plot.restart("a", 64)
    assert plot.remaining() == [(64, 0), (256, 0), (64, 1), (256, 1)]
    plot.add(64, 0, 0.2)
    plot.add(256, 0, 0.1)
    assert plot.slope().value == pytest.approx(-0.5)
    assert "−0.50" in plot.reading.value
    plot.restart("a", 256)
    assert plot.remaining() == [(64, 1), (256, 1)]
    assert list(plot.figure.data[3].x) == [256]
    plot.restart("b", 256)
    assert len(plot.remaining()) == 4
    assert plot.to_csv() == "width,seed,relative_frobenius\n"


def test_fitted_line_falls_by_half_over_four_times_the_width():
    plot = ConvergencePlot([64, 256, 1024], seeds=1)
    plot.restart("a", 64)
    for width, distance in ((64, 0.3), (256, 0.11), (1024, 0.07)):
        plot.add(width, 0, distance)
    line = plot.figure.data[0]
    assert np.diff(np.log(line.y)) / np.diff(np.log(line.x)) == pytest.approx(-0.5)


def converging(slope, noise=0.0):
    plot = ConvergencePlot([64, 256, 1024, 4096], seeds=6)
    plot.restart("a", 64)
    rng = np.random.default_rng(1)
    for width, seed in plot.remaining():
        plot.add(width, seed, 0.1 * (width / 64) ** slope * np.exp(noise * rng.normal()))
    return plot


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [
        (-0.5, 0.1, "agrees with theory, −0.50: four times the width halves the distance."),
        (-0.35, 0.1, "not −0.50. That law is for wide networks; at these widths, terms"),
        (-0.5, 2.5, "too uncertain to test the theory’s −0.50."),
    ],
)
def test_the_line_under_a_slope_judges_it_by_its_error(slope, noise, verdict):
    plot = converging(slope, noise)
    said = reading(plot)
    assert said.startswith(f"Slope {plot.slope().value:.2f} ± {plot.slope().error:.2f} (s.e.)".replace("-", "−"))
    assert verdict in said
    assert ("halves" in said) == ("agrees" in verdict)


def test_two_networks_of_each_width_are_too_few_to_judge():
    plot = ConvergencePlot([64, 256], seeds=3)
    plot.restart("a", 64)
    for width, seed in plot.remaining()[:4]:
        plot.add(width, seed, 0.1 + 0.001 * seed)  # a slope of 0, and hardly any spread
    assert "Slope <b>0.00</b> so far; theory predicts −0.50." in plot.reading.value
    for width in (64, 256):
        plot.add(width, 2, 0.1)
    assert "not −0.50" in plot.reading.value


def test_a_slope_that_the_wide_networks_bring_back_is_said_to_be():
    plot = ConvergencePlot([64, 128, 256, 512, 1024, 2048, 4096], seeds=6)
    plot.restart("a", 64)
    rng = np.random.default_rng(2)
    for width, seed in plot.remaining():
        plot.add(width, seed, (1 + 60 / width) / width**0.5 * np.exp(0.15 * rng.normal()))
    assert "from width 512 on it is" in plot.reading.value
    assert "which agrees" in plot.reading.value


def test_networks_that_are_too_narrow_are_called_so():
    plot = ConvergencePlot([64, 256, 1024], seeds=4)
    plot.restart("a", 64)
    rng = np.random.default_rng(3)
    for width, seed in plot.remaining():
        plot.add(width, seed, 2 * (width / 64) ** -0.2 * np.exp(0.05 * rng.normal()))
    assert re.search("at width 1,024 these are still <b>11[0-9]%</b> off", plot.reading.value)


def test_axes_of_deviations_hold_still():
    near, far = (ConvergencePlot([64, 256], seeds=1) for _ in range(2))
    for plot, deviations in ((near, (0.1, 0.05)), (far, (2.0, 0.9))):
        plot.restart("a", 64)
        for width, deviation in zip((64, 256), deviations, strict=True):
            plot.add(width, 0, deviation)
    assert near.figure.layout.yaxis.range == far.figure.layout.yaxis.range
    far.add(64, 1, 40.0)
    low, high = far.figure.layout.yaxis.range
    assert low == near.figure.layout.yaxis.range[0]
    assert high >= np.log10(40)
