"""A picture answers at once, fills in further results as they arrive, and keeps the last good plots after a refusal."""

import re
import threading
import time

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import Choice, Controls, Handle, Picture, Plot, SideBySideKernels, Slider, View, upstream
from ntkviz.app.plots.panel import OUTDATED
from ntkviz.execution.cost import Cost

from ..conftest import wait_for


@pytest.fixture
def shown():
    """A picture of σ·1 that refuses σ < 0; its left plot is filled in the background."""
    controls = Controls(sigma=Slider("σ", -2.0, 2.0, start=1.0, step=0.1))
    pair = SideBySideKernels("left", "right", np.zeros((2, 8, 8)))

    def at_once(c):
        pair.show(right=nv.infinite_ntk(nv.architectures.mlp(sigma_w=c.sigma), np.eye(2)).ntk)

    def as_it_comes(c):
        yield lambda: pair.show(left=np.full((2, 2), c.sigma))

    return Picture(controls, [pair], at_once=at_once, as_it_comes=as_it_comes), pair


def move(picture, value):
    picture.controls._controls["sigma"].widget.value = value


def test_a_move_is_answered_at_once_and_then_incrementally(shown):
    picture, pair = shown
    before = pair._images[1].z.copy()
    move(picture, 2.0)
    assert not np.allclose(pair._images[1].z, before)
    wait_for(lambda: np.all(pair._images[0].z == 2.0))
    wait_for(lambda: picture._cancel.disabled)


def test_a_refusal_is_one_sentence_above_the_last_good_plots_dimmed_and_without_numbers(shown):
    picture, pair = shown
    before = pair._images[1].z.copy()
    move(picture, -1.0)
    assert np.array_equal(pair._images[1].z, before)
    assert picture._error.layout.display is None
    assert "standard deviation of parameter W1 is -1.0" in picture._error.value
    assert OUTDATED in upstream.css_classes(pair.widget)
    assert "%" not in pair.reading.value
    assert picture._status.value == ""
    move(picture, 1.5)
    assert picture._error.layout.display == "none"
    assert OUTDATED not in upstream.css_classes(pair.widget)


class Slow:
    """A picture whose two sides wait for an event, or are refused."""

    def __init__(self):
        self.controls = Controls(sigma=Slider("σ", 0.0, 2.0, start=1.0, step=0.1))
        self.pair = SideBySideKernels("left", "right", np.zeros((2, 8, 8)))
        self.classes, self.read = [], []
        self.pair.widget.observe(lambda change: self.classes.append(change.new), "_dom_classes")
        self.at_once, self.as_it_comes, self.refuse = threading.Event(), threading.Event(), ""
        self.at_once.set()
        self.as_it_comes.set()
        self.picture = Picture(
            self.controls,
            [self.pair],
            at_once=self._at_once,
            as_it_comes=self._as_it_comes,
            estimate=lambda c: [Cost(seconds=40)],
        )
        self.picture._background.watch()
        wait_for(lambda: self.picture._cancel.disabled)

    def _at_once(self, c):
        self.at_once.wait(10)
        if self.refuse == "at once":
            raise nv.HyperparameterError("No.")
        self.pair.show(right=np.full((2, 2), 1 + c.sigma))

    def _as_it_comes(self, c):
        sigma = c.sigma
        self.as_it_comes.wait(10)
        self.read.append((sigma, c.sigma))
        if self.refuse == "as it comes":
            raise nv.HyperparameterError("No.")
        yield lambda: self.pair.show(left=np.full((2, 2), sigma))

    @property
    def is_dimmed(self):
        return OUTDATED in upstream.css_classes(self.pair.widget)

    @property
    def number(self):
        return re.search(r"\d.*%", self.pair.reading.value)

    def move(self, value):
        """Move the slider in a thread of its own, since a slow answer keeps the event loop busy."""
        thread = threading.Thread(target=move, args=[self.picture, value])
        thread.start()
        return thread


@pytest.fixture
def slow():
    return Slow()


def test_a_late_answer_dims_the_picture_while_it_is_computed(slow):
    assert slow.number
    slow.at_once.clear()
    moving = slow.move(2.0)
    wait_for(lambda: slow.is_dimmed)
    assert slow.picture._status.value == "computing …"
    slow.at_once.set()
    moving.join()
    assert not slow.is_dimmed
    wait_for(lambda: slow.picture._cancel.disabled)
    assert slow.number


def test_an_answer_in_time_never_dims_the_picture(slow, monkeypatch):
    monkeypatch.setattr("ntkviz.app.pages.picture.LATE", 10)  # seconds, since a busy machine may need more than 0.1
    slow.classes.clear()
    for value in (0.5, 1.5, 2.0):
        move(slow.picture, value)
        wait_for(lambda: slow.picture._cancel.disabled)  # without an event loop, its updates run beside the next move
    time.sleep(0.2)
    assert not slow.classes


def test_after_cancel_what_was_not_redrawn_is_out_of_date(slow):
    slow.as_it_comes.clear()
    move(slow.picture, 2.0)
    assert not slow.number
    slow.picture.cancel()
    slow.as_it_comes.set()
    time.sleep(0.1)
    assert not slow.number
    assert "“left” is out of date" in slow.pair.reading.value
    assert slow.picture._status.value == "Stopped; move a control to continue."


