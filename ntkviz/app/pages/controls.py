"""Controls: labelled sliders and drop-down lists whose state can be stored in a link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

import ipywidgets as widgets

from ...errors import HyperparameterError
from ..translation.words import _, clauses, listed


class Control(Protocol):
    """The interface of a control: its widget, its initial and its current value, and the parsing of a link's text."""

    widget: widgets.Widget
    start: Any
    value: Any

    def parse(self, text: str) -> Any:
        """The value that a link's text stands for; raises `HyperparameterError` with one sentence if it is invalid."""

    def without_kernel(self) -> dict[str, Any]:
        """What a page needs to know of it to play the part of the kernel (`static/stored/picture.js`)."""


DIGITS = 10  # decimals to which a slider's value is rounded, which removes binary rounding errors


class Slider:
    """A number in an interval. `<i>` in a label is a subscript: `"σ<i>w</i>"`.

    Values are rounded to the nearest step, including those from a link or from a click on a map, so that the page
    computes with the value that it displays.

    `end(controls)`, if given, is the upper end for the current values of the other controls, at most `high`.
    """

    def __init__(
        self,
        label: str,
        low: float,
        high: float,
        start: float,
        step: float = 1,
        hint: str = "",
        end: Callable[[Controls], float] | None = None,
    ):
        self.start, self.low, self.high, self.step, self.end = start, low, high, step, end
        self.whole = all(isinstance(number, int) for number in (low, high, start, step))
        kind = widgets.IntSlider if self.whole else widgets.FloatSlider
        self.widget = kind(
            value=start,
            min=low,
            max=high,
            step=step,
            description=label,
            tooltip=hint,
            description_allow_html=True,
            continuous_update=True,
        )
        self.widget.add_class("nv-control")

    @property
    def value(self) -> float:
        """Its value. Browsers add steps in binary and report 0.9000000000000001 where they mean 0.9."""
        return self._nearest(self.widget.value)

    @value.setter
    def value(self, value: float) -> None:
        self.widget.value = self._nearest(value)

    def _nearest(self, value: float) -> float:
        steps = round((value - self.low) / self.step)
        return min(round(self.low + steps * self.step, DIGITS), self.high)

    def parse(self, text: str) -> float:
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            value = None
        if value is None or not self.low <= value <= self.high:
            if self.whole:
                said = _("it is {text!r}, but must be a whole number between {low} and {high}")
            else:
                said = _("it is {text!r}, but must be a number between {low} and {high}")
            raise HyperparameterError(said.format(text=shortened(text), low=self.low, high=self.high))
        return self._nearest(value)

    def without_kernel(self) -> dict[str, Any]:
        bounds = {name: getattr(self, name) for name in ("low", "high", "step", "whole")}
        return {"kind": "slider", "widget": self.widget.model_id, "start": self.start} | bounds


class _Selection:
    """One of several values; `Choice` and `Stops` add the widget."""

    widget: widgets.Dropdown | widgets.SelectionSlider
    start: Any
    options: list[Any]

    @property
    def value(self) -> Any:
        """The selected value."""
        return self.widget.value

    @value.setter
    def value(self, value: Any) -> None:
        self.widget.value = value

    def parse(self, text: str) -> Any:
        for option in self.options:
            if str(option) == text:
                return option
        said = _("it is {text!r}, but must be one of {options}")
        raise HyperparameterError(said.format(text=shortened(text), options=listed(map(str, self.options))))

    def without_kernel(self) -> dict[str, Any]:
        texts = [str(option) for option in self.options]
        named = {"widget": self.widget.model_id, "start": self.start, "options": self.options, "texts": texts}
        return {"kind": "choice"} | named


class Choice(_Selection):
    """One of several values, shown in a drop-down list, where words are in the reader's language."""

    def __init__(self, label: str, options: Sequence[Any], start: Any, hint: str = ""):
        self.start, self.options = start, list(options)
        self.widget = widgets.Dropdown(
            options=[(_(str(option)), option) for option in options],
            value=start,
            description=label,
            tooltip=hint,
            description_allow_html=True,
        )
        self.widget.add_class("nv-control")


class Stops(_Selection):
    """One of several numbers in order, on a slider: widths that double, say."""

    def __init__(self, label: str, options: Sequence[float], start: float, hint: str = ""):
        self.start, self.options = start, list(options)
        self.widget = widgets.SelectionSlider(
            options=[(f"{option:,}", option) for option in options],
            value=start,
            description=label,
            tooltip=hint,
            description_allow_html=True,
            continuous_update=True,
        )
        self.widget.add_class("nv-control")


SHOWN = 5  # invalid settings of one link that are listed, enough to see what is wrong with it


def shortened(text: str) -> str:
    """Untrusted text, short enough to quote in a sentence."""
    return text if len(text) <= 40 else f"{text[:40]}…"


