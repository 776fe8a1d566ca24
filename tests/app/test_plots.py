"""Plots: what they show can be read back, exported, and reaches a page that is opened later."""

import csv
import io

import numpy as np
import pytest

from ntkviz.app import ConvergencePlot, KernelPair, digits, theme


@pytest.fixture
def pair():
    return KernelPair("sample", "limit", np.zeros((3, 8, 8)))


def test_kernel_pair_shows_both_on_the_colours_of_the_right_one(pair):
    limit = np.eye(3) + 1
    pair.show(right=limit)
    assert pair.reading.value == ""
    pair.show(left=2 * limit)
    assert "100.0%" in pair.reading.value
    colours = pair.figure.layout.coloraxis
    assert colours.cmin < 1 < 2 < colours.cmax


def test_kernel_pair_csv(pair):
    pair.show(left=np.eye(3), right=2 * np.eye(3))
    rows = list(csv.reader(io.StringIO(pair.to_csv())))
    assert rows[0] == ["row", "column", "sample", "limit"]
    assert len(rows) == 10
    assert rows[1] == ["0", "0", "1.0", "2.0"]


def test_convergence_plot_keeps_points_of_one_network_only():
    plot = ConvergencePlot([64, 256], seeds=2)
    plot.restart("a", 64)
    assert plot.remaining() == [(64, 0), (256, 0), (64, 1), (256, 1)]
    plot.add(64, 0, 0.2)
    plot.add(256, 0, 0.1)
    assert plot.slope() == pytest.approx(-0.5)
    assert "−0.50" in plot.reading.value
    plot.restart("a", 256)
    assert plot.remaining() == [(64, 1), (256, 1)]
    assert list(plot.figure.data[3].x) == [256]
    plot.restart("b", 256)
    assert len(plot.remaining()) == 4
    assert plot.to_csv() == "width,seed,relative_frobenius\n"


def test_fitted_line_falls_by_half_over_four_times_the_width():
    plot = ConvergencePlot([64, 256, 1024], seeds=1)
    plot.restart("a", 64)
    for width, distance in ((64, 0.3), (256, 0.11), (1024, 0.07)):
        plot.add(width, 0, distance)
    line = plot.figure.data[0]
    assert np.diff(np.log(line.y)) / np.diff(np.log(line.x)) == pytest.approx(-0.5)


def test_page_opened_later_gets_the_figure_as_it_is(pair):
    pair.show(left=np.eye(3), right=np.eye(3))
    state = pair.figure.get_state()
    assert len(state["_widget_data"]) == len(pair.figure.data)
    assert state["_widget_layout"]["coloraxis"]["cmax"] == pytest.approx(1.1)


def test_digits_have_mean_square_one_and_come_by_class():
    data = digits(classes=(3, 5), each=2)
    assert np.mean(data.x**2, axis=1) == pytest.approx(np.ones(4))
    assert data.labels.tolist() == [3, 3, 5, 5]
    assert data.pictures.shape == (4, 8, 8)


def luminance(colour):
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return float(np.dot([0.2126, 0.7152, 0.0722], linear))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def dark_palette():
    rule = theme.STYLESHEET[theme.STYLESHEET.index(':root[data-nv-theme="dark"]') :]
    return theme.PALETTE | theme.variables(rule)


@pytest.mark.parametrize("palette", [theme.PALETTE, dark_palette()], ids=["light", "dark"])
def test_contrast_of_text_and_of_marks(palette):
    for ground in ("paper", "surface"):
        for text in ("ink", "muted", "accent", "good", "bad"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for mark in ("finite", "limit"):
        assert contrast(palette[mark], palette["paper"]) >= 3, mark


def test_colormap_grows_evenly_in_lightness():
    lightness = np.array([116 * max(luminance(c), 0.0089) ** (1 / 3) - 16 for c in theme.SEQUENTIAL])
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.mean()
