"""The rows of a program, with the current one highlighted, and arrows from the lines that it uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from ...calculus.walkthrough import Step
from ..plots.panel import Plot
from ..style import theme
from ..translation.words import _

ROWS = 14  # visible rows
LETTERS = {"given": "∼", "MatMul": "W", "Nonlin": "φ", "Moment": "θ", "output": "f"}
COLOURS = dict(zip(LETTERS, [theme.MUTED, *(theme.SEQUENTIAL[k] for k in (2, 4, 6)), theme.THIRD], strict=True))
ARROW, BADGE, TEXT = 12.0, 15.5, 18.5  # their positions, in hundredths of the width
LONGEST = 55  # characters of a row; the line below the plot has all of them


class ScorePlot(Plot):
    """The listing of a program: a window of rows around the current one, which `show` highlights.

    A letter and a colour show the kind of each line. `on_pick(number)` is called when a row is clicked.
    """

    def __init__(self, on_pick: Callable[[int], object], name: str = "program"):
        super().__init__(name)
        self._steps: Sequence[Step] = ()
        figure = self.figure
        figure.add_bar(x=[], y=[], orientation="h", width=1, showlegend=False)
        figure.data[0].marker.line.width = 0
        figure.data[0].on_click(lambda trace, points, state: [on_pick(k) for k in points.point_inds[:1]])
        figure.add_scatter(x=[], y=[], mode="markers+text", textposition="middle center", hoverinfo="skip")
        figure.data[1].marker.update(symbol="square", size=18)
        figure.data[1].textfont.update(size=13, weight="bold")
        figure.add_scatter(x=[], y=[], mode="text", textposition="middle right", hoverinfo="skip")
        figure.data[2].textfont.update(size=14, family=theme.PALETTE["mono"])
        figure.add_scatter(x=[], y=[], mode="lines", hoverinfo="skip", line={"color": theme.LIMIT, "width": 2})
        figure.add_scatter(x=[], y=[], mode="markers", hoverinfo="skip")
        figure.data[4].marker.update(symbol="triangle-right", size=11, color=theme.LIMIT)
        names = _names()
        key = "   ".join(f"<b>{letter}</b> {names[kind]}" for kind, letter in LETTERS.items())
        hidden = {"visible": False, "fixedrange": True}
        figure.update_layout(
            annotations=[
                theme.heading(_("The program"), xref="paper", x=0),
                theme.heading(key, xref="paper", x=1, xanchor="right", font={"size": 13}),
                {"xref": "x", "x": 99, "xanchor": "right", "showarrow": False, "text": _("backward"), "y": 0},
            ],
            xaxis=hidden | {"range": [0, 100]},
            yaxis=hidden | {"range": [ROWS - 0.5, -0.5]},
            hovermode="closest",
            showlegend=False,
            margin={"l": 0, "r": 0, "t": theme.HEADING, "b": 0},
        )
        figure.layout.annotations[2].font.update(size=13, color=theme.MUTED)
        figure.add_shape(type="line", x0=TEXT - 5, x1=84, y0=0, y1=0, line={"color": theme.MUTED, "width": 1})

    def show(self, steps: Sequence[Step], current: int) -> None:
        """Highlight one line of a program, counted from 0."""
        new, self._steps = steps is not self._steps, steps
        y = np.array([k + step.backward for k, step in enumerate(steps)])  # an empty row before the backward pass
        sources = steps[current].sources
        with self.drawing():
            if new:
                self._write(y)
            shades = [0.3 if k == current else 0.13 if k in sources else 0.0 for k in range(len(steps))]
            self.figure.data[0].marker.color = [theme.translucent(theme.MUTED, shade) for shade in shades]
            self.figure.data[2].text = [_row(step, bold=k == current) for k, step in enumerate(steps)]
            arrows = [_arrow(y[k], y[current]) for k in sources]
            self.figure.data[3].update(
                x=np.concatenate([a[0] for a in arrows] or [np.array([])]),
                y=np.concatenate([a[1] for a in arrows] or [np.array([])]),
            )
            self.figure.data[4].update(x=[ARROW], y=[y[current]])
            top = np.clip(y[current] - ROWS // 2, 0, max(0, y[-1] + 1 - ROWS))
            self.figure.layout.yaxis.range = [top + ROWS - 0.4, top - 0.7]
        step = steps[current]
        where = {"number": current + 1, "count": len(steps), "kind": _names()[step.kind]}
        said = _("Line {number} of {count}, <b>{kind}</b>: <code>{formula}</code>.")
        said = said.format(**where, formula=escape(_formula(step)))
        self.say(f"{said} {_remark(step)}" if len(_formula(step)) < LONGEST else said)

    def _write(self, y: np.ndarray) -> None:
        bars, badges, rows, *_arrows = self.figure.data
        names, kinds = _names(), [step.kind for step in self._steps]
        bars.update(x=np.full(len(y), 100 - ARROW), base=ARROW, y=y)
        bars.hovertemplate = [f"{names[step.kind]}: {escape(_formula(step))}<extra></extra>" for step in self._steps]
        badges.update(x=np.full(len(y), BADGE), y=y, text=[LETTERS[kind] for kind in kinds])
        badges.marker.color = [theme.translucent(COLOURS[kind], 0.4) for kind in kinds]
        rows.update(x=np.full(len(y), TEXT), y=y)
        gap = [k - 1 for k, step in zip(y, self._steps, strict=True) if step.backward]
        for place in (self.figure.layout.annotations[2], self.figure.layout.shapes[0]):
            place.visible = bool(gap)
        if gap:
            self.figure.layout.annotations[2].y = gap[0]
            self.figure.layout.shapes[0].update(y0=gap[0], y1=gap[0])

    def table(self) -> Iterator[Sequence[Any]]:
        yield "line", "name", "kind", "part", "formula", "uses_lines"
        for k, step in enumerate(self._steps):
            part = "backward" if step.backward else "forward"
            uses = " ".join(str(source + 1) for source in step.sources)
            yield k + 1, step.line.name, step.kind, part, step.line.formula_text, uses


def _formula(step: Step) -> str:
    return f"{step.line.name} = {step.line.formula_text}"


def _row(step: Step, bold: bool) -> str:
    text = f"{step.line.name:<5} = {step.line.formula_text}"
    text = escape(text if len(text) <= LONGEST else text[: LONGEST - 1] + "…")
    return f"<b>{text}</b>" if bold else text


def _names() -> dict[str, str]:
    """The kinds of lines as readers see them."""
    names = {"given": _("given"), "MatMul": _("MatMul"), "Nonlin": _("Nonlin"), "Moment": _("Moment")}
    return names | {"output": _("output")}


def _remark(step: Step) -> str:
    if step.kind == "given" and step.backward:
        return _("Backpropagation starts here: ∂f/∂f = 1.")
    what = {
        "given": _("Sampled independently, coordinate by coordinate."),
        "MatMul": _("A random matrix mixes all coordinates of a vector."),
        "Nonlin": _("One function, applied to every coordinate."),
        "Moment": _("An average over the n coordinates: one number."),
        "output": _("The output of the network: one number."),
    }
    return what[step.kind]


def _arrow(source: float, target: float) -> tuple[np.ndarray, np.ndarray]:
    """A curve to the left from one row to another, with a gap after it."""
    t = np.linspace(0, 1, 25)
    reach = min(2 * ARROW, 4 + 2 * abs(target - source))
    x = ARROW - 2 * t * (1 - t) * reach
    return np.append(x, np.nan), np.append(source + t * (target - source), np.nan)
