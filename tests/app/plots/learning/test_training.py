"""The plots of training: curves show the given numbers, texts describe the curves, divergence is cut off."""

import numpy as np
import pytest

from ntkviz.app import CertaintyPlot, LinearisationErrorPlot, TrainingCurves

from ...conftest import csv_records, reading

STEPS = [0, 1, 4, 16]
PICTURES = np.linspace(0, 1, 3)[:, None, None] * np.ones((3, 8, 8))
LOW, HIGH, MEAN, FIRST, OWN = range(5)


@pytest.fixture
def curves():
    plot = TrainingCurves(STEPS, PICTURES, ("9", "5"))
    plot.restart(2, [0, 0.5, 0.75, 0.875], [1, 0.5, 0.25, 0.25], (0.8, 0.4), [16, 256, 4096])
    return plot


def test_band_is_two_standard_deviations_around_the_mean(curves):
    low, high, mean = curves.figure.data[:3]
    assert mean.y == pytest.approx([0, 0.5, 0.75, 0.875])
    assert low.y == pytest.approx([-2, -0.5, 0.25, 0.375])
    assert high.y == pytest.approx([2, 1.5, 1.25, 1.375])
    assert high.fill == "tonexty"
    assert mean.x == pytest.approx([0.5, 1, 4, 16])  # step 0 has a place on the logarithmic axis
    assert np.all(curves.figure.data[10].z == 1)  # picture number 2
    bayes = curves.figure.data[9]
    assert (bayes.y[0], bayes.error_y.array[0]) == pytest.approx((0.8, 0.8))
    assert "infinite width 0.88 ± 0.50, Bayes 0.80 ± 0.80" in reading(curves)


def test_network_and_its_prediction_are_drawn_and_compared_at_the_end(curves):
    curves.add(256, [0.1, 0.2, 0.3, 0.45], [0.1, 0.2, 0.3, 0.4])
    assert curves.figure.data[5].name == "width 256"
    assert curves.figure.data[5].y == pytest.approx([0.1, 0.2, 0.3, 0.45])
    assert curves.figure.data[6].y == pytest.approx([0.1, 0.2, 0.3, 0.4])
    assert not np.isfinite(np.array(curves.figure.data[FIRST].y, dtype=float)).any()
    assert "Distance of a network from its own prediction: 0.050 at width 256." in reading(curves)
    rows = csv_records(curves)
    assert [float(row["width_256"]) for row in rows] == [0.1, 0.2, 0.3, 0.45]
    curves.restart(0, [0] * 4, [1] * 4, (0, 1), [16, 256, 4096])
    assert not np.isfinite(np.array(curves.figure.data[5].y, dtype=float)).any()


def test_a_diverging_network_is_cut_off(curves):
    curves.add(16, [0.1, 5.0, 1e9, np.inf], [0.1, 0.1, 0.1, 0.1])
    y = np.array(curves.figure.data[FIRST].y, dtype=float)
    assert y[:2] == pytest.approx([0.1, 5.0])
    assert np.isnan(y[2:]).all()
    assert "diverged at width 16" in reading(curves)


def test_linearisation_errors_have_means_and_slopes():
    plot = LinearisationErrorPlot([16, 64, 256])
    for n in (16, 64, 256):
        for seed, factor in enumerate((0.5, 1.5)):
            plot.add(n, seed, factor * n**-0.5, factor * 3 / n)
    plot.add(16, 2, np.inf, np.nan)  # one that diverged does not count
    outputs, kernel = plot.figure.data[1], plot.figure.data[3]
    assert outputs.y == pytest.approx([1 / 4, 1 / 8, 1 / 16])
    assert kernel.y == pytest.approx([3 / 16, 3 / 64, 3 / 256])
    assert [slope.value for slope in plot.slopes()] == pytest.approx((-0.5, -1.0))
    assert "outputs −0.50 ± 0.26, kernel −1.00 ± 0.26" in reading(plot)  # 0.5/(√2·ln 4)
    assert "Left out: 1 of 7 networks, which diverged." in reading(plot)
    assert plot.figure.data[4].y == pytest.approx(outputs.y)  # the guides lie on curves that obey them
    assert plot.figure.data[5].y == pytest.approx(kernel.y)
    assert len(plot.to_csv().splitlines()) == 8
    plot.restart()
    assert len(plot.figure.data[1].x) == 0


@pytest.mark.parametrize(
    ("slope", "stable", "verdict"),
    [
        (-0.5, True, "A wider network deviates from its prediction less, and its kernel moves less."),
        (0.3, False, "deviates from its prediction more, and its kernel moves less: this learning rate is at the edge"),
        (0.0, True, "deviates from its prediction neither clearly less nor clearly more"),
        (-0.2, True, "less, though not as 1/√n"),
    ],
)
def test_the_text_on_linearisation_errors_follows_the_curves(slope, stable, verdict):
    plot = LinearisationErrorPlot([16, 64, 256])
    plot.restart(stable=stable)
    for n in (16, 64, 256):
        for seed, factor in enumerate((0.9, 0.95, 1.05, 1.1)):
            plot.add(n, seed, factor * n**slope / 10, factor / n)
    assert verdict in reading(plot)


def test_the_axis_of_outputs_is_stable():
    plot, ranges = TrainingCurves(STEPS, PICTURES, ("9", "5")), []
    for std in (0.3, 1.0, 2.0):
        plot.restart(2, [0, 0.5, 0.75, 0.875], [std] * 4, (0.8, 0.4), [16, 256, 4096])
        ranges.append(plot.figure.layout.yaxis.range)
    assert ranges == [(-3.0, 3.0), (-3.0, 3.0), (-6.0, 6.0)]


def test_a_posterior_that_is_sure_of_nothing_has_no_percentage():
    mean = np.zeros(2)
    plot = CertaintyPlot(np.zeros((2, 8, 8)), [1, -1], {"NTK": (mean, mean + 1)}, ("9", "5"), shown=[0])
    assert "sure (0 outside the bar) of 0; unsure of 2, right on 0%." in reading(plot)


def test_certainty_counts_all_and_draws_some():
    mean, std = np.array([0.9, -0.9, 0.1, -0.1]), np.array([0.2, 0.6, 0.2, 0.01])
    plot = CertaintyPlot(np.zeros((4, 8, 8)), [1, 1, 1, -1], {"NTK": (mean, std)}, ("9", "5"), shown=[0, 2])
    points = plot.figure.data[1]
    assert points.y == pytest.approx([0.9, 0.1])
    assert points.error_y.array == pytest.approx([0.4, 0.4])
    # sure: the first and the last, both right; unsure: one wrong, one right
    assert "sure (0 outside the bar) of 2, right on 100%; unsure of 2, right on 50%" in reading(plot)
    assert len(plot.to_csv().splitlines()) == 5
