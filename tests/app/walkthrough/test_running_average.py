"""The running average of a line's terms converges to its limit."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import RunningAverage
from ntkviz.calculus.walkthrough import Walkthrough

from ..conftest import reading

X = [[1.0, -0.5]]


@pytest.fixture(scope="module")
def program():
    return Walkthrough(nv.architectures.mean_readout_mlp(), X)


def test_the_average_converges_to_the_limit(program):
    plot = RunningAverage()
    plot.restart(program.average(1, lambda h, g: h), "h")
    plot.add(np.array([4.0, 0.0, 2.0]))
    band, limit, network = plot.figure.data
    assert list(network.x) == [1, 2, 3]
    assert list(network.y) == [4, 2, 2]
    assert limit.y == pytest.approx([1, 1], abs=1e-3)
    assert max(band.y) == pytest.approx(1 + 2 * np.sqrt(0.625), rel=1e-2)
    assert "After 3 coordinates it is 2.00; the limit is 1.00." in reading(plot)
    plot.restart(None, "h")
    plot.add([])
    assert not len(plot.figure.data[2].x)


def test_an_output_does_not_settle():
    mlp = Walkthrough(nv.architectures.mlp(depth=1), X)
    number = next(k for k, line in enumerate(mlp.lines) if line.name == "f")
    plot = RunningAverage()
    plot.restart(mlp.average(number, None), "h")
    plot.add(np.ones(4))
    assert plot.figure.data[2].y[-1] == pytest.approx(2)  # 4/√4
    assert not len(plot.figure.data[1].x)
    assert "never settles" in plot.reading.value
