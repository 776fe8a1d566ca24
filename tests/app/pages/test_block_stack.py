"""A stack of blocks: its state in a link, what a browser may send, its program as text, and its preview."""

import json

import pytest

from ntkviz.app import BlockStack, Choice, Controls, Picture, Plot
from ntkviz.app.pages.preview import MIME
from ntkviz.app.style.theme import PAGE_HAS_PLOTLY
from ntkviz.errors import HyperparameterError

KIT = {"relu": "max(x, 0)", "W": "a matrix", "A.T": "a <transpose>"}


@pytest.fixture
def stack():
    return BlockStack(KIT, "relu W", most=3, presets={"start": "relu W", "none": ""})


@pytest.fixture
def controls(stack):
    return Controls(blocks=stack, readout=Choice("readout", ["random", "mean"], "random"))


def test_its_state_is_short_in_a_link_and_comes_back(controls):
    assert controls.to_link() == "blocks=relu+W&readout=random"
    for link, value in [("blocks=A.T+W+relu", "A.T W relu"), ("blocks=", ""), ("", "relu W")]:
        assert controls.from_link(link) is None
        assert controls.blocks == value


def test_an_initial_stack_or_a_preset_of_another_kit_is_refused():
    with pytest.raises(HyperparameterError, match="The stack 'start' cannot be built: it is 'dense', but must be"):
        BlockStack(KIT, "dense", most=3, presets={})
    with pytest.raises(HyperparameterError, match=r"The stack 'four' cannot be built: .* at most 3 of relu"):
        BlockStack(KIT, "", most=3, presets={"four": "W W W W"})


@pytest.mark.parametrize("link", ["blocks=relu+dense", "blocks=W+W+W+W"])
def test_a_link_to_another_kit_or_too_many_blocks_is_refused(controls, link):
    controls.set(blocks="W")
    said = controls.from_link(link)
    assert "but must be at most 3 of relu, W, A.T" in said
    assert controls.blocks == "relu W"


@pytest.mark.parametrize(
    ("sent", "kept"), [("W  A.T", "W A.T"), ("W import os relu", "W relu"), ("W W W W W", "W W W"), ("<b>", "")]
)
def test_whatever_a_browser_sends_becomes_a_stack_of_the_kit(controls, stack, sent, kept):
    stack.widget.set_state({"value": sent})
    assert controls.blocks == kept


def test_a_move_in_the_browser_is_a_move_of_the_controls(controls, stack):
    moved = []
    controls.observe(lambda: moved.append(controls.blocks))
    stack.widget.set_state({"value": "W"})
    stack.widget.set_state({"value": "W"})
    assert moved == ["W"]
    controls.reset()
    assert (controls.blocks, stack.widget.value) == ("relu W", "relu W")


def test_its_preview_has_the_blocks_and_the_program(controls, stack, monkeypatch):
    monkeypatch.setenv(PAGE_HAS_PLOTLY, "yes")
    stack.show([("x = a<b", 0), ("return x", -1)])
    picture = Picture(controls, [Plot("empty")], at_once=lambda c: None)
    html = json.loads(json.dumps(picture._repr_mimebundle_()[MIME]))["html"]
    assert html.count("<li>") == 2
    for text in ("x = a&lt;b\nreturn x", '<li><span class="nv-block">relu</span>', ">A.T<"):
        assert text in html
