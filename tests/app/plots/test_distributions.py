"""Coordinates and functions beside their Gaussian: plots show what was sampled and count all of it."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import CoordinateHistogram, EntryLaw, FunctionDraws, InfluenceHistogram

from ..conftest import csv_records, csv_rows, reading


@pytest.fixture
def histogram():
    return CoordinateHistogram("coordinates", "h")


@pytest.fixture
def functions():
    return FunctionDraws("networks", np.linspace(-1, 1, 5), "s", draws=6)


def test_the_bell_curve_keeps_its_size():
    rng, heights = np.random.default_rng(0), []
    for share_of_zeros in (0.0, 0.0, 0.5):
        histogram = CoordinateHistogram("heading", "h")
        histogram.restart(std=2.0)
        histogram.add(2 * rng.normal(size=(1, 16000)) * (rng.random((1, 16000)) >= share_of_zeros))
        heights.append(histogram.figure.layout.yaxis.range[1])
        assert heights[-1] > max(histogram.figure.data[0].y)
    assert heights[:2] == pytest.approx([1.25 / (2 * (2 * np.pi) ** 0.5)] * 2)
    assert heights[2] / heights[0] in (2, 4, 8, 16)


def test_histogram_of_a_gaussian_is_its_density(histogram):
    histogram.restart(std=2.0)
    bars, line = histogram.figure.data
    assert "Predicted variance <b>4.00</b>" in histogram.reading.value
    assert line.y.max() == pytest.approx(1 / (2 * (2 * np.pi) ** 0.5))
    for _ in range(2):
        histogram.add(np.random.default_rng(0).normal(scale=2, size=(50, 400)))
    expected = np.exp(-(bars.x**2) / 8) / (2 * (2 * np.pi) ** 0.5)
    assert np.max(np.abs(bars.y - expected)) < 0.02
    assert "40,000 coordinates of 100 networks" in histogram.reading.value
    assert "in a Gaussian 0.3%" in histogram.reading.value


def test_values_beyond_the_axis_are_counted(histogram):
    histogram.restart(std=1.0)
    histogram.add(np.array([[0.0, 100.0]]))
    bars = histogram.figure.data[0]
    assert np.sum(bars.y) * bars.width == pytest.approx(0.5)
    assert "2 coordinates of 1 network:" in histogram.reading.value
    assert "<b>50.0%</b>" in histogram.reading.value
    heading, *numbers = csv_rows(histogram)
    assert heading == ["from", "to", "density", "predicted_density"]
    assert sum((float(b) - float(a)) * float(p) for a, b, _, p in numbers) == pytest.approx(1, abs=1e-3)


def test_a_new_prediction_starts_a_new_sample_and_keeps_the_old_one_until_then(histogram):
    histogram.restart(std=1.0)
    histogram.add(np.ones((1, 10)))
    before = histogram.figure.data[0].y
    histogram.restart(std=3.0)
    assert np.array_equal(histogram.figure.data[0].y, before)
    histogram.add(np.ones((1, 4)))
    assert "4 coordinates" in histogram.reading.value


def test_curves_are_separated_by_gaps_and_counted_inside_bands(functions):
    std = np.array([2.0, 1.0, 1.0, 1.0, 2.0])
    functions.restart(std)
    narrow, wide, curves, edges, one = functions.figure.data
    assert narrow.y[0] == 2
    assert wide.y[0] == 4
    assert np.nanmax(edges.y) == 4
    functions.add(np.stack([0.5 * std, 1.5 * std]))
    functions.add(np.stack([1.5 * std, 3 * std]))
    assert "4 networks: <b>25%</b>" in functions.reading.value
    assert "<b>75%</b> inside ±2σ" in functions.reading.value
    assert np.isnan(curves.y[5::6]).all()
    assert np.array_equal(curves.y[6:11], 1.5 * std)
    assert np.array_equal(one.y, 0.5 * std)
    assert csv_rows(functions)[0] == ["network", "input", "output", "predicted_std"]
    assert len(csv_rows(functions)) == 1 + 4 * 5


def test_the_number_of_curves_is_limited(functions):
    functions.restart(np.ones(5))
    functions.add(np.zeros((10, 5)))
    assert "6 networks" in functions.reading.value
    assert len(functions.figure.data[2].y) == len(functions.figure.data[2].x)


def test_coordinates_of_real_networks_become_gaussian(histogram):
    """What chapter 1 shows: tails at width 1, none at width 256."""
    network, point = nv.architectures.mlp(depth=2), [[1.0, 1.0]]
    program = nv.program(network, point)
    index = next(line.index for line in program.lines() if line.name == "x3")
    law = nv.limit_law(program).vectors[index]
    beyond = {}
    for width, networks in ((1, 512), (256, 16)):
        values = np.array([nv.coordinates(program, width=width, key=k)[index][0] for k in range(networks)])
        histogram.restart(law.std.item())
        histogram.add(values)
        beyond[width] = np.mean(np.abs(values) > 3 * law.std.item())
    assert beyond[1] > 0.01
    assert beyond[256] < 0.006


@pytest.fixture
def entry():
    law = EntryLaw("one entry")
    law.restart("Θ", limit=3.0, std=0.5, usual=1.0)
    return law


def test_an_entry_has_its_bell_curve_before_a_network_is_sampled(entry):
    bell = entry.figure.data[2]
    assert reading(entry) == "Predicted Θ: 3.00 ± 0.50."
    assert entry.figure.layout.xaxis.range == pytest.approx((1.0, 5.0))
    assert np.trapezoid(bell.y, bell.x) == pytest.approx(1, abs=1e-3)
    assert bell.x[np.argmax(bell.y)] == pytest.approx(3.0)
    assert entry.figure.layout.shapes[0].x0 == 3.0


def test_heavy_tails_are_not_cut_at_the_top(entry):
    """Without a standard deviation the axis is wide, and most networks fall into few of its bins."""
    usual = entry.figure.layout.yaxis.range
    entry.add("real", [3.1] * 10)
    assert entry.figure.layout.yaxis.range[1] in (4 * usual[1], 8 * usual[1])
    assert entry.figure.layout.yaxis.range[1] > max(entry.figure.data[0].y)
    entry.restart("Θ", limit=3.0, std=None, usual=2.0)
    assert entry.figure.layout.yaxis.range[1] == pytest.approx(usual[1] / 4)
    entry.add("virtual", [3.1] * 10)
    assert entry.figure.layout.yaxis.range[1] > max(entry.figure.data[1].y)


def test_no_mean_is_given_for_a_single_network(entry):
    entry.add("virtual", [2.9])
    assert reading(entry).strip() == "Predicted Θ: 3.00 ± 0.50."


def test_real_and_virtual_networks_have_separate_histograms(entry):
    real, virtual = np.random.default_rng(0).normal(3.0, 0.5, size=(2, 4000))
    entry.add("real", real[:2000])
    assert not len(entry.figure.data[1].x)
    entry.add("real", real[2000:])
    entry.add("virtual", [100.0, *virtual[1:]])
    bars, outlines, _ = entry.figure.data
    expected = np.exp(-(((bars.x - 3) / 0.5) ** 2) / 2) / (0.5 * (2 * np.pi) ** 0.5)
    for histogram in (bars, outlines):
        assert np.max(np.abs(histogram.y - expected)) < 0.1
    assert np.sum(outlines.y) * outlines.width == pytest.approx(3999 / 4000, abs=2e-3)  # what is outside counts
    assert "4000 random networks: 2.99 ± 0.50; 4000 virtual networks: " in reading(entry)
    assert [row["network"] for row in csv_records(entry)[::4000]] == ["real", "virtual"]


def test_without_a_variance_there_is_no_bell(entry):
    entry.restart("Θ", limit=3.0, std=None, usual=1.0)
    assert not len(entry.figure.data[2].x)
    assert entry.figure.layout.xaxis.range == pytest.approx((-1.0, 7.0))
    assert "no standard deviation to predict" in reading(entry)


def test_all_influences_are_counted():
    influences = InfluenceHistogram("influence")
    draws = np.concatenate([np.full(98, -1.0), [49.0, 49.0]])
    influences.show(draws, draws.var())
    bars = influences.figure.data[0]
    assert np.sum(bars.y) == pytest.approx(1)
    assert bars.y[-1] == pytest.approx(0.02)  # beyond five standard deviations
    assert influences.figure.layout.shapes[1].x0 == pytest.approx(draws.std())
    assert "√V = 7.00" in reading(influences)
    assert "The tenth with the largest influence makes up 98% of the variance" in reading(influences)
    assert len(csv_rows(influences)) == 101
    influences.show(None, np.nan)
    assert not len(influences.figure.data[0].x)
    assert "nothing to show" in reading(influences)
