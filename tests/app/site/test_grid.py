"""Which settings are stored: all that the chapter names, and the arms of their stars, in fair shares of the time."""

import pytest

from ntkviz.app.pages.controls import Choice, Controls, Slider, Stops
from ntkviz.app.pages.picture import Picture
from ntkviz.app.pages.views import View
from ntkviz.app.site.grid import AT_START, ELSEWHERE, arms, halving, in_fair_shares, named, spread


@pytest.fixture
def picture():
    controls = Controls(
        view=Choice("view", ["one", "two"], start="one"),
        time=Stops("time", range(20), start=0),
        width=Slider("width", 1, 100, start=7),
        depth=Slider("depth", 1, 8, start=3, end=lambda c: 4 if c.view == "two" else 8),
    )
    views = {"one": View([]), "two": View([], without=["time"])}
    return Picture(controls, [], at_once=lambda c: None, views=views, play="time")


def test_the_settings_of_links_are_named_and_others_are_where_the_page_starts(picture):
    start = {"view": "one", "time": 0, "width": 7, "depth": 3}
    assert named(picture.controls, ["width=64", "view=two"]) == [start, start | {"width": 64}, start | {"view": "two"}]


def test_an_arm_differs_from_its_centre_in_one_control_which_is_shown_there(picture):
    centres = named(picture.controls, ["view=two&width=64"])
    found = arms(picture, centres)
    assert len(found) == 4 + 3, "time is not shown in the second view"
    for number, arm in enumerate(found):
        centre = centres[0] if number < 4 else centres[1]
        moved = [{name for name in centre if centre[name] != one[name]} for one in arm]
        names = set().union(*moved)
        assert all(len(one) <= 1 for one in moved) or names == {"view", "depth"}
        assert len(arm) <= max(AT_START, 20)
    assert sorted(one["time"] for one in found[1]) == list(range(20)), "all that Play shows"
    assert {one["depth"] for one in found[-1]} <= {1, 2, 3, 4}, "no slider leaves its end"
    assert len(found[5]) == ELSEWHERE


def test_values_are_spread_from_the_first_to_the_last_and_words_are_all_kept():
    assert spread(range(1, 101), 5) == [1, 26, 51, 75, 100]
    assert spread([1, 2], 5) == [1, 2]
    assert spread(["a", "b", "c", "d"], 2) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("count", range(1, 20))
def test_halving_orders_all_values_with_the_ends_first(count):
    order = halving(list(range(count)))
    assert sorted(order) == list(range(count))
    assert set(order[:2]) == {0, count - 1}


def test_a_slow_arm_does_not_take_the_time_of_a_fast_one():
    clock = [0.0]
    slow, fast = ([{kind: k} for k in range(50)] for kind in ("slow", "fast"))
    computed = []
    for settings in in_fair_shares([slow, fast], 100.0, clock=lambda: clock[0]):
        computed += settings
        clock[0] += 20.0 if "slow" in settings else 1.0
    assert computed.count("fast") == 40
    assert computed.count("slow") == 3
    assert list(in_fair_shares([slow], 0.0)) == []
