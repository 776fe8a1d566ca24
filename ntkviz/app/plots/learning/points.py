"""Points in the plane: the function of a network that learns them, and the errors that the kernel says go first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ...style import theme
from ...style.wording import figures, signed
from ...translation.words import _, counted
from ..panel import Handle, Part, Plot

REACH = 2.6  # of the axis of outputs; targets are at most 2 from zero
GAP = 0.42  # how far an eigenvector's largest entry reaches into its row
LEARNED = 0.1  # the part of the largest error below which one counts as learned


class FitPlot(Plot):
    """The function of one network in training, what the kernel predicts for it, and the points to learn, as handles.

    - `grid`: `(inputs,)`, where the functions are drawn.
    - `points`: the names of the two sliders of each point.
    """

    def __init__(self, grid: np.ndarray, points: Sequence[tuple[str, str]], name: str = "fit"):
        super().__init__(name)
        self.handles = [Handle(_("point {k}").format(k=k + 1), x, y) for k, (x, y) in enumerate(points)]
        self._grid = np.asarray(grid, dtype=float)
        self._step, self._width, self._lines = 0, 0, dict[str, np.ndarray]()
        figure = self.figure
        lines = (_("the kernel’s prediction"), theme.LIMIT, 5), (_("the network"), theme.FINITE, 2.5)
        for label, colour, width in lines:
            figure.add_scatter(x=self._grid, y=[], mode="lines", name=label, line={"color": colour, "width": width})
            figure.data[-1].hovertemplate = "%{x:.2f}: %{y:.2f}<extra>%{fullData.name}</extra>"
        figure.add_scatter(x=[], y=[], mode="markers", name=_("points to learn"), hoverinfo="skip")
        figure.data[2].update(marker={"size": 11, "color": theme.INK}, showlegend=False)
        self._predicted, self._trained = self.parts = [
            Part(_("The prediction"), [0, 2]),
            Part(_("The network"), [1]),
        ]
        figure.update_layout(
            annotations=[theme.heading("", xref="paper", x=0)],
            xaxis={"title": _("input"), "range": [self._grid[0], self._grid[-1]], "fixedrange": True, "nticks": 6},
            yaxis={"title": _("output f"), "range": [-REACH, REACH], "fixedrange": True},
            legend=theme.legend(orientation="h", x=1, xanchor="right", yanchor="bottom"),
            margin={"l": 62, "r": 10, "t": theme.HEADING, "b": 48},
        )
        figure.layout.yaxis.tickvals = [-2, -1, 0, 1, 2]

    def restart(self, x: Sequence[float], y: Sequence[float], predicted: np.ndarray, step: int, width: int) -> None:
        """Draw the points, and the function predicted after `step` steps for a network of this width."""
        self._step, self._width, self._lines = step, width, {"predicted": np.asarray(predicted, dtype=float)}
        self.outdate()
        with self.drawing(self._predicted):
            self.figure.data[0].y = self._lines["predicted"]
            self.figure.data[2].update(x=x, y=y)
            self.figure.layout.annotations[0].text = counted("After {step} step", "After {step} steps", step).format(
                step=step
            )
        self.say(_("The prediction uses this network’s outputs before training, and the kernel of infinite width."))

    def add(self, trained: np.ndarray) -> None:
        """Draw the function of the trained network after these steps."""
        self._lines["network"] = np.asarray(trained, dtype=float)
        finite = np.isfinite(self._lines["network"])
        with self.drawing(self._trained):
            self.figure.data[1].y = np.where(finite, self._lines["network"], np.nan)
        apart = np.sqrt(np.mean((self._lines["network"] - self._lines["predicted"]) ** 2))
        if finite.all():
            said = _(
                "This network of width {width} and its prediction are <b>{apart}</b> apart (r.m.s. along the axis)."
            )
        else:
            said = _("This network of width {width} and its prediction are <b>far</b> apart: it diverged.")
        self.say(said.format(width=f"{self._width:,}", apart=signed(apart)))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "input", *self._lines
        for row in zip(self._grid, *self._lines.values(), strict=True):
            yield tuple(map(float, row))


class ModesPlot(Plot):
    """The eigenvectors of the kernel between the points, the largest eigenvalue on top, and what is left of the error.

    Each row has the entries of one eigenvector over the points, and a bar: the part of the error in that direction that
    the kernel says is left, relative to the largest at the start. A dot is what is left in the network.

    - `count`: how many points there are.
    """

    def __init__(self, count: int, name: str = "eigenvectors"):
        super().__init__(name)
        self._rates, self._left, self._lines = np.ones(count), np.zeros(count), dict[str, np.ndarray]()
        self._count, self._directions = count, np.eye(count)
        figure, rows = self.figure, np.arange(count)
        for row in rows:
            figure.add_hline(y=-row, line={"color": theme.RULE, "width": 1.5}, layer="below")
            figure.add_scatter(x=[], y=[], mode="lines+markers", hoverinfo="skip", showlegend=False)
            figure.data[-1].update(line={"color": theme.MUTED, "width": 1.5}, marker={"color": theme.INK, "size": 7})
        figure.add_bar(x=np.zeros(count), y=-rows, orientation="h", name=_("the kernel’s prediction"), xaxis="x2")
        figure.data[-1].update(width=0.5, marker_color=theme.LIMIT)
        figure.data[-1].hovertemplate = _("%{x:.0%}<extra>predicted</extra>")
        figure.add_scatter(x=np.full(count, np.nan), y=-rows, mode="markers", name=_("the network"), xaxis="x2")
        figure.data[-1].marker.update(color=theme.FINITE, size=11)
        figure.data[-1].hovertemplate = "%{x:.0%}<extra>%{fullData.name}</extra>"
        traces = range(count)
        self._predicted, self._trained = self.parts = [
            Part(_("The prediction"), [*traces, count]),
            Part(_("The network"), [count + 1]),
        ]
        figure.update_layout(
            annotations=[
                theme.heading(_("Eigenvectors"), xref="paper", x=0),
                theme.heading(_("what is left"), xref="paper", x=0.62),
            ],
            xaxis={"domain": [0, 0.56], "title": _("input"), "fixedrange": True, "nticks": 5, "showgrid": False},
            xaxis2={"domain": [0.62, 1], "range": [0, 1.08], "tickformat": ".0%", "tickvals": [0, 0.5, 1]},
            yaxis={"range": [0.45 - count, 0.6], "fixedrange": True, "tickvals": -rows, "showgrid": False},
            showlegend=False,
            margin={"l": 74, "r": 12, "t": theme.HEADING, "b": 48},
        )
        figure.layout.xaxis2.update(fixedrange=True, anchor="y")

    def restart(
        self,
        x: Sequence[float],
        rates: Float[np.ndarray, "count"],
        directions: Float[np.ndarray, "points count"],
        start: Float[np.ndarray, "points"],
        kept: Float[np.ndarray, "count"],
    ) -> None:
        """Draw the eigenvectors and what is left of the errors.

        - `x`: the inputs of the points.
        - `rates`, `directions`: the eigenvalues of the kernel, ascending, and its eigenvectors, as from `eigh`.
        - `start`: the errors before training; `kept`: the part of the error in each direction that is left.
        """
        self._rates, self._directions = rates[::-1], directions[:, ::-1]
        errors = self._directions.T @ start
        self._unit = float(np.max(np.abs(errors))) or 1.0
        self._lines = {"predicted": np.abs(errors * kept[::-1]) / self._unit, "start": np.abs(errors) / self._unit}
        order, ends = np.argsort(x), (min(x), max(x))
        room = 0.12 * max(ends[1] - ends[0], 1.0)
        self.outdate()
        with self.drawing(self._predicted):
            for row, direction in enumerate(self._directions.T):
                sign = np.sign(direction[np.argmax(np.abs(direction))])
                heights = GAP * sign * direction / np.max(np.abs(direction)) - row
                self.figure.data[row].update(x=np.asarray(x)[order], y=heights[order])
            self.figure.data[self._count].x = self._lines["predicted"]
            self.figure.layout.xaxis.range = [ends[0] - room, ends[1] + room]
            self.figure.layout.yaxis.ticktext = [f"λ = {figures(rate)}" for rate in self._rates]
        self._say()

    def add(self, errors: Float[np.ndarray, "points"]) -> None:
        """Show what is left in the network, from its errors at the points."""
        self._lines["network"] = np.abs(self._directions.T @ np.asarray(errors, dtype=float)) / self._unit
        with self.drawing(self._trained):
            self.figure.data[self._count + 1].x = np.minimum(self._lines["network"], 1.08)
        self._say()

    def _say(self) -> None:
        small = {name: int(np.sum(left < LEARNED)) for name, left in self._lines.items()}
        said = _("Errors below {limit}: predicted in <b>{predicted} of {count}</b> directions.")
        if "network" in small:
            said = _(
                "Errors below {limit}: predicted in <b>{predicted} of {count}</b> directions, in the network in "
                "<b>{network}</b>."
            )
        self.say(said.format(limit=f"{LEARNED:.0%}", count=self._count, **small))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "eigenvalue", *self._lines
        for row in zip(self._rates, *self._lines.values(), strict=True):
            yield tuple(map(float, row))
