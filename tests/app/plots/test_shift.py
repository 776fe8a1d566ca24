"""Two images and two kernels against a shift: what is drawn, what the text says, what is exported."""

import numpy as np
import pytest
from plotly.callbacks import InputDeviceState, Points

from ntkviz.app import ImagePair, ShiftPlot

from ..conftest import csv_records, reading


@pytest.fixture
def plot():
    shifts = ShiftPlot([-1, 0, 1], ("flattening", "average pooling"))
    shifts.restart([1.0, 4.0, 2.0], [3.0, 3.0, 3.0], at=1)
    return shifts


def test_kernels_are_shown_relative_to_the_unmoved_image(plot):
    assert plot.figure.data[0].y == pytest.approx([0.25, 1, 0.5])
    assert plot.figure.data[1].y == pytest.approx([1, 1, 1])
    assert plot.figure.layout.shapes[0].x0 == 1
    assert reading(plot) == "Flattening: 0.50. Average pooling: 1.00."


def test_each_network_is_relative_to_itself(plot):
    plot.add(0, [2.0, 10.0, 4.0])
    plot.add(0, [0.0, 1.0, 0.6])
    plot.add(1, [7.0, 7.0, 7.7])
    flatten, average = plot.figure.data[2:4]
    assert flatten.y == pytest.approx([0.1, 1, 0.5])
    assert flatten.error_y.array == pytest.approx([0.1 * 2**0.5, 0, 0.1 * 2**0.5])
    assert average.y == pytest.approx([1, 1, 1.1])
    assert reading(plot) == ("Flattening: 0.50, networks 0.50 ± 0.14. Average pooling: 1.00, networks 1.10.")
    low, high = plot.figure.layout.yaxis.range
    assert low < 0.1 - 0.1 * 2**0.5
    assert high > 1.1
    plot.restart([1.0, 4.0, 2.0], [3.0, 3.0, 3.0], at=-1)
    assert len(flatten.x) == len(average.x) == 0


def test_the_axis_is_stable_and_cuts_nothing_off(plot):
    ranges = [plot.figure.layout.yaxis.range]
    for first in ([3.0, 4.0, 1.0], [0.0, 4.0, 4.2], [-1.0, 4.0, 5.0]):
        plot.restart(first, [3.0, 3.0, 3.0], at=1)
        ranges.append(plot.figure.layout.yaxis.range)
    assert ranges[:3] == [(0.0, 1.15)] * 3
    assert ranges[3] == pytest.approx((-0.3, 1.5))


def test_csv(plot):
    plot.add(1, [6.0, 3.0, 0.0])
    rows = csv_records(plot)
    assert [row["shift"] for row in rows] == ["-1", "0", "1"]
    assert (rows[2]["flattening"], rows[2]["average_pooling"]) == ("0.5", "1.0")
    assert (rows[0]["flattening_networks_mean"], rows[0]["average_pooling_networks_mean"]) == ("nan", "2.0")


def test_images_fill_their_frames():
    pair = ImagePair("heading", (2, 3))
    first, second = np.eye(2, 3), np.zeros((2, 3))
    pair.show(first, second, ("x", "x′"), "a line")
    assert np.array_equal(pair.figure.data[0].z, first)
    assert np.array_equal(pair.figure.data[1].z, second)
    for trace, frame in zip(pair.figure.data, pair.figure.layout.shapes[::2], strict=True):
        assert (frame.x0, frame.x1) == (trace.x[0] - 0.5, trace.x[-1] + 0.5)
        assert (frame.y0, frame.y1) == (trace.y[0] - 0.5, trace.y[-1] + 0.5)
    assert [a.text for a in pair.figure.layout.annotations] == ["heading", "x", "x′"]
    assert pair.reading.value == "a line"
    assert pair.to_csv().splitlines()[1:3] == ["1,0,0,1.0", "1,0,1,0.0"]


def test_a_row_of_pixels_is_framed_in_both_images_and_can_be_clicked():
    pair, picked = ImagePair("heading", (2, 3)), []
    pair.on_pick(picked.append)
    pair.show(np.zeros((2, 3)), np.zeros((2, 3)), ("x", "x′"), "a line", row=2)
    for number, (trace, frame) in enumerate(zip(pair.figure.data, pair.figure.layout.shapes[1::2], strict=True)):
        assert frame.visible
        assert frame.y0 < trace.y[1] < frame.y1
        trace._dispatch_on_click(Points(trace_index=number, xs=[0.5], ys=[trace.y[1]]), InputDeviceState())
    assert picked == [2, 2]
    pair.show(np.zeros((2, 3)), np.zeros((2, 3)), ("x", "x′"), "a line")
    assert not any(frame.visible for frame in pair.figure.layout.shapes[1::2])
