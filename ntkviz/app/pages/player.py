"""A button that moves a control on by itself, one stop after the other, to its end."""

from __future__ import annotations

import asyncio

import ipywidgets as widgets

from ..translation.words import _
from .controls import Controls

BEAT = 0.3  # seconds from one stop to the next


class Player:
    """Plays the control `name`, from its beginning if it is at its end; what else is moved meanwhile stays moved."""

    def __init__(self, controls: Controls, name: str):
        self._controls, self._name = controls, name
        self._timer: asyncio.TimerHandle | None = None
        self.button = widgets.Button(description=_("▶ Play"), tooltip=_("Move this picture on by itself"))
        self.button.on_click(lambda button: self.toggle())

    def toggle(self) -> None:
        """Start, or stop."""
        if self._timer is not None:
            self.stop()
            return
        self.button.description = _("⏸ Pause")
        stops = self._controls.stops(self._name)
        if getattr(self._controls, self._name) == stops[-1]:
            self._controls.move(**{self._name: stops[0]})
        self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)

    def stop(self) -> None:
        """Stay at this stop."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self.button.description = _("▶ Play")

    def _beat(self) -> None:
        stops = self._controls.stops(self._name)
        later = stops[stops.index(getattr(self._controls, self._name)) + 1 :]
        if later:
            self._controls.move(**{self._name: later[0]})
        if len(later) > 1:
            self._timer = asyncio.get_running_loop().call_later(BEAT, self._beat)
        else:
            self.stop()
