"""Two computed answers to one question, and the random networks that decide between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...calculus.results import Law
from ..style import theme
from ..style.ranges import round_range
from ..style.wording import decimals, figures, plus_minus, signed
from ..translation.words import _
from . import statistics
from .panel import Plot
from .statistics import network_spread


class CurvesPlot(Plot):
    """A kernel against its second input: the correct limit, the shortcut's answer, and networks as they are sampled.

    - `x`: the second inputs, at which both curves and every network are evaluated.
    - `heading`, `x_title`, `y_title`: the heading and the titles of the axes.
    - `every`: the number of steps of `x` between two points of the networks.

    Points are the mean of the networks so far, bars their standard deviation.
    """

    def __init__(
        self, x: Sequence[float], heading: str, x_title: str, y_title: str, every: int = 4, name: str = "curves"
    ):
        super().__init__(name)
        self.x = np.asarray(x, dtype=float)
        self._correct = self._shortcut = np.full(len(self.x), np.nan)
        self._networks: list[np.ndarray] = []
        self._every, self._marked, self._note = every, 0, ""
        figure, room = self.figure, 0.02 * np.ptp(self.x)
        _add_two_lines(figure)
        figure.add_scatter(x=[], y=[], mode="markers", name=_("random networks"))
        figure.data[2].marker.update(color=theme.FINITE, size=9)
        figure.data[2].error_y.update(type="data", color=theme.FINITE, thickness=2, width=4)
        figure.update_traces(hovertemplate=_("at %{x:.2f}: %{y:.3g}<extra>%{fullData.name}</extra>"))
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            xaxis={"title": x_title, "range": [self.x[0] - room, self.x[-1] + room], "fixedrange": True},
            yaxis={"title": y_title, "fixedrange": True, "zeroline": True},
            legend=theme.legend(x=0.02, y=0.98, font={"size": 16}),
            margin={"l": 72, "r": 16, "t": theme.HEADING, "b": 52},
        )
        figure.layout.yaxis.update(zerolinecolor=theme.MUTED, zerolinewidth=1)
        figure.add_vline(x=self.x[0], line={"color": theme.MUTED, "width": 1.5, "dash": "dot"})

    def restart(self, correct: Sequence[float], shortcut: Sequence[float], at: float, note: str = "") -> None:
        """Draw two curves and clear the networks; the line below gives their values at `at`, and `note` (HTML)."""
        self._correct, self._shortcut = (np.asarray(curve, dtype=float) for curve in (correct, shortcut))
        self._marked, self._note, self._networks = int(np.argmin(np.abs(self.x - at))), note, []
        self._draw()

    def add(self, network: Sequence[float]) -> None:
        """Add one random network, evaluated at all of `x`."""
        self._networks.append(np.asarray(network, dtype=float))
        self._draw()

    def _draw(self) -> None:
        mean, std = network_spread(self._networks, len(self.x))
        shown = slice(None, None, self._every)
        correct, shortcut, networks = self.figure.data
        bars = np.nan_to_num(std[shown])
        reach = [self._correct, self._shortcut]
        if self._networks:
            reach += [mean[shown] - bars, mean[shown] + bars]
        with self.drawing():
            correct.update(x=self.x, y=self._correct)
            shortcut.update(x=self.x, y=self._shortcut)
            networks.update(x=self.x[shown] if self._networks else [], y=mean[shown] if self._networks else [])
            networks.error_y.array = bars if self._networks else []
            self.figure.layout.yaxis.range = round_range(reach)
            self.figure.layout.shapes[0].update(x0=self.x[self._marked], x1=self.x[self._marked])
        self.say(f"{self._comparison(mean[self._marked], std[self._marked])}<br>{self._note}")

    def _comparison(self, mean: float, std: float) -> str:
        right, wrong = self._correct[self._marked], self._shortcut[self._marked]
        scale = np.max(np.abs(self._correct))
        right, wrong = (0.0 if abs(value) < 1e-6 * scale else value for value in (right, wrong))  # rounding
        factor = 0.0
        if np.allclose(self._correct, self._shortcut, rtol=0, atol=1e-6 * scale):
            factor = 1.0
        elif min(abs(right), abs(wrong)) > 1e-3 * scale:  # neither is negligible relative to the curve
            factor = wrong / right
        fields = {"right": figures(right), "wrong": figures(wrong), "factor": figures(factor)}
        if np.isfinite(mean):
            return _compared_with_networks(factor).format(networks=plus_minus(mean, std), **fields)
        return _compared(factor).format(**fields)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "second_input", "correct", "gia", "networks_mean", "networks_std", "networks"
        for row in zip(
            self.x, self._correct, self._shortcut, *network_spread(self._networks, len(self.x)), strict=True
        ):
            yield *map(float, row), len(self._networks)


class LawPlot(Plot):
    """The coordinates of one vector of one random network as a histogram, under two laws of Z it might follow."""

    def __init__(self, heading: str, x_title: str, bins: int = 40, name: str = "coordinates"):
        super().__init__(name)
        self._laws: tuple[Law, Law] | None = None
        self._sample = np.array([])
        self._bins = bins
        figure = self.figure
        _add_two_lines(figure)
        figure.add_bar(x=[], y=[], name=_("one network"), marker={"color": theme.FINITE, "opacity": 0.5})
        figure.update_traces(hovertemplate=_("near %{x:.2f}: %{y:.3f}<extra>%{fullData.name}</extra>"))
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            xaxis={"title": x_title, "fixedrange": True},
            yaxis={
                "title": _("density"),
                "showticklabels": False,
                "showgrid": False,
                "rangemode": "tozero",
                "fixedrange": True,
            },
            bargap=0.06,
            showlegend=False,
            margin={"l": 34, "r": 10, "t": theme.HEADING, "b": 52},
        )
        for colour in (theme.LIMIT, theme.THIRD):
            figure.add_vline(x=0, line={"color": colour, "width": 1.5, "dash": "dot"})

    def restart(self, correct: Law, shortcut: Law) -> None:
        """Draw two laws (of a single vector each) and clear the network."""
        self._laws, self._sample = (correct, shortcut), np.array([])
        self._draw()

    def add(self, coordinates: Sequence[float]) -> None:
        """Show the coordinates of one network's vector, in place of another's."""
        self._sample = np.asarray(coordinates, dtype=float).ravel()
        self._draw()

    def _draw(self) -> None:
        assert self._laws
        means, stds = ([float(np.squeeze(number)) for number in numbers] for numbers in self._means_and_stds())
        ends = min(np.subtract(means, np.multiply(4, stds))), max(np.add(means, np.multiply(4, stds)))
        x = np.linspace(*ends, 121)
        density, edges = np.zeros(self._bins), np.linspace(*ends, self._bins + 1)
        if self._sample.size:
            density = np.histogram(self._sample, edges)[0] / self._sample.size / (edges[1] - edges[0])
        with self.drawing():
            for line, law, mean, shape in zip(
                self.figure.data, self._laws, means, self.figure.layout.shapes, strict=False
            ):
                line.update(x=x, y=_density(law, x))
                shape.update(x0=mean, x1=mean)
            self.figure.data[2].update(x=(edges[1:] + edges[:-1]) / 2, y=density)
            self.figure.layout.xaxis.range = list(ends)
        digits = decimals(max(stds))
        fields = {"limit": signed(means[0], digits), "gia": signed(means[1], digits)}
        said = _("Its mean: <b>{limit}</b> in the limit, <b>{gia}</b> under GIA.")
        if self._sample.size:
            said = _("Its mean: <b>{limit}</b> in the limit, <b>{gia}</b> under GIA, <b>{network}</b> in this network.")
            fields["network"] = signed(self._sample.mean(), digits)
        self.say(said.format(**fields))

    def _means_and_stds(self) -> tuple[list[Any], list[Any]]:
        assert self._laws
        return [law.mean for law in self._laws], [law.std for law in self._laws]

    def table(self) -> Iterator[Sequence[Any]]:
        yield ("coordinate",)
        yield from ([float(value)] for value in self._sample)


def _compared(factor: float) -> str:
    """The sentence for two answers that differ by this factor: 1 for equal ones, and 0 where it says nothing."""
    if factor == 1:
        return _("On the dotted line: correct <b>{right}</b>, GIA <b>{wrong}</b>, the same.")
    if factor > 0:
        return _("On the dotted line: correct <b>{right}</b>, GIA <b>{wrong}</b>, a factor of <b>{factor}</b>.")
    if factor < 0:
        return _("On the dotted line: correct <b>{right}</b>, GIA <b>{wrong}</b>, of the <b>wrong sign</b>.")
    return _("On the dotted line: correct <b>{right}</b>, GIA <b>{wrong}</b>.")


def _compared_with_networks(factor: float) -> str:
    if factor == 1:
        return _("On the dotted line: correct <b>{right}</b>, GIA <b>{wrong}</b>, the same; networks {networks}.")
    if factor > 0:
        return _(
            "On the dotted line: correct <b>{right}</b>, GIA <b>{wrong}</b>, a factor of <b>{factor}</b>; networks "
            "{networks}."
        )
    if factor < 0:
        return _(
            "On the dotted line: correct <b>{right}</b>, GIA <b>{wrong}</b>, of the <b>wrong sign</b>; networks "
            "{networks}."
        )
    return _("On the dotted line: correct <b>{right}</b>, GIA <b>{wrong}</b>; networks {networks}.")


def _add_two_lines(figure: Any) -> None:
    """The correct answer and, dashed on top of it, the shortcut's: both are visible where they coincide."""
    figure.add_scatter(x=[], y=[], mode="lines", name=_("correct answer"), line={"color": theme.LIMIT, "width": 4})
    figure.add_scatter(
        x=[], y=[], mode="lines", name=_("GIA's answer"), line={"color": theme.THIRD, "width": 4, "dash": "dash"}
    )


def _density(law: Law, x: np.ndarray) -> np.ndarray:
    """The density of Z at `x`: that of a Gaussian if Z is one, else smoothed from its samples."""
    if law.gaussian:
        return statistics.density(x, float(np.squeeze(law.mean)), float(np.squeeze(law.std)))
    return statistics.smoothed(np.ravel(law.samples)[::4], x)  # equally smooth, in a quarter of the time
