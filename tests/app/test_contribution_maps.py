"""The maps over pairs of time steps: what is drawn, what is said, what is exported."""

import csv
import io
import re

import numpy as np
import pytest

from ntkviz.app import ContributionMaps

LIMIT = {"U": np.eye(3), "W": 2 * np.eye(3), "v": np.array([[0.5]])}
NETWORK = {"U": np.ones((3, 3)), "W": np.zeros((3, 3)), "v": np.array([[0.4]])}


@pytest.fixture
def maps():
    plot = ContributionMaps("network", "limit", ["a", "b", "c"], ["a", "b", "d"])
    plot.restart(LIMIT, 3, 3)
    return plot


def said(plot):
    return re.sub("<[^>]*>", "", plot.reading.value)


def test_cells_are_the_sum_over_parameters_of_time(maps):
    left, circles, right, _ = maps.figure.data
    assert np.array_equal(right.z, 3 * np.eye(3))
    assert not np.isfinite(left.z).any()
    assert sorted(zip(circles.x, circles.y, strict=True)) == [(0, 0), (1, 1), (2, 2)]
    assert said(maps) == (
        "In the limit Θ = 9.50: 3.00 from U + 6.00 from W + 0.50 from v. Equal lags (white dots) hold 100% of the map."
    )
    maps.add(NETWORK)
    assert np.array_equal(left.z, np.ones((3, 3)))
    assert "in this network 33%" in said(maps)
    assert "b (2) and d (3): <b>0.0000</b>" in right.text[1, 2]


def test_shorter_sequences_end_the_map_and_shift_the_lags(maps):
    maps.add(NETWORK)
    maps.restart(LIMIT, 3, 2)
    left, circles, right, _ = maps.figure.data
    assert np.array_equal(right.z[:, :2], 3 * np.eye(3)[:, :2])
    assert not np.isfinite(right.z[:, 2]).any()
    assert sorted(zip(circles.x, circles.y, strict=True)) == [(0, 1), (1, 2)]
    assert "hold 0% of the map." in said(maps)  # and nothing of a network of the lengths before
    maps.add(NETWORK)
    assert np.array_equal(left.z[:, :2], np.ones((3, 2)))
    assert "in this network 33%" in said(maps)


def test_an_empty_map_is_drawn_and_says_nothing_of_lags(maps):
    maps.restart({"U": np.zeros((3, 3)), "v": np.array([[0.5]])}, 3, 3)
    assert said(maps) == "In the limit Θ = 0.50: 0.00 from U + 0.50 from v."
    low, high = maps.figure.layout.coloraxis.cmin, maps.figure.layout.coloraxis.cmax
    assert low < 0 < high


def test_csv_has_every_parameter_and_pair(maps):
    maps.add(NETWORK)
    rows = list(csv.DictReader(io.StringIO(maps.to_csv())))
    assert len(rows) == 19
    assert rows[0] == {"parameter": "U", "first_step": "1", "second_step": "1", "limit": "1.0", "network": "1.0"}
    assert rows[18] == {"parameter": "v", "first_step": "", "second_step": "", "limit": "0.5", "network": "0.4"}
