"""The plots of attention: what is drawn, what the text says, what is exported."""

import numpy as np
import pytest

from ntkviz.app import AttentionPair, WeightCloud

from ..conftest import csv_records, reading

WORDS = ["a", "b", "a"]
LIMIT = np.array([[0.4, 0.2, 0.4], [0.1, 0.8, 0.1], [0.4, 0.2, 0.4]])


def test_two_maps_on_one_scale_with_a_framed_row():
    plot = AttentionPair("left", "right", WORDS)
    plot.show(right=LIMIT, chosen=1)
    assert plot.reading.value == ""
    plot.show(left=np.full((3, 3), 1 / 3))
    assert np.array_equal(plot.figure.data[1].z, LIMIT)
    assert (plot.figure.layout.coloraxis.cmin, plot.figure.layout.coloraxis.cmax) == (0, 1)
    assert [(shape.y0, shape.y1) for shape in plot.figure.layout.shapes] == [(0.5, 1.5)] * 2
    assert "is 0.467" in reading(plot)  # 0.8 − 1/3
    rows = csv_records(plot)
    assert [rows[3 * 1 + 2][k] for k in ("from", "to", "right")] == ["b (2)", "a (3)", "0.1"]


def test_the_cloud_surrounds_the_limit_of_its_word():
    plot = WeightCloud("heading", WORDS)
    plot.restart(LIMIT[1], width=100)
    assert "differ" not in plot.reading.value
    plot.add([0.2, 0.7, 0.1])
    plot.add([0.0, 0.9, 0.1])
    cloud, limit, one = plot.figure.data
    assert list(cloud.y) == [0.2, 0.7, 0.1, 0.0, 0.9, 0.1]
    assert np.array_equal(np.round(cloud.x), [0, 1, 2, 0, 1, 2])  # over their words, a little aside
    assert list(limit.y[::3]) == list(LIMIT[1])
    assert list(limit.x[:2]) == [-0.42, 0.42]
    assert list(one.y) == [0.2, 0.7, 0.1]
    assert plot.figure.layout.yaxis.range == (-0.03, 1.03)  # of any weights
    # Variances 0.02, 0.02 and 0: spread √(0.04/3) = 0.115, times √100.
    assert "2 networks of width 100 vary by ± 0.115; times √n that is 1.15." in reading(plot)
    rows = csv_records(plot)
    assert [rows[4][k] for k in ("network", "to", "weight", "limit")] == ["2", "b (2)", "0.9", "0.8"]
    plot.restart(LIMIT[0], width=100)
    assert len(one.x) == 0
    assert plot.spread() == pytest.approx(np.nan, nan_ok=True)


def test_fewer_words_leave_the_rest_empty():
    maps, cloud = AttentionPair("left", "right", WORDS), WeightCloud("heading", WORDS)
    two = np.array([[0.7, 0.3], [0.4, 0.6]])
    maps.show(left=two, right=two + np.array([0.0, 0.01]), chosen=1)
    assert np.isnan(maps.figure.data[1].z[2]).all()
    assert maps.figure.layout.shapes[0].x1 == 1.5
    assert "is 0.010" in reading(maps)
    assert maps.to_csv().count("\n") == 1 + 4
    cloud.restart(two[0], width=9)
    cloud.add([0.6, 0.4])
    cloud.add([0.8, 0.2])
    assert list(cloud.figure.data[1].y[::3]) == [0.7, 0.3]
    assert cloud.to_csv().count("\n") == 1 + 4
