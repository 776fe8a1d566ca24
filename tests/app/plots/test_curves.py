"""The curves of two answers and the laws of one gradient: what is drawn, what the text says, what is exported."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import CurvesPlot, LawPlot

from ..conftest import csv_records, reading

GRID = np.linspace(-2, 1, 61)
EXAMPLE = nv.architectures.mean_readout_mlp()


@pytest.fixture
def plot():
    curves = CurvesPlot(GRID, "heading", "x", "y")
    correct, shortcut = (
        nv.infinite_ntk(EXAMPLE, [[0.7]], GRID[:, None], assume_gia=gia).ntk[0] for gia in (False, True)
    )
    curves.restart(correct, shortcut, at=-0.4, note="a note")
    return curves


def test_curves_of_the_worked_example(plot):
    c = 1 + 0.7 * GRID
    assert plot.figure.data[0].y == pytest.approx(4 * c**2 + 8 * c * 0.7 * GRID, abs=1e-9)
    assert plot.figure.data[1].y == pytest.approx(4 * c**2 + 4 * c * 0.7 * GRID, abs=1e-9)
    assert plot.figure.layout.shapes[0].x0 == pytest.approx(-0.4)
    assert "correct 0.46, GIA 1.27, a factor of 2.75." in reading(plot)
    assert plot.reading.value.endswith("a note")


def test_answers_of_opposite_signs_are_not_compared_by_a_factor(plot):
    plot.restart(GRID, -0.06 * GRID, at=1.0)
    assert "correct 1.00, GIA −0.06, of the wrong sign." in reading(plot)
    plot.restart(GRID, np.full(61, 0.05), at=-2.0)
    assert "of the wrong sign" in reading(plot)  # however small it is compared with the right one
    plot.restart(GRID, 3 * GRID + 0.5, at=0.0)
    assert "correct 0.00, GIA 0.50." in reading(plot)  # no multiple of zero


def test_points_are_the_mean_of_the_networks_and_bars_their_spread(plot):
    assert len(plot.figure.data[2].x) == 0
    one = np.zeros(61)
    plot.add(one)
    assert np.array_equal(plot.figure.data[2].y, one[::4])
    assert not plot.figure.data[2].error_y.array.any()
    plot.add(one + 2)
    assert plot.figure.data[2].y == pytest.approx(np.ones(16))
    assert plot.figure.data[2].error_y.array == pytest.approx(np.full(16, 2**0.5))
    assert "networks 1.00 ± 1.41" in reading(plot)
    plot.restart(one, one, at=0)
    assert len(plot.figure.data[2].x) == 0


def test_curves_that_coincide_are_called_the_same(plot):
    plot.restart(GRID**2, GRID**2, at=1.0)
    assert "correct 1.00, GIA 1.00, the same." in reading(plot)


def test_the_axis_covers_all_networks(plot):
    plot.add(np.full(61, 100.0))
    plot.add(np.full(61, -100.0))
    low, high = plot.figure.layout.yaxis.range
    assert low < -100 * 2**0.5 < 100 * 2**0.5 < high


def test_curves_csv(plot):
    plot.add(np.ones(61))
    rows = csv_records(plot)
    assert len(rows) == 61
    assert float(rows[32]["correct"]) == pytest.approx(0.4608)
    assert float(rows[32]["gia"]) == pytest.approx(1.2672)
    assert (rows[32]["networks_mean"], rows[32]["networks"]) == ("1.0", "1")


@pytest.mark.parametrize("arch", [EXAMPLE, nv.architectures.tied_readout()], ids=["Gaussian", "not Gaussian"])
def test_laws_are_densities_beside_the_coordinates(arch):
    programs = [nv.program(arch, [[0.7]]).backward(assume_gia=gia) for gia in (False, True)]
    index = next(line.index for line in programs[0].lines() if line.name == "dx1")
    plot = LawPlot("heading", "x")
    plot.restart(*(nv.limit_law(program).vectors[index] for program in programs))
    plot.add(nv.coordinates(programs[0], width=2000, key=0)[index])
    for curve in plot.figure.data[:2]:
        assert np.trapezoid(curve.y, curve.x) == pytest.approx(1, abs=0.01)
    bars = plot.figure.data[2]
    assert np.sum(bars.y) * (bars.x[1] - bars.x[0]) == pytest.approx(1, abs=0.01)
    assert len(plot.to_csv().splitlines()) == 2001
    if arch is EXAMPLE:
        assert "2.00 in the limit, 0.00 under GIA" in reading(plot)
