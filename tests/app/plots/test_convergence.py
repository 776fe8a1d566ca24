"""Deviations against width: what is predicted, measured, fitted and stated, on axes that stay the same."""

import re

import numpy as np
import pytest

from ntkviz.app import ConvergencePlot
from ntkviz.kernels.results import Fluctuation

from ..conftest import csv_records, reading

NO_LAW, COSTLY = "There is no law.", "It is too large."


def field(c=2.0, error=0.01):
    """The fluctuation of a kernel with one entry: |G| has mean c, and is proportional to that of a standard normal."""
    return Fluctuation(c, error, np.full((1, 1, 1, 1), 9.0), np.zeros((256, 1, 1)), None)


def shown(plot, name):
    """The trace with this name in the legend, or `None` if the legend does not list it."""
    [trace] = [trace for trace in plot.figure.data if trace.name == name]
    return trace if trace.showlegend else None


def test_convergence_plot_keeps_points_of_one_network_only():
    plot = ConvergencePlot([64, 256], seeds=2, virtual=[])
    plot.restart("a", 64)
    assert plot.remaining() == [(64, 0), (256, 1), (64, 2), (256, 3)]
    plot.add(64, 0, 0.2)
    plot.add(256, 1, 0.1)
    assert plot.slope().value == pytest.approx(-0.5)
    plot.restart("a", 256)
    assert plot.remaining() == [(64, 2), (256, 3)]
    assert list(shown(plot, "chosen width").x) == [256]
    plot.restart("b", 256)
    assert len(plot.remaining()) == 4
    assert not csv_records(plot)


def test_the_legend_of_a_narrow_plot_names_neither_the_mean_nor_the_chosen_width():
    for narrow in (False, True):
        plot = ConvergencePlot([64, 256], seeds=2, virtual=[], narrow=narrow)
        plot.restart("a", 64)
        plot.add(64, 0, 0.2)
        assert shown(plot, "one network")
        assert [shown(plot, name) is None for name in ("their mean", "chosen width")] == [narrow, narrow]


def test_the_prediction_is_drawn_before_the_first_network():
    plot = ConvergencePlot([64, 256], seeds=2)
    plot.restart("a", 64)
    assert not plot.is_predicted
    plot.predict(field())
    assert plot.is_predicted
    line, band = shown(plot, "predicted, c/√n"), shown(plot, "90% of networks")
    np.testing.assert_allclose(line.y * np.sqrt(line.x), 2.0)
    assert {64, 256, 10**6} <= set(line.x)
    mean = (2 / np.pi) ** 0.5  # of |g|, whose quantiles at 5 % and 95 % are those of the table
    low, high = np.sort(np.multiply(band.y, np.sqrt(band.x)))[[0, -1]]
    assert low == pytest.approx(2 * 0.0627 / mean, rel=0.06)
    assert high == pytest.approx(2 * 1.95996 / mean, rel=0.03)
    assert "c = 2.00 ± 0.01 (s.e.); nine networks in ten lie in the band." in reading(plot)
    assert shown(plot, "their mean") is shown(plot, "fitted, ∝ 1/√n") is None