@pytest.mark.parametrize("when", ["at once", "as it comes"])
def test_a_refusal_ends_the_wait_and_shows_no_number(slow, when):
    slow.refuse = when
    move(slow.picture, 2.0)
    wait_for(lambda: "No." in slow.picture._error.value)
    assert slow.picture._status.value == ""
    assert slow.picture._cancel.disabled
    assert not slow.number
    assert slow.is_dimmed == (when == "at once")
    assert "out of date" in slow.pair.reading.value.lower()


def test_reset_and_links_put_the_picture_out_of_date_too(slow):
    for message in ({"reset": True}, {"link": "sigma=0.3"}):
        slow.as_it_comes.set()
        move(slow.picture, 2.0)
        wait_for(lambda: slow.number)
        slow.as_it_comes.clear()
        slow.picture._on_tool(message)
        assert not slow.number


def test_a_computation_keeps_the_settings_with_which_it_began(slow):
    slow.as_it_comes.clear()
    move(slow.picture, 2.0)
    wait_for(lambda: slow.picture._status.value.startswith("computing … about"))  # it has begun
    move(slow.picture, 1.5)
    slow.as_it_comes.set()
    wait_for(lambda: slow.picture._cancel.disabled)
    assert slow.read[-2:] == [(2.0, 2.0), (1.5, 1.5)]


def test_the_cost_is_announced_while_a_first_step_takes_long(slow):
    slow.as_it_comes.clear()
    move(slow.picture, 2.0)
    assert slow.picture._status.value == "computing …"
    wait_for(lambda: slow.picture._status.value == "computing … about 1 MB and 40 s")
    assert slow.picture._progress.value == 0
    assert not slow.picture._cancel.disabled
    slow.picture._wait(True)
    assert slow.picture._status.value == "finishing the previous computation … then about 1 MB and 40 s"
    slow.picture._wait(False)
    slow.as_it_comes.set()
    wait_for(lambda: slow.picture._cancel.disabled)


def test_the_cost_is_announced_before_the_long_part():
    controls = Controls(width=Slider("width", 64, 8192, start=4096))
    arch, said = nv.architectures.mlp(depth=2), []
    nv.empirical_ntk(arch, np.eye(2), width=4096, key=0)  # compiled, whichever test came before

    def as_it_comes(c):
        yield lambda: None
        yield lambda: said.append(picture._status.value)

    picture = Picture(
        controls,
        [],
        at_once=lambda c: None,
        as_it_comes=as_it_comes,
        steps=2,
        estimate=lambda c: [nv.cost(nv.empirical_ntk, arch, np.eye(2), width=c.width, key=0)] * 1000,
    )
    picture._move()
    wait_for(lambda: said)
    assert re.fullmatch(r"computing … about \d+ MB and \d+ (s|min)", said[0]), said
    wait_for(lambda: picture._progress.value == picture._progress.max == 3)


def test_the_toolbar_resets_and_follows_links(shown):
    picture, _ = shown
    picture._on_tool({"link": "sigma=1.7"})
    assert picture.controls.sigma == pytest.approx(1.7)
    assert picture._toolbar.state == "sigma=1.7"
    picture._on_tool({"link": "sigma=9"})
    assert "sigma" in picture._error.value
    picture._on_tool({"reset": True})
    assert picture.controls.sigma == 1.0
    assert picture._error.layout.display == "none"


def test_it_is_completed_before_it_returns(shown):
    picture, pair = shown
    picture.controls.set(sigma=2.0)
    assert picture.complete(lambda number: False) == 1
    assert np.all(pair._images[0].z == 2.0)
    assert picture._status.value == ""
    picture.controls.set(sigma=-1.0)
    assert picture.complete(lambda number: False) == 0
    assert "must be a finite number" in picture._error.value


def test_sampling_that_takes_too_long_is_ended_and_says_so():
    begun = []

    def slowly(c):
        for k in range(100):
            begun.append(k)
            yield lambda: None

    for steps, words in ((100, "further networks take too long"), (1, "")):
        picture = Picture(Controls(), [], at_once=lambda c: None, as_it_comes=slowly, steps=steps)
        picture.cancel()
        begun.clear()
        assert picture.complete(lambda number: number >= 5) == len(begun) == (5 if steps == 100 else 100)
        assert words in picture._status.value
        assert bool(words) == bool(picture._status.value)


def test_what_a_reader_can_move_is_shown_or_has_a_handle():
    class Held(Plot):
        handles = (Handle("both", "x", 0.0),)

    views = {"a": View([Held("held")], ["x", "y"]), "b": View([], ["x"])}
    numbers = {name: Slider(name, 0, 9, start=0) for name in "xy"}
    controls = Controls(view=Choice("view", ["a", "b"], "a"), **numbers)
    picture = Picture(controls, list(views["a"].panels), at_once=lambda c: None, views=views)
    assert picture.movable() == ["view", "x"]
    controls.set(view="b")
    assert picture.movable() == ["view", "y"]
    known = picture.without_kernel()
    assert [one["kind"] for one in known["controls"].values()] == ["choice", "slider", "slider"]
    assert known["movable"] == {"a": ["view", "x"], "b": ["view", "y"]}
    assert controls.view == "b"
    assert list(known["handles"].values()) == [[{"x": "x", "y": 0.0}]]


def test_a_page_without_a_kernel_knows_the_figures_that_hear_clicks():
    deaf, listening = Plot("deaf"), Plot("listening")
    for plot in (deaf, listening):
        plot.figure.add_scatter(x=[], y=[])
    listening.figure.data[0].on_click(lambda *click: None)
    picture = Picture(Controls(), [deaf, listening], at_once=lambda c: None)
    assert picture.without_kernel()["clicked"] == [listening.figure.model_id]
