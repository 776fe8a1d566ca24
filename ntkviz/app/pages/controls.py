"""Controls: labelled sliders and choices whose state fits into a link."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode

import ipywidgets as widgets

from ...errors import HyperparameterError


class Control(Protocol):
    """What `Controls` asks of one control: a widget, its start, its value, and what a link's text stands for."""

    widget: widgets.Widget
    start: Any
    value: Any

    def parse(self, text: str) -> Any:
        """The value a link's text stands for; raises `HyperparameterError` with one sentence if there is none."""


DIGITS = 10  # decimals kept of a slider's value, which drops the rounding errors of binary sums


class Slider:
    """A number between two ends. `<i>` in a label is an index: `"σ<i>w</i>"`.

    It stands on one of its steps: a value between two of them, from a link or a click on a map, moves to the nearest,
    so that what the page calculates is what its read-out says.

    `end(controls)`, where given, is the upper end for the other controls as they are, at most `high`.
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
        self.start, self.low, self.high, self.end = start, low, high, end
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
        """Where it stands. Browsers add steps in binary and report 0.9000000000000001 where they mean 0.9."""
        return self._nearest(self.widget.value)

    @value.setter
    def value(self, value: float) -> None:
        self.widget.value = self._nearest(value)

    def _nearest(self, value: float) -> float:
        steps = round((value - self.low) / self.widget.step)
        return min(round(self.low + steps * self.widget.step, DIGITS), self.high)

    def parse(self, text: str) -> float:
        kind, name = (int, "a whole number") if self.whole else (float, "a number")
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not self.low <= value <= self.high:
            raise HyperparameterError(
                f"it is {shortened(text)!r}, but must be {name} between {self.low} and {self.high}"
            )
        return self._nearest(value)


class _Selection:
    """One of several values: `Choice` and `Steps` bring the widget."""

    widget: widgets.Dropdown | widgets.SelectionSlider
    options: list[Any]

    @property
    def value(self) -> Any:
        """What is selected."""
        return self.widget.value

    @value.setter
    def value(self, value: Any) -> None:
        self.widget.value = value

    def parse(self, text: str) -> Any:
        for option in self.options:
            if str(option) == text:
                return option
        raise HyperparameterError(f"it is {shortened(text)!r}, but must be one of {', '.join(map(str, self.options))}")


class Choice(_Selection):
    """One of several values, shown in a drop-down list."""

    def __init__(self, label: str, options: Sequence[Any], start: Any, hint: str = ""):
        self.start, self.options = start, list(options)
        self.widget = widgets.Dropdown(
            options=self.options, value=start, description=label, tooltip=hint, description_allow_html=True
        )
        self.widget.add_class("nv-control")


class Steps(_Selection):
    """One of several numbers in order, on a slider: widths that double, say."""

    def __init__(self, label: str, options: Sequence[int], start: int, hint: str = ""):
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


SHOWN = 5  # refusals of one link; a reader needs no more to see what is wrong with it


def shortened(text: str) -> str:
    """What a stranger wrote, short enough to stand in a sentence."""
    return text if len(text) <= 40 else f"{text[:40]}…"


class Controls:
    """The controls of a picture by name; `controls.depth` is the value of the one called `depth`.

    ```python
    controls = Controls(depth=Slider("depth", 1, 10, start=3), phi=Choice("nonlinearity", ["relu", "erf"], "relu"))
    ```
    """

    def __init__(self, **controls: Control):
        self._controls = controls
        self._ends = [(c, c.end) for c in controls.values() if isinstance(c, Slider) and c.end]
        self._quiet = False
        self.widget = widgets.Box([control.widget for control in controls.values()])
        self.widget.add_class("nv-controls")
        self.set()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._controls:
            raise AttributeError(name)
        return self._controls[name].value

    def observe(self, changed: Callable[[], None]) -> None:
        """Call `changed` after every move of a control. Browsers that report 0.7000000000000001 move none."""

        def on_change(change: Any) -> None:
            if not self._quiet:
                before = self._stand
                self.set()
                if self._stand != before:
                    changed()

        for control in self._controls.values():
            control.widget.observe(on_change, names="value")

    def move(self, **values: Any) -> None:
        """Move controls as a hand would: observers are told."""
        for name, value in values.items():
            self._controls[name].value = value

    def set(self, **values: Any) -> None:
        """Set several controls as one move (observers are not told); a value beyond its slider's end moves to it."""
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
        self._stand = tuple(control.value for control in self._controls.values())

    def reset(self) -> None:
        """Back to the chapter's start (observers are not told)."""
        self.set(**{name: control.start for name, control in self._controls.items()})

    def settings(self) -> dict[str, Any]:
        """The values of all controls by name."""
        return {name: control.value for name, control in self._controls.items()}

    def moved(self) -> dict[str, Any]:
        """The values of those controls that are not at their start."""
        return {name: value for name, value in self.settings().items() if value != self._controls[name].start}

    def to_link(self) -> str:
        """The state as the part of a link behind `#`: `depth=3&phi=relu`."""
        return urlencode(self.settings())

    def from_link(self, text: str) -> str | None:
        """Take the state from a link and return what was refused, if anything.

        A control that the link leaves out, or gives an invalid value, returns to its start.
        """
        values = {name: control.start for name, control in self._controls.items()}
        refused = []
        for name, given in parse_qsl(text, keep_blank_values=True):
            if name not in self._controls:
                refused.append(f"{shortened(name)!r} is not a control of this page")
                continue
            try:
                values[name] = self._controls[name].parse(given)
            except HyperparameterError as error:
                refused.append(f"{name}: {error}")
        self.set(**values)
        if not refused:
            return None
        more = [] if len(refused) <= SHOWN else [f"and {len(refused) - SHOWN} more"]
        return (
            "Some settings in the link were invalid and were reset to the page's start: "
            f"{'; '.join(refused[:SHOWN] + more)}."
        )
