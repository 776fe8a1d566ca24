"""The panels of a picture, which track whether they show the current settings of the controls.

A change of a control makes everything out of date. Parts that a panel then draws inside `drawing` are current. Parts
that are not redrawn (yet, or because the computation was refused or cancelled) still show earlier settings. They are
dimmed, show no number, are reported as out of date, and are left out of the CSV.
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
from ..translation.words import _, joined

OUTDATED = "nv-outdated"  # the class of a panel that the stylesheet dims
FADED = 0.25  # the opacity of an outdated part beside current ones
NOTE = '<span class="nv-note">{}</span>'  # the stylesheet delays its appearance; most are gone by then


@dataclass(eq=False)
class Part:
    """A part of a panel that is drawn separately.

    - `name`: its name in “… is out of date”.
    - `traces`: the numbers of its traces.
    - `drawn`: whether it shows anything yet; `current`: whether that is for the current settings.
    """

    name: str
    traces: Sequence[int] = ()
    drawn: bool = False
    current: bool = False

    @property
    def outdated(self) -> bool:
        """Whether it still shows results of earlier settings."""
        return self.drawn and not self.current


class Panel:
    """One panel of a picture: its content, the line of text below it, and its numbers.

    `name` is used for its files. A subclass provides `content` and `table()`, and draws inside `drawing`, after which
    it calls `say`. If it draws parts at different times, it lists them in `parts`.
    """

    def __init__(self, name: str, content: widgets.Widget):
        self.name = name
        self.reading = widgets.HTML()
        self.reading.add_class("nv-reading")
        self.widget = widgets.VBox([content, self.reading])
        self.parts: Sequence[Part] = [Part(_("This plot"))]
        self._said = ""
        self._showing = threading.Lock()

    def say(self, html: str) -> None:
        """Set the line of text below; it must contain no numbers of parts that are out of date."""
        with self._showing:
            self._said = html
            self._show_reading()

    @contextmanager
    def drawing(self, *parts: Part) -> Iterator[None]:
        """Marks what is drawn in this block, `parts` or the whole panel, as current."""
        yield
        self._drawn(parts)
        self._undim()

    def _drawn(self, parts: Sequence[Part]) -> None:
        for part in parts or self.parts:
            part.drawn = part.current = True

    @property
    def outdated(self) -> bool:
        """Whether everything that the panel shows belongs to earlier settings."""
        drawn = [part for part in self.parts if part.drawn]
        return bool(drawn) and all(part.outdated for part in drawn)

    def outdate(self) -> None:
        """The controls have changed: nothing is current until it is redrawn. `settle` shows that on the page."""
        for part in self.parts:
            part.current = False

    def settle(self) -> None:
        """Show parts that have not been redrawn as out of date; may be called from any thread."""
        with self._showing:
            self._show_dimming()
            self._show_reading()

    def _undim(self) -> None:
        """Undim after drawing; the line of text follows with the next `say`."""
        with self._showing:
            self._show_dimming()

    def _show_dimming(self) -> None:
        (self.widget.add_class if self.outdated else self.widget.remove_class)(OUTDATED)

    def _show_reading(self) -> None:
        if self.outdated:
            self.reading.value = NOTE.format(_("Out of date: not computed for these settings."))
            return
        notes = [
            NOTE.format(_("{part} is out of date.").format(part=part.name)) for part in self.parts if part.outdated
        ]
        self.reading.value = joined([self._said, *notes])

    @property
    def left_out(self) -> str:
        """The parts that are left out of `table()` because they are out of date; the CSV lists them."""
        return ", ".join(part.name for part in self.parts if part.outdated)

    def table(self) -> Iterator[Sequence[Any]]:
        """The numbers of the panel: a row of headings, then rows, without those of parts that are out of date."""
        raise NotImplementedError

    def to_csv(self) -> str:
        """The numbers of the panel as text; only the headings if all of them are out of date."""
        text = io.StringIO()
        rows = itertools.islice(self.table(), 1) if self.outdated else self.table()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue()


@dataclass(frozen=True)
class Handle:
    """A thing in a plot that stands for sliders: a reader moves it by mouse, finger or arrow keys, and so the sliders.

    - `label`: its name, for screen readers.
    - `x`, `y`: each the name of a slider among the controls, whose value is that coordinate, or a fixed coordinate.
    - `axes`: the axes of the plot in which these are.
    """

    label: str
    x: str | float
    y: str | float
    axes: tuple[str, str] = ("x", "y")


class Plot(Panel):
    """A panel with a figure; a subclass fills `figure`, and lists what can be moved by hand in `handles`."""

    handles: Sequence[Handle] = ()

    def __init__(self, name: str):
        self.figure = theme.figure(f"ntkviz-{name}")
        super().__init__(name, self.figure)
        self.widget.add_class("nv-plot")
        self._looks: dict[int, dict[str, Any]] = {}  # of the traces that are faded, before that

    @contextmanager
    def drawing(self, *parts: Part) -> Iterator[None]:
        """As in `Panel`; all changes are sent to the page as one update, which also dims parts that are out of date."""
        with self.figure.batch_update():
            yield
            self._drawn(parts)
            self._fade()
        self._undim()

    def _fade(self) -> None:
        """Dim outdated parts beside current ones, and ignore the pointer on them."""
        if self.outdated:
            return  # the stylesheet dims the whole panel
        for part in self.parts:
            for number in part.traces:
                if part.outdated == (number in self._looks):
                    continue  # plotly takes a millisecond to find that nothing changes
                trace = self.figure.data[number]
                if part.outdated:
                    self._looks[number] = {"opacity": trace.opacity, "hoverinfo": trace.hoverinfo}
                    trace.update(opacity=FADED * (trace.opacity or 1), hoverinfo="skip")
                else:
                    trace.update(self._looks.pop(number))
