"""The effect of one more point in a batch on the kernel of all the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...convergence import relative_frobenius
from ..style import theme
from ..style.ranges import round_range
from ..style.wording import share, signed
from ..translation.words import _
from .panel import Plot
from .statistics import network_spread


class KernelRowPlot(Plot):
    """One row of a batch's kernel, that of a chosen point, with and without an extra point in the batch.

    - `positions`: the positions of the batch's points on the axis, `(B,)`.
    - `heading`, `x_title`, `y_title`: the heading and the titles of the axes.

    The last of `B + 1` numbers belongs to the extra point. Blue points are the mean of the networks so far, bars their
    standard deviation.
    """

    def __init__(self, positions: Sequence[float], heading: str, x_title: str, y_title: str, name: str = "row"):
        super().__init__(name)
        self.positions = np.asarray(positions, dtype=float)
        self._alone, self._together = np.full(len(self.positions), np.nan), np.full(len(self.positions) + 1, np.nan)
        self._networks: list[np.ndarray] = []
        self._extra, self._chosen, self._note = 0.0, 0, ""
        figure = self.figure
        figure.add_scatter(
            x=self.positions,
            y=[],
            mode="lines+markers",
            name=_("with the extra point"),
            line={"color": theme.LIMIT, "width": 4},
            marker_size=9,
        )
        dashed = {"color": theme.THIRD, "width": 4, "dash": "dash"}
        figure.add_scatter(x=self.positions, y=[], mode="lines", name=_("without it"), line=dashed)
        figure.add_scatter(x=[], y=[], mode="markers", name=_("random networks, with it"))
        figure.data[2].marker.update(color=theme.FINITE, size=9)
        figure.data[2].error_y.update(type="data", color=theme.FINITE, thickness=2, width=4)
        figure.add_scatter(x=[], y=[], mode="markers", name=_("the extra point"))
        figure.data[3].marker.update(color=theme.LIMIT, size=15, symbol="diamond-open", line_width=3)
        figure.update_traces(hovertemplate="%{y:.3g}<extra>%{fullData.name}</extra>")
        low, high = np.min(self.positions), np.max(self.positions)
        room = 0.09 * (high - low)
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            xaxis={
                "title": x_title,
                "range": [low - room, high + room],
                "tickvals": self.positions,
                "ticktext": [f"ξ<sub>{k + 1}</sub>" for k in range(len(self.positions))],
                "fixedrange": True,
            },
            yaxis={"title": y_title, "fixedrange": True, "zeroline": True},
            legend=theme.legend(orientation="h", x=0, xanchor="left", yanchor="bottom"),
            margin={"l": 72, "r": 16, "t": 3 * theme.HEADING, "b": 52},
        )
        figure.layout.annotations[0].update(yshift=2 * theme.HEADING)  # above two rows of the legend
        figure.layout.yaxis.update(zerolinecolor=theme.MUTED, zerolinewidth=1)
        for colour in (theme.MUTED, theme.LIMIT):
            figure.add_vline(x=0, line={"color": colour, "width": 1.5, "dash": "dot"})

    def restart(
        self, alone: Sequence[float], together: Sequence[float], *, chosen: int, extra: float, note: str = ""
    ) -> None:
        """Draw the row of point `chosen` in both batches, `(B,)` and `(B + 1,)`, and clear the networks.

        `extra` is the position of the extra point; `note` (HTML) follows the numbers in the line below.
        """
        self._alone, self._together = np.asarray(alone, dtype=float), np.asarray(together, dtype=float)
        self._chosen, self._extra, self._note, self._networks = chosen, float(extra), note, []
        self._draw()

    def add(self, network: Sequence[float]) -> None:
        """Add the row of one random network on the batch with the extra point, `(B + 1,)`."""
        self._networks.append(np.asarray(network, dtype=float))
        self._draw()

    def _draw(self) -> None:
        mean, std = network_spread(self._networks, len(self._together))
        bars = np.nan_to_num(std)
        where = np.append(self.positions, self._extra)
        reach = [self._alone, self._together, *([mean - bars, mean + bars] if self._networks else [])]
        with_it, without, networks, extra = self.figure.data
        with self.drawing():
            with_it.y, without.y = self._together[:-1], self._alone
            networks.update(x=where if self._networks else [], y=mean if self._networks else [])
            networks.error_y.array = bars if self._networks else []
            extra.update(x=where[-1:], y=self._together[-1:])
            self.figure.layout.yaxis.range = round_range(reach)
            for shape, x in zip(self.figure.layout.shapes, (self.positions[self._chosen], self._extra), strict=True):
                shape.update(x0=x, x1=x)
        self.say(f"{self._comparison(mean[self._chosen], std[self._chosen])} {self._note}")

    def _comparison(self, mean: float, std: float) -> str:
        k, atol = self._chosen, 1e-9 * np.max(np.abs(self._alone))
        same = np.allclose(self._alone, self._together[:-1], rtol=0, atol=atol)
        fields = {"k": k + 1, "before": signed(self._alone[k]), "after": signed(self._together[k])}
        networks = f"<b>{signed(mean)}</b>" + (f" ± {std:.2f}" if np.isfinite(std) else "")
        return _compared(same, bool(np.isfinite(mean))).format(networks=networks, **fields)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "point", "position", "without_extra", "with_extra", "networks_mean", "networks_std", "networks"
        names = [*range(1, len(self.positions) + 1), "extra"]
        where, alone = np.append(self.positions, self._extra), np.append(self._alone, np.nan)
        for name, *row in zip(
            names, where, alone, self._together, *network_spread(self._networks, len(self._together)), strict=True
        ):
            yield name, *map(float, row), len(self._networks)


def _compared(same: bool, networks: bool) -> str:
    """The sentence on a row that the extra point leaves as it was or not, with or without networks."""
    if same and networks:
        return _(
            "ξ<sub>{k}</sub> with itself: <b>{before}</b> without the extra point, <b>{after}</b> with it: the extra "
            "point changes nothing; networks {networks}."
        )
    if same:
        return _(
            "ξ<sub>{k}</sub> with itself: <b>{before}</b> without the extra point, <b>{after}</b> with it: the extra "
            "point changes nothing."
        )
    if networks:
        return _(
            "ξ<sub>{k}</sub> with itself: <b>{before}</b> without the extra point, <b>{after}</b> with it; networks "
            "{networks}."
        )
    return _("ξ<sub>{k}</sub> with itself: <b>{before}</b> without the extra point, <b>{after}</b> with it.")


class TwoBatches(Plot):
    """The kernel between all points of two batches, where the second is the first with one more point.

    - `count`: B, the number of points of the first batch.

    The largest entry of the first batch's kernel is the unit of the colours, so that the extra point, whose position
    and size are arbitrary, does not change them.
    """

    def __init__(self, count: int, heading: str, name: str = "batches"):
        super().__init__(name)
        self._count = count
        self._kernel = np.full((2 * count + 1, 2 * count + 1), np.nan)
        names = [str(k + 1) for k in range(count)]
        without, with_it = _("{k} without"), _("{k} with")
        self.names = [said.format(k=k) for said in (without, with_it) for k in names] + [_("extra")]
        # A gap of half a square separates the batches.
        self._places = np.append(np.arange(count), np.arange(count, 2 * count + 1) + 0.5)
        end = self._places[-1] + 0.5
        figure = self.figure
        pair, shared = _("{row} and {column}").format, {"coloraxis": "coloraxis", "xgap": 1, "ygap": 1}
        for rows, columns in self._blocks():
            figure.add_heatmap(z=[], x=self._places[columns], y=self._places[rows], **shared)
            named = [[pair(row=r, column=c) for c in self.names[columns]] for r in self.names[rows]]
            figure.data[-1].customdata = named
            figure.data[-1].hovertemplate = _("points %{customdata}: %{z:.3g}<extra></extra>")
        axis = {
            "tickvals": self._places,
            "ticktext": [*names, *names, "+"],
            "tickfont_size": 12,
            "tickangle": 0,
            "ticks": "",
            "showgrid": False,
            "fixedrange": True,
            "constrain": "domain",
        }
        figure.update_layout(
            annotations=[theme.heading(heading, xref="x", x=-0.5), *self._batch_names()],
            xaxis=axis | {"range": [-0.5, end], "constraintoward": "left"},
            yaxis=axis | {"range": [end, -0.5], "constraintoward": "top", "scaleanchor": "x"},
            coloraxis={
                "colorscale": theme.SEQUENTIAL,
                "colorbar": {"thickness": 12, "outlinewidth": 0, "len": 1, "y": 1, "yanchor": "top", "nticks": 6},
            },
            margin={"l": 48, "r": 10, "t": theme.HEADING, "b": 48},
        )

    def _blocks(self) -> list[tuple[slice, slice]]:
        """The rows and columns of the kernel between the two batches, block by block."""
        parts = slice(0, self._count), slice(self._count, 2 * self._count + 1)
        return list(itertools.product(parts, parts))

    def _batch_names(self) -> Iterator[dict[str, Any]]:
        """The names of the batches, outside the numbers of their points."""
        middles = (self._count - 1) / 2, (3 * self._count + 1) / 2
        for middle, text in zip(middles, (_("without it"), _("with it")), strict=True):
            shared = {"text": text, "showarrow": False, "font": {"size": 14}}
            yield shared | {"x": middle, "yref": "paper", "y": 0, "yshift": -22, "yanchor": "top"}
            yield shared | {"y": middle, "xref": "paper", "x": 0, "xshift": -22, "xanchor": "right", "textangle": -90}

    def show(self, alone: np.ndarray, across: np.ndarray, together: np.ndarray) -> None:
        """Show the kernels within the first batch `(B, B)`, across `(B, B + 1)`, within the second `(B + 1, B + 1)`."""
        b = self._count
        self._kernel = np.block([[alone, across], [across.T, together]])
        with self.drawing():
            for trace, (rows, columns) in zip(self.figure.data, self._blocks(), strict=True):
                trace.z = self._kernel[rows, columns]
            self.figure.set_kernel_colours(float(np.max(alone)), float(np.min(alone)))
        within, between = (float(np.trace(block[:, :b])) / b for block in (alone, across))
        apart = relative_frobenius(together[:b, :b], alone)
        said = _(
            "The extra point changes the kernel of the others by <b>{change}</b>. A point with itself, on average: "
            "<b>{within}</b> within the batch, <b>{between}</b> across the two."
        )
        self.say(said.format(change=share(apart), within=signed(within), between=signed(between)))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "row", "column", "kernel"
        for row, column in np.ndindex(*self._kernel.shape):
            yield self.names[row], self.names[column], float(self._kernel[row, column])
