"""The handles of plots: what is moved in a picture moves the sliders for which it stands, and follows them.

So a link, Reset and the steps of a chapter treat a handle like its sliders. `static/handles.js` draws them.
"""

from __future__ import annotations

import math
from typing import Any

from ..plots.panel import Handle, Plot
from .controls import Controls


def connect(plot: Plot, controls: Controls) -> None:
    """Let the handles of a plot move the controls."""

    def on_message(figure: Any, message: dict[str, Any], buffers: Any) -> None:
        if "handle" not in message:
            return
        try:
            controls.move(**_moved(plot.handles[message["handle"]], message))
        finally:
            figure.send({"handled": True})  # the page may send the next place

    plot.figure.on_msg(on_message)


def place(plot: Plot, controls: Controls) -> None:
    """Put the handles of a plot where the controls are."""
    plot.figure.handles = [_on_page(handle, controls) for handle in plot.handles]


def _moved(handle: Handle, message: dict[str, Any]) -> dict[str, float]:
    """The sliders for which a handle stands, with the coordinates to which the page has moved it."""
    named = {name: message.get(letter) for letter in "xy" if isinstance(name := getattr(handle, letter), str)}
    return {name: float(at) for name, at in named.items() if isinstance(at, int | float) and math.isfinite(at)}


def _on_page(handle: Handle, controls: Controls) -> dict[str, Any]:
    """What the page needs to draw a handle and to limit its moves."""
    coordinates = {letter: _coordinate(getattr(handle, letter), controls) for letter in "xy"}
    said = [f"{letter} {value['text']}" for letter, value in coordinates.items() if "text" in value]
    text = ", ".join(said) if len(said) > 1 else "".join(said)[2:]
    return {"label": handle.label, "text": text, "axes": list(handle.axes), **coordinates}


def _coordinate(where: str | float, controls: Controls) -> dict[str, Any]:
    if not isinstance(where, str):
        return {"at": where}
    slider = controls.slider(where)
    high = slider.high if slider.end is None else min(slider.high, slider.end(controls))
    text = f"{slider.value:g}".replace("-", "−")
    return {"at": slider.value, "low": slider.low, "high": high, "step": slider.step, "text": text}
