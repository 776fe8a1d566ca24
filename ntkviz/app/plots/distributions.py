"""The distribution of random networks beside the Gaussian of infinite width: coordinates, functions, kernel entries.

All but `InfluenceHistogram` are given the prediction of infinite width (`restart`) and then samples as they are drawn
(`add`). Until the first new samples arrive, the old ones stay, out of date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..style import theme
from ..style.ranges import round_up
from ..style.wording import figures, plus_minus
from ..translation.words import _, counted
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
            x=[], y=[], name=_("random networks"), marker={"color": theme.FINITE, "line_width": 0}, opacity=0.75
        )
        figure.add_scatter(x=[], y=[], mode="lines", name=_("infinite width"))
        figure.data[1].line.update(color=theme.LIMIT, width=3.5, simplify=False)
        self._sampled, self._predicted = self.parts = [Part(_("The histogram"), [0]), Part(_("The curve"), [1])]
        figure.update_traces(hovertemplate="%{x:.3g}: %{y:.3g}<extra>%{fullData.name}</extra>")
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            bargap=0,
            xaxis={"title": what, "fixedrange": True},
            yaxis={"title": _("density"), "fixedrange": True, "rangemode": "tozero", "nticks": 5},
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
        self.say(_("Predicted variance <b>{variance}</b>.").format(variance=figures(self._std**2)))

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
        said = counted(
            "{coordinates} coordinates of {networks} network: variance <b>{measured}</b>, predicted {predicted}; "
            "beyond three standard deviations <b>{far}</b>, in a Gaussian {gaussian}.",
            "{coordinates} coordinates of {networks} networks: variance <b>{measured}</b>, predicted {predicted}; "
            "beyond three standard deviations <b>{far}</b>, in a Gaussian {gaussian}.",
            self._networks,
        )
        shares = {"far": f"{far:.1%}", "gaussian": f"{BEYOND_THREE:.1%}"}
        numbers = {"coordinates": f"{self._values.size:,}", "networks": f"{self._networks:,}"}
        variances = {"measured": figures(measured), "predicted": figures(self._std**2)}
        self.say(said.format(**numbers, **variances, **shares))

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
            name="±1σ, ±2σ",
            line={"color": theme.LIMIT, "width": 2},
        )
        figure.add_scatter(x=path, y=[], mode="lines", name=_("one network"))
        figure.data[4].line.update(color=theme.FINITE, width=3.5)
        figure.update_traces(hoverinfo="skip")
        self._bands, self._functions = self.parts = [
            Part(_("The band"), [0, 1, 3]),
            Part(_("The set of networks"), [2, 4]),
        ]
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            xaxis={"title": what, "range": [path[0], path[-1]], "fixedrange": True},
            yaxis={"title": _("output f"), "fixedrange": True, "nticks": 7},
            legend=theme.legend(orientation="h", x=1, xanchor="right", yanchor="bottom"),
            margin={"l": 64, "r": 10, "t": theme.HEADING, "b": 48},
        )

    def restart(self, std: np.ndarray) -> None:
        """Predict the standard deviation of f at each point; the next `add` starts a new sample."""
        self._std, self._curves = np.asarray(std, dtype=float), np.empty((0, len(self._path)))
        narrow, wide, edges = (self.figure.data[k] for k in (0, 1, 3))
        self.outdate()
        with self.drawing(self._bands):
            for times, band in ((1, narrow), (2, wide)):
                band.y = times * np.concatenate([self._std, -self._std[::-1]])
            edges.y = np.concatenate([np.append(times * self._std, np.nan) for times in (-2, -1, 1, 2)])
            half = 0.98 * round_up(3 * float(np.max(self._std)))  # just short of a tick, whose label would be cut off
            self.figure.layout.yaxis.range = [-half, half]
        self.say(_("The bands are those of the Gaussian process."))

    def add(self, outputs: np.ndarray) -> None:
        """Add networks, `(networks, points)`."""
        self._curves = np.concatenate([self._curves, np.asarray(outputs, dtype=float)])[: self._draws]
        curves, one = self.figure.data[2], self.figure.data[4]
        gap = np.full((len(self._curves), 1), np.nan)
        with self.drawing(self._functions):
            curves.y = np.concatenate([self._curves, gap], axis=1).ravel()
            one.y = self._curves[0]
        within_one, within_two = (np.mean(np.abs(self._curves) <= times * self._std) for times in (1, 2))
        said = counted(
            "{count} network: <b>{within_one}</b> of the outputs lie inside ±1σ and <b>{within_two}</b> inside ±2σ; "
            "for a Gaussian process, {one} and {two}.",
            "{count} networks: <b>{within_one}</b> of the outputs lie inside ±1σ and <b>{within_two}</b> inside ±2σ; "
            "for a Gaussian process, {one} and {two}.",
            len(self._curves),
        )
        measured = {"within_one": f"{within_one:.0%}", "within_two": f"{within_two:.0%}"}
        process = {"one": f"{WITHIN_ONE:.0%}", "two": f"{WITHIN_TWO:.0%}"}
        self.say(said.format(count=len(self._curves), **measured, **process))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "network", "input", "output", "predicted_std"
        for number, curve in enumerate(self._curves):
            for where, output, std in zip(self._path, curve, self._std, strict=True):
                yield number, where, output, std


KINDS = ("real", "virtual")


class EntryLaw(Plot):
    """One entry of the kernel at width n: the predicted Gaussian, and histograms of real and of virtual networks.

    The axis reaches four predicted standard deviations to both sides of the limit, so that the bell keeps its shape and
    the numbers on the axis tell how narrow it is.
    """

    def __init__(self, heading: str, name: str = "entry"):
        super().__init__(name)
        self._limit, self._std, self._usual_height = 0.0, np.nan, 1.0
        self._values: dict[str, list[float]] = {kind: [] for kind in KINDS}
        figure = self.figure
        filled = {"color": theme.translucent(theme.FINITE, 0.7), "line_width": 0}
        hollow = {"color": theme.translucent(theme.FINITE, 0.12), "line": {"color": theme.FINITE, "width": 2}}
        for label, marker in ((_("random networks"), filled), (_("virtual networks"), hollow)):
            figure.add_bar(x=[], y=[], name=label, marker=marker)
        figure.add_scatter(x=[], y=[], mode="lines", name=_("predicted"))
        figure.data[2].line.update(color=theme.LIMIT, width=3.5, simplify=False)
        self._sampled, self._predicted = self.parts = [Part(_("The histogram"), [0, 1]), Part(_("The curve"), [2])]
        figure.update_traces(hovertemplate="%{x:.4g}: %{y:.3g}<extra>%{fullData.name}</extra>")
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            bargap=0,
            barmode="overlay",
            xaxis={"fixedrange": True, "nticks": 5},
            yaxis={"title": _("density"), "fixedrange": True, "rangemode": "tozero", "showticklabels": False},
            legend=theme.legend(x=1, xanchor="right"),
            margin={"l": 40, "r": 10, "t": theme.HEADING, "b": 48},
        )
        figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1.5, "dash": "dash"})

    def restart(self, what: str, limit: float, std: float | None, usual: float) -> None:
        """Predict N(limit, std²) for the entry called `what`, a choice; the next `add` starts a new sample.

        If the variance is not finite, `std` is `None` and the axis reaches four times `usual` to both sides.
        """
        self._what, self._limit, self._std = _(what), float(limit), np.nan if std is None else float(std)
        self._half = 4 * (usual if std is None else self._std)
        self._values = {kind: [] for kind in KINDS}
        x = self._limit + np.linspace(-self._half, self._half, 161)
        self.outdate()
        with self.drawing(self._predicted):
            known = std is not None
            bell = self.figure.data[2]
            bell.update(x=x if known else [], y=statistics.density(x, limit, self._std) if known else [])
            highest = float(statistics.density(0.0, std=self._half / 4))
            self.figure.layout.xaxis.update(range=[x[0], x[-1]], title=self._what)
            self._usual_height = 1.6 * highest
            self.figure.layout.yaxis.range = [0, self._usual_height]
            self.figure.layout.shapes[0].update(x0=self._limit, x1=self._limit)
        self.say(self._prediction())

    def add(self, kind: str, values: Sequence[float]) -> None:
        """Add the entries of networks, `"real"` or `"virtual"` ones."""
        self._values[kind] += map(float, values)
        highest = 0.0
        with self.drawing(self._sampled):
            for bars, found in zip(self.figure.data, self._values.values(), strict=False):
                edges, density = self._histogram(found)
                highest = max(highest, density.max())
                bars.update(
                    x=(edges[1:] + edges[:-1]) / 2 if found else [],
                    y=density if found else [],
                    width=edges[1] - edges[0],
                    showlegend=bool(found),
                )
            self._fit(highest)
        self.say(" ".join(filter(None, (self._prediction(), self._measured()))))

    def _fit(self, highest: float) -> None:
        """Extend the axis to fit histograms much higher than the bell, by factors of two, so that it rarely moves."""
        doublings = np.ceil(np.log2(max(1.0, 1.02 * highest / self._usual_height)))
        self.figure.layout.yaxis.range = [0, float(self._usual_height * 2**doublings)]

    def _prediction(self) -> str:
        if np.isnan(self._std):
            said = _("Limit of {entry}: <b>{limit}</b>; it has no standard deviation to predict.")
            return said.format(entry=self._what, limit=figures(self._limit))
        return _("Predicted {entry}: {prediction}.").format(
            entry=self._what, prediction=plus_minus(self._limit, self._std)
        )

    def _measured(self) -> str:
        fields: dict[str, Any] = {}
        for kind, found in self._values.items():
            if len(found) > 1:
                fields[f"{kind}_networks"] = len(found)
                fields[kind] = plus_minus(float(np.mean(found)), float(np.std(found, ddof=1)))
        if not fields:
            return ""
        if len(fields) == 4:
            said = _("{real_networks} random networks: {real}; {virtual_networks} virtual networks: {virtual}.")
        elif "real" in fields:
            said = _("{real_networks} random networks: {real}.")
        else:
            said = _("{virtual_networks} virtual networks: {virtual}.")
        return said.format(**fields)

    def _histogram(self, values: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
        """Edges, and the density of all values, including those outside the edges."""
        edges = self._limit + np.linspace(-self._half, self._half, 25)
        counts = np.histogram(values, bins=edges)[0]
        return edges, counts / (max(1, len(values)) * (edges[1] - edges[0]))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "network", "entry", "limit", "predicted_std"
        for kind, found in self._values.items():
            for value in found:
                yield kind, value, self._limit, self._std


class InfluenceHistogram(Plot):
    """How much single draws of Z add to an entry of the kernel: a histogram, and its standard deviation."""

    def __init__(self, heading: str, name: str = "influence"):
        super().__init__(name)
        self._influences = np.empty(0)
        figure = self.figure
        figure.add_bar(x=[], y=[], marker={"color": theme.LIMIT, "line_width": 0}, opacity=0.75, showlegend=False)
        figure.data[0].hovertemplate = _("%{x:.3g}: %{y:.1%} of the draws<extra></extra>")
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0)],
            bargap=0,
            xaxis={"title": _("influence of one draw"), "fixedrange": True},
            yaxis={"title": _("share of the draws"), "fixedrange": True, "tickformat": ".0%", "rangemode": "tozero"},
            margin={"l": 72, "r": 10, "t": theme.HEADING, "b": 48},
        )
        for sign in ("−", "+"):
            figure.add_vline(x=0, line={"color": theme.MUTED, "width": 2, "dash": "dot"}, annotation_text=f"{sign}√V")

    def show(self, influences: np.ndarray | None, variance: float) -> None:
        """Show the influences of draws, `(draws,)`, with their variance V; `None` if V is not finite."""
        self._influences = np.empty(0) if influences is None else np.asarray(influences, dtype=float)
        if influences is None:
            with self.drawing():
                self.figure.data[0].update(x=[], y=[])
            self.say(_("The influences have no finite variance, so there is nothing to show here."))
            return
        std = variance**0.5
        counts, edges = self._histogram(std)
        with self.drawing():
            self.figure.data[0].update(
                x=(edges[1:] + edges[:-1]) / 2, y=counts / len(self._influences), width=edges[1] - edges[0]
            )
            self.figure.layout.xaxis.range = [edges[0], edges[-1]]
            marks = zip(self.figure.layout.shapes, self.figure.layout.annotations[1:], (-std, std), strict=True)
            for line, mark, x in marks:
                line.update(x0=x, x1=x)
                mark.x = x
        squares = np.sort(self._influences**2)[::-1]
        top_tenth = np.sum(squares[: len(squares) // 10]) / np.sum(squares)
        largest = np.max(np.abs(self._influences)) / std
        said = _(
            "Influences of {draws} draws of Z: mean 0, standard deviation √V = <b>{std}</b>. The tenth with the "
            "largest influence makes up <b>{share}</b> of the variance; the largest is {largest} √V."
        )
        fields = {"draws": f"{len(squares):,}", "share": f"{top_tenth:.0%}"}
        self.say(said.format(std=figures(std), largest=figures(largest), **fields))

    def _histogram(self, std: float) -> tuple[np.ndarray, np.ndarray]:
        """Counts and edges; values beyond five standard deviations are in the outermost bars."""
        end = 5 * std
        return np.histogram(np.clip(self._influences, -0.999 * end, 0.999 * end), bins=50, range=(-end, end))

    def table(self) -> Iterator[Sequence[Any]]:
        yield ("influence",)
        for influence in self._influences:
            yield (float(influence),)
