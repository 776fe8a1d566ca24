"""Figure 1: curves show the numbers that they are given, and slopes are those of the curves."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import Curve, DeviationCurves, SlopePlot
from ntkviz.app.style import theme

from ..conftest import csv_records, reading

WIDTHS = [64, 128, 256]


@pytest.fixture
def plot():
    curves = DeviationCurves([*WIDTHS, 10_000], most=6, real=256)
    curves.restart(["RNN", "mean readout"], "ntk4a", WIDTHS, range(2))
    return curves


def fill(curves, c=2.0):
    """Deviations exactly c/√n, twice as far from GIA's answer at every width."""
    for name, width, seeds in curves.remaining():
        one = c / width**0.5
        curves.add(name, width, dict.fromkeys(seeds, (one,) if name == "RNN" else (one, 0.4)))


def test_narrow_networks_come_first_and_nothing_is_measured_twice(plot):
    assert [width for _, width, _ in plot.remaining()] == [64, 64, 128, 128, 256, 256]
    fill(plot)
    assert not plot.remaining()
    plot.restart(["RNN"], "ntk", WIDTHS, range(2))
    assert len(plot.remaining()) == 3
    assert not plot.curves()[0].deviations
    plot.restart(["RNN"], "ntk4a", WIDTHS, range(3))
    assert [seeds for _, _, seeds in plot.remaining()] == [[2], [10_002], [20_002]]
    assert plot.curves()[0].means() == pytest.approx({n: 2 / n**0.5 for n in WIDTHS})


def test_curves_show_the_numbers_given(plot):
    fill(plot)
    rnn, mean, shortcut = plot.figure.data[2:5]
    assert not plot.figure.data[5].visible
    assert rnn.y == pytest.approx([2 / n**0.5 for n in WIDTHS])
    assert shortcut.y == pytest.approx([0.4] * 3)
    assert shortcut.line.dash == "dot"
    assert mean.line.color == shortcut.line.color != rnn.line.color
    plot.restart(["RNN", "mean readout"], "ntk4a", WIDTHS, range(2), times_root=True)
    assert plot.figure.data[2].y == pytest.approx([2.0] * 3)
    rows = csv_records(plot)
    assert len(rows) == 12
    assert float(rows[0]["from_the_limit"]) == pytest.approx(0.25)
    assert [row["from_gia_answer"] for row in rows[::6]] == ["", "0.4"]


def prediction(c, error=0.1):
    """A prediction for a kernel with one entry, whose deviations are |N(0, 1)| c √(π/2)."""
    std = c * (np.pi / 2) ** 0.5
    draws = std * np.random.default_rng(0).standard_normal((256, 1, 1))
    return nv.Fluctuation(c, error, np.full((1, 1, 1, 1), std**2), draws, draws)


def test_predictions_fall_as_one_over_root_n_before_a_network_is_sampled(plot):
    assert plot.unpredicted() == ["RNN", "mean readout"]
    plot.predict("RNN", prediction(2.0))
    plot.predict("mean readout", prediction(5.0))
    assert not plot.unpredicted()
    assert reading(plot) == "Predicted without sampling a network: c is from 2.00 (RNN) to 5.00 (mean readout)."
    rnn, band = plot.figure.data[-10], plot.figure.data[-5]
    x, y = np.array(rnn.x[:2], dtype=float), np.array(rnn.y[:2], dtype=float)
    assert y == pytest.approx(2 / np.sqrt(x))
    low, high = np.array(band.y[:3], dtype=float), np.array(band.y[:2:-1], dtype=float)
    assert (low + high) / 2 == pytest.approx(2 / np.sqrt(WIDTHS))
    half = 1.645 * 2 * (np.pi / 2 - 1) ** 0.5 / 2**0.5  # the standard deviation of the mean of two |N(0, 1)|
    assert high - low == pytest.approx(2 * half / np.sqrt(WIDTHS), rel=0.15)  # of 256 draws
    plot.restart(["RNN"], "ntk", WIDTHS, range(2))
    assert plot.unpredicted() == ["RNN"]
    assert not len(plot.figure.data[-10].x)
    assert not len(plot.figure.data[-5].x)


