"""The views of a picture: which of its plots and controls it shows, by the value of its control `view`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from ..plots.panel import Panel
from .controls import Controls

HIDDEN = "nv-hidden"  # the class of what the stylesheet does not show
LOW_PLOTS = "nv-low"
ROW = 6  # controls per row on a laptop; with two rows, plots are lower so that the foot stays in view


@dataclass(frozen=True)
class View:
    """One view.

    - `panels`: the plots that it shows, of those of the picture.
    - `without`: the names of the controls that have nothing to do with it, or that are moved by handles alone.
    - `layout`: a class of the stylesheet that sets the width of each plot.
    """

    panels: Sequence[Panel]
    without: Sequence[str] = ()
    layout: str = ""


class Views:
    """The views of a picture by the value of the control `view`; without that control there is one, of everything."""

    def __init__(self, views: Mapping[Any, View], controls: Controls, plots: Sequence[Panel], figures: widgets.Box):
        self._views, self._controls, self._plots, self._figures = views, controls, plots, figures

    @property
    def shown(self) -> View:
        """The view for the current value of the control."""
        return self._views[self._controls.view if len(self._views) > 1 else next(iter(self._views))]

    def is_low(self, view: View) -> bool:
        """Whether its controls fill two rows."""
        return len(self._controls.settings()) - len(view.without) > ROW

    def low(self) -> set[Panel]:
        """The panels that some view shows under two rows of controls."""
        return {panel for view in self._views.values() if self.is_low(view) for panel in view.panels}

    def show(self) -> None:
        """Show the plots and controls of the current view, and no others."""
        view = self.shown
        for plot in self._plots:
            _switch(plot.widget, HIDDEN, plot not in view.panels)
        for name, widget in self._controls.each_widget().items():
            _switch(widget, HIDDEN, name in view.without)
        for other in self._views.values():
            if other.layout and other.layout != view.layout:
                self._figures.remove_class(other.layout)
        if view.layout:
            self._figures.add_class(view.layout)
        _switch(self._figures, LOW_PLOTS, self.is_low(view))


def _switch(widget: widgets.DOMWidget, name: str, on: bool) -> None:
    (widget.add_class if on else widget.remove_class)(name)
