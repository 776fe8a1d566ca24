"""A kernel against the pixels: which pairs are drawn, how far the two orders agree, what is exported."""

import re

import numpy as np
import pytest

import ntkviz as nv
from ntkviz import app

from ..conftest import csv_records, reading

X = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8], [-0.6, 0.8]]) * 2**0.5
LABELS = [7, 8, 7, 8]
PIXELS = np.array([0.0, 0.6, -0.6, 0.8, 0.8, 0.28])  # of the pairs 01, 02, 03, 12, 13, 23


@pytest.fixture
def plot():
    return app.PixelPlot(X, LABELS)


def kernel(values):
    """The matrix with these numbers above its diagonal."""
    matrix = np.eye(4)
    matrix[np.triu_indices(4, 1)] = values
    return matrix


def test_pairs_of_one_class_and_of_two_are_distinguished(plot):
    plot.show(kernel([10, 20, 30, 40, 50, 60]))
    same, different = plot.figure.data
    assert (list(same.x), list(same.y)) == (pytest.approx([0.6, 0.8]), [20, 50])
    assert (list(different.x), list(different.y)) == (pytest.approx([0, -0.6, 0.8, 0.28]), [10, 30, 40, 60])


def test_maps_are_compared_with_ones_on_their_diagonals():
    plot = app.PixelMaps(X, np.zeros((4, 8, 8)), ["a", "b", "c", "d"])
    matrix = kernel([1, 2, 3, 4, 5, 6]) + kernel([1, 2, 3, 4, 5, 6]).T + 2 * np.eye(4)  # a diagonal of four
    plot.show(matrix)
    pixels, theta, difference = (np.array(plot.figure.data[k].z) for k in (2, 5, 8))
    assert pixels == pytest.approx(X @ X.T / 2)
    assert theta == pytest.approx(matrix / 4)
    assert difference == pytest.approx(matrix / 4 - X @ X.T / 2)
    assert "between −0.10 and 1.35" in reading(plot)  # 2/4 − 0.6 and 3/4 + 0.6
    row = csv_records(plot)[3]
    assert (row["row"], row["column"]) == ("a", "d")
    assert [float(row[name]) for name in ("pixels", "kernel", "difference")] == pytest.approx([-0.6, 0.75, 1.35])


def test_rank_correlation_is_spearmans(plot):
    plot.show(kernel(np.exp(PIXELS)))
    assert plot.rank_correlation() == pytest.approx(1)
    assert "rank correlation 1.000. Θ ranks them as their pixels do" in re.sub("<[^>]*>", "", plot.reading.value)
    plot.show(kernel([1, 2, 3, 4, 5, 6]))
    # By hand: ranks of the pixels 2, 4, 1, 5.5, 5.5, 3 against 1 … 6.
    assert plot.rank_correlation() == pytest.approx(7 / np.sqrt(17 * 17.5))
    assert "rank correlation 0.406. Θ ranks them differently from" in reading(plot)


def test_csv_has_every_pair(plot):
    plot.show(kernel([10, 20, 30, 40, 50, 60]))
    rows = csv_records(plot)
    assert [(row["image"], row["other_image"], row["one_class"]) for row in rows[:2]] == [
        ("0", "1", "False"),
        ("0", "2", "True"),
    ]
    assert float(rows[5]["kernel"]) == 60


@pytest.mark.parametrize(("nonlinearity", "agreed"), [("relu", 1.0), ("erf", 1.0), ("abs", 0.5925)])
def test_what_chapter_2_says_of_the_digits(nonlinearity, agreed):
    """A perceptron's limit keeps the order of the pixels, and so their blocks, except with an even nonlinearity."""
    digits = app.digits(classes=(0, 1, 4, 6), each=4)
    plot = app.PixelPlot(digits.x, digits.labels)
    plot.show(nv.infinite_ntk(nv.architectures.mlp(depth=3, nonlinearity=nonlinearity), digits.x).ntk)
    assert plot.rank_correlation() == pytest.approx(agreed, abs=1e-4)
