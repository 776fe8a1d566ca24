"""The deviation of one architecture's networks from their limit, width by width, against the predicted line."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np

from ...convergence import Slope, log_log_slope
from ...kernels.results import Band, Fluctuation
from ..style import theme
from ..style.ranges import reaching
from ..style.wording import as_predicted, figures, law, one_over_root, slope_alone, width_needed
from ..translation.refusals import refused
from ..translation.words import _
from .panel import Part, Plot

USUAL_DEVIATIONS = (-3.5, 0.5)
"""Exponents of ten: from 0.03 % to 300 %, the range of the deviations of nearly all networks of these pages."""

VIRTUAL_WIDTHS = (10_000, 100_000, 1_000_000)
"""The widths of virtual networks, which need no memory for matrices."""
VIRTUAL_NETWORKS = 3
"""The number of virtual networks at each of these widths."""

SHARE = 0.9
"""The share of single networks in the band."""

ROOMY = 300
"""The least height in pixels at which the legend can also name the mean and the chosen width."""


class ConvergencePlot(Plot):
    """Deviation from the limit against width, both logarithmic: first a prediction, then networks, point by point.

    `restart` with another architecture clears the points, with the same one keeps them and the prediction. The solid
    line is c/√n as predicted by `nv.fluctuation`, with the band of 90 % of single networks; where the law holds, but
    cannot be predicted, a dashed line c/√n is fitted to the points. Networks at the `virtual` widths are those of
    `nv.virtual_ntk`, and have their own marker. The axes are the same for all architectures, so that they can be
    compared, and are extended only for what is outside. `goals` are deviations for which the line of text says the
    width that is needed. The legend of a `narrow` plot leaves out the mean and the chosen width: there it would cover
    curves.
    """

    def __init__(
        self,
        widths: Sequence[int],
        seeds: int,
        name: str = "deviation",
        *,
        virtual: Sequence[int] = VIRTUAL_WIDTHS,
        goals: Sequence[float] = (),
        narrow: bool = False,
    ):
        super().__init__(name)
        self.widths, self.virtual, self.seeds, self._goals = list(widths), list(virtual), seeds, list(goals)
        self._narrow = narrow
        self._network: Hashable = None
        self._drawn_points: tuple[Any, ...] = ()  # that from which `_draw_points` drew last
        self._points: dict[tuple[int, int], float]
        self._left_out: set[int]
        self._found: Fluctuation | None
        self._band: Band
        self._refusal: str
        self._law: bool
        self._clear()
        figure = self.figure
        band = _("{share} of networks").format(share=f"{SHARE:.0%}")
        figure.add_scatter(name=band, mode="lines", fill="toself", hoverinfo="skip")
        figure.add_scatter(name=_("predicted, c/√n"), mode="lines", line={"color": theme.LIMIT, "width": 2.5})
        figure.add_scatter(name=_("fitted, ∝ 1/√n"), mode="lines", line={"color": theme.MUTED, "dash": "dash"})
        figure.add_scatter(name=_("one network"), mode="markers", marker={"size": 7, "opacity": 0.5})
        figure.add_scatter(name=_("virtual network"), mode="markers", marker={"size": 9, "symbol": "diamond-open"})
        figure.add_scatter(name=_("their mean"), mode="lines+markers", line={"width": 2}, marker={"size": 10})
        figure.add_scatter(name=_("chosen width"), mode="markers", marker={"size": 19, "symbol": "circle-open"})
        figure.data[0].update(fillcolor=theme.translucent(theme.LIMIT, 0.18), line={"width": 0})
        for trace in figure.data[3:6]:
            trace.marker.color = theme.FINITE
        figure.data[4].marker.line.width = 1.5
        figure.data[5].line.color = theme.FINITE
        figure.data[6].marker.update(color=theme.LIMIT, line={"width": 3})
        figure.update_traces(x=[], y=[], showlegend=False)
        figure.update_traces(hovertemplate=_("width %{x:,}: %{y:.2~%}<extra>%{fullData.name}</extra>"))
        self._prediction, self._measured = self.parts = [
            Part(_("The prediction"), [0, 1]),
            Part(_("The measurement"), [2, 3, 4, 5, 6]),
        ]
        self._draw_frame()

    def restart(self, network: Hashable, width: int) -> None:
        """Show what is known of `network`, with `width` marked; results of another network are cleared."""
        self._marked = width
        if network != self._network:
            self._network = network
            self._clear()
            self._prediction.current = False
            self._draw(self._measured)
        else:
            self._draw(self._measured, *[self._prediction] * self.is_predicted)

    def predict(self, found: Fluctuation) -> None:
        """Draw the law that the prediction gives, with its band."""
        self._found, self._band = found, found.band(SHARE)
        self._draw(self._prediction, self._measured)

    def refuse(self, reason: str, *, law: bool = False) -> None:
        """Show that there is no prediction, and why; `law`: whether the distance falls like 1/√n nevertheless.

        `reason`: what the engine says, in English.
        """
        self._refusal, self._law = refused(reason), law
        self._draw(self._prediction, self._measured)

    @property
    def is_predicted(self) -> bool:
        """Whether the prediction, or the reason why there is none, is known."""
        return self._found is not None or bool(self._refusal)

    @property
    def steps(self) -> int:
        """The prediction and all networks."""
        return 1 + self.seeds * len(self.widths) + min(self.seeds, VIRTUAL_NETWORKS) * len(self.virtual)

    def remaining(self) -> list[tuple[int, int]]:
        """The pairs (width, seed) still to be measured: one seed at all widths before the next, virtual networks last.

        No two have the same seed, so that they are independent.
        """
        real = [(n, k) for k in range(self.seeds) for n in self.widths]
        virtual = [(n, k) for k in range(min(self.seeds, VIRTUAL_NETWORKS)) for n in self.virtual]
        numbers = {n: number for number, n in enumerate([*self.widths, *self.virtual])}
        all_of_them = [(n, k * len(numbers) + numbers[n]) for n, k in [*real, *virtual]]
        return [at for at in all_of_them if at not in self._points and at[0] not in self._left_out]

    def add(self, width: int, seed: int, deviation: float) -> None:
        """Add one measured network."""
        self._points[width, seed] = deviation
        self._draw(self._measured)

    def leave_out(self, width: int) -> None:
        """Measure no networks of this width, which would take too much time or memory."""
        self._left_out.add(width)
        self._draw(self._measured)

    def means(self) -> dict[int, float]:
        """The mean deviation at each measured width."""
        return {n: float(np.mean(ds)) for n, ds in self._by_width().items()}

    def slope(self) -> Slope:
        """The log–log slope of the mean deviation and its standard error; NaN while there are too few points."""
        return log_log_slope(self._by_width())

    def table(self) -> Iterator[Sequence[Any]]:
        yield "width", "seed", "relative_frobenius", "kind", "standard_error", "low", "high"
        if self._found is not None:
            for width in sorted([*self.widths, *self.virtual]):
                numbers = np.array([self._found.c, self._found.error, self._band.low, self._band.high]) / width**0.5
                yield width, "", numbers[0], "predicted", *numbers[1:]
        for (width, seed), deviation in sorted(self._points.items()):
            yield width, seed, deviation, f"{'virtual' if width in self.virtual else 'random'} network", "", "", ""

    def _clear(self) -> None:
        self._points, self._left_out, self._found = {}, set(), None
        self._refusal, self._law = "", False

    def _by_width(self) -> dict[int, list[float]]:
        found = {n: [d for (m, _), d in self._points.items() if m == n] for n in sorted([*self.widths, *self.virtual])}
        return {n: ds for n, ds in found.items() if ds}

    def _draw_frame(self) -> None:
        self._ends = np.array([min(self.widths) / 1.4, max([*self.widths, *self.virtual]) * 1.4])
        powers = [10**k for k in range(9)]
        self.figure.update_layout(
            annotations=[theme.heading(_("How far from the limit?"), xref="paper", x=0)],
            xaxis={
                "type": "log",
                "tickvals": powers if self.virtual else self.widths,
                "ticktext": [_power(n) for n in powers] if self.virtual else [f"{n:,}" for n in self.widths],
                "range": list(np.log10(self._ends)),
                "title": _("width n"),
                "fixedrange": True,
            },
            yaxis={"type": "log", "range": list(USUAL_DEVIATIONS), "title": _("relative deviation")},
            legend={"orientation": "v", "x": 1, "xanchor": "right", "y": 1, "yanchor": "top", "font": {"size": 13}},
            margin={"l": 72, "r": 10, "t": theme.HEADING, "b": 48},
        )
        decades = [one * 10.0**k for k in range(-6, 9) for one in (1, 3)]
        self.figure.layout.yaxis.update(
            fixedrange=True, tickvals=decades, ticktext=[_tick(deviation) for deviation in decades]
        )
        self.figure.layout.legend.bgcolor = "rgba(0,0,0,0)"

    def _draw(self, *parts: Part) -> None:
        with self.drawing(*parts):
            if self._prediction in parts:
                self._draw_prediction()
            self._draw_points()
            lowest = [self._band.low / self._ends[1] ** 0.5] if self._found is not None else []
            self.figure.layout.yaxis.range = reaching(USUAL_DEVIATIONS, [*self._points.values(), *lowest])
        self.say(self._sentences())

    def _draw_prediction(self) -> None:
        band, line = self.figure.data[:2]
        if self._found is None:
            for trace in (band, line):
                trace.update(x=[], y=[], showlegend=False)
            return
        roots = np.sqrt(self._ends)
        n = np.sort([*self._ends, *self.widths, *self.virtual])
        band.update(x=[*self._ends, *self._ends[::-1]], showlegend=True)
        band.y = [*self._band.low / roots, *self._band.high / roots[::-1]]
        line.update(x=n, y=self._found.c / np.sqrt(n), showlegend=True)

    def _draw_points(self) -> None:
        roomy = not self._narrow and (self.figure.layout.height or ROOMY) >= ROOMY
        content = dict(self._points), self._marked, self._law, roomy
        if content == self._drawn_points:
            return  # plotly takes milliseconds to find that nothing changes
        self._drawn_points = content
        fitted, *singles, mean, chosen = self.figure.data[2:]
        means = self.means()
        n, d = np.array(list(means)), np.array(list(means.values()))
        fits = self._law and len(means) > 1
        scale = np.exp(np.mean(np.log(d * np.sqrt(n)))) if fits else np.nan
        fitted.update(x=self._ends if fits else [], y=scale / np.sqrt(self._ends) if fits else [], showlegend=fits)
        for trace, is_virtual in zip(singles, (False, True), strict=True):
            shown = [(m, deviation) for (m, _), deviation in self._points.items() if (m in self.virtual) == is_virtual]
            trace.update(x=[m for m, _ in shown], y=[deviation for _, deviation in shown], showlegend=bool(shown))
        mean.update(x=n, y=d, showlegend=roomy and bool(means))
        mean.marker.symbol = ["diamond" if m in self.virtual else "circle" for m in means] or "circle"
        near = [m for m in means if m == self._marked]
        chosen.update(x=near, y=[means[m] for m in near], showlegend=roomy and bool(near))

    def _sentences(self) -> str:
        said = []
        if self._found is not None:
            c, error = self._found.c, self._found.error
            brief = _("Predicted: <b>{c}</b>/√n.").format(c=figures(c)) if self._points else law(c, error)
            said.append(width_needed(c, error, self._goals) if self._goals else brief)
            said += [as_predicted(self._points, c, error)] if self._points else []
        elif self._refusal:
            slope = one_over_root if self._law else slope_alone
            said += [_("There is no prediction."), self._refusal, slope(self._by_width())]
        else:
            said.append(_("First the predicted line, then random networks, one point each."))
        if self._left_out:
            said.append(_("Width {width} is too large for this machine.").format(width=f"{min(self._left_out):,}"))
        return " ".join(filter(None, said))


def _tick(deviation: float) -> str:
    return f"{100 * deviation:.3g}%" if deviation < 9 else f"{deviation:,.0f}×"


def _power(width: int) -> str:
    return f"{width:,}" if width < 10_000 else "10" + "⁴⁵⁶⁷⁸"[len(str(width)) - 5]
