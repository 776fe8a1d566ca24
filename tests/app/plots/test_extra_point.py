"""The plots of a batch with one more point: what is drawn, what the text says, what is exported."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import KernelRowPlot, TwoBatches

from ..conftest import csv_records, reading

POSITIONS = np.linspace(0, 1, 5)
BATCH = np.random.default_rng(0).normal(size=(5, 6))
LARGER = np.concatenate([BATCH, 2 * np.ones((1, 6))])


def kernel(x, x2=None, arch=None):
    return nv.infinite_ntk(arch or nv.architectures.batchnorm_mlp(), x, x2).ntk


@pytest.fixture
def row():
    plot = KernelRowPlot(POSITIONS, "heading", "x", "y")
    plot.restart([1, 2, 3, 4, 5.0], [1.5, 1, 4, 4, 5, -7.0], chosen=1, extra=0.6, note="a note")
    return plot


def test_a_row_with_and_without_the_extra_point(row):
    with_it, without, networks, extra = row.figure.data
    assert list(with_it.y) == [1.5, 1, 4, 4, 5]
    assert list(without.y) == [1, 2, 3, 4, 5]
    assert (extra.x[0], extra.y[0]) == (0.6, -7)
    assert [shape.x0 for shape in row.figure.layout.shapes] == [0.25, 0.6]
    low, high = row.figure.layout.yaxis.range
    assert low < -7 < 5 < high
    assert "ξ2 with itself: 2.00 without the extra point, 1.00 with it. a note" in reading(row)
    assert len(networks.x) == 0


def test_networks_are_a_mean_and_a_spread(row):
    row.add(np.zeros(6))
    row.add(np.full(6, 2.0))
    networks = row.figure.data[2]
    assert list(networks.y) == [1] * 6
    assert list(networks.x) == [*POSITIONS, 0.6]
    assert networks.error_y.array == pytest.approx([2**0.5] * 6)
    assert "networks 1.00 ± 1.41" in reading(row)
    rows = csv_records(row)
    assert [r["point"] for r in rows] == ["1", "2", "3", "4", "5", "extra"]
    assert (rows[1]["without_extra"], rows[1]["with_extra"], rows[5]["networks"]) == ("2.0", "1.0", "2")
    row.restart(np.ones(5), np.ones(6), chosen=0, extra=0.0)
    assert len(networks.x) == 0


@pytest.mark.parametrize(("name", "moved"), [("batchnorm_mlp", True), ("layernorm_mlp", False), ("mlp", False)])
def test_the_extra_point_changes_the_others_only_under_batchnorm(row, name, moved):
    arch = getattr(nv.architectures, name)()
    row.restart(kernel(BATCH, arch=arch)[2], kernel(LARGER, arch=arch)[2], chosen=2, extra=0.6)
    assert ("the extra point changes nothing" in row.reading.value) != moved


def test_two_batches_are_one_matrix():
    plot = TwoBatches(5, "heading")
    plot.show(kernel(BATCH), kernel(BATCH, LARGER), kernel(LARGER))
    whole = np.block(
        [
            [np.array(plot.figure.data[0].z), np.array(plot.figure.data[1].z)],
            [np.array(plot.figure.data[2].z), np.array(plot.figure.data[3].z)],
        ]
    )
    assert whole == pytest.approx(whole.T)
    assert np.linalg.eigvalsh(whole).min() > -1e-9  # a kernel of eleven inputs, in two batches
    apart = np.linalg.norm(whole[5:10, 5:10] - whole[:5, :5]) / np.linalg.norm(whole[:5, :5])
    said = reading(plot)
    assert f"by {apart:.1%}" in said
    assert f"{np.trace(whole[:5, :5]) / 5:.2f} within the batch" in said
    assert f"{np.trace(whole[:5, 5:10]) / 5:.2f} across the two" in said
    rows = csv_records(plot)
    assert len(rows) == 11**2
    assert rows[1 * 11 + 5]["row"] == "2 without"
    assert rows[1 * 11 + 5]["column"] == "1 with"
    assert float(rows[1 * 11 + 5]["kernel"]) == pytest.approx(whole[1, 5])


def test_extra_point_does_not_set_the_colours():
    plot = TwoBatches(2, "heading")
    plot.show(np.eye(2), np.array([[1, 0, 50], [0, 1, 50]]), np.diag([3, 1, 99.0]))
    assert (plot.figure.layout.coloraxis.cmin, plot.figure.layout.coloraxis.cmax) == (0, 1.25)
    assert plot.figure.layout.coloraxis.colorbar.title.text == "× 1.00"
