"""Points and a network that learns them: what is drawn is what was given, and errors are those along eigenvectors."""

import numpy as np
import pytest

from ntkviz import app

from ...conftest import csv_records, reading

X, Y = [1.0, -1.0], [0.5, 2.0]


@pytest.fixture
def fit():
    plot = app.FitPlot(np.array([-2.0, 0.0, 2.0]), [("x1", "y1"), ("x2", "y2")])
    plot.restart(X, Y, [0.0, 1.0, 2.0], step=8, width=1024)
    return plot


def test_the_prediction_is_there_before_the_network(fit):
    predicted, network, points = fit.figure.data
    assert list(predicted.y) == [0, 1, 2]
    assert (list(points.x), list(points.y)) == (X, Y)
    assert not network.y
    assert fit.figure.layout.annotations[0].text == "After 8 steps"
    assert [(handle.x, handle.y) for handle in fit.handles] == [("x1", "y1"), ("x2", "y2")]


def test_network_and_prediction_are_compared_along_the_axis(fit):
    fit.add(np.array([0.0, 1.0, 2.3]))
    assert fit.figure.data[1].y == pytest.approx([0, 1, 2.3])
    assert "width 1,024 and its prediction are 0.17 apart" in reading(fit)  # 0.3/√3
    assert [float(row["network"]) for row in csv_records(fit)] == [0, 1, 2.3]
    fit.add(np.array([0.0, np.inf, np.nan]))
    assert "far apart: it diverged" in reading(fit)
    fit.restart(X, Y, [0.0, 1.0, 2.0], step=1, width=16)
    fit.settle()
    assert "network is out of date" in reading(fit).lower()
    assert list(csv_records(fit)[0]) == ["input", "predicted"]


@pytest.fixture
def modes():
    """Two points whose sum is learned fast and whose difference slowly, by a kernel with these eigenvalues."""
    plot, root = app.ModesPlot(2), 0.5**0.5
    rates, directions = np.linalg.eigh(np.array([[3.0, 2.0], [2.0, 3.0]]))  # 1 and 5
    assert np.abs(directions) == pytest.approx(root)
    plot.restart(X, rates, directions, np.array([3.0, 1.0]), kept=np.array([0.5, 0.01]))
    return plot


def test_errors_are_taken_along_eigenvectors_the_largest_first(modes):
    assert list(modes.figure.layout.yaxis.ticktext) == ["λ = 5.00", "λ = 1.00"]
    assert modes.figure.data[2].x == pytest.approx([0.01, 0.25])  # (3 + 1)·0.01 and (3 − 1)·0.5, of 4
    both, difference = (np.sign(np.array(trace.y) + row) for row, trace in enumerate(modes.figure.data[:2]))
    assert list(both) == [1, 1]
    assert sorted(difference) == [-1, 1]
    assert list(modes.figure.data[0].x) == [-1, 1]  # from left to right
    assert "predicted in 1 of 2 directions." in reading(modes)


def test_a_network_has_errors_of_its_own(modes):
    modes.add(np.array([-1.0, 1.0]))
    assert modes.figure.data[3].x == pytest.approx([0, 0.5])
    assert "predicted in 1 of 2 directions, in the network in 1." in reading(modes)
    rows = csv_records(modes)
    assert [float(row["network"]) for row in rows] == pytest.approx([0, 0.5])
    assert [float(row["start"]) for row in rows] == pytest.approx([1, 0.5])
    modes.add(np.array([30.0, 10.0]))
    assert modes.figure.data[3].x == pytest.approx([1.08, 1.08])  # the edge of the plot


def test_points_without_any_error_are_no_division_by_zero():
    plot = app.ModesPlot(2)
    plot.restart(X, np.array([1.0, 5.0]), np.eye(2), np.zeros(2), np.ones(2))
    assert list(plot.figure.data[2].x) == [0, 0]