def test_measured_constants_are_compared_with_the_predicted_ones(plot):
    plot.predict("RNN", prediction(2.0))
    plot.predict("mean readout", prediction(5.0))
    fill(plot)
    assert "Their deviation × √n is 0.70 times the predicted c on average" in reading(plot)  # 1 and 0.4
    assert "within two standard errors of c: 1 of 2." in reading(plot)
    assert csv_records(plot)[0]["c"] == "2.0"


def test_wide_networks_are_virtual_and_few_and_have_their_own_marker(plot):
    plot.restart(["RNN"], "ntk4a", [*WIDTHS, 10_000], range(30))
    assert [len(seeds) for _, width, seeds in plot.remaining() if width == 10_000] == [4]
    fill(plot)
    assert plot.figure.data[2].marker.symbol == ("circle", "circle", "circle", "cross")
    assert {row["network"] for row in csv_records(plot) if row["width"] == "10000"} == {"virtual"}
    assert plot.figure.layout.yaxis.range[0] < np.log10(2 / 10_000**0.5)
    plot.leave_out("RNN", 10_000)
    assert reading(plot).endswith("Too large for the available memory from width 10,000 on: RNN.")


def test_bars_are_two_standard_errors(plot):
    plot.add("RNN", 64, {0: (0.1,), 1: (0.3,)})
    assert plot.figure.data[2].error_y.array == pytest.approx([2 * 0.1])  # std 0.1·√2, of the mean of two 0.1


def test_slope_and_its_error_are_those_of_simulated_curves():
    rng = np.random.default_rng(0)
    noisy = [
        Curve("a", False, {n: list(3 * n**-0.5 * np.exp(0.3 * rng.normal(size=20))) for n in WIDTHS}).slope()
        for _ in range(300)
    ]
    slopes, errors = np.transpose(noisy)
    assert np.mean(slopes) == pytest.approx(-0.5, abs=0.02)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.15)
    assert np.isnan(Curve("a", False, {64: [1.0], 128: [1.0]}).slope()[0])


def test_slope_plot_averages_the_slopes_of_distances_to_the_limit(plot):
    fill(plot)
    slopes = SlopePlot()
    slopes.show(plot.curves(), [plot.look(curve.name) for curve in plot.curves()])
    assert slopes.figure.data[0].x == pytest.approx([-0.5, -0.5, 0.0])
    assert "measured −0.50 on average, from −0.50 to −0.50" in reading(slopes)
    name, slope, *_ = slopes.to_csv().splitlines()[3].split(",")
    assert name == "mean readout (GIA)"
    assert float(slope) == pytest.approx(0.0, abs=1e-12)


def test_slope_plot_names_the_curves_that_do_not_agree():
    rng = np.random.default_rng(0)
    curves = [
        Curve(name, False, {n: list(n**slope * np.exp(0.05 * rng.normal(size=20))) for n in WIDTHS})
        for name, slope in (("a", -0.5), ("b", -0.35))
    ]
    slopes = SlopePlot()
    slopes.show(curves, [(theme.FINITE, "circle")] * 2)
    said = reading(slopes)
    assert "Within two standard errors of −0.50: 1 of 2; outside: b." in said
    slopes.show(curves[:1], [(theme.FINITE, "circle")])
    assert reading(slopes).endswith("Within two standard errors of −0.50: 1 of 1.")


def test_no_number_is_given_before_it_is_predicted(plot):
    assert reading(plot) == "Each curve should fall as c/√n, with its own c; predicting it …"


def test_of_many_architectures_three_keep_their_colours(plot):
    plot.restart(["a", "b", "c", "d", "e", "f"], "ntk", WIDTHS, range(2))
    assert [plot.look(name)[0] for name in "abcdef"] == theme.SERIES[:3] + [theme.MUTED] * 3
