"""The maps over pairs of time steps: what is drawn, what the text says, what is exported."""

import numpy as np
import pytest
from plotly.callbacks import InputDeviceState, Points

from ntkviz.app import ContributionMaps
from ntkviz.app.plots.recurrent.contribution_maps import shade

from ...conftest import csv_records, reading

LIMIT = {"U": np.eye(3), "W": 2 * np.eye(3), "v": np.array([[0.5]])}
NETWORK = {"U": np.ones((3, 3)), "W": np.zeros((3, 3)), "v": np.array([[0.4]])}


@pytest.fixture
def maps():
    plot = ContributionMaps("network", "limit", ["a", "b", "c"], ["a", "b", "d"])
    plot.restart(LIMIT, 3, 3, unit=3.0)
    return plot


def test_cells_are_the_sum_over_parameters_of_time(maps):
    left, circles, right = maps.figure.data[:3]
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
    left, circles, right = maps.figure.data[:3]
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
    assert seen > 0.45  # of the whole scale, where a linear one would leave 1.5 %
    assert negative == -seen
    assert 0.2 < faint < 0.3  # and less noise is less to see
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


def test_another_unit_renames_the_colours_and_draws_no_network_anew(maps, monkeypatch):
    drawn = []
    monkeypatch.setattr(maps._unrolled, "draw", lambda *frame: drawn.append(frame))
    for unit in (2.0, 1.0):
        maps.restart(LIMIT, 3, 3, unit=unit)
        assert maps.figure.layout.coloraxis.colorbar.title.text == f"× {unit:.2f}"
        assert np.nanmax(np.array(maps.figure.data[2].z, dtype=float)) == pytest.approx(shade(3 / unit))
    assert not drawn
    maps.restart(LIMIT, 3, 2, unit=1.0)
    assert len(drawn) == 1


def test_csv_has_every_parameter_and_pair(maps):
    maps.add(NETWORK)
    rows = csv_records(maps)
    assert len(rows) == 19
    assert rows[0] == {"parameter": "U", "first_step": "1", "second_step": "1", "limit": "1.0", "network": "1.0"}
    assert rows[18] == {"parameter": "v", "first_step": "", "second_step": "", "limit": "0.5", "network": "0.4"}


def test_the_chosen_cell_is_framed_on_both_maps_and_its_paths_are_drawn(maps):
    maps.restart(LIMIT, 3, 2, unit=3.0, chosen=(2, 1))
    for frame in maps.figure.layout.shapes:
        assert (frame.x0, frame.x1, frame.y0, frame.y1) == (-0.5, 0.5, 0.5, 1.5)
    *_, path, _, ends, labels = maps.figure.data
    assert sorted(zip(ends.x, ends.y, strict=True)) == [(2, 0), (2, 1), (3.9, 0), (3.9, 1)]  # aligned at their ends
    assert list(labels.text).count("<b>W<sup>⊤</sup></b>") == 2  # from step 3 to 2 of three, and from 2 to 1 of two
    assert list(labels.text).count("W") == 1
    assert [text for text in labels.text if text in "abcd"] == ["a", "b", "c", "a", "b"]
    assert sorted(path.x)[0] == 2


def test_an_average_reads_every_state_on_the_path(maps):
    maps.restart(LIMIT, 3, 3, unit=3.0, chosen=(2, 3), average=True)
    path = maps.figure.data[-4]
    read = [x for x, y in zip(path.x, path.y, strict=True) if y == pytest.approx(1 - 0.32)]
    assert sorted(set(read)) == [2, 3, 3.9]


def test_a_click_picks_a_cell_within_the_lengths(maps):
    picked = []
    maps.on_pick(lambda *cell: picked.append(cell))
    maps.restart(LIMIT, 3, 2, unit=3.0)
    for number in (0, 2):
        click = maps.figure.data[number]._dispatch_on_click
        for x, y in ((1, 2), (2, 0)):  # the second sentence has two words
            click(Points(point_inds=[(y, x)], xs=[x], ys=[y], trace_index=number), InputDeviceState())
    assert picked == [(3, 2), (3, 2)]
