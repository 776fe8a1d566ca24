"""One part of a picture, and whether it shows the current settings of the controls.

A move puts everything out of date. What a panel then draws, part by part, inside `drawing`, is current. What is not
drawn anew (yet, or at all: the calculation was refused or cancelled) still shows earlier settings. It is dimmed, shows
no number, says that it is out of date, and stays out of the CSV.
"""

from __future__ import annotations

import csv
import io
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from ..style import theme

OUTDATED = "nv-outdated"  # the class of a panel that the stylesheet dims
FADED = 0.25  # of the opacity of a part, beside others that are current
NOTE = '<span class="nv-note">{}</span>'  # the stylesheet lets it appear a moment later: most are gone by then


@dataclass(eq=False)
class Part:
    """What a panel draws on its own.

    - `name`: what it is called in “… is out of date”.
    - `traces`: the numbers of the traces that show it.
    - `drawn`: whether it shows anything yet; `current`: whether that is for the current settings.
    """

    name: str
    traces: Sequence[int] = ()
    drawn: bool = False
    current: bool = False

    @property
    def outdated(self) -> bool:
        """Whether it shows something of earlier settings."""
        return self.drawn and not self.current


class Panel:
    """One part of a picture: something to look at, the line that reads it, and its numbers.

    `name` names its files. A subclass brings `content`, gives `table()`, and draws inside `drawing`, after which it
    says what to see. Where it draws parts at different times, it lists them in `parts`.
    """

    def __init__(self, name: str, content: widgets.Widget):
        self.name = name
        self.reading = widgets.HTML()
        self.reading.add_class("nv-reading")
        self.widget = widgets.VBox([content, self.reading])
        self.parts: Sequence[Part] = [Part("This plot")]
        self._said = ""
        self._showing = threading.Lock()

    def say(self, html: str) -> None:
        """Say in one line what to see; of a part that is out of date it must hold no number."""
        with self._showing:
            self._said = html
            self._show_reading()

    @contextmanager
    def drawing(self, *parts: Part) -> Iterator[None]:
        """What is drawn in this block, `parts` or the whole panel, is for the current settings of the controls."""
        yield
        self._drawn(parts)
        self._undim()

    def _drawn(self, parts: Sequence[Part]) -> None:
        for part in parts or self.parts:
            part.drawn = part.current = True

    @property
    def outdated(self) -> bool:
        """Whether all that it shows is of earlier settings."""
        drawn = [part for part in self.parts if part.drawn]
        return bool(drawn) and all(part.outdated for part in drawn)

    def outdate(self) -> None:
        """The controls have moved: nothing is current before it is drawn anew. The page hears of it by `settle`."""
        for part in self.parts:
            part.current = False

    def settle(self) -> None:
        """Show what has not been drawn anew as out of date; from any thread, also beside one that draws."""
        with self._showing:
            self._show_dimming()
            self._show_reading()

    def _undim(self) -> None:
        """After drawing; the reading follows when something is said."""
        with self._showing:
            self._show_dimming()

    def _show_dimming(self) -> None:
        (self.widget.add_class if self.outdated else self.widget.remove_class)(OUTDATED)

    def _show_reading(self) -> None:
        if self.outdated:
            self.reading.value = NOTE.format("Out of date: not calculated for these settings.")
            return
        notes = [NOTE.format(f"{part.name} is out of date.") for part in self.parts if part.outdated]
        self.reading.value = " ".join([self._said, *notes])

    @property
    def left_out(self) -> str:
        """The parts that are not in `table()` because they belong to earlier settings; the CSV says so."""
        return ", ".join(part.name for part in self.parts if part.outdated)

    def table(self) -> Iterator[Sequence[Any]]:
        """The numbers in the panel: a row of headings, then rows. Those of a part out of date are left out."""
        raise NotImplementedError

    def to_csv(self) -> str:
        """The numbers in the panel as text; only the headings while all of them are out of date."""
        text = io.StringIO()
        rows = itertools.islice(self.table(), 1) if self.outdated else self.table()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue()


class Plot(Panel):
    """A panel with a figure; a subclass fills `figure`."""

    def __init__(self, name: str):
        self.figure = theme.figure(f"ntkviz-{name}")
        super().__init__(name, self.figure)
        self.widget.add_class("nv-plot")
        self._looks: dict[int, dict[str, Any]] = {}

    @contextmanager
    def drawing(self, *parts: Part) -> Iterator[None]:
        """As in `Panel`; what is drawn goes to the page as one change, which also dims the parts out of date."""
        with self.figure.batch_update():
            yield
            self._drawn(parts)
            self._fade()
        self._undim()

    def _fade(self) -> None:
        """Dim the parts that are out of date beside others that are current, and ignore the pointer on them."""
        if self.outdated:
            return  # the stylesheet dims it all
        for part in self.parts:
            for number in part.traces:
                trace = self.figure.data[number]
                look = self._looks.setdefault(number, {"opacity": trace.opacity, "hoverinfo": trace.hoverinfo})
                faded = {"opacity": FADED * (look["opacity"] or 1), "hoverinfo": "skip"}
                trace.update(faded if part.outdated else look)
