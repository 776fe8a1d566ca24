"""A picture: it answers at once, then as results come, and keeps the last good one when something is refused."""

import re
import time

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import Controls, Exercise, KernelPair, Picture, Slider


def wait_for(condition, seconds=10.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def shown():
    """A picture of σ·1 that refuses σ < 0, and takes σ as it comes too."""
    controls = Controls(sigma=Slider("σ", -2.0, 2.0, start=1.0, step=0.1))
    pair = KernelPair("left", "right", np.zeros((2, 8, 8)))

    def at_once(c):
        pair.show(right=nv.infinite_ntk(nv.architectures.mlp(sigma_w=c.sigma), np.eye(2)).ntk)

    def as_it_comes(c):
        yield lambda: pair.show(left=np.full((2, 2), c.sigma))

    return Picture(controls, [pair], at_once=at_once, as_it_comes=as_it_comes), pair


def move(picture, value):
    picture.controls._controls["sigma"].widget.value = value


def test_move_answers_at_once_and_then_as_it_comes(shown):
    picture, pair = shown
    before = pair._images[1].z.copy()
    move(picture, 2.0)
    assert not np.allclose(pair._images[1].z, before)
    wait_for(lambda: np.all(pair._images[0].z == 2.0))
    wait_for(lambda: picture._cancel.disabled)


def test_refusal_is_one_sentence_and_the_last_good_picture_stays(shown):
    picture, pair = shown
    before = pair._images[1].z.copy()
    move(picture, -1.0)
    assert np.array_equal(pair._images[1].z, before)
    assert picture._error.layout.display is None
    assert "standard deviation of parameter W1 is -1.0" in picture._error.value
    move(picture, 1.5)
    assert picture._error.layout.display == "none"


def test_the_cost_is_said_before_the_long_part():
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
    assert re.fullmatch(r"sampling networks … about \d+ MB and \d+ (s|min)", said[0]), said
    wait_for(lambda: picture._progress.value == picture._progress.max == 3)


def test_tools(shown):
    picture, _ = shown
    picture._on_tool({"link": "sigma=1.7"})
    assert picture.controls.sigma == pytest.approx(1.7)
    assert picture._toolbar.state == "sigma=1.7"
    picture._on_tool({"link": "sigma=9"})
    assert "sigma" in picture._error.value
    picture._on_tool({"reset": True})
    assert picture.controls.sigma == 1.0
    assert picture._error.layout.display == "none"


def test_exercise_measures_and_refuses():
    def check(width):
        if width < 1:
            raise nv.HyperparameterError("The width is 0; it must be a whole number ≥ 1.")
        return width > 10, f"Width {width} was measured."

    exercise = Exercise("How wide?", "width", check, start=1)
    for answer, expected in (("5", "Not yet."), ("20", "Yes."), ("0", "whole number")):
        exercise._field.value = answer
        wait_for(lambda expected=expected: expected in exercise._verdict.value)
