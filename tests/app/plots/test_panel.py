"""Whatever is out of date is dimmed, shows no number and is left out of the CSV until it is redrawn."""

import re

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import (
    AttentionPair,
    ContributionMaps,
    ConvergencePlot,
    CoordinateHistogram,
    FunctionDraws,
    Listing,
    SideBySideKernels,
    upstream,
)
from ntkviz.app.plots.panel import FADED, OUTDATED
from ntkviz.app.plots.recurrent.memory import GatePlot


def pair():
    plot = SideBySideKernels("one", "limit", np.zeros((2, 8, 8)))
    return plot, lambda: plot.show(right=2 * np.eye(2)), lambda: plot.show(left=np.eye(2))


def attention():
    plot = AttentionPair("one", "limit", ["a", "b"])
    return plot, lambda: plot.show(right=np.eye(2), chosen=0), lambda: plot.show(left=np.ones((2, 2)) / 2)


def contributions():
    plot, parts = ContributionMaps("one", "limit", ["a", "b"], ["a", "b"]), {"U": np.eye(2)}
    return plot, lambda: plot.restart(parts, 2, 2, unit=1.0), lambda: plot.add(parts)


def histogram():
    plot = CoordinateHistogram("heading", "h")
    return plot, lambda: plot.restart(1.0), lambda: plot.add(np.ones((1, 8)))


def functions():
    plot = FunctionDraws("heading", np.linspace(-1, 1, 3), "s", draws=2)
    return plot, lambda: plot.restart(np.ones(3)), lambda: plot.add(np.ones((1, 3)))


def gates():
    plot = GatePlot("heading", 3)
    return plot, lambda: plot.restart(np.ones((3, 4))), lambda: plot.add(np.ones((3, 2)))


TWO_SIDED = [pair, attention, contributions, histogram, functions, gates]


def is_dimmed(plot):
    return OUTDATED in upstream.css_classes(plot.widget)


def numbers(plot):
    """The numbers in a plot's line of text, which are in bold."""
    return re.findall(r"<b>([^<]*\d[^<]*)</b>", plot.reading.value)


def looks(part, plot):
    return [(plot.figure.data[k].opacity, plot.figure.data[k].hoverinfo) for k in part.traces]


@pytest.fixture(params=TWO_SIDED)
def drawn(request):
    """A plot with its limit and its networks drawn, and the two functions that draw them."""
    plot, limit, network = request.param()
    limit()
    network()
    return plot, limit, network


def test_the_whole_panel_is_out_of_date_after_a_move_that_draws_nothing(drawn):
    plot, _, _ = drawn
    assert not is_dimmed(plot)
    assert plot.to_csv().count("\n") > 1
    plot.outdate()
    plot.settle()
    assert is_dimmed(plot)
    assert "Out of date" in plot.reading.value
    assert not numbers(plot)
    assert plot.to_csv().count("\n") == 1


def test_a_redrawn_side_is_current_and_the_other_dimmed_until_it_is_redrawn(drawn):
    plot, limit, network = drawn
    sampled = plot.parts[isinstance(plot, (FunctionDraws, GatePlot))]  # in these two, the limit is the first part
    before, said = looks(sampled, plot), plot.reading.value
    plot.outdate()
    limit()
    plot.settle()
    assert not is_dimmed(plot)
    for (faded, hover), (opacity, _) in zip(looks(sampled, plot), before, strict=True):
        assert faded == FADED * (opacity or 1)
        assert hover == "skip"
    assert "is out of date" in plot.reading.value
    network()
    assert looks(sampled, plot) == before
    assert plot.reading.value == said
    assert not is_dimmed(plot)


def test_outdated_numbers_are_left_out_of_the_csv():
    plot, limit, network = pair()
    limit()
    network()
    assert "image 1,image 1,1.0,2.0" in plot.to_csv()
    plot.outdate()
    limit()
    assert "image 1,image 1,nan,2.0" in plot.to_csv()


def test_no_number_compares_the_two_sides_while_one_is_out_of_date():
    for make in (pair, attention):
        plot, limit, network = make()
        limit()
        network()
        assert numbers(plot)
        plot.outdate()
        limit()
        assert not numbers(plot)


def test_drawing_undoes_the_dimming(drawn):
    plot, limit, network = drawn
    said = plot.reading.value
    plot.outdate()
    plot.settle()
    limit()
    assert not is_dimmed(plot)
    network()
    assert plot.reading.value == said


def test_a_drawing_that_fails_is_not_current():
    plot, _, _ = pair()
    plot.show(np.eye(2), np.eye(2))
    plot.outdate()
    with pytest.raises(ValueError, match="float"):
        plot.show(left=np.array([["no number"]]))
    plot.settle()
    assert is_dimmed(plot)


def test_a_panel_that_has_drawn_nothing_is_not_out_of_date():
    plot, limit, _ = pair()
    plot.outdate()
    plot.settle()
    assert not is_dimmed(plot)
    assert plot.reading.value == ""
    plot.outdate()
    limit()
    plot.settle()
    assert "out of date" not in plot.reading.value


def test_the_slope_of_another_network_is_removed_with_its_points():
    plot = ConvergencePlot([64, 256], seeds=1)
    plot.restart("a", 64)
    plot.refuse("There is no law.")
    plot.add(64, 0, 0.2)
    plot.add(256, 0, 0.1)
    assert numbers(plot)
    plot.outdate()
    plot.restart("b", 64)
    assert not numbers(plot)


def test_points_of_the_same_network_stay_current():
    plot = ConvergencePlot([64, 256], seeds=1)
    plot.restart("a", 64)
    plot.refuse("There is no law.")
    plot.add(64, 0, 0.2)
    plot.add(256, 0, 0.1)
    plot.outdate()
    plot.restart("a", 256)
    plot.settle()
    assert numbers(plot) == ["−0.50"]
    assert not is_dimmed(plot)


def test_a_listing_is_dimmed_like_a_plot():
    arch, x = nv.architectures.mlp(depth=1), np.eye(2)
    listing = Listing("heading")
    listing.show(nv.program(arch, x), nv.simple_gia_check(arch, x))
    listing.outdate()
    listing.settle()
    assert is_dimmed(listing)
    assert "passes" not in listing.reading.value


def test_a_move_answered_in_time_sends_no_more_than_it_draws(monkeypatch):
    plot, limit, network = pair()
    limit()
    network()
    sent = []
    monkeypatch.setattr(plot.figure, "_send_update_msg", lambda *args, **kwargs: sent.append(args))
    plot.widget.observe(lambda change: sent.append(change), "_dom_classes")
    plot.outdate()
    limit()
    plot.settle()
    network()
    assert len(sent) == 2  # one for each side