@pytest.mark.parametrize(
    ("times", "spread", "verdict"),
    [
        (1.0, 0.2, "they agree."),
        (1.3, 0.1, "more than chance explains."),
        (1.0, 2.0, "too uncertain to judge."),
    ],
)
def test_the_line_under_a_prediction_says_whether_networks_agree(times, spread, verdict):
    plot = ConvergencePlot([64, 1024, 4096], seeds=6)
    plot.restart("a", 64)
    plot.predict(field(c=2.0, error=0.02))
    near = []
    for number, (width, seed) in enumerate(plot.remaining()):
        ratio = 9.0 if width == 64 else times * (1 + spread * (-1) ** (number // 2))  # at 64 it is not below 10 %
        plot.add(width, seed, ratio * 2 / width**0.5)
        near += [ratio] * (width > 64)
    error = np.hypot(np.std(near, ddof=1) / len(near) ** 0.5, np.mean(near) * 0.01)
    said = reading(plot)
    measured = f"{np.mean(near):.2f} ± {error:.2f} (s.e.) times the predicted one"
    assert f"From width 1,024 on, the measured distance is {measured}" in said
    assert verdict in said


def test_networks_that_are_too_narrow_for_the_law_are_not_judged():
    plot = ConvergencePlot([64, 256], seeds=2, virtual=[])
    plot.restart("a", 64)
    plot.predict(field(c=5.0))
    for width, seed in plot.remaining():
        plot.add(width, seed, 0.5)
    assert "compared with the prediction from width 2,500 on." in reading(plot)
    assert "the measured distance" not in reading(plot)


def test_virtual_networks_have_their_own_marker_and_name_and_come_last():
    plot = ConvergencePlot([64, 256], seeds=4)
    plot.restart("a", 64)
    order = plot.remaining()
    assert len(order) == plot.steps - 1 == 2 * 4 + 3 * 3
    assert len({seed for _, seed in order}) == len(order)
    assert {width for width, _ in order[:8]} == {64, 256}
    for width, seed in order:
        plot.add(width, seed, 1 / width**0.5)
    one, virtual = shown(plot, "one network"), shown(plot, "virtual network")
    assert set(one.x) == {64, 256}
    assert set(virtual.x) == {10**4, 10**5, 10**6}
    assert one.marker.symbol != virtual.marker.symbol
    assert shown(plot, "fitted, ∝ 1/√n") is None
    assert {row["kind"] for row in csv_records(plot) if float(row["width"]) > 256} == {"virtual network"}


def test_widths_that_are_too_large_are_left_out_and_named():
    plot = ConvergencePlot([64], seeds=1)
    plot.restart("a", 64)
    plot.leave_out(10**6)
    assert 10**6 not in dict(plot.remaining())
    assert "Width 1,000,000 is too large for this machine." in reading(plot)
    plot.restart("b", 64)
    assert 10**6 in dict(plot.remaining())


def test_the_prediction_is_in_the_csv():
    plot = ConvergencePlot([64], seeds=1, virtual=[400])
    plot.restart("a", 64)
    plot.predict(field(c=2.0, error=0.1))
    plot.add(64, 0, 0.3)
    first, last, network = csv_records(plot)
    assert [first["kind"], last["kind"], network["kind"]] == ["predicted", "predicted", "random network"]
    assert float(last["relative_frobenius"]) == pytest.approx(2 / 20)
    assert float(last["standard_error"]) == pytest.approx(0.1 / 20)
    assert float(last["low"]) < 2 / 20 < float(last["high"])
    assert network["low"] == ""


def test_an_outdated_prediction_is_dimmed_and_left_out_of_the_csv():
    plot = ConvergencePlot([64], seeds=1)
    plot.restart("a", 64)
    plot.predict(field(c=2.0))
    plot.outdate()
    plot.restart("b", 64)
    plot.settle()
    line = shown(plot, "predicted, c/√n")
    assert line.opacity == 0.25
    assert line.hoverinfo == "skip"
    assert "The prediction is out of date." in reading(plot)
    assert not re.search("[0-9]", reading(plot))
    assert not csv_records(plot)
    plot.predict(field(c=3.0))
    assert line.opacity is None
    np.testing.assert_allclose(line.y * np.sqrt(line.x), 3.0)
    assert "out of date" not in reading(plot)
    plot.restart("c", 64)  # outside of a picture
    assert line.opacity == 0.25


def test_a_prediction_of_the_same_network_stays():
    plot = ConvergencePlot([64], seeds=1)
    plot.restart("a", 64)
    plot.predict(field())
    plot.outdate()
    plot.restart("a", 256)
    plot.settle()
    assert plot.is_predicted
    assert shown(plot, "predicted, c/√n").opacity is None
    assert "Predicted" in reading(plot)


def test_a_law_known_after_the_networks_is_fitted_to_them():
    plot = ConvergencePlot([64, 256], seeds=1, virtual=[])
    plot.restart("a", 64)
    for width, seed in plot.remaining():
        plot.add(width, seed, 2 * width**-0.5)
    assert shown(plot, "fitted, ∝ 1/√n") is None
    plot.refuse(COSTLY, law=True)
    assert shown(plot, "fitted, ∝ 1/√n").y * np.sqrt(plot.figure.data[2].x) == pytest.approx(2)


def test_the_legend_follows_the_height():
    plot = ConvergencePlot([64, 256], seeds=1, virtual=[])
    for height, named in ((376, True), (220, False), (376, True)):
        plot.figure.layout.height = height
        plot.restart("a", 64)
        if plot.remaining():
            plot.add(64, 0, 0.2)
        assert (shown(plot, "their mean") is not None) == named


def test_points_that_stay_are_not_drawn_anew(monkeypatch):
    plot = ConvergencePlot([64, 256], seeds=1, virtual=[])
    plot.restart("a", 64)
    updates = []
    for trace in plot.figure.data[2:]:
        monkeypatch.setattr(type(trace), "update", lambda self, **changes: updates.append(changes))
    plot.restart("b", 64)
    assert not updates
    plot.restart("b", 256)
    assert updates


def test_without_a_law_nothing_is_fitted_and_the_slope_is_not_judged():
    plot = ConvergencePlot([64, 256], seeds=3, virtual=[])
    plot.restart("a", 64)
    plot.refuse(NO_LAW)
    assert reading(plot) == "There is no prediction. There is no law."
    for width, seed in plot.remaining():
        plot.add(width, seed, 0.3 * (width / 64) ** (-1 / 3))
    assert shown(plot, "fitted, ∝ 1/√n") is None
    assert reading(plot) == "There is no prediction. There is no law. Measured slope: −0.33."
    plot.restart("b", 64)
    assert reading(plot).startswith("First the predicted line, then random networks, one point each.")


def test_a_law_without_a_prediction_is_fitted_as_one_over_root_n():
    plot = ConvergencePlot([64, 256, 1024], seeds=1)
    plot.restart("a", 64)
    plot.predict(field())
    plot.restart("b", 64)
    plot.refuse(COSTLY, law=True)
    for width, distance in ((64, 0.3), (256, 0.11), (1024, 0.07)):
        plot.add(width, 0, distance)
    line = shown(plot, "fitted, ∝ 1/√n")
    assert np.diff(np.log(line.y)) / np.diff(np.log(line.x)) == pytest.approx(-0.5)
    assert shown(plot, "predicted, c/√n") is shown(plot, "90% of networks") is None
    assert reading(plot).startswith("There is no prediction. It is too large. Slope")
    assert {row["kind"] for row in csv_records(plot)} == {"random network"}


def test_the_needed_width_is_given_with_its_error_before_any_network():
    plot = ConvergencePlot([64], seeds=1, goals=[0.1, 0.01, 0.001])
    plot.restart("a", 64)
    plot.predict(field(c=2.97, error=0.03))
    said = "Width needed for 10 % (to leading order): 880; 1 %: 88,000; 0.1 %: 8.8 million; ± 2 % (s.e.)."
    assert reading(plot).strip() == said.replace(" %", "\N{NO-BREAK SPACE}%")


def converging(slope, noise=0.0):
    plot = ConvergencePlot([64, 256, 1024, 4096], seeds=6, virtual=[])
    plot.restart("a", 64)
    plot.refuse(COSTLY, law=True)
    rng = np.random.default_rng(1)
    for width, seed in plot.remaining():
        plot.add(width, seed, 0.1 * (width / 64) ** slope * np.exp(noise * rng.normal()))
    return plot


@pytest.mark.parametrize(
    ("slope", "noise", "verdict"),
    [
        (-0.5, 0.1, "agrees with theory, −0.50: quadrupling the width halves the distance."),
        (-0.35, 0.1, "not −0.50. That law holds for wide networks; at these widths, higher-order terms"),
        (-0.5, 2.5, "too uncertain to test the theory’s −0.50."),
    ],
)
def test_the_line_under_a_slope_judges_it_by_its_error(slope, noise, verdict):
    plot = converging(slope, noise)
    said, slope = reading(plot), plot.slope()
    assert said.startswith(f"There is no prediction. {COSTLY} Slope −{-slope.value:.2f} ± {slope.error:.2f} (s.e.)")
    assert verdict in said
    assert ("halves" in said) == ("agrees" in verdict)


def test_two_networks_of_each_width_are_too_few_to_judge():
    plot = ConvergencePlot([64, 256], seeds=3, virtual=[])
    plot.restart("a", 64)
    plot.refuse(COSTLY, law=True)
    for width, seed in plot.remaining()[:4]:
        plot.add(width, seed, 0.1 + 0.001 * (seed > 1))  # a slope of 0, and hardly any spread
    assert "Slope <b>0.00</b> so far; theory predicts −0.50." in plot.reading.value
    for width, seed in plot.remaining():
        plot.add(width, seed, 0.1)
    assert "not −0.50" in plot.reading.value


def test_a_slope_that_agrees_for_wide_networks_is_said_to_agree():
    plot = ConvergencePlot([64, 128, 256, 512, 1024, 2048, 4096], seeds=6, virtual=[])
    plot.restart("a", 64)
    plot.refuse(COSTLY, law=True)
    rng = np.random.default_rng(2)
    for width, seed in plot.remaining():
        plot.add(width, seed, (1 + 60 / width) / width**0.5 * np.exp(0.15 * rng.normal()))
    assert re.search("from width 512 on, the slope is .*: it agrees", plot.reading.value)


def test_networks_too_narrow_for_the_law_are_named():
    plot = ConvergencePlot([64, 256, 1024], seeds=4, virtual=[])
    plot.restart("a", 64)
    plot.refuse(COSTLY, law=True)
    rng = np.random.default_rng(3)
    for width, seed in plot.remaining():
        plot.add(width, seed, 2 * (width / 64) ** -0.2 * np.exp(0.05 * rng.normal()))
    assert re.search("at width 1,024 the deviation is still <b>11[0-9]%</b>", plot.reading.value)


def test_axes_of_deviations_are_stable():
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
