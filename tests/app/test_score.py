"""The three plots of a program's walk: what is lit, drawn and said are the lines, laws and averages given."""

import csv
import io
import re

import numpy as np
import pytest
from scipy.stats import norm

import ntkviz as nv
from ntkviz.app import RunningAverage, ScorePlot, StepLaw
from ntkviz.readings.steps import Walkthrough

X = [[1.0, -0.5]]


@pytest.fixture(scope="module")
def program():
    return Walkthrough(nv.architectures.mean_readout_mlp(), X)


def text(html):
    return re.sub("<[^>]*>", "", html)


def test_the_score_lights_the_line_and_points_to_it(program):
    picked = []
    score = ScorePlot(on_pick=picked.append)
    score.show(program.steps, 8)
    bars, badges, rows, arrows, head = score.figure.data
    assert "Line 9 of 10, MatMul: dx1 = W[1]ᵀ dg2/√n." in text(score.reading.value)
    assert [row.startswith("<b>") for row in rows.text] == [k == 8 for k in range(10)]
    assert list(badges.text) == ["∼", "φ", "W", "φ", "f", "∼", "φ", "φ", "W", "φ"]
    shades = [float(colour.split(",")[-1][:-1]) for colour in bars.marker.color]
    assert [k for k, shade in enumerate(shades) if shade > 0] == [7, 8]
    assert head.y == (9,)  # one row below, as the backward part begins after a free one
    assert (arrows.y[0], arrows.y[-2]) == (8, 9)
    rows = list(csv.DictReader(io.StringIO(score.to_csv())))
    assert (rows[8]["kind"], rows[8]["part"], rows[8]["uses_lines"]) == ("MatMul", "backward", "8")


def test_a_long_program_scrolls_to_its_line():
    long = Walkthrough(nv.architectures.mlp(depth=2), X)
    score = ScorePlot(on_pick=print)
    for line in (0, 10, 19):
        score.show(long.steps, line)
        bottom, top = score.figure.layout.yaxis.range
        assert top < score.figure.data[4].y[0] < bottom


def test_the_law_and_what_it_would_be_without_what_returns(program):
    plot = StepLaw()
    plot.restart(program.steps[8])
    plot.add(program.value(8, program.network(1024, 1)))
    bars, law, fresh, _ = plot.figure.data
    assert law.y == pytest.approx(norm.pdf(law.x, 2, 3), abs=1e-3)
    assert fresh.visible
    assert fresh.y == pytest.approx(norm.pdf(fresh.x, 0, 2 * np.sqrt(1.625)), abs=1e-3)
    assert np.sum(bars.y) * bars.width == pytest.approx(1, abs=0.01)
    assert "Z = Ẑ + Ż, Ż made of Zx1. Mean 2.00, deviation 3.00; here " in text(plot.reading.value)
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
    assert "with the limit 1.63" in text(plot.reading.value) or "with the limit 1.62" in text(plot.reading.value)


def test_the_average_runs_to_the_limit(program):
    plot = RunningAverage()
    plot.restart(program.average(1, lambda h, g: h), "h")
    plot.add(np.array([4.0, 0.0, 2.0]))
    band, limit, network = plot.figure.data
    assert list(network.x) == [1, 2, 3]
    assert list(network.y) == [4, 2, 2]
    assert limit.y == pytest.approx([1, 1], abs=1e-3)
    assert max(band.y) == pytest.approx(1 + 2 * np.sqrt(0.625), rel=1e-2)
    assert "After 3 coordinates 2.00; the limit is 1.00." in text(plot.reading.value)
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
