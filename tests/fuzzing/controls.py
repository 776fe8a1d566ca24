"""Sets the controls of every chapter at random: the picture must answer at once, with numbers or in one sentence.

    python -m tests.fuzzing.controls --settings 500 --seed 0 --chapters 09_mlp 13_batchnorm

What fails is printed as a link (`09_mlp#sigma_w=0.5&…`), to be opened on the page.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import jax
import numpy as np

import ntkviz as nv
from ntkviz import app
from ntkviz.app.pages import picture
from ntkviz.app.pages.block_stack import BlockStack
from ntkviz.app.pages.controls import Controls, Slider

from .agreement import is_sentence

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def _picture_code(path: Path) -> str | None:
    cells = json.loads(path.read_text("utf-8"))["cells"]
    code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return next((source for source in code if "app.Picture(" in source), None)


CHAPTERS = [chapter.name for chapter in app.chapters(NOTEBOOKS) if _picture_code(NOTEBOOKS / chapter.file)]


def open_picture(chapter: str) -> app.Picture:
    """The picture of a chapter with its initial settings, without background computations."""
    made: list[app.Picture] = []

    class Kept(app.Picture):
        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **kwargs)
            made.append(self)

    idle = SimpleNamespace(**dict.fromkeys(("run", "cancel", "prepare", "watch"), lambda *args: None))
    with mock.patch.object(app, "Picture", Kept), mock.patch.object(picture, "Background", return_value=idle):
        exec(_picture_code(NOTEBOOKS / f"{chapter}.ipynb"), {"__name__": chapter})
    [found] = made
    return found


def any_settings(controls: Controls, chance: random.Random) -> dict[str, Any]:
    """A value of each control; the ends of sliders, where formulas may divide by zero, are chosen often."""
    values = {}
    for name, control in controls._controls.items():
        if isinstance(control, Slider):
            steps = round((control.high - control.low) / control.widget.step)
            step = chance.choice((0, steps, chance.randint(0, steps)))
            values[name] = type(control.start)(min(control.low + step * control.widget.step, control.high))
        elif isinstance(control, BlockStack):
            values[name] = " ".join(chance.choices(control.kit, k=chance.randint(0, control.most)))
        else:
            values[name] = chance.choice(control.options)
    return values


class Fuzz:
    """One chapter's picture, and the places without numbers at its start: gaps in lines, networks still to come."""

    def __init__(self, chapter: str):
        self.picture = open_picture(chapter)
        self.gaps = set(_no_numbers(self.picture))
        controls = self.picture.controls
        for view in controls.stops("view") if "view" in controls.settings() else ():
            controls.set(view=view)
            self.picture._at_once(controls)
            self.gaps |= set(_no_numbers(self.picture))
        controls.reset()

    def problem(self, settings: dict[str, Any]) -> str | None:
        """What is wrong with the picture's response to settings; `None` if nothing is."""
        self.picture.controls.set(**settings)
        try:
            self.picture._at_once(self.picture.controls)
            for plot in self.picture.panels:
                plot.to_csv()
        except nv.NtkvizError as refusal:
            return None if is_sentence(str(refusal)) else f"not one sentence: {refusal}"
        except Exception:
            return traceback.format_exc()
        wrong = set(_no_numbers(self.picture)) - self.gaps
        return f"not finite: {', '.join(sorted(wrong))}" if wrong else None


def _no_numbers(shown: app.Picture) -> Iterator[str]:
    """The places of a picture with NaN or an infinity, in plots or in the text below them."""
    for plot in shown.panels:
        words = plot.reading.value.lower().replace("−", " ").split()
        if {"nan", "inf"} & {word.strip("<b>/.,;:()%±") for word in words}:
            yield f"{plot.name}: {plot.reading.value}"
        if figure := getattr(plot, "figure", None):
            for number, trace in enumerate(figure.data):
                yield from _places(trace.to_plotly_json(), f"{plot.name}: trace {number}")
            yield from _places(figure.layout.to_plotly_json(), f"{plot.name}: layout")


def _places(value: Any, where: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _places(part, f"{where}.{key}")
    elif isinstance(value, np.ndarray | list | tuple | float):
        try:
            numbers = np.asarray(value, dtype=float)
        except (TypeError, ValueError):  # words, or parts of several kinds
            for part in value if not isinstance(value, float) else ():
                yield from _places(part, where)
        else:
            if not np.all(np.isfinite(numbers)):
                yield where


def main() -> None:
    """Read the command line, then set every chapter's controls that many times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=500, help="of each chapter")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--chapters", nargs="+", choices=CHAPTERS, default=CHAPTERS, metavar="NAME")
    options = parser.parse_args()
    failed = 0
    for chapter in options.chapters:
        started, fuzz, before = time.monotonic(), Fuzz(chapter), failed
        for number in range(options.settings):
            settings = any_settings(fuzz.picture.controls, random.Random(f"{options.seed} {chapter} {number}"))
            if found := fuzz.problem(settings):
                failed += 1
                print(f"{chapter}#{fuzz.picture.controls.to_link()}\n{found}", flush=True)
            if number % 50 == 49:
                jax.clear_caches()  # each depth is code of its own
        took = time.monotonic() - started
        print(f"--- {chapter}: {options.settings} settings, {failed - before} failed, {took:.0f} s", flush=True)
    sys.exit(min(failed, 1))


if __name__ == "__main__":
    main()
