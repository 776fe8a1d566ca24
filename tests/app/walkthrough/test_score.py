"""The rows of a program: the current line is highlighted, and arrows lead from the lines that it uses."""

import pytest

import ntkviz as nv
from ntkviz.app import ScorePlot
from ntkviz.calculus.walkthrough import Walkthrough

from ..conftest import csv_records, reading

X = [[1.0, -0.5]]


@pytest.fixture(scope="module")
def program():
    return Walkthrough(nv.architectures.mean_readout_mlp(), X)


def test_the_score_highlights_the_current_line_and_its_sources(program):
    picked = []
    score = ScorePlot(on_pick=picked.append)
    score.show(program.steps, 8)
    bars, badges, rows, arrows, head = score.figure.data
    assert "Line 9 of 10, MatMul: dx1 = W[1]ᵀ dg2/√n." in reading(score)
    assert [row.startswith("<b>") for row in rows.text] == [k == 8 for k in range(10)]
    assert list(badges.text) == ["∼", "φ", "W", "φ", "f", "∼", "φ", "φ", "W", "φ"]
    shades = [float(colour.split(",")[-1][:-1]) for colour in bars.marker.color]
    assert [k for k, shade in enumerate(shades) if shade > 0] == [7, 8]
    assert head.y == (9,)  # one row lower, since an empty row precedes the backward part
    assert (arrows.y[0], arrows.y[-2]) == (8, 9)
    rows = csv_records(score)
    assert (rows[8]["kind"], rows[8]["part"], rows[8]["uses_lines"]) == ("MatMul", "backward", "8")


def test_a_long_program_scrolls_to_the_current_line():
    long = Walkthrough(nv.architectures.mlp(depth=2), X)
    score = ScorePlot(on_pick=print)
    for line in (0, 10, 19):
        score.show(long.steps, line)
        bottom, top = score.figure.layout.yaxis.range
        assert top < score.figure.data[4].y[0] < bottom
