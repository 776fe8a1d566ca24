"""A picture: controls, plots, and the two computations that follow a change, one immediate and one incremental."""

from __future__ import annotations

import contextvars
import functools
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import ipywidgets as widgets

from ...execution.cost import Cost, readable_bytes, readable_seconds
from .. import upstream
from ..plots.panel import Panel, Plot
from ..style.theme import LOW
from ..translation.words import _, joined
from . import handles
from .background import Background, Update, sentence
from .controls import Controls
from .csv_files import csv_file
from .in_browser import Connection, Toolbar
from .player import Player
from .preview import preview
from .views import HIDDEN, View, Views

LATE = 0.1  # seconds that `at_once` may take before the page says that it is still computing
PATIENCE, LARGE = 3, 1e8  # seconds and bytes below which the cost of a computation is not announced


class Picture:
    """Controls above plots; every change of a control starts two computations.

    - `at_once(controls)` runs in the callback of the change and should take milliseconds: the infinite-width side. If
      it takes longer, the page dims the plots meanwhile.
    - `as_it_comes(settings)` is a generator that runs in the background: the finite-width side. It gets the values of
      the controls as they are when it starts, since a reader may move them meanwhile. It yields functions that show its
      results; each is one of the `steps` of the progress bar (a number, or a function of the controls).
    - `estimate(settings)`: the `nv.cost` of each computation of `as_it_comes`, announced after its first step, or
      earlier if that takes long.
    - `prepare`: tasks to do when idle, such as compiling ahead.
    - `layout`: a class of the stylesheet that sets the width of each plot.
    - `below`: panels elsewhere on the page that follow the controls, too.
    - `views`: what to show for each value of the control `view`, instead of all plots side by side.
    - `play`: the name of a control with stops that a button plays.

    The finite-width side continues after its first step only once a page shows the picture. A change cancels the
    previous computation. An `NtkvizError` is shown as its sentence. Plots that have not been drawn for the current
    settings, because their computation is running, was refused or was cancelled, are dimmed and show no numbers
    (`panel.py`). A picture is shown if it is the last expression of a cell.
    """

    def __init__(
        self,
        controls: Controls,
        plots: Sequence[Panel],
        *,
        at_once: Callable[[Controls], object],
        as_it_comes: Callable[[SimpleNamespace], Iterator[Update]] | None = None,
        steps: int | Callable[[Controls], int] = 1,
        estimate: Callable[[SimpleNamespace], Iterable[Cost]] | None = None,
        prepare: Iterable[Update] = (),
        layout: str = "",
        below: Sequence[Panel] = (),
        views: Mapping[Any, View] | None = None,
        play: str = "",
    ):
        self.controls, self._plots, self._below = controls, plots, below
        self._steps = steps if callable(steps) else lambda controls: steps
        self._at_once, self._as_it_comes, self._estimate = at_once, as_it_comes, estimate
        self._background = Background(watched=False)
        self._refused: str | None = None
        self._waits, self._cost = False, ""
        self._answering = threading.Lock()

        self._error = widgets.HTML(layout={"display": "none"})
        self._error.add_class("nv-error")
        self._progress = widgets.IntProgress(max=1)
        self._status = widgets.HTML()
        self._status.add_class("nv-status")
        self._cancel = widgets.Button(description=_("Cancel"), tooltip=_("Stop the computation"))
        self._cancel.on_click(lambda button: self.cancel())
        self._toolbar = Toolbar()
        self._toolbar.on_msg(lambda toolbar, message, buffers: self._on_tool(message))
        figures = widgets.Box([plot.widget for plot in plots])
        figures.add_class("nv-figures")
        self._views = Views(views or {"": View(plots, layout=layout)}, controls, plots, figures)
        for plot in plots:
            if isinstance(plot, Plot):
                handles.connect(plot, controls)
                if plot in self._views.low() and plot.figure.layout.height > LOW:
                    plot.figure.layout.height = LOW
        self.played, self._player = play, Player(controls, play) if play else None
        sampling = [self._progress, self._cancel] if as_it_comes else []
        playing = [self._player.button] if self._player else []
        foot = widgets.HBox([*playing, *sampling, self._status, self._toolbar])
        foot.add_class("nv-foot")
        self.widget = widgets.VBox([controls.widget, self._error, figures, foot, Connection()])
        self.widget.add_class("nv-picture")

        controls.observe(self._move)
        self.refresh()
        self._background.prepare(prepare)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs) | preview(self.widget, self.controls.to_link())

    def without_kernel(self) -> dict[str, Any]:
        """What a page needs to know of its widgets to play the part of the kernel (`static/stored/picture.js`)."""
        plots = [*self._plots, *self._below]
        return {
            "controls": self.controls.without_kernel(),
            "play": self.played,
            "movable": self._movable_by_view(),
            "handles": {
                plot.figure.model_id: [{"x": handle.x, "y": handle.y} for handle in plot.handles]
                for plot in plots
                if isinstance(plot, Plot) and plot.handles
            },
            "clicked": [
                plot.figure.model_id for plot in plots if isinstance(plot, Plot) and upstream.hears_clicks(plot.figure)
            ],
            "panels": [[plot.widget.model_id, plot.reading.model_id] for plot in plots],
            "player": self._player.button.model_id if self._player else None,
            **{name: getattr(self, f"_{name}").model_id for name in ("toolbar", "status", "error")},
            "useless": [self._progress.model_id, self._cancel.model_id],
        }

    @property
    def panels(self) -> list[Panel]:
        """Those that are shown."""
        return [*self._views.shown.panels, *self._below]

    def _movable_by_view(self) -> dict[str, list[str]]:
        """What `movable` is for each value of the control `view`; for "" if there is no such control."""
        settings, found = self.controls.settings(), {}
        for view in self.controls.values("view") if "view" in settings else [""]:
            self.controls.set(**{"view": view} if view else {})
            found[view] = self.movable()
        self.controls.set(**settings)
        return found

    def movable(self) -> list[str]:
        """The controls that a reader can move in the current view, by themselves or by a handle."""
        shown = [name for name in self.controls.settings() if name not in self._views.shown.without]
        handles_shown = [handle for panel in self.panels if isinstance(panel, Plot) for handle in panel.handles]
        by_hand = [name for handle in handles_shown for name in (handle.x, handle.y) if isinstance(name, str)]
        return list(dict.fromkeys([*shown, *by_hand]))

    def _arrange(self) -> None:
        """Show what belongs to the current view, with its handles where the controls are."""
        self._views.show()
        for panel in self.panels:
            if isinstance(panel, Plot) and panel.handles:
                handles.place(panel, self.controls)
        if self._player is not None:
            elsewhere = self.played in self._views.shown.without
            (self._player.button.add_class if elsewhere else self._player.button.remove_class)(HIDDEN)

    def refresh(self) -> None:
        """Compute and draw for the current controls."""
        if not self._answer() or self._as_it_comes is None:
            return
        self._progress.max, self._progress.value = self._steps(self.controls) + (self._estimate is not None), 0
        self._waits, self._cost = False, ""
        self._announce_work()
        self._cancel.disabled = False
        settings = SimpleNamespace(**self.controls.settings())
        calculation = functools.partial(self._calculation, settings)
        forecast = functools.partial(self._forecast, settings) if self._estimate else None
        self._background.run(calculation, self._step, self._finish, self._wait, forecast)

    def complete(self, enough: Callable[[int], bool]) -> int:
        """Compute and draw everything for the current controls before returning, for an edition without kernels.

        - `enough`: called after each step of the finite-width side with their number; after the first for which it is
          true no further one is begun, and the page says so if there are others.

        Returns the number of steps that were begun, so that as many lead to the same picture: the last may be refused.
        """
        self._background.leave_unprepared()
        number = 0
        if not self._answer() or self._as_it_comes is None:
            return number
        try:
            for update in self._as_it_comes(SimpleNamespace(**self.controls.settings())):
                update()
                number += 1
                if enough(number) and number < self._steps(self.controls):
                    self._finish(None, _("Sampling has ended here: further networks take too long."))
                    return number
        except Exception as error:
            self._finish(sentence(error))
            return number + 1
        self._finish(None)
        return number

    def _answer(self) -> bool:
        """Draw what is computed at once; returns whether that was possible."""
        self._background.cancel()
        self._toolbar.state = self.controls.to_link()
        self._arrange()
        for panel in self.panels:
            panel.outdate()
        try:
            with self._saying_if_late():
                self._at_once(self.controls)
        except Exception as error:
            self._finish(sentence(error))
            return False
        finally:
            for panel in self.panels:
                panel.settle()
        self._show_error(self._refused)
        self._refused = None
        self._status.value = ""
        return True

    @contextmanager
    def _saying_if_late(self) -> Iterator[None]:
        """Dim outdated panels if `at_once` is late, from a separate thread, since it keeps the event loop busy.

        If it is in time, no message is sent: its panels are current before they would be dimmed.
        """
        answered = threading.Event()

        def say() -> None:
            with self._answering:
                if not answered.is_set():
                    self._status.value, self._progress.value = _("computing …"), 0
                    for panel in self.panels:
                        panel.settle()

        timer = threading.Timer(LATE, contextvars.copy_context().run, [say])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._answering:
                answered.set()

    def _calculation(self, settings: SimpleNamespace) -> Iterator[Update]:
        """`as_it_comes`, with its cost announced after its first step, when the controls are at rest."""
        assert self._as_it_comes is not None
        steps = self._as_it_comes(settings)
        yield from itertools.islice(steps, 1)
        if self._estimate is not None:
            yield self._forecast(settings)  # this is a step, too
        yield from steps

    def _forecast(self, settings: SimpleNamespace) -> Update:
        """Estimate the cost of `as_it_comes` for its settings; returns the function that announces it."""
        assert self._estimate is not None
        cost = functools.reduce(Cost.then, self._estimate(settings), Cost())

        def say() -> None:
            self._cost = _cost(cost) if cost.total >= PATIENCE or cost.memory >= LARGE else ""
            self._announce_work()

        return say

    def _announce_work(self) -> None:
        """Announce the current computation, and its cost if that is known and large."""
        if self._waits:
            before, then = _("finishing the previous computation …"), _("then {cost}").format(cost=self._cost)
            self._status.value = joined([before, then] if self._cost else [before])
        else:
            self._status.value = f"{_('computing …')} {self._cost}".strip()

    def _move(self) -> None:
        self._background.watch()
        self.refresh()

    def cancel(self) -> None:
        """Stop the finite-width side; panels that it has not redrawn stay out of date."""
        self._background.cancel()
        self._finish(None, _("Stopped; move a control to continue."))

    def _wait(self, waiting: bool) -> None:
        self._waits = waiting
        self._announce_work()

    def _step(self) -> None:
        self._progress.value += 1

    def _finish(self, error: str | None, status: str = "") -> None:
        self._cancel.disabled = True
        self._status.value = status
        if error is not None:
            self._progress.value = 0
            self._show_error(error)
        elif not status:
            self._progress.value = self._progress.max

    def _show_error(self, message: str | None) -> None:
        self._error.value = f'<div role="alert">{_escaped(message)}</div>' if message else ""
        self._error.layout.display = None if message else "none"

    def _on_tool(self, message: dict[str, Any]) -> None:
        self._background.watch()
        if self._player is not None and not message.keys().isdisjoint({"reset", "link"}):
            self._player.stop()
        if "reset" in message:
            self.controls.reset()
            self.refresh()
        elif "link" in message and message["link"] != self.controls.to_link():
            self._refused = self.controls.from_link(message["link"])
            self.refresh()
        elif "csv" in message:
            self._toolbar.send({"files": [csv_file(panel, self.controls, **message["csv"]) for panel in self.panels]})


def _cost(cost: Cost) -> str:
    memory, time = readable_bytes(cost.memory), readable_seconds(cost.total)
    if cost.compiling > cost.seconds:
        return _("about {memory} and {time}, less if done before").format(memory=memory, time=time)
    return _("about {memory} and {time}").format(memory=memory, time=time)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
