"""The terms of one cell of a kernel, added up: what is drawn, what is said, what is exported."""

import numpy as np
import pytest

from ntkviz.app import RunningSum

from ...conftest import csv_records, reading

TERMS = [0.5, -0.25, 0.25, -0.1]


@pytest.fixture
def plot():
    plot = RunningSum("heading")
    plot.restart(1e-33, width=4, lags=(5, 1))  # a limit of zero, and rounding
    return plot


def test_terms_add_up_to_the_cell(plot):
    assert reading(plot) == "W⊤ acts 5 times and once: limit 0.00."
    plot.add(TERMS)
    positive, negative, total, limit = plot.figure.data
    assert total.y == pytest.approx([0, 0.5, 0.25, 0.5, 0.4])
    assert positive.y == pytest.approx([0, 0.5, 0.5, 0.75, 0.75])
    assert negative.y == pytest.approx([0, 0, -0.25, -0.25, -0.35])
    assert (list(limit.x), list(limit.y)) == ([0, 4], [0, 0])
    low, high = plot.figure.layout.yaxis.range
    assert low < -0.35
    assert high > 0.75
    spread = np.sqrt(0.25 + 0.0625 + 0.0625 + 0.01)
    assert reading(plot).endswith(f"network 0.75 − 0.35 = 0.40; random signs give ± {spread:.2f}.")


def test_another_cell_leaves_no_number_of_the_one_before(plot):
    plot.add(TERMS)
    plot.restart(0.3, width=2, lags=(2, 2))
    assert reading(plot).startswith("W⊤ acts twice: limit 0.30. The network’s sum is out of date.")
    assert plot.to_csv() == "coordinate,term,sum,limit\n"
    plot.add([0.1, 0.1])
    assert [row["sum"] for row in csv_records(plot)] == ["0.1", "0.2"]
    assert [row["limit"] for row in csv_records(plot)] == ["0.15", "0.3"]
