"""What a kernel knows of a chapter, written down so that its page needs none: run in that kernel, after the notebook.

For each setting of the picture's grid it stores the widgets that differ from the initial ones, with the finite-width
side complete. Numbers of plots are rounded to `DIGITS` digits.
"""

from __future__ import annotations

import functools
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import upstream
from ..exercises.derivation import Derivation
from ..exercises.quiz import Quiz
from ..exercises.task import Task
from ..pages.picture import Picture
from ..style.theme import Figure
from .grid import Settings, arms, in_fair_shares, named

ON_STEPS, ON_OTHERS = 15.0, 5.0
"""Seconds of a processor after which no further network is sampled, for the settings of steps and for others."""

DIGITS = 6  # of the numbers in plots, significant ones


Chosen = Sequence[tuple[Sequence[Any], int]]
"""Settings of a picture, each as the values of its controls in their order, and its number of sampling steps."""


def record(
    shown: Iterable[object],
    steps: Sequence[str],
    links: Sequence[str],
    file: Path | str,
    seconds: float,
    chosen: Sequence[Chosen] = (),
) -> None:
    """Write the record of a chapter as JSON.

    - `shown`: what its cells have displayed.
    - `steps`: the settings of its steps, as in links; `links`: those that its text names.
    - `seconds`: of a processor, to be spent on settings around these.
    - `chosen`: the settings to be stored of each picture instead, however long their steps take.
    """
    displayed, start, pictures = list(shown), _states(), []
    for number, picture in enumerate(one for one in displayed if isinstance(one, Picture)):
        around = chosen[number] if chosen else None
        known, start = _picture(picture, steps, links, seconds, around)
        pictures.append(known)
    exercises = [one.without_kernel() for one in displayed if isinstance(one, Quiz | Task | Derivation)]
    recorded = {
        "models": {name: _model(state) for name, state in start.items()},
        "pictures": pictures,
        "exercises": exercises,
        "modules": sorted(_own_modules()),
        "seconds": time.process_time(),
    }
    Path(file).write_text(
        json.dumps(recorded, ensure_ascii=False, allow_nan=False, separators=(",", ":")), encoding="utf-8"
    )


def _own_modules() -> set[str]:
    return {str(module.__file__) for name, module in sys.modules.items() if name.partition(".")[0] == "ntkviz"}


def _picture(
    picture: Picture, steps: Sequence[str], links: Sequence[str], seconds: float, chosen: Chosen | None
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What is stored of a picture, and the states of all widgets where the chapter starts."""
    centres, others = named(picture.controls, steps), named(picture.controls, links)
    known = {tuple(values): sampled for values, sampled in chosen or ()}
    around: Iterable[Settings]
    if chosen is None:
        around = in_fair_shares(arms(picture, centres), seconds)
    else:
        around = (dict(zip(picture.controls.settings(), values, strict=True)) for values in known)
    written = [*((one, ON_STEPS) for one in centres), *((one, ON_OTHERS) for one in others)]
    states: dict[tuple[Any, ...], dict[str, Any]] = {}
    sampled: dict[tuple[Any, ...], int] = {}
    for settings, most in itertools.chain(written, ((one, ON_OTHERS) for one in around)):
        values = tuple(settings.values())
        if values not in states:
            picture.controls.set(**settings)
            sampled[values] = picture.complete(_as_many(known[values]) if values in known else _within(most))
            states[values] = _states()
    start, *_ = states.values()
    return picture.without_kernel() | {
        "settings": [list(settings) for settings in states],
        "sampled": list(sampled.values()),
        "states": [_changes(start, state) for state in states.values()],
    }, start


def _within(seconds: float) -> Callable[[int], bool]:
    """As many steps as begin within so many seconds of a processor."""
    until = time.process_time() + seconds
    return lambda number: time.process_time() > until


def _as_many(steps: int) -> Callable[[int], bool]:
    return lambda number: number >= steps


def _states() -> dict[str, dict[str, Any]]:
    return {name: _state(widget) for name, widget in upstream.live_widgets().items()}


def _changes(start: dict[str, Any], state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By widget, the traits that differ from those at the start."""
    differ = {
        name: {trait: value for trait, value in traits.items() if value != start[name].get(trait)}
        for name, traits in state.items()
        if name in start
    }
    return {name: traits for name, traits in differ.items() if traits}


def _model(state: dict[str, Any]) -> dict[str, Any]:
    named_here = {name: state[f"_{name}"] for name in ("model_name", "model_module", "model_module_version")}
    return named_here | {"state": state}


def _state(widget: Any) -> dict[str, Any]:
    is_figure = isinstance(widget, Figure)
    return {name: plain(value, is_figure) for name, value in widget.get_state().items() if not name.startswith(EDITS)}


EDITS = "_py2js_", "_js2py_", "_last_"  # what plotly's figures and their pages tell each other


def plain(value: Any, rounded: bool) -> Any:
    """The value of a trait as JSON; plotly's arrays become lists, and what is not finite null."""
    if isinstance(value, dict):
        if "buffer" in value and "dtype" in value:
            return _listed(bytes(value["buffer"]), value["dtype"], tuple(value["shape"]))
        return {str(name): plain(part, rounded) for name, part in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(part, rounded) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return number(value) if rounded else value
    return value


@functools.lru_cache(maxsize=4096)
def _listed(contents: bytes, dtype: str, shape: tuple[int, ...]) -> Any:
    """An array of a plot; most are the same under many settings."""
    return plain(np.frombuffer(contents, dtype).reshape(shape), rounded=True)


def number(value: float) -> float | int | None:
    """A number with the digits that are stored; whole ones without a point."""
    if not np.isfinite(value):
        return None
    kept = float(f"{value:.{DIGITS}g}")
    return int(kept) if kept == int(kept) and abs(kept) < 1e15 else kept
