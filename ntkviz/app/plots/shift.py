"""An image and a shifted copy, and two kernels of both against the shift."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..style import theme
from ..style.ranges import round_up
from ..style.wording import signed
from ..translation.words import _
from .panel import Plot

USUAL = 1.15
"""The end of the axis of the remaining share, which is 1 at shift 0."""


class ImagePair(Plot):
    """Two images of one size, one above the other, each in its frame.

    - `shape`: `(rows, columns)` of an image.
    """

    def __init__(self, heading: str, shape: tuple[int, int], name: str = "images"):
        super().__init__(name)
        rows, columns = shape
        self._offsets = (0.0, rows + 2.2)
        self._images = np.zeros((2, rows, columns))
        figure = self.figure
        for offset in self._offsets:
            figure.add_heatmap(
                z=self._images[0],
                x=np.arange(columns) + 0.5,
                y=offset + np.arange(rows) + 0.5,
                colorscale=theme.THUMBNAIL,
                zmin=0,
                zmax=1,
                showscale=False,
                hoverinfo="none",
            )
            frame = {"type": "rect", "x0": 0, "x1": columns}
            figure.add_shape(frame | {"y0": offset, "y1": offset + rows, "line": {"color": theme.MUTED, "width": 1}})
            figure.add_shape(frame | {"visible": False, "line": {"color": theme.SERIES[3], "width": 3}})
        hidden = {"visible": False, "fixedrange": True, "constrain": "domain"}
        figure.update_layout(
            annotations=[
                theme.heading(heading, xref="paper", x=0),
                *({"x": 0, "y": offset, "xanchor": "left", "yanchor": "bottom"} for offset in self._offsets),
            ],
            xaxis=hidden | {"range": [-0.1, columns + 0.1]},
            yaxis=hidden | {"range": [self._offsets[1] + rows + 0.1, -1.4], "scaleanchor": "x"},
            margin={"l": 4, "r": 4, "t": theme.HEADING, "b": 4},
        )
        for annotation in figure.layout.annotations[1:]:
            annotation.update(showarrow=False, font={"size": 15, "color": theme.INK})

    def on_pick(self, picked: Callable[[int], object]) -> None:
        """Call `picked(row)`, from 1, when a row of pixels of either image is clicked."""

        def on_click(trace: Any, points: Any, state: Any) -> None:
            if points.ys:
                offset = float(trace.y[0]) - 0.5
                picked(int(points.ys[0] - offset) + 1)

        for trace in self.figure.data:
            trace.on_click(on_click)

    def show(
        self, first: np.ndarray, second: np.ndarray, titles: tuple[str, str], say: str, row: int | None = None
    ) -> None:
        """Draw two images with pixels between 0 and 1, their titles, and the line of text below.

        `row`, from 1, is framed in both.
        """
        self._images = np.stack([first, second])
        with self.drawing():
            for frame, offset in zip(self.figure.layout.shapes[1::2], self._offsets, strict=True):
                frame.visible = row is not None
                if row is not None:
                    frame.update(y0=offset + row - 1, y1=offset + row)
            for trace, image in zip(self.figure.data, self._images, strict=True):
                trace.z = image
            for annotation, title in zip(self.figure.layout.annotations[1:], titles, strict=True):
                annotation.text = title
        self.say(say)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "image", "row", "column", "pixel"
        for (image, row, column), pixel in np.ndenumerate(self._images):
            yield image + 1, row, column, float(pixel)


class ShiftPlot(Plot):
    """Two kernels Θ(x, x′) against the shift of x′, relative to shift 0, and networks as they are sampled.

    - `shifts`: the shifts in pixels, including 0.
    - `readouts`: the names of the two kernels; the first is dashed green, the second orange.

    Points are the mean of the networks so far, bars their standard deviation.
    """

    def __init__(self, shifts: Sequence[int], readouts: tuple[str, str], name: str = "shift"):
        super().__init__(name)
        self.shifts, self.readouts = np.asarray(shifts), readouts
        self._origin, self._marked = int(np.flatnonzero(self.shifts == 0)[0]), 0
        self._limits = np.full((2, len(self.shifts)), np.nan)
        self._networks: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        figure = self.figure
        lines = {"color": theme.THIRD, "width": 4, "dash": "dash"}, {"color": theme.LIMIT, "width": 4}
        for readout, line in zip(readouts, lines, strict=True):
            figure.add_scatter(x=self.shifts, y=[], mode="lines", name=readout, line=line)
        for readout, symbol in zip(readouts, ("diamond", "circle"), strict=True):
            figure.add_scatter(x=[], y=[], mode="markers", name=_("networks, {readout}").format(readout=readout))
            figure.data[-1].update(showlegend=False)
            figure.data[-1].marker.update(color=theme.FINITE, size=10, symbol=symbol)
            figure.data[-1].error_y.update(type="data", color=theme.FINITE, thickness=2, width=4)
        figure.add_scatter(x=[None], y=[None], mode="markers", name=_("networks"), marker={"color": theme.FINITE})
        figure.data[-1].marker.size = 10
        figure.update_traces(hovertemplate=_("shifted by %{x}: %{y:.4f}<extra>%{fullData.name}</extra>"))
        room = 0.04 * np.ptp(self.shifts)
        figure.update_layout(
            annotations=[theme.heading(_("How much of the kernel is left"), xref="paper", x=0)],
            xaxis={"title": _("shift of x′ in pixels"), "tickvals": self.shifts, "fixedrange": True},
            yaxis={"title": _("Θ(x, x′) / Θ(x, x′ unmoved)"), "fixedrange": True, "rangemode": "tozero"},
            legend=theme.legend(orientation="h", x=0, xanchor="left", yanchor="bottom"),
            margin={"l": 66, "r": 12, "t": 3 * theme.HEADING, "b": 52},
        )
        figure.layout.annotations[0].yshift = 2 * theme.HEADING
        figure.layout.xaxis.range = [self.shifts[0] - room, self.shifts[-1] + room]
        figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1.5, "dash": "dot"})

    def restart(self, first: Sequence[float], second: Sequence[float], at: int) -> None:
        """Draw the kernels Θ(x, x′) of both readouts at all shifts and clear the networks; the text is for `at`."""
        self._limits = np.stack([self._relative(first), self._relative(second)])
        self._marked = int(np.flatnonzero(self.shifts == at)[0])
        self._networks = ([], [])
        self._draw()

    def add(self, readout: int, kernel: Sequence[float]) -> None:
        """Add the kernel of one random network with readout 0 or 1, at all shifts."""
        self._networks[readout].append(self._relative(kernel))
        self._draw()

    def _relative(self, kernel: Sequence[float]) -> np.ndarray:
        numbers = np.asarray(kernel, dtype=float)
        return np.asarray(numbers / numbers[self._origin])

    def _spread(self, readout: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the networks: empty for none, and deviation 0 for only one."""
        networks = self._networks[readout]
        if not networks:
            return np.empty(0), np.empty(0)
        return np.mean(networks, axis=0), np.std(networks, axis=0, ddof=int(len(networks) > 1))

    def _draw(self) -> None:
        lines, points = self.figure.data[:2], self.figure.data[2:4]
        reach = [0.0, *self._limits.ravel()]
        with self.drawing():
            for readout in (0, 1):
                mean, std = self._spread(readout)
                lines[readout].y = self._limits[readout]
                points[readout].update(x=self.shifts[: len(mean)], y=mean)
                points[readout].error_y.array = std
                reach += [*(mean - std), *(mean + std)]
            low, high = min(reach), max(reach)
            self.figure.layout.yaxis.range = [
                -round_up(-low) if low < 0 else 0.0,
                USUAL if 1.04 * high <= USUAL else round_up(1.04 * high),
            ]
            self.figure.layout.shapes[0].update(x0=self.shifts[self._marked], x1=self.shifts[self._marked])
        self.say(" ".join(map(self._read, (0, 1))))

    def _read(self, readout: int) -> str:
        mean, std = self._spread(readout)
        fields = {
            "readout": self.readouts[readout].capitalize(),
            "limit": signed(self._limits[readout][self._marked]),
        }
        if not len(mean):
            return _("{readout}: <b>{limit}</b>.").format(**fields)
        fields |= {"mean": signed(mean[self._marked]), "std": f"{std[self._marked]:.2f}"}
        if len(self._networks[readout]) == 1:
            return _("{readout}: <b>{limit}</b>, networks <b>{mean}</b>.").format(**fields)
        return _("{readout}: <b>{limit}</b>, networks <b>{mean}</b> ± {std}.").format(**fields)

    def table(self) -> Iterator[Sequence[Any]]:
        columns = [self._limits[0], self._limits[1]]
        for readout in (0, 1):
            columns += [c if len(c) else np.full(len(self.shifts), np.nan) for c in self._spread(readout)]
        names = [readout.replace(" ", "_") for readout in self.readouts]
        yield "shift", *names, *(f"{name}_networks_{what}" for name in names for what in ("mean", "std"))
        for shift, *row in zip(self.shifts, *columns, strict=True):
            yield int(shift), *map(float, row)
