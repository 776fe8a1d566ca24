"""Which settings of a picture are stored: those that the chapter names, and around each of them a star.

The *star* of a setting has an arm for each control that can be moved there: that setting with other values of this
control. So a reader who moves one control from a step of the chapter finds stored settings. Arms whose settings take
long to compute are shorter: all arms share the time that is given to a chapter.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..pages.controls import Controls
from ..pages.picture import Picture

AT_START, ELSEWHERE = 9, 5
"""How many values of a control are stored around the initial settings, and around the steps of the chapter."""

Settings = dict[str, Any]


def named(controls: Controls, links: Sequence[str]) -> list[Settings]:
    """The initial settings, and those of the links."""
    found = []
    for link in ["", *links]:
        controls.from_link(link)
        found.append(controls.settings())
    return found


def arms(picture: Picture, centres: Sequence[Settings]) -> list[list[Settings]]:
    """The arms of all stars, the first of which is that of the initial settings; the ends of an arm come first."""
    controls, found = picture.controls, []
    for most, centre in zip([AT_START] + [ELSEWHERE] * len(centres), centres, strict=False):
        controls.set(**centre)
        for name in picture.movable():
            values = controls.values(name)
            chosen = values if name == picture.played else spread(values, most)
            found.append([_moved(controls, centre, name, value) for value in halving(chosen)])
    return found


def _moved(controls: Controls, centre: Settings, name: str, value: Any) -> Settings:
    controls.set(**centre | {name: value})
    return controls.settings()


def spread(values: Sequence[Any], most: int) -> list[Any]:
    """At most `most` of these values, evenly spread from the first to the last; all of a list of words."""
    if len(values) <= most or isinstance(values[0], str):
        return list(values)
    return [values[round(k * (len(values) - 1) / (most - 1))] for k in range(most)]


def halving(values: Sequence[Any]) -> list[Any]:
    """These values from coarse to fine: both ends, the middle, the middles between those, and so on."""
    places, gaps = [0, len(values) - 1], [(0, len(values) - 1)]
    for low, high in gaps:  # grows meanwhile
        middle = (low + high) // 2
        if low < middle:
            places.append(middle)
            gaps += [(low, middle), (middle, high)]
    return [values[place] for place in dict.fromkeys(places)]


def in_fair_shares(
    found: Sequence[Sequence[Settings]], seconds: float, clock: Callable[[], float] = time.process_time
) -> Iterator[Settings]:
    """The settings of all arms, one after the other from the arm that has taken least, until the time is over.

    The time between two settings is what the first one took.
    """
    waiting = [(0.0, number, 0) for number, arm in enumerate(found) if arm]
    left = seconds
    while waiting and left > 0:
        spent, number, place = heapq.heappop(waiting)
        begun = clock()
        yield found[number][place]
        taken = clock() - begun
        left -= taken
        if place + 1 < len(found[number]):
            heapq.heappush(waiting, (spent + taken, number, place + 1))
