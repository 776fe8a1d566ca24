"""The entries of a convolutional kernel over pairs of positions: what is drawn, what is said, what is exported."""

import numpy as np
import pytest

from ntkviz.app import PositionTable

from ..conftest import csv_records, reading


@pytest.fixture
def plot():
    table = PositionTable("heading", (2, 3))
    table.show(np.arange(36.0).reshape(6, 6), row=2, unit=35.0)
    return table


def test_it_shows_the_entries_of_one_row_of_pixels(plot):
    assert np.array_equal(plot.figure.data[0].z, [[21, 22, 23], [27, 28, 29], [33, 34, 35]])
    for diagonal in plot.figure.data[1:]:
        assert list(diagonal.x) == list(diagonal.y) == [0.5, 3.5]


def test_both_readouts_are_means_of_the_whole_table(plot):
    assert reading(plot) == (
        "Of all 36 entries, the mean is 17.500: average pooling. Of the 6 on the diagonal it is 17.500: flattening."
    )
    plot.show(np.eye(6), row=1, unit=1.0)
    assert "the mean is 0.167: average pooling. Of the 6 on the diagonal it is 1.000" in reading(plot)


def test_colours_are_those_of_the_unit_for_every_row(plot):
    before = plot.figure.layout.coloraxis.cmax
    plot.show(np.ones((6, 6)), row=1, unit=35.0)
    assert plot.figure.layout.coloraxis.cmax == before == pytest.approx(1.25 * 35)


def test_csv(plot):
    rows = csv_records(plot)
    assert len(rows) == 9
    assert rows[1] == {"row": "2", "column": "1", "column_of_second": "2", "entry": "22.0"}
