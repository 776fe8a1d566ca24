"""The plots that all chapters share: each a figure with one line under it that says what to see."""

from __future__ import annotations

import csv
import io
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np

from . import theme


class Panel:
    """One part of a picture: something to look at, the line that reads it, and its numbers.

    `name` names its files. A subclass brings `content` and gives `table()`.
    """

    left_out = ""
    """What is not in `table()` though the panel shows it, because it belongs to other settings; its CSV says so."""

    def __init__(self, name: str, content: widgets.Widget):
        self.name = name
        self.reading = widgets.HTML()
        self.reading.add_class("nv-reading")
        self.widget = widgets.VBox([content, self.reading])

    def say(self, html: str) -> None:
        """Say in one line what to see."""
        self.reading.value = html

    def table(self) -> Iterator[Sequence[Any]]:
        """The numbers in the panel: a row of headings, then rows."""
        raise NotImplementedError

    def to_csv(self) -> str:
        """The numbers in the panel as text."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(self.table())
        return text.getvalue()


class Plot(Panel):
    """A panel with a figure; a subclass fills `figure`."""

    def __init__(self, name: str):
        self.figure = theme.figure()
        self.figure._config = self.figure._config | {
            "toImageButtonOptions": {"format": "png", "scale": 2, "filename": f"ntkviz-{name}"}
        }
        super().__init__(name, self.figure)
        self.widget.add_class("nv-plot")


class KernelPair(Plot):
    """Two kernels side by side on one colour scale, the second one setting it.

    - `left`, `right`: what they are, as headings.
    - `pictures`: `(count, side, side)`, drawn along the axes.
    - `hint`: what to look for, said after how far apart the two are.
    """

    def __init__(self, left: str, right: str, pictures: np.ndarray, hint: str = "", name: str = "kernels"):
        super().__init__(name)
        self._hint = hint
        self._count = len(pictures)
        self._titles = (left, right)
        figure = self.figure
        blank = np.full((self._count, self._count), np.nan)
        for side, axis in enumerate(("", "2")):
            for x, y, strip in axis_strips(pictures):
                figure.add_heatmap(
                    z=strip, x=x, y=y, xaxis=f"x{axis}", yaxis=f"y{axis}", colorscale=theme.THUMBNAIL, zmin=0, zmax=1
                )
            figure.add_heatmap(z=blank, xaxis=f"x{axis}", yaxis=f"y{axis}", coloraxis="coloraxis", xgap=1, ygap=1)
            figure.data[
                -1
            ].hovertemplate = f"{self._titles[side]}<br>images %{{y}} and %{{x}}: %{{z:.4g}}<extra></extra>"
        for trace in (*figure.data[0:2], *figure.data[3:5]):
            trace.update(showscale=False, hoverinfo="skip")
        self._images = figure.data[2], figure.data[5]
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
        with self.figure.batch_update():
            if left is not None:
                self._images[0].z = np.asarray(left, dtype=float)
            if right is not None:
                self._images[1].z = np.asarray(right, dtype=float)
                low, high = float(np.min(right)), float(np.max(right))
                beyond = 0.1 * (high - low)
                self.figure.layout.coloraxis.update(cmin=low - beyond, cmax=high + beyond)
        sample, limit = (np.asarray(image.z, dtype=float) for image in self._images)
        if np.isfinite(sample).all() and np.isfinite(limit).all():
            apart = np.linalg.norm(sample - limit) / np.linalg.norm(limit)
            self.say(f"The two are <b>{apart:.1%}</b> apart (relative Frobenius norm). {self._hint}")

    def table(self) -> Iterator[Sequence[Any]]:
        yield ("row", "column", *self._titles)
        left, right = (np.asarray(image.z, dtype=float) for image in self._images)
        for row, column in np.ndindex(self._count, self._count):
            yield row, column, left[row, column], right[row, column]


def axis_strips(pictures: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The pictures one below the other left of a heatmap, and one beside the other under it: x, y and ink of each."""
    pictures = np.pad(pictures, ((0, 0), (1, 1), (1, 1)))  # a margin, so that they do not touch
    count, side, _ = pictures.shape
    along = (np.arange(count * side) + 0.5) / side - 0.5
    across = (np.arange(side) + 0.5) / side * 1.1
    yield across - 1.75, along, np.concatenate(list(pictures), axis=0)
    yield along, across + count - 0.4, np.concatenate(list(pictures), axis=1)


class ConvergencePlot(Plot):
    """Deviation from the limit against width, both logarithmic, filled point by point.

    The dashed line is c/√n with c fitted to the points. Points belong to one network: `restart`
    with another one clears them, with the same one keeps them.
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
                "range": [-2, 0],
                "title": "relative deviation",
                "fixedrange": True,
            },
            legend={"orientation": "v", "x": 1, "xanchor": "right", "y": 1, "yanchor": "top", "font": {"size": 13}},
            margin={"l": 72, "r": 10, "t": theme.HEADING, "b": 48},
        )
        figure.layout.yaxis.tickvals = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]
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
        found = {n: [d for (m, _), d in self._points.items() if m == n] for n in self.widths}
        return {n: float(np.mean(ds)) for n, ds in found.items() if ds}

    def _draw(self) -> None:
        line, points, mean, chosen = self.figure.data
        means = self.means()
        n, d = np.array(list(means)), np.array(list(means.values()))
        with self.figure.batch_update():
            points.update(x=[width for width, _ in self._points], y=list(self._points.values()))
            mean.update(x=n, y=d)
            near = [m for m in means if m == self._marked]
            chosen.update(x=near, y=[means[m] for m in near])
            if len(means) < 2:
                line.update(x=[], y=[])
                return
            scale = np.exp(np.mean(np.log(d * np.sqrt(n))))
            ends = np.array([self.widths[0] / 1.3, self.widths[-1] * 1.3])
            line.update(x=ends, y=scale / np.sqrt(ends))
            everything = list(self._points.values())
            low, high = np.log10(min(everything)), np.log10(max(everything))
            self.figure.layout.yaxis.range = [low - 0.15, high + 0.25]
        self.say(
            f"Slope on these axes: <b>{signed(self.slope())}</b>; the theory says −0.50, so four times the width "
            "halves the distance."
        )

    def slope(self) -> float:
        """The log–log slope of the mean deviation, NaN while fewer than two widths are measured."""
        means = self.means()
        if len(means) < 2:
            return float("nan")
        return float(np.polyfit(np.log(list(means)), np.log(list(means.values())), 1)[0])

    def table(self) -> Iterator[Sequence[Any]]:
        yield "width", "seed", "relative_frobenius"
        for (width, seed), deviation in sorted(self._points.items()):
            yield width, seed, deviation


def network_spread(networks: Sequence[np.ndarray], count: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation, `(count,)`, of the networks: NaN before there is one, and two, of them."""
    unknown = np.full(count, np.nan)
    mean = np.mean(networks, axis=0) if networks else unknown
    return mean, np.std(networks, axis=0, ddof=1) if len(networks) > 1 else unknown


def signed(number: float, digits: int = 2) -> str:
    """A number with a minus sign that is not a hyphen, and none before a zero."""
    return f"{round(number, digits) + 0.0:.{digits}f}".replace("-", "−")
