"""Plots: what they show can be read back, exported, and reaches a page that is opened later."""

import csv
import io
import re

import numpy as np
import pytest

from ntkviz.app import ConvergencePlot, KernelPair, digits, theme


@pytest.fixture
def pair():
    return KernelPair("sample", "limit", np.zeros((3, 8, 8)), names=["a", "b", "c"])


def test_kernel_pair_shows_both_on_the_colours_of_the_right_one(pair):
    limit = np.eye(3) + 1
    pair.show(right=limit)
    assert pair.reading.value == ""
    pair.show(left=2 * limit)
    assert "100%" in pair.reading.value
    pair.show(left=limit + 50)
    assert "35.4 × the limit’s norm" in pair.reading.value  # 150/√18, and no percentage in the thousands
    colours = pair.figure.layout.coloraxis
    assert (colours.cmin, colours.cmax) == (0, 2.5)
    assert colours.colorbar.title.text == "× 2.00"
    assert list(colours.colorbar.tickvals) == [0, 0.5, 1, 1.5, 2]
    assert colours.colorbar.ticktext == ("0", "0.25", "0.5", "0.75", "1")


def test_a_flat_kernel_looks_flat_and_a_scaled_one_like_itself(pair):
    def shares(kernel):
        pair.show(right=kernel)
        colours = pair.figure.layout.coloraxis
        return (kernel - colours.cmin) / (colours.cmax - colours.cmin)

    flat = shares(0.04384 + 0.00008 * np.eye(3))
    assert np.ptp(flat) < 0.005
    assert flat == pytest.approx(np.full((3, 3), 0.8), abs=0.005)  # and not like nothing
    assert shares(1000 * np.eye(3)) == pytest.approx(shares(np.eye(3)))


def test_colours_of_a_kernel_with_both_signs_are_symmetric_about_zero(pair):
    pair.show(right=np.eye(3) - 0.5)
    colours = pair.figure.layout.coloraxis
    assert (colours.cmin, colours.cmax) == (-0.625, 0.625)
    positive = [colour for place, colour in colours.colorscale if place >= 0.5]
    assert [colour.upper() for colour in positive] == theme.SEQUENTIAL  # a positive number keeps its colour


def test_kernel_pair_csv(pair):
    pair.show(left=np.eye(3), right=2 * np.eye(3))
    rows = list(csv.reader(io.StringIO(pair.to_csv())))
    assert rows[0] == ["row", "column", "sample", "limit"]
    assert len(rows) == 10
    assert rows[1] == ["a", "a", "1.0", "2.0"]
    assert rows[2][:2] == ["a", "b"]


def test_convergence_plot_keeps_points_of_one_network_only():
    plot = ConvergencePlot([64, 256], seeds=2)
    plot.restart("a", 64)
    assert plot.remaining() == [(64, 0), (256, 0), (64, 1), (256, 1)]
    plot.add(64, 0, 0.2)
    plot.add(256, 0, 0.1)
    assert plot.slope().value == pytest.approx(-0.5)
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


def converging(slope, noise=0.0):
    plot = ConvergencePlot([64, 256, 1024, 4096], seeds=6)
    plot.restart("a", 64)
    rng = np.random.default_rng(1)
    for width, seed in plot.remaining():
        plot.add(width, seed, 0.1 * (width / 64) ** slope * np.exp(noise * rng.normal()))
    return plot


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [
        (-0.5, 0.1, "agrees with theory, −0.50: four times the width halves the distance."),
        (-0.35, 0.1, "not −0.50. That law is for wide networks; at these widths, terms"),
        (-0.5, 2.5, "too uncertain to be held against the theory’s −0.50."),
    ],
)
def test_the_line_under_a_slope_judges_it_by_its_error(slope, noise, verdict):
    plot = converging(slope, noise)
    said = re.sub("<[^>]*>", "", plot.reading.value)
    assert said.startswith(f"Slope {plot.slope().value:.2f} ± {plot.slope().error:.2f} (s.e.)".replace("-", "−"))
    assert verdict in said
    assert ("halves" in said) == ("agrees" in verdict)


def test_two_networks_of_each_width_are_too_few_to_judge():
    plot = ConvergencePlot([64, 256], seeds=3)
    plot.restart("a", 64)
    for width, seed in plot.remaining()[:4]:
        plot.add(width, seed, 0.1 + 0.001 * seed)  # a slope of 0, and hardly any spread
    assert "Slope <b>0.00</b> so far; the theory says −0.50." in plot.reading.value
    for width in (64, 256):
        plot.add(width, 2, 0.1)
    assert "not −0.50" in plot.reading.value


def test_a_slope_that_the_wide_networks_bring_back_is_said_to_be():
    plot = ConvergencePlot([64, 128, 256, 512, 1024, 2048, 4096], seeds=6)
    plot.restart("a", 64)
    rng = np.random.default_rng(2)
    for width, seed in plot.remaining():
        plot.add(width, seed, (1 + 60 / width) / width**0.5 * np.exp(0.15 * rng.normal()))
    assert "from width 512 on it is" in plot.reading.value
    assert "which agrees" in plot.reading.value


def test_networks_that_are_too_narrow_are_called_so():
    plot = ConvergencePlot([64, 256, 1024], seeds=4)
    plot.restart("a", 64)
    rng = np.random.default_rng(3)
    for width, seed in plot.remaining():
        plot.add(width, seed, 2 * (width / 64) ** -0.2 * np.exp(0.05 * rng.normal()))
    assert re.search("at width 1,024 these are still <b>11[0-9]%</b> off", plot.reading.value)


def test_axes_of_deviations_hold_still():
    near, far = (ConvergencePlot([64, 256], seeds=1) for _ in range(2))
    for plot, deviations in ((near, (0.1, 0.05)), (far, (2.0, 0.9))):
        plot.restart("a", 64)
        for width, deviation in zip((64, 256), deviations, strict=True):
            plot.add(width, 0, deviation)
    assert near.figure.layout.yaxis.range == far.figure.layout.yaxis.range
    far.add(64, 1, 40.0)
    low, high = far.figure.layout.yaxis.range
    assert low == near.figure.layout.yaxis.range[0]
    assert high >= np.log10(40)


def test_page_opened_later_gets_the_figure_as_it_is(pair):
    pair.show(left=np.eye(3), right=np.eye(3))
    state = pair.figure.get_state()
    assert len(state["_widget_data"]) == len(pair.figure.data)
    assert state["_widget_layout"]["coloraxis"]["cmax"] == pytest.approx(1.25)


def test_digits_have_mean_square_one_and_come_by_class():
    data = digits(classes=(3, 5), each=2)
    assert np.mean(data.x**2, axis=1) == pytest.approx(np.ones(4))
    assert data.labels.tolist() == [3, 3, 5, 5]
    assert data.pictures.shape == (4, 8, 8)
    assert data.names == ["3 (1)", "3 (2)", "5 (1)", "5 (2)"]


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


@pytest.mark.parametrize("colours", [theme.SEQUENTIAL, theme.NEGATIVE], ids=["positive", "negative"])
def test_colormap_grows_evenly_in_lightness(colours):
    lightness = np.array([116 * max(luminance(c), 0.0089) ** (1 / 3) - 16 for c in colours])
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() < 2 * steps.mean()
