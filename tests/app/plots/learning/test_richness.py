"""Training where features move: what is drawn is what was given, and the alignment with the labels is that by hand."""

import numpy as np
import pytest

from ntkviz import app
from ntkviz.app.plots.learning.richness import alignment

from ...conftest import csv_records, reading

POINTS, LABELS = np.array([[1.0, -1.0, 0.5], [1.0, 0.0, -1.0]]), np.array([1.0, -1.0, 1.0])


@pytest.fixture
def outputs():
    plot = app.RichnessPlot(2, POINTS, LABELS, networks=2, reach=1.5)
    plot.restart(np.array([0.0, 0.2, 0.3]), time=2, width=1024)
    return plot


def test_alignment_is_the_cosine_between_kernel_and_labels():
    labels = np.array([1.0, -1.0])
    assert alignment(7 * np.outer(labels, labels), labels) == pytest.approx(1)
    assert alignment(np.ones((2, 2)), labels) == pytest.approx(0)
    assert alignment(np.eye(2), labels) == pytest.approx(0.5**0.5)
    assert alignment(np.array([[2.0, 0.0], [0.0, 1.0]]), 3 * labels) == pytest.approx(1.5 / 5**0.5)  # (2 + 1)/(√5·2)


def test_the_prediction_is_there_before_the_limit_and_the_limit_before_networks(outputs):
    low, high, limit, *networks, kernel, plus, minus = outputs.figure.data
    assert list(kernel.y) == [0, 0.2, 0.3]
    assert (list(plus.x), list(plus.y), list(minus.x)) == ([1, 0.5], [1, -1], [-1])
    assert not limit.y
    assert reading(outputs).strip() == "After 2 steps: the kernel says 0.30."
    outputs.show_limit(np.array([0.0, 0.25, 0.5]), np.array([0.0, 0.01, 0.002]))
    assert (low.y[2], limit.y[2], high.y[2]) == pytest.approx((0.496, 0.5, 0.504))  # two standard errors
    assert "infinite width 0.500 ± 0.002 (s.e.)." in reading(outputs)
    outputs.add([0.0, 0.3, 0.5])
    assert np.isnan(networks[1].y).all()
    outputs.add([0.0, 0.3, 0.7])
    assert [network.y[2] for network in networks] == [0.5, 0.7]
    assert "networks of width 1,024 0.60 ± 0.14" in reading(outputs)  # 0.2/√2
    outputs.show_limit(np.array([0.0, 0.25, 0.5]), np.zeros(3))
    assert "infinite width 0.500 ± less than 0.001 (s.e.)" in reading(outputs)
    assert [row["network_2"] for row in csv_records(outputs)] == ["0.0", "0.3", "0.7"]
    outputs.restart(np.array([0.0, 0.2, 0.3]), time=1, width=64)
    outputs.settle()
    assert "After 1 step: the kernel says 0.20." in reading(outputs)
    assert "infinite width” is out of date" in reading(outputs)
    assert "sample of networks is out of date" in reading(outputs)
    assert list(csv_records(outputs)[0]) == ["step", "kernel"]
    assert outputs.figure.layout.shapes[-1].x0 == 1


def test_a_network_that_diverges_is_cut_off_and_not_averaged(outputs):
    outputs.add([0.0, 0.3, 0.5])
    outputs.add([0.0, 40.0, -3000.0])
    assert np.isnan(outputs.figure.data[4].y[1:]).all()
    assert "networks of width 1,024 0.50 (1 diverged)" in reading(outputs)
    assert outputs.figure.layout.yaxis.range == (-0.2, 1.15)
    outputs.restart(np.zeros(3), time=2, width=64)
    outputs.add([0.0, 40.0, np.nan])
    assert "networks of width 64 diverge" in reading(outputs)


def test_the_axis_holds_what_is_drawn(outputs):
    outputs.show_limit(np.array([0.0, 0.5, -1.9]), np.zeros(3))
    assert outputs.figure.layout.yaxis.range == (-2, 1.15)


def updates(figure):
    """A list that collects the updates that are sent to the page."""
    sent = []
    for kind in ("restyle", "relayout", "update"):
        figure.observe(lambda change: sent.extend([change.new] * (change.new is not None)), f"_py2js_{kind}")
    return sent


def test_what_is_known_of_training_is_drawn_in_one_update(outputs):
    limit, networks = (np.array([0.0, 0.25, 0.5]), np.full(3, 0.01)), [np.array([0.0, 0.3, 0.6]), np.arange(3.0)]
    outputs.show_limit(*limit)
    for network in networks:
        outputs.add(network)
    again = app.RichnessPlot(2, POINTS, LABELS, networks=2, reach=1.5)
    sent = updates(again.figure)
    again.restart(np.array([0.0, 0.2, 0.3]), time=2, width=1024, limit=limit, networks=networks)
    assert len(sent) == 1
    assert again.figure.to_json() == outputs.figure.to_json()
    assert reading(again) == reading(outputs)
    assert csv_records(again) == csv_records(outputs)


@pytest.fixture
def features():
    plot = app.FeaturesPlot(LABELS)
    plot.restart(np.eye(3), time=1, width=256)
    return plot


def test_features_before_and_after_with_their_alignment(features):
    after = np.outer(LABELS, LABELS)
    assert np.array_equal(features.figure.data[0].z, np.eye(3))
    assert reading(features).strip() == "Alignment with the targets: 0.58 before."  # 1/√3
    features.show_after(np.stack([np.eye(3), after, 2 * after]), moved=0.123)
    assert np.array_equal(features.figure.data[1].z, after)
    assert features.figure.layout.coloraxis.cmax == pytest.approx(2 * 1.25)  # one scale for all times
    assert features.figure.layout.coloraxis.cmin == pytest.approx(-2 * 1.25)
    assert features.figure.layout.annotations[1].text == "after 1 step"
    assert "0.58 before, 1.00 after. The NTK has moved by 12.3%." in reading(features)
    assert csv_records(features)[1] == {
        "row": "1",
        "column": "2",
        "row_target": "1.0",
        "column_target": "-1.0",
        "before": "0.0",
        "after": "-1.0",
    }


def test_networks_say_how_far_their_own_kernel_moved(features):
    features.show_after(np.stack([np.eye(3)] * 2), moved=0.1)
    features.add(0.1)
    features.add(0.14)
    assert "that of networks of width 256 by 12.0%." in reading(features)
    features.add(1e9)
    assert "by 12.0%." in reading(features)
    features.restart(np.eye(3), time=0, width=64)
    features.settle()
    assert "kernel after is out of date" in reading(features)
    assert "12" not in reading(features)


def test_what_is_known_of_features_is_drawn_in_one_update(features):
    trajectory = np.stack([np.eye(3), np.outer(LABELS, LABELS)])
    features.show_after(trajectory, moved=0.1)
    features.add(0.12)
    again = app.FeaturesPlot(LABELS)
    sent = updates(again.figure)
    again.restart(np.eye(3), time=1, width=256, after=(trajectory, 0.1), networks=[0.12])
    assert len(sent) == 1
    assert again.figure.to_json() == features.figure.to_json()
    assert reading(again) == reading(features)
