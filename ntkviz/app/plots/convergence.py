"""The deviation of one architecture's networks from their limit, width by width."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from ...convergence import Slope, log_log_slope
from ..style import theme
from ..style.ranges import reaching
from ..style.wording import one_over_root
from .panel import Plot

USUAL_DEVIATIONS = (-2.0, 0.5)
"""Exponents of ten: from 1 % to 300 %, the range of the deviations of nearly all networks of these pages."""


class ConvergencePlot(Plot):
    """Deviation from the limit against width, both logarithmic, filled point by point.

    The dashed line is c/√n with c fitted to the points. Points belong to one architecture: `restart`
    with another one clears them, with the same one keeps them. The axes are the same for all architectures, so that
    they can be compared, and are extended only for points outside.
    """

    def __init__(self, widths: Sequence[int], seeds: int, name: str = "deviation"):
        super().__init__(name)
        self.widths, self.seeds = list(widths), range(seeds)
        self._network: Hashable = None
        self._points: dict[tuple[int, int], float] = {}
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="lines", name="∝ 1/√n", line={"color": theme.MUTED, "dash": "dash"})
        figure.add_scatter(
            x=[], y=[], mode="markers", name="one network", marker={"color": theme.FINITE, "size": 7, "opacity": 0.4}
        )
        figure.add_scatter(
            x=[],
            y=[],
            mode="lines+markers",
            name="their mean",
            line={"color": theme.FINITE, "width": 2},
            marker_size=10,
        )
        figure.add_scatter(
            x=[],
            y=[],
            mode="markers",
            name="chosen width",
            marker={"color": theme.LIMIT, "size": 19, "line_width": 3},
        )
        figure.data[3].marker.symbol = "circle-open"
        figure.update_traces(hovertemplate="width %{x:,}: %{y:.2%}<extra>%{fullData.name}</extra>")
        ends = np.log10([self.widths[0] / 1.4, self.widths[-1] * 1.4])
        figure.update_layout(
            annotations=[theme.heading("How far from the limit?", xref="paper", x=0)],
            xaxis={"type": "log", "tickvals": self.widths, "range": list(ends), "title": "width n", "fixedrange": True},
            yaxis={
                "type": "log",
                "tickformat": ".0%",
                "range": list(USUAL_DEVIATIONS),
                "title": "relative deviation",
                "fixedrange": True,
            },
            legend={"orientation": "v", "x": 1, "xanchor": "right", "y": 1, "yanchor": "top", "font": {"size": 13}},
            margin={"l": 72, "r": 10, "t": theme.HEADING, "b": 48},
        )
        decades = [one * 10.0**k for k in range(-4, 9) for one in (1, 3)]
        figure.layout.yaxis.update(tickvals=decades, ticktext=[_tick(deviation) for deviation in decades])
        figure.layout.legend.bgcolor = "rgba(0,0,0,0)"

    def restart(self, network: Hashable, width: int) -> None:
        """Show the points of `network`, with `width` marked; points of another one are cleared."""
        if network != self._network:
            self._network, self._points = network, {}
        self._marked = width
        self._draw()

    def remaining(self) -> list[tuple[int, int]]:
        """The (width, seed) that are still to be measured, one seed at all widths before the next."""
        return [(n, seed) for seed in self.seeds for n in self.widths if (n, seed) not in self._points]

    def add(self, width: int, seed: int, deviation: float) -> None:
        """Add one measured network."""
        self._points[width, seed] = deviation
        self._draw()

    def means(self) -> dict[int, float]:
        """The mean deviation at each measured width."""
        return {n: float(np.mean(ds)) for n, ds in self._by_width().items()}

    def _draw(self) -> None:
        line, points, mean, chosen = self.figure.data
        means = self.means()
        n, d = np.array(list(means)), np.array(list(means.values()))
        with self.drawing():
            points.update(x=[width for width, _ in self._points], y=list(self._points.values()))
            mean.update(x=n, y=d)
            near = [m for m in means if m == self._marked]
            chosen.update(x=near, y=[means[m] for m in near])
            ends = np.array([self.widths[0] / 1.3, self.widths[-1] * 1.3])
            scale = np.exp(np.mean(np.log(d * np.sqrt(n)))) if len(means) > 1 else np.nan
            line.update(x=ends if len(means) > 1 else [], y=scale / np.sqrt(ends) if len(means) > 1 else [])
            self.figure.layout.yaxis.range = reaching(USUAL_DEVIATIONS, self._points.values())
        self.say(one_over_root(self._by_width()))

    def _by_width(self) -> dict[int, list[float]]:
        found = {n: [d for (m, _), d in self._points.items() if m == n] for n in self.widths}
        return {n: ds for n, ds in found.items() if ds}

    def slope(self) -> Slope:
        """The log–log slope of the mean deviation and its standard error; NaN while there are too few points."""
        return log_log_slope(self._by_width())

    def table(self) -> Iterator[Sequence[Any]]:
        yield "width", "seed", "relative_frobenius"
        for (width, seed), deviation in sorted(self._points.items()):
            yield width, seed, deviation


def _tick(deviation: float) -> str:
    return f"{100 * deviation:.3g}%" if deviation < 9 else f"{deviation:,.0f}×"
