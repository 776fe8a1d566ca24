"""What a line does to its coordinates, drawn as the walkthrough says it."""

import numpy as np
import pytest
from scipy.stats import norm

import ntkviz as nv
from ntkviz.app import LineCloud
from ntkviz.calculus.walkthrough import Walkthrough

from ..conftest import reading

X = [[1.0, -0.5]]


@pytest.fixture(scope="module")
def program():
    return Walkthrough(nv.architectures.mean_readout_mlp(), X)


def drawn(program, number, width=1024):
    plot = LineCloud()
    plot.restart(program.steps[number], program.cloud(number))
    plot.add(program.cloud(number, program.network(width, 1)))
    return plot


def test_what_returns_is_drawn_over_what_a_fresh_matrix_makes(program):
    plot = drawn(program, 8)
    returned, dots, bars, law, fresh = plot.figure.data
    assert law.x == pytest.approx(norm.pdf(law.y, 2, 3), abs=1e-3)
    assert fresh.visible
    assert fresh.x == pytest.approx(norm.pdf(fresh.y, 0, 2 * np.sqrt(1.625)), abs=1e-3)
    assert np.sum(bars.x) * bars.width == pytest.approx(1, abs=0.01)
    assert np.diff(returned.y) / np.diff(returned.x) == pytest.approx(2, rel=0.01)  # dx = 2WᵀWx/n
    assert len(dots.x) == 400
    assert dots.y - dots.customdata == pytest.approx(2 * np.array(dots.x), rel=0.01)
    assert np.corrcoef(dots.x, dots.customdata)[0, 1] == pytest.approx(0, abs=0.15)  # three deviations of 400 dots
    assert "Z = Ẑ + 2.00·Zx1. Mean 2.00, deviation 3.00; here " in reading(plot)
    assert len(plot.to_csv().splitlines()) == 1025


def test_dots_of_a_nonlinearity_lie_on_its_graph(program):
    plot = drawn(program, 3, width=64)
    returned, dots, _, law, fresh = plot.figure.data
    assert dots.y == pytest.approx(np.square(dots.x), rel=1e-5)
    assert "not Gaussian" in plot.reading.value
    assert not fresh.visible
    assert not returned.visible
    assert np.sum(law.x) * (law.y[1] - law.y[0]) == pytest.approx(1, abs=0.02)


def test_what_is_given_stands_side_by_side(program):
    dots = drawn(program, 0, width=64).figure.data[1]
    assert np.all(np.diff(dots.x) > 0)
    assert dots.y == pytest.approx(program.value(0, program.network(64, 1)))


def test_a_number_is_a_dot_at_its_value(program):
    plot = drawn(program, 4, width=16)
    [value] = program.value(4, program.network(16, 1))
    assert list(plot.figure.data[1].y) == [value]
    low, high = plot.figure.layout.yaxis.range
    assert low < value < high
    assert plot.figure.data[3].y == pytest.approx([1.625, 1.625], rel=1e-3)
    assert "with the limit 1.63" in reading(plot) or "with the limit 1.62" in reading(plot)
