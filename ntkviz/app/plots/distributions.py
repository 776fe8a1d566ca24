"""The distribution of random networks beside the Gaussian of infinite width: coordinates and functions.

Both plots are given the prediction of infinite width (`restart`) and then samples as they are drawn (`add`).
Until the first new samples arrive, the old ones stay, out of date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..style import theme
from ..style.ranges import round_up
from ..style.wording import figures
from . import statistics
from .panel import Part, Plot

BINS = 61
WITHIN_ONE, WITHIN_TWO, BEYOND_THREE = (
    *(1 - 2 * statistics.probability(-k) for k in (1, 2)),
    2 * statistics.probability(-3),
)


class CoordinateHistogram(Plot):
    """A histogram of a layer's coordinates with the predicted Gaussian density.

    - `what`: the title of the axis.
    """

    def __init__(self, heading: str, what: str, name: str = "coordinates"):
        super().__init__(name)
        self._std = 1.0
        self._values = np.empty(0)
        self._networks = 0
        figure = self.figure
        figure.add_bar(
            x=[], y=[], name="random networks", marker={"color": theme.FINITE, "line_width": 0}, opacity=0.75
        )
        figure.add_scatter(x=[], y=[], mode="lines", name="infinite width")
        figure.data[1].line.update(color=theme.LIMIT, width=3.5, simplify=False)
        self._sampled, self._predicted = self.parts = [Part("The histogram", [0]), Part("The curve", [1])]
        figure.update_traces(hovertemplate="%{x:.3g}: %{y:.3g}<extra>%{fullData.name}</extra>")
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            bargap=0,
            xaxis={"title": what, "fixedrange": True},
            yaxis={"title": "density", "fixedrange": True, "rangemode": "tozero", "nticks": 5},
            legend=theme.legend(x=1, xanchor="right"),
            margin={"l": 64, "r": 10, "t": theme.HEADING, "b": 48},
        )

    def restart(self, std: float) -> None:
        """Predict N(0, std²); the next `add` starts a new sample."""
        self._std, self._values, self._networks = float(std), np.empty(0), 0
        bars, line = self.figure.data
        half = round_up(4 * self._std)
        x = np.linspace(-half, half, 241)
        self.outdate()
        with self.drawing(self._predicted):
            line.update(x=x, y=statistics.density(x, std=self._std))
            self.figure.layout.xaxis.range = [-half, half]
            self._fit(np.max(bars.y, initial=0.0))
        self.say(f"Predicted variance <b>{figures(self._std**2)}</b>.")

    def add(self, values: np.ndarray) -> None:
        """Add coordinates, `(networks, n)`."""
        self._values = np.concatenate([self._values, np.ravel(values).astype(float)])
        self._networks += len(values)
        edges, density = self._histogram()
        bars = self.figure.data[0]
        with self.drawing(self._sampled):
            bars.update(x=(edges[1:] + edges[:-1]) / 2, y=density, width=edges[1] - edges[0])
            self._fit(density.max())
        far, measured = np.mean(np.abs(self._values) > 3 * self._std), float(np.mean(self._values**2))
        networks = "1 network" if self._networks == 1 else f"{self._networks:,} networks"
        self.say(
            f"{self._values.size:,} coordinates of {networks}: variance <b>{figures(measured)}</b>, predicted "
            f"{figures(self._std**2)}; beyond three standard deviations <b>{far:.1%}</b>, in a Gaussian "
            f"{BEYOND_THREE:.1%}."
        )

    def _histogram(self) -> tuple[np.ndarray, np.ndarray]:
        """Edges, and the density of all coordinates, including those outside the edges."""
        half = round_up(4 * self._std)
        counts, edges = np.histogram(self._values, bins=BINS, range=(-half, half))
        return edges, counts / ((self._values.size or np.nan) * (edges[1] - edges[0]))

    def _fit(self, highest: float) -> None:
        """Extend the axis to fit the bars, by factors of two, so that the bell curve rarely changes its size."""
        bell = statistics.density(np.zeros(1), std=self._std).item()
        doublings = max(0, int(np.ceil(np.log2(highest / bell / 1.2)))) if highest > 0 else 0
        self.figure.layout.yaxis.range = [0, 1.25 * bell * 2.0**doublings]

    def table(self) -> Iterator[Sequence[Any]]:
        yield "from", "to", "density", "predicted_density"
        edges, density = self._histogram()
        expected = np.diff(statistics.probability(edges, self._std)) / np.diff(edges)
        yield from zip(edges[:-1], edges[1:], density, expected, strict=True)


class FunctionDraws(Plot):
    """Many random networks as curves along a path of inputs, inside the bands of ±1 and ±2 standard deviations.

    - `path`: `(points,)`, the position of each input on the path, which is the horizontal axis.
    - `draws`: the largest number of curves.
    """

    def __init__(self, heading: str, path: np.ndarray, what: str, draws: int = 200, name: str = "functions"):
        super().__init__(name)
        self._path, self._draws = np.asarray(path, dtype=float), draws
        self._std = np.ones(len(path))
        self._curves = np.empty((0, len(path)))
        figure = self.figure
        for shade in (0.16, 0.1):  # of ±1σ and of ±2σ
            figure.add_scatter(
                x=np.concatenate([path, path[::-1]]),
                y=[],
                mode="lines",
                fill="toself",
                fillcolor=theme.translucent(theme.LIMIT, shade),
                line_width=0,
                showlegend=False,
            )
        figure.add_scatter(
            x=np.tile(np.append(path, np.nan), draws),
            y=[],
            mode="lines",
            line={"color": theme.translucent(theme.FINITE, 0.45), "width": 1.2},
            showlegend=False,
        )
        figure.add_scatter(
            x=np.tile(np.append(path, np.nan), 4),
            y=[],
            mode="lines",
            name="infinite width, ±1σ and ±2σ",
            line={"color": theme.LIMIT, "width": 2},
        )
        figure.add_scatter(x=path, y=[], mode="lines", name="one network", line={"color": theme.FINITE, "width": 3.5})
        figure.update_traces(hoverinfo="skip")
        self._bands, self._functions = self.parts = [Part("The band", [0, 1, 3]), Part("The blue part", [2, 4])]
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            xaxis={"title": what, "range": [path[0], path[-1]], "fixedrange": True},
            yaxis={"title": "output f", "fixedrange": True, "nticks": 7},
            legend=theme.legend(orientation="h", x=1, xanchor="right", yanchor="bottom"),
            margin={"l": 64, "r": 10, "t": theme.HEADING, "b": 48},
        )

    def restart(self, std: np.ndarray) -> None:
        """Predict the standard deviation of f at each point; the next `add` starts a new sample."""
        self._std, self._curves = np.asarray(std, dtype=float), np.empty((0, len(self._path)))
        narrow, wide, _, edges, _ = self.figure.data
        self.outdate()
        with self.drawing(self._bands):
            for times, band in ((1, narrow), (2, wide)):
                band.y = times * np.concatenate([self._std, -self._std[::-1]])
            edges.y = np.concatenate([np.append(times * self._std, np.nan) for times in (-2, -1, 1, 2)])
            half = 0.98 * round_up(3 * float(np.max(self._std)))  # short of the round number: its label is in the way
            self.figure.layout.yaxis.range = [-half, half]
        self.say("The bands are those of the Gaussian process.")

    def add(self, outputs: np.ndarray) -> None:
        """Add networks, `(networks, points)`."""
        self._curves = np.concatenate([self._curves, np.asarray(outputs, dtype=float)])[: self._draws]
        _, _, curves, _, one = self.figure.data
        gap = np.full((len(self._curves), 1), np.nan)
        with self.drawing(self._functions):
            curves.y = np.concatenate([self._curves, gap], axis=1).ravel()
            one.y = self._curves[0]
        within_one, within_two = (np.mean(np.abs(self._curves) <= times * self._std) for times in (1, 2))
        count = len(self._curves)
        self.say(
            f"{count} network{'s' if count > 1 else ''}: <b>{within_one:.0%}</b> of the blue lies inside ±1σ and "
            f"<b>{within_two:.0%}</b> inside ±2σ; for a Gaussian process, {WITHIN_ONE:.0%} and {WITHIN_TWO:.0%}."
        )

    def table(self) -> Iterator[Sequence[Any]]:
        yield "network", "input", "output", "predicted_std"
        for number, curve in enumerate(self._curves):
            for where, output, std in zip(self._path, curve, self._std, strict=True):
                yield number, where, output, std