class Controls:
    """The controls of a picture by name; `controls.depth` is the value of the control named `depth`.

    ```python
    controls = Controls(depth=Slider("depth", 1, 10, start=3), phi=Choice("nonlinearity", ["relu", "erf"], "relu"))
    ```
    """

    def __init__(self, **controls: Control):
        self._controls = controls
        self._ends = [(c, c.end) for c in controls.values() if isinstance(c, Slider) and c.end]
        self._quiet = False
        self._observers: list[Callable[[], None]] = []
        self.widget = widgets.Box([control.widget for control in controls.values()])
        self.widget.add_class("nv-controls")
        self.set()

    def __getattr__(self, name: str) -> float | str:
        if name.startswith("_") or name not in self._controls:
            raise AttributeError(name)
        value: float | str = self._controls[name].value
        return value

    def observe(self, changed: Callable[[], None]) -> None:
        """Call `changed` after every change of a control; 0.7000000000000001 instead of 0.7 does not count as one."""

        def on_change(change: Any) -> None:
            if not self._quiet:
                self.move()

        self._observers.append(changed)
        if len(self._observers) == 1:
            for control in self._controls.values():
                control.widget.observe(on_change, names="value")

    def move(self, **values: Any) -> None:
        """Set controls as if a reader had moved them: observers are notified, once for all of them."""
        before = self._values
        self.set(**values)
        if self._values != before:
            for changed in self._observers:
                changed()

    def each_widget(self) -> dict[str, widgets.DOMWidget]:
        """The widget of each control."""
        return {name: control.widget for name, control in self._controls.items()}

    def stops(self, name: str) -> list[Any]:
        """All values of a list, or of a slider with stops, in order.

        Raises:
            KeyError: No control of this name has stops.
        """
        options = getattr(self._controls.get(name), "options", None)
        if options is None:
            raise KeyError(f"There is no control named {name!r} with stops.")
        return list(options)

    def values(self, name: str) -> list[Any]:
        """All values that a control can have, in order; of a stack of blocks, which has too many, its start alone."""
        control = self._controls[name]
        if not isinstance(control, Slider):
            return list(getattr(control, "options", [control.start]))
        steps = round((control.high - control.low) / control.step)
        return [round(control.low + k * control.step, DIGITS) for k in range(steps + 1)]

    def slider(self, name: str) -> Slider:
        """The slider of this name.

        Raises:
            KeyError: No control of this name is a slider.
        """
        found = self._controls.get(name)
        if not isinstance(found, Slider):
            raise KeyError(f"There is no slider named {name!r} among the controls.")
        return found

    def set(self, **values: Any) -> None:
        """Set several controls at once without notifying observers; values beyond a slider's end are clipped."""
        self._quiet = True
        try:
            if values:
                for slider, _ in self._ends:
                    slider.widget.max = slider.high
            for name, value in values.items():
                self._controls[name].value = value
            for slider, end in self._ends:
                slider.widget.max = end(self)
        finally:
            self._quiet = False
        self._values = tuple(control.value for control in self._controls.values())

    def reset(self) -> None:
        """Restore the chapter's initial values without notifying observers."""
        self.set(**{name: control.start for name, control in self._controls.items()})

    def settings(self) -> dict[str, Any]:
        """The values of all controls by name."""
        return {name: control.value for name, control in self._controls.items()}

    def moved(self) -> dict[str, Any]:
        """The values of the controls that differ from their initial values."""
        return {name: value for name, value in self.settings().items() if value != self._controls[name].start}

    def without_kernel(self) -> dict[str, dict[str, Any]]:
        """What a page needs to know of each to play the part of the kernel."""
        return {name: control.without_kernel() for name, control in self._controls.items()}

    def to_link(self) -> str:
        """The state as the fragment of a link: `depth=3&phi=relu`."""
        return urlencode(self.settings())

    def from_link(self, text: str) -> str | None:
        """Take the state from a link; returns a sentence about invalid settings, if there are any.

        Controls that the link omits, or for which it gives an invalid value, are reset to their initial values.
        """
        values = {name: control.start for name, control in self._controls.items()}
        refused = []
        for name, given in parse_qsl(text, keep_blank_values=True):
            if name not in self._controls:
                refused.append(_("{name!r} is not a control of this page").format(name=shortened(name)))
                continue
            try:
                values[name] = self._controls[name].parse(given)
            except HyperparameterError as error:
                refused.append(f"{name}: {error}")
        self.set(**values)
        if not refused:
            return None
        more = [] if len(refused) <= SHOWN else [_("and {count} more").format(count=len(refused) - SHOWN)]
        said = _("Some settings in the link were invalid and were reset to their initial values: {refused}.")
        return said.format(refused=clauses(refused[:SHOWN] + more))
