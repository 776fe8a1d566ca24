"""One step of training on one image: where the arrows end, what the formula says, and who follows most."""

import numpy as np
import pytest

from ntkviz import app

from ...conftest import csv_records, reading, text

PICTURES = np.linspace(0, 1, 3)[:, None, None] * np.ones((3, 8, 8))
NAMES = ["0 (1)", "0 (2)", "1 (1)"]


@pytest.fixture
def pull():
    plot = app.PullPlot(PICTURES, NAMES)
    plot.restart((0, 2), kernel=[4.0, -1.0], rate=0.1, target=-1.5)
    return plot


def ends(plot):
    """Where the arrows end: the limit's at both images, the network's at both."""
    return [trace.y[1] for trace in plot.figure.data[1:5]]


def test_a_step_moves_both_outputs_by_the_rate_the_kernel_and_the_gap(pull):
    assert ends(pull)[:2] == pytest.approx([-0.6, 0.15])
    assert pull.figure.data[0].y == (0, -1.5)
    assert pull.figure.layout.annotations[1].text == "Θ(ξ̄, ξ) = −0.25 Θ(ξ, ξ)"
    assert np.all(pull.figure.data[7].z == 1)  # picture number 2
    assert reading(pull).strip() == "Δf(ξ̄) = η · Θ(ξ̄, ξ) · (y − f(ξ)) = 0.10 · −1.00 · (−1.5) = 0.15."


def test_a_network_takes_its_own_kernel_and_leaves_when_that_is_another(pull):
    pull.add([5.0, 2.0])
    assert ends(pull) == pytest.approx([-0.6, 0.15, -0.75, -0.3])
    assert "= 0.15; in this network −0.30." in text(pull.reading.value)
    assert [row["network"] for row in csv_records(pull)] == ["-0.75", "-0.30000000000000004"]
    pull.restart((0, 1), [4.0, 2.0], rate=0.1, target=1.0)
    pull.settle()
    assert "network is out of date" in reading(pull)
    assert "−0.30" not in reading(pull)
    assert pull.figure.data[3].opacity < 1


def test_an_arrow_is_no_shorter_than_its_head(pull):
    sizes = [trace.marker.size[1] for trace in pull.figure.data[1:3]]
    assert sizes == pytest.approx([18, 40 * 0.15])


def test_a_row_of_the_kernel_and_who_follows_most_and_least():
    plot = app.RowPlot(PICTURES, NAMES)
    plot.restart(0, np.array([0.8, 0.5, -0.2]))
    assert plot.figure.data[1].y == pytest.approx([0.8, 0.5, -0.2])
    assert "“0 (2)” follows it most, by 0.50, and “1 (1)” least, by −0.20" in reading(plot)
    plot.restart(0, -np.array([0.8, 0.5, -0.2]))
    assert "“0 (2)” follows it most, by −0.50, and “1 (1)” least, by 0.20" in reading(plot)
    plot.add(np.array([-0.7, -0.4, 0.1]))
    assert [float(row["network"]) for row in csv_records(plot)] == [-0.7, -0.4, 0.1]
