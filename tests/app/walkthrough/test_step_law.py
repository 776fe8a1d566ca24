"""The law of a line's limit, and one network beside it."""

import numpy as np
import pytest
from scipy.stats import norm

import ntkviz as nv
from ntkviz.app import StepLaw
from ntkviz.calculus.walkthrough import Walkthrough

from ..conftest import reading

X = [[1.0, -0.5]]


@pytest.fixture(scope="module")
def program():
    return Walkthrough(nv.architectures.mean_readout_mlp(), X)


def test_the_law_of_a_line_with_and_without_the_returning_part(program):
    plot = StepLaw()
    plot.restart(program.steps[8])
    plot.add(program.value(8, program.network(1024, 1)))
    bars, law, fresh, _ = plot.figure.data
    assert law.y == pytest.approx(norm.pdf(law.x, 2, 3), abs=1e-3)
    assert fresh.visible
    assert fresh.y == pytest.approx(norm.pdf(fresh.x, 0, 2 * np.sqrt(1.625)), abs=1e-3)
    assert np.sum(bars.y) * bars.width == pytest.approx(1, abs=0.01)
    expected = "Z = Ẑ + Ż, where Ż is built from Zx1. Mean 2.00, standard deviation 3.00; in this network "
    assert expected in reading(plot)
    assert len(plot.to_csv().splitlines()) == 1025
    plot.restart(program.steps[3])
    law, fresh = plot.figure.data[1:3]
    assert "not Gaussian" in plot.reading.value
    assert not fresh.visible
    assert np.sum(law.y) * (law.x[1] - law.x[0]) == pytest.approx(1, abs=0.02)


def test_a_number_is_a_dot_at_its_value(program):
    plot = StepLaw()
    plot.restart(program.steps[4])
    plot.add([1.75])
    assert list(plot.figure.data[3].x) == [1.75]
    assert plot.figure.data[1].x == pytest.approx([1.625, 1.625], rel=1e-3)
    assert "converges to 1.63" in reading(plot) or "converges to 1.62" in reading(plot)
