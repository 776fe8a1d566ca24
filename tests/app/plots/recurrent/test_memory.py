"""The gates and the memory of a gated network: what is drawn, what the text says, what is exported."""

import numpy as np
import pytest

from ntkviz.app import GatePlot, MemoryPlot

from ...conftest import csv_records, reading

STEPS = 8
SLOW, FAST = 0.5 ** (np.arange(STEPS) / 4), 0.5 ** np.arange(STEPS)


def test_gates_that_start_at_the_second_step():
    plot = GatePlot("heading", STEPS, shown=2)
    samples = np.tile(np.linspace(0.2, 0.6, 101), (STEPS - 1, 1))
    plot.restart(samples)
    cells, band, mean, spread, average = plot.figure.data
    assert list(mean.x) == list(range(2, STEPS + 1))
    assert mean.y == pytest.approx(np.full(STEPS - 1, 0.4))
    assert (min(band.y), max(band.y)) == pytest.approx((0.2 + 0.16 * 0.4, 0.2 + 0.84 * 0.4))
    assert reading(plot) == "In the limit, the gate at the last step has mean 0.40, its middle 68% from 0.26 to 0.54."
    gate = np.random.default_rng(0).random((STEPS - 1, 5))
    plot.add(gate)
    assert np.isnan(cells.z[:, 0]).all()  # no gate at the first step
    assert cells.z[:, 1:] == pytest.approx(gate[:, :2].T)
    assert average.y == pytest.approx(gate.mean(axis=1))  # of all coordinates, not only those on the map
    assert max(spread.y) == pytest.approx(np.quantile(gate, 0.84, axis=1).max())
    rows = csv_records(plot)
    assert len(rows) == STEPS - 1
    assert rows[0]["step"] == "2"
    assert rows[0].keys() == {"step", "limit_mean", "limit_low", "limit_high", "coordinate_1", "coordinate_2"}


def test_a_gate_with_another_number_of_steps_replaces_the_first():
    plot = GatePlot("heading", STEPS)
    plot.restart(np.full((STEPS - 1, 4), 0.5))
    plot.add(np.full((STEPS - 1, 4), 0.5))
    plot.restart(np.full((STEPS, 4), 0.5))
    assert len(plot.to_csv().splitlines()) == 1 + STEPS
    plot.add(np.full((STEPS, 4), 0.25))
    assert plot.to_csv().splitlines()[1].endswith("0.25")


def test_half_lives_are_given_and_curves_are_relative():
    plot = MemoryPlot("heading", STEPS)
    plot.restart(3 * SLOW, FAST)
    networks, limit, other, line = plot.figure.data
    assert limit.y == pytest.approx(SLOW)
    assert other.y == pytest.approx(FAST)
    assert line.y == pytest.approx(SLOW[4:])
    assert reading(plot) == "In the limit: half-life 4.0 steps; without gates: half-life 1.0 steps."
    plot.add(5 * FAST)
    assert networks.y[:STEPS] == pytest.approx(FAST)
    assert reading(plot).endswith("without gates: half-life 1.0 steps; in 1 random network: half-life 1.0 steps.")
    plot.refine(FAST)
    assert plot.limit() == pytest.approx(np.sqrt((SLOW**2 + FAST**2) / 2))
    plot.refine(FAST)
    assert reading(plot).startswith("In the limit: half-life 3.9 ± 1.0 steps;")  # 4, 1 and 1: standard error 1.0


def test_growing_and_vanishing_distances_are_named_and_stay_in_view():
    plot = MemoryPlot("heading", STEPS)
    plot.restart(1.5 ** np.arange(STEPS), np.eye(STEPS)[0])
    assert reading(plot) == "In the limit: the distance grows; without gates: gone after one step."
    assert plot.figure.layout.yaxis.range[1] > np.log10(1.5) * (STEPS - 1)


def test_a_distance_that_stays_has_no_half_life():
    plot = MemoryPlot("heading", STEPS)
    plot.restart(np.ones(STEPS), SLOW)
    assert reading(plot) == "In the limit: the distance does not fade; without gates: half-life 4.0 steps."


def test_a_half_life_has_the_digits_that_its_error_justifies():
    plot = MemoryPlot("heading", STEPS)
    plot.restart(SLOW, FAST)
    plot.refine(0.5 ** (np.arange(STEPS) / 4.04))
    assert "half-life 4.02 ± 0.02 steps" in reading(plot)
    plot.refine(0.5 ** (np.arange(STEPS) / 60))
    assert "half-life 13 ± 19 steps" in reading(plot)


def test_the_band_stays_between_zero_and_one():
    plot = GatePlot("heading", STEPS)
    plot.restart(np.tile(np.repeat([0.0, 1.0], [3, 7]), (STEPS, 1)), keeps=True)  # mean + std would be 1.16
    band = plot.figure.data[1]
    assert (min(band.y), max(band.y)) == plot.figure.layout.yaxis2.range == (0, 1)
    assert reading(plot).endswith("this gate alone, drawn anew at each step, halves in 3.9 steps.")  # √0.7
    plot.restart(np.ones((STEPS, 4)), keeps=True)
    assert reading(plot).endswith("is more than half left after 200 steps.")


def test_memory_csv():
    plot = MemoryPlot("heading", STEPS)
    plot.restart(SLOW, FAST)
    plot.add(FAST)
    rows = csv_records(plot)
    assert len(rows) == STEPS
    assert float(rows[4]["limit"]) == pytest.approx(0.5)
    assert float(rows[4]["network_1"]) == pytest.approx(1 / 16)
