"""A gated network over time: its gates as random functions, and how fast it forgets its first token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ....calculus.half_life import half_life, tail
from ...style import theme
from ...translation.words import _, counted
from ..panel import Part, Plot

MIDDLE = 0.16, 0.84  # quantiles that enclose 68 %: for a Gaussian, mean ± std
LONG = 200  # steps: longer half-lives cannot be distinguished from infinite ones

MAP, BAND = 0.48, 0.33  # of the height of a plot of gates: the lower end of the map, and the upper end of the band
GATE_BAR = {
    "thickness": 12,
    "outlinewidth": 0,
    "tickvals": [0, 0.5, 1],
    "len": 1 - MAP,
    "y": 1,
    "yanchor": "top",
}


class GatePlot(Plot):
    """Some coordinates of one gate of one network over time, as a map, and below it the band of all of them.

    A gate lies between 0 and 1 and its law may be far from Gaussian: the bands, of the network and of the limit, are
    bounded by quantiles, since mean ± std may be outside that interval.
    """

    def __init__(self, heading: str, steps: int, shown: int = 64, name: str = "gates"):
        super().__init__(name)
        self._last = steps
        self._coordinates = np.empty((steps, 0))
        self._mean = self._low = self._high = np.full(steps, np.nan)
        figure, x = self.figure, np.arange(1, steps + 1)
        figure.add_heatmap(x=x, y=np.arange(1, shown + 1), z=np.full((shown, steps), np.nan), zmin=0, zmax=1)
        figure.data[0].update(colorscale=theme.SEQUENTIAL, xgap=1, colorbar=GATE_BAR)
        figure.data[0].hovertemplate = _("coordinate %{y}, step %{x}: %{z:.2f}<extra></extra>")
        for colour, label in ((theme.LIMIT, _("infinite width")), (theme.FINITE, _("this network"))):
            filled = {"fill": "toself", "fillcolor": theme.translucent(colour, 0.18), "line_width": 0}
            figure.add_scatter(x=[], y=[], mode="lines", showlegend=False, **filled)
            figure.add_scatter(x=[], y=[], mode="lines", name=label, line={"color": colour, "width": 3})
        figure.data[3].update(fill="none", line={"color": theme.FINITE, "width": 1.5, "dash": "dot"})
        figure.data[4].line.width = 2
        for trace in figure.data[1:]:
            trace.update(hoverinfo="skip", xaxis="x", yaxis="y2")
        self.parts = [Part(_("The band"), [1, 2]), Part(_("The network’s part"), [0, 3, 4])]
        self._limit, self._network = self.parts
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            xaxis={"title": _("step t"), "range": [0.5, steps + 0.5], "anchor": "y2", "fixedrange": True, "nticks": 8},
            yaxis={"title": _("coordinate"), "domain": [MAP, 1], "range": [shown + 0.5, 0.5], "tickvals": [1, shown]},
            yaxis2={"title": _("gate"), "domain": [0, BAND], "range": [0, 1], "tickvals": [0, 0.5, 1], "anchor": "x"},
            legend=theme.legend(orientation="h", x=0, y=BAND, yanchor="bottom"),
            margin={"l": 60, "r": 10, "t": theme.HEADING, "b": 48},
        )
        figure.layout.yaxis.update(fixedrange=True, showgrid=False, ticks="")
        figure.layout.yaxis2.fixedrange = True

    def restart(self, samples: np.ndarray, keeps: bool = False) -> None:
        """Show the law of the limit, from samples of the gate `(steps, samples)`, aligned with the last step.

        `keeps`: whether the gate multiplies a memory, whose decay by this gate alone is then reported too.
        """
        self._mean, (self._low, self._high) = np.mean(samples, axis=1), np.quantile(samples, MIDDLE, axis=1)
        self.outdate()
        with self.drawing(self._limit):
            self._draw_band(1, self._mean, self._low, self._high)
        mean, low, high = (f"{curve[-1]:.2f}" for curve in (self._mean, self._low, self._high))
        said = _("In the limit, the gate at the last step has mean <b>{mean}</b>, its middle 68% from {low} to {high}.")
        alone = [_alone(samples[-1])] if keeps else []
        self.say(" ".join([said.format(mean=mean, low=low, high=high), *alone]))

    def add(self, coordinates: np.ndarray) -> None:
        """Show one network's gate, `(steps, n)`."""
        self._coordinates = np.asarray(coordinates, dtype=float)
        cells = np.full(np.shape(self.figure.data[0].z), np.nan)
        shown = self._coordinates[:, : len(cells)].T
        cells[: len(shown), self._last - shown.shape[1] :] = shown
        with self.drawing(self._network):
            self.figure.data[0].z = cells
            band = np.quantile(self._coordinates, MIDDLE, axis=1)
            self._draw_band(3, np.mean(self._coordinates, axis=1), *band)
        self.say(self._said)

    def _draw_band(self, number: int, mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
        x = self._steps(len(mean))
        self.figure.data[number].update(x=np.concatenate([x, x[::-1]]), y=np.concatenate([high, low[::-1]]))
        self.figure.data[number + 1].update(x=x, y=mean)

    def _steps(self, count: int) -> np.ndarray:
        return np.arange(self._last - count + 1, self._last + 1)

    def table(self) -> Iterator[Sequence[Any]]:
        coordinates = self._coordinates[:, : len(self.figure.data[0].y)]
        count = coordinates.shape[1]
        yield "step", "limit_mean", "limit_low", "limit_high", *(f"coordinate_{k + 1}" for k in range(count))
        rows = coordinates if self._network.current else np.full((len(self._mean), count), np.nan)
        limits = self._mean, self._low, self._high
        for step, *limit, row in zip(self._steps(len(self._mean)), *limits, rows, strict=True):
            yield int(step), *map(float, (*limit, *row))


class MemoryPlot(Plot):
    """The distance of a network's states on two sequences, relative to the first step, on a logarithmic axis.

    Distances are root mean squares; over several networks, or several samples of the limit, their squares are
    averaged. The half-life is that of `half_life`.
    """

    def __init__(self, heading: str, steps: int, name: str = "memory"):
        super().__init__(name)
        self._x = np.arange(1, steps + 1)
        self._limits: list[np.ndarray] = []
        self._networks: list[np.ndarray] = []
        self._other = np.full(steps, np.nan)
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="lines", name=_("random networks"), line_width=1)
        figure.data[0].line.color = theme.translucent(theme.FINITE, 0.5)
        figure.add_scatter(x=[], y=[], mode="lines", name=_("infinite width"), line_width=3.5)
        figure.data[1].line.color = theme.LIMIT
        figure.add_scatter(x=[], y=[], mode="lines", name=_("RNN without gates"), line_width=3)
        figure.data[2].line.color = theme.THIRD
        figure.add_scatter(x=[], y=[], mode="lines", name=_("fitted line"), line_width=2, showlegend=False)
        figure.data[3].line.update(color=theme.MUTED, dash="dash")
        figure.update_traces(hovertemplate=_("step %{x}: %{y:.2%}<extra>%{fullData.name}</extra>"))
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            xaxis={"title": _("step t"), "range": [0.7, steps + 0.3], "fixedrange": True, "nticks": 8},
            yaxis={"title": _("distance of the states"), "type": "log", "tickformat": "~%", "fixedrange": True},
            legend=theme.legend(orientation="h", x=0, y=1.01),
            margin={"l": 72, "r": 10, "t": theme.HEADING, "b": 48},
        )
        figure.layout.yaxis.tickvals = [0.001, 0.01, 0.1, 1, 10]

    def restart(self, limit: Sequence[float], other: Sequence[float]) -> None:
        """Show the distances, `(steps,)`, of the limit and of an RNN's limit; clear networks and further samples."""
        self._limits, self._networks = [_relative(limit)], []
        self._other = _relative(other)
        self._draw()

    def refine(self, limit: Sequence[float]) -> None:
        """Add a sample of the limit."""
        self._limits.append(_relative(limit))
        self._draw()

    def add(self, network: Sequence[float]) -> None:
        """Add the distances of a random network."""
        self._networks.append(_relative(network))
        self._draw()

    def limit(self) -> np.ndarray:
        """The limit's distance at each step, relative to the first."""
        return _together(self._limits)

    def _draw(self) -> None:
        networks, limit, other, line = self.figure.data
        steps, slope, height = tail(self.limit())
        with self.drawing():
            limit.update(x=self._x, y=self.limit())
            other.update(x=self._x, y=np.maximum(self._other, 1e-12))
            line.update(x=steps + 1, y=np.exp(height + slope * steps) if len(steps) else [])
            curves = [np.append(np.maximum(n, 1e-12), np.nan) for n in self._networks]
            networks.update(x=np.tile(np.append(self._x, np.nan), len(curves)), y=np.ravel(curves))
            top = max(1.0, *(float(np.max(c)) for c in (self.limit(), self._other, *self._networks)))
            self.figure.layout.yaxis.range = [-3.2, np.log10(top) + 0.4]  # room for the legend above
        self._read()

    def _read(self) -> None:
        spread = [half_life(one) for one in self._limits]
        error = np.std(spread, ddof=1) / len(spread) ** 0.5 if len(spread) > 1 and np.isfinite(spread).all() else np.nan
        limit, other, count = _fading(self.limit(), error), _fading(self._other), len(self._networks)
        if not count:
            self.say(_("In the limit: {limit}; without gates: {other}.").format(limit=limit, other=other))
            return
        said = counted(
            "In the limit: {limit}; without gates: {other}; in {count} random network: {networks}.",
            "In the limit: {limit}; without gates: {other}; in {count} random networks: {networks}.",
            count,
        )
        self.say(said.format(limit=limit, other=other, count=count, networks=_fading(_together(self._networks))))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "step", "limit", "rnn", *(f"network_{k + 1}" for k in range(len(self._networks)))
        for row in zip(self._x, self.limit(), self._other, *self._networks, strict=True):
            yield int(row[0]), *map(float, row[1:])


