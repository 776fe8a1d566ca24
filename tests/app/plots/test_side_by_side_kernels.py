"""Two kernels side by side: their colours, what the text says, what is exported."""

import numpy as np
import pytest

from ntkviz.app import SideBySideKernels
from ntkviz.app.style import theme

from ..conftest import csv_rows


@pytest.fixture
def pair():
    return SideBySideKernels("sample", "limit", np.zeros((3, 8, 8)), names=["a", "b", "c"])


def test_kernel_pair_shows_both_on_the_colours_of_the_right_one(pair):
    limit = np.eye(3) + 1
    pair.show(right=limit)
    assert pair.reading.value == ""
    pair.show(left=2 * limit)
    assert "100%" in pair.reading.value
    pair.show(left=limit + 50)
    assert "35.4 × the limit’s norm" in pair.reading.value  # 150/√18, and no percentage in the thousands
    colours = pair.figure.layout.coloraxis
    assert (colours.cmin, colours.cmax) == (0, 2.5)
    assert colours.colorbar.title.text == "× 2.00"
    assert list(colours.colorbar.tickvals) == [0, 0.5, 1, 1.5, 2]
    assert colours.colorbar.ticktext == ("0", "0.25", "0.5", "0.75", "1")


def test_a_flat_kernel_looks_flat_and_a_scaled_one_like_itself(pair):
    def shares(kernel):
        pair.show(right=kernel)
        colours = pair.figure.layout.coloraxis
        return (kernel - colours.cmin) / (colours.cmax - colours.cmin)

    flat = shares(0.04384 + 0.00008 * np.eye(3))
    assert np.ptp(flat) < 0.005
    assert flat == pytest.approx(np.full((3, 3), 0.8), abs=0.005)  # and not like nothing
    assert shares(1000 * np.eye(3)) == pytest.approx(shares(np.eye(3)))


def test_colours_of_a_kernel_with_both_signs_are_symmetric_about_zero(pair):
    pair.show(right=np.eye(3) - 0.5)
    colours = pair.figure.layout.coloraxis
    assert (colours.cmin, colours.cmax) == (-0.625, 0.625)
    positive = [colour for place, colour in colours.colorscale if place >= 0.5]
    assert [colour.upper() for colour in positive] == theme.SEQUENTIAL  # a positive number keeps its colour


def test_other_images_can_be_drawn_along_the_axes(pair):
    before = [trace.z.copy() for trace in pair.figure.data if trace.z.shape != (3, 3)]
    pair.illustrate(np.arange(192.0).reshape(3, 8, 8))
    strips = [trace.z for trace in pair.figure.data if trace.z.shape != (3, 3)]
    assert [strip.shape for strip in strips] == [strip.shape for strip in before]
    assert [strip.max() for strip in strips] == [191] * 4
    np.testing.assert_array_equal(strips[0][11:19, 1:9], np.arange(64, 128).reshape(8, 8))  # the second, in the column


def test_kernel_pair_csv(pair):
    pair.show(left=np.eye(3), right=2 * np.eye(3))
    rows = csv_rows(pair)
    assert rows[0] == ["row", "column", "sample", "limit"]
    assert len(rows) == 10
    assert rows[1] == ["a", "a", "1.0", "2.0"]
    assert rows[2][:2] == ["a", "b"]
