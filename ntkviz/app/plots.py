"""The plots that all chapters share: each a figure with one line under it that says what to see."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from ..slopes import Slope, log_log_slope
from . import theme
from .panel import Part, Plot
from .ranges import reaching
from .wording import one_over_root, share


class KernelPair(Plot):
    """Two kernels side by side on one colour scale from zero; the second one's largest entry is its unit.

    - `left`, `right`: what they are, as headings.
    - `pictures`: `(count, side, side)`, drawn along the axes.
    - `hint`: what to look for, said after how far apart the two are.
    - `names`: what each picture is called, else `image 1` and so on.
    """

    def __init__(
        self,
        left: str,
        right: str,
        pictures: np.ndarray,
        hint: str = "",
        name: str = "kernels",
        *,
        names: Sequence[str] | None = None,
    ):
        super().__init__(name)
        self._hint, self._count = hint, len(pictures)
        self._names = list(names or (f"image {k + 1}" for k in range(self._count)))
        self._titles = (left, right)
        figure = self.figure
        blank = np.full((self._count, self._count), np.nan)
        for side, axis in enumerate(("", "2")):
            for x, y, strip in axis_strips(pictures):
                figure.add_heatmap(
                    z=strip, x=x, y=y, xaxis=f"x{axis}", yaxis=f"y{axis}", colorscale=theme.THUMBNAIL, zmin=0, zmax=1
                )
            figure.add_heatmap(z=blank, xaxis=f"x{axis}", yaxis=f"y{axis}", coloraxis="coloraxis", xgap=1, ygap=1)
            figure.data[-1].customdata = [[f"{row} and {column}" for column in self._names] for row in self._names]
            figure.data[-1].hovertemplate = f"{self._titles[side]}<br>%{{customdata}}: %{{z:.4g}}<extra></extra>"
        for trace in (*figure.data[0:2], *figure.data[3:5]):
            trace.update(showscale=False, hoverinfo="skip")
        self._images = figure.data[2], figure.data[5]
        self.parts = [Part(f"“{left}”", [2]), Part(f"“{right}”", [5])]
        frame = {"visible": False, "range": [-2.0, self._count - 0.4], "constrain": "domain", "fixedrange": True}
        down = frame | {"range": [self._count + 1.0, -0.6]}
        figure.update_layout(
            xaxis=frame | {"domain": [0, 0.46], "constraintoward": "left"},
            yaxis=down | {"scaleanchor": "x", "constraintoward": "top"},
            xaxis2=frame | {"domain": [0.48, 0.94], "anchor": "y2", "constraintoward": "left"},
            yaxis2=down | {"scaleanchor": "x2", "anchor": "x2", "constraintoward": "top"},
            coloraxis={
                "colorscale": theme.SEQUENTIAL,
                "colorbar": {"thickness": 12, "outlinewidth": 0, "x": 0.95, "len": 0.86, "y": 1, "yanchor": "top"},
            },
            margin={"l": 0, "r": 40, "t": theme.HEADING, "b": 0},
            annotations=[
                theme.heading(title, xref=axis, x=-0.5) for title, axis in zip(self._titles, ("x", "x2"), strict=True)
            ],
        )

    def show(self, left: np.ndarray | None = None, right: np.ndarray | None = None) -> None:
        """Show one kernel or both, each `(count, count)`; a new right one sets the colours."""
        given = [part for part, kernel in zip(self.parts, (left, right), strict=True) if kernel is not None]
        with self.drawing(*given):
            if left is not None:
                self._images[0].z = np.asarray(left, dtype=float)
            if right is not None:
                self._images[1].z = np.asarray(right, dtype=float)
                unit = max(float(np.nanmax(np.abs(right))), 1e-300)
                self.figure.layout.coloraxis.update(theme.kernel_colours(unit, float(np.nanmin(right))))
        if not all(part.drawn for part in self.parts):
            self.say("")
            return
        sample, limit = (np.asarray(image.z, dtype=float) for image in self._images)
        apart = float(np.linalg.norm(sample - limit) / np.linalg.norm(limit))
        number = share(apart) if all(part.current for part in self.parts) else "…"
        self.say(f"The two are <b>{number}</b> apart (relative Frobenius norm). {self._hint}")

    def table(self) -> Iterator[Sequence[Any]]:
        yield ("row", "column", *self._titles)
        left, right = (
            np.asarray(image.z, dtype=float) * (np.nan if part.outdated else 1)
            for image, part in zip(self._images, self.parts, strict=True)
        )
        for row, column in np.ndindex(self._count, self._count):
            yield self._names[row], self._names[column], left[row, column], right[row, column]


def axis_strips(pictures: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The pictures one below the other left of a heatmap, and one beside the other under it: x, y and ink of each."""
    pictures = np.pad(pictures, ((0, 0), (1, 1), (1, 1)))  # a margin, so that they do not touch
    count, side, _ = pictures.shape
    along = (np.arange(count * side) + 0.5) / side - 0.5
    across = (np.arange(side) + 0.5) / side * 1.1
    yield across - 1.75, along, np.concatenate(list(pictures), axis=0)
    yield along, across + count - 0.4, np.concatenate(list(pictures), axis=1)


USUAL_DEVIATIONS = (-2.0, 0.5)
"""Exponents of ten: from 1 % to 300 %, where the deviations of nearly all networks of these pages lie."""


class ConvergencePlot(Plot):
    """Deviation from the limit against width, both logarithmic, filled point by point.

    The dashed line is c/√n with c fitted to the points. Points belong to one network: `restart`
    with another one clears them, with the same one keeps them. The axes are the same for all networks, so that
    those of two can be compared; they reach further only for points that lie outside.
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
            name="the width chosen",
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
        """Measure `network`, with `width` marked; points of another network go."""
        if network != self._network:
            self._network, self._points = network, {}
        self._marked = width
        self._draw()

    def remaining(self) -> list[tuple[int, int]]:
        """The (width, seed) not measured yet, one seed at all widths before the next."""
        return [(n, seed) for seed in self.seeds for n in self.widths if (n, seed) not in self._points]

    def add(self, width: int, seed: int, deviation: float) -> None:
        """One more network measured."""
        self._points[width, seed] = deviation
        self._draw()

    def means(self) -> dict[int, float]:
        """The mean deviation at each width measured."""
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
        """The log–log slope of the mean deviation and its standard error, NaN while too little is measured."""
        return log_log_slope(self._by_width())

    def table(self) -> Iterator[Sequence[Any]]:
        yield "width", "seed", "relative_frobenius"
        for (width, seed), deviation in sorted(self._points.items()):
            yield width, seed, deviation


def network_spread(networks: Sequence[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, `(count,)`, of the networks: NaN before there is one, and two, of them."""
    unknown = np.full(count, np.nan)
    mean = np.mean(networks, axis=0) if networks else unknown
    return mean, np.std(networks, axis=0, ddof=1) if len(networks) > 1 else unknown


def _tick(deviation: float) -> str:
    return f"{100 * deviation:.3g}%" if deviation < 9 else f"{deviation:,.0f}×"
