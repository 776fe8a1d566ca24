"""Handles: a move in the picture moves the controls, once, and the handle follows the controls."""

import pytest

from ntkviz.app import Choice, Controls, Handle, Picture, Plot, Slider


class Point(Plot):
    """A plot with a point of two controls, and one that moves up and down only."""

    def __init__(self):
        super().__init__("point")
        self.handles = [Handle("point", "across", "up"), Handle("target", 2.5, "up", ("x2", "y2"))]


@pytest.fixture
def picture():
    controls = Controls(
        across=Slider("x", -2.0, 2.0, start=0.5, step=0.1),
        up=Slider("y", -1, 3, start=1),
        kind=Choice("kind", ["a", "b"], "a"),
    )
    plot, asked = Point(), []
    made = Picture(controls, [plot], at_once=lambda c: asked.append((c.across, c.up)))
    asked.clear()
    return made, plot, asked


def say(plot, **message):
    """What the page sends when a handle is moved; returns what it is answered."""
    answers = []
    plot.figure.send = answers.append
    plot.figure._handle_custom_msg(message, [])
    return answers


def test_a_move_of_both_coordinates_is_one_move_of_the_controls(picture):
    made, plot, asked = picture
    assert say(plot, handle=0, x=-1.26, y=2.2) == [{"handled": True}]
    assert asked == [(-1.3, 2)]
    assert made.controls.to_link() == "across=-1.3&up=2&kind=a"
    assert made._toolbar.state == made.controls.to_link()
    assert [handle["x"]["at"] for handle in plot.figure.handles] == [-1.3, 2.5]


def test_it_moves_only_what_it_stands_for_and_no_further_than_the_slider(picture):
    _, plot, asked = picture
    say(plot, handle=1, x=1.0, y=77)
    assert asked == [(0.5, 3)]
    say(plot, handle=0, x=-9, y=3.2)
    assert asked[1:] == [(-2.0, 3)]


@pytest.mark.parametrize("number", [None, "1", float("nan"), float("inf")])
def test_what_is_no_number_moves_nothing_and_the_page_may_go_on(picture, number):
    _, plot, asked = picture
    assert say(plot, handle=1, x=number, y=number) == [{"handled": True}]
    assert asked == []


def test_it_follows_links_and_reset(picture):
    made, plot, _ = picture
    made._on_tool({"link": "across=-1&up=3"})
    first, second = plot.figure.handles
    assert (first["x"], first["y"]["at"], second["y"]["at"]) == (
        {"at": -1.0, "low": -2.0, "high": 2.0, "step": 0.1, "text": "−1"},
        3,
        3,
    )
    assert (first["text"], second["text"]) == ("x −1, y 3", "3")
    assert (first["axes"], second["axes"]) == (["x", "y"], ["x2", "y2"])
    made._on_tool({"reset": True})
    assert plot.figure.handles[0]["x"]["at"] == 0.5


def test_a_handle_of_something_that_is_no_slider_is_refused():
    plot = Plot("point")
    plot.handles = [Handle("kind", "kind", 0.0)]
    with pytest.raises(KeyError, match="no slider named 'kind'"):
        Picture(Controls(kind=Choice("kind", ["a"], "a")), [plot], at_once=lambda c: None)
