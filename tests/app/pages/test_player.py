"""A button that plays a control: stop after stop to its end, and from the beginning again."""

import asyncio

import pytest

from ntkviz.app import Controls, Picture, Slider, Stops
from ntkviz.app.pages import player


@pytest.fixture
def controls():
    return Controls(time=Stops("time", [0, 1, 2, 4], start=1), width=Slider("width", 1, 9, start=3))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(player, "BEAT", 0.001)


def test_it_plays_to_the_end_and_then_from_the_beginning(controls):
    seen, button = [], player.Player(controls, "time")
    controls.observe(lambda: seen.append(controls.time))

    async def play():
        button.toggle()
        assert button.button.description == "⏸ Pause"
        while button.button.description == "⏸ Pause":
            await asyncio.sleep(0.001)

    asyncio.run(play())
    assert seen == [2, 4]
    asyncio.run(play())
    assert seen[2:] == [0, 1, 2, 4]


def test_a_pause_and_a_link_stop_it(controls):
    picture = Picture(controls, [], at_once=lambda c: None, play="time")
    button = picture._player

    async def begin_and(stop):
        button.toggle()
        stop()
        before = controls.time
        await asyncio.sleep(0.02)
        assert (controls.time, button.button.description) == (before, "▶ Play")

    asyncio.run(begin_and(button.toggle))
    asyncio.run(begin_and(lambda: picture._on_tool({"link": "time=2"})))
    assert controls.time == 2
