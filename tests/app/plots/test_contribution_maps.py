"""The maps over pairs of time steps: what is drawn, what the text says, what is exported."""

import numpy as np
import pytest

from ntkviz.app import ContributionMaps
from ntkviz.app.plots.contribution_maps import shade

from ..conftest import csv_records, reading

LIMIT = {"U": np.eye(3), "W": 2 * np.eye(3), "v": np.array([[0.5]])}
NETWORK = {"U": np.ones((3, 3)), "W": np.zeros((3, 3)), "v": np.array([[0.4]])}


@pytest.fixture
def maps():
    plot = ContributionMaps("network", "limit", ["a", "b", "c"], ["a", "b", "d"])
    plot.restart(LIMIT, 3, 3, unit=3.0)
    return plot


def test_cells_are_the_sum_over_parameters_of_time(maps):
    left, circles, right, _ = maps.figure.data
    assert right.z == pytest.approx(np.eye(3))  # 3 is the unit, and the brightest
    assert not np.isfinite(left.z).any()
    assert sorted(zip(circles.x, circles.y, strict=True)) == [(0, 0), (1, 1), (2, 2)]
    assert reading(maps) == (
        "In the limit Θ = 9.50: 3.00 from U + 6.00 from W + 0.50 from v. "
        "Equal lags (white dots) make up 100% of the map."
    )
    maps.add(NETWORK)
    assert left.z == pytest.approx(shade(np.full((3, 3), 1 / 3)))
    assert "in this network, 33%" in reading(maps)
    assert "b (2) and d (3): <b>0.0000</b>" in right.text[1, 2]


def test_shorter_sequences_shrink_the_map_and_shift_the_lags(maps):
    maps.add(NETWORK)
    maps.restart(LIMIT, 3, 2, unit=3.0)
    left, circles, right, _ = maps.figure.data
    assert right.z[:, :2] == pytest.approx(np.eye(3)[:, :2])
    assert not np.isfinite(right.z[:, 2]).any()
    assert sorted(zip(circles.x, circles.y, strict=True)) == [(0, 1), (1, 2)]
    assert "make up 0% of the map." in reading(maps)  # and nothing about a network of the previous lengths
    maps.add(NETWORK)
    assert left.z[:, :2] == pytest.approx(shade(np.full((3, 2), 1 / 3)))
    assert "in this network, 33%" in reading(maps)


def test_an_empty_map_is_drawn_and_says_nothing_of_lags(maps):
    maps.restart({"U": np.diag([1e-33, 2e-33, 0]), "v": np.array([[0.5]])}, 3, 3, unit=3.0)  # zero, and rounding
    assert reading(maps) == "In the limit Θ = 0.50: 0.00 from U + 0.50 from v."
    assert np.max(np.abs(maps.figure.data[2].z)) < 1e-12


def test_noise_is_visible_beside_large_cells_on_a_labelled_scale(maps):
    noise = np.array([0.011, -0.011, 0.0011]) / 0.72
    seen, negative, faint = shade(noise)
    assert seen > 0.25  # of the whole scale, where a linear one would leave 1.5 %
    assert negative == -seen
    assert faint < 0.15  # and less noise is less to see
    colours = maps.figure.layout.coloraxis
    assert (colours.cmin, colours.cmax) == (-1.1, 1.1)
    marks = dict(zip(colours.colorbar.ticktext, colours.colorbar.tickvals, strict=True))
    assert (marks["−1"], marks["0"], marks["1"]) == (-1, 0, 1)
    assert marks["1%"] == pytest.approx(shade(0.01))
    assert colours.colorbar.title.text == "× 3.00"


def test_colours_are_those_of_the_unit_at_any_lengths(maps):
    full = np.array(maps.figure.data[2].z)
    maps.restart({"U": 0.1 * np.eye(3)}, 2, 2, unit=3.0)
    assert np.nanmax(np.array(maps.figure.data[2].z, dtype=float)) == pytest.approx(shade(0.1 / 3))
    assert full.max() == 1


def test_csv_has_every_parameter_and_pair(maps):
    maps.add(NETWORK)
    rows = csv_records(maps)
    assert len(rows) == 19
    assert rows[0] == {"parameter": "U", "first_step": "1", "second_step": "1", "limit": "1.0", "network": "1.0"}
    assert rows[18] == {"parameter": "v", "first_step": "", "second_step": "", "limit": "0.5", "network": "0.4"}