def _alone(gate: np.ndarray) -> str:
    """The half-life of a root mean square that is multiplied by independent samples of a gate at every step."""
    left = float(np.sqrt(np.mean(np.square(gate))))
    halving = np.log(0.5) / np.log(left) if left < 1 else np.inf
    if halving > LONG:
        said = _(
            "Memory multiplied by this gate alone, drawn anew at each step, is more than half left after "
            "<b>{steps} steps</b>."
        )
        return said.format(steps=LONG)
    said = _("Memory multiplied by this gate alone, drawn anew at each step, halves in <b>{steps} steps</b>.")
    return said.format(steps=_steps(halving))


def _fading(distance: np.ndarray, error: float = np.nan) -> str:
    """A relative distance over time, in words: its half-life, with the standard error where that is known."""
    found = half_life(distance)
    if found > LONG:
        return _("the distance <b>grows</b>") if distance[-1] > 1.05 else _("the distance <b>does not fade</b>")
    if found <= 0:
        return _("<b>gone after one step</b>")
    return _("half-life <b>{steps} steps</b>").format(steps=_steps(found, error))


def _steps(half_life: float, error: float = np.nan) -> str:
    """A half-life with the digits that its error justifies or, if that is unknown, that twenty steps can resolve."""
    if not np.isfinite(error):
        return f"{half_life:.{1 if half_life < 20 else 0}f}"
    digits = 0 if error >= 1 else 1 if error >= 0.095 else 2
    return f"{half_life:.{digits}f} ± {max(error, 0.01):.{digits}f}"


def _relative(distance: Sequence[float]) -> np.ndarray:
    distances = np.asarray(distance, dtype=float)
    return np.asarray(distances / max(distances[0], np.finfo(float).tiny))


def _together(distances: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(np.sqrt(np.mean(np.square(distances), axis=0)))
