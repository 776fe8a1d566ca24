"""Figure 1 of Tensor Programs II: the deviation of several architectures from their limits, and its slopes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...convergence import Slope, log_log_slope, standard_error
from ..style import theme
from ..style.wording import figures, signed
from .panel import Plot

ORIGINAL_AT_64 = {"RNN": 0.2, "Transformer": 0.15, "BatchNorm": 0.5}
"""The first points of the figure's curves, at width 64, read off by eye."""

AT_ONCE = 10  # networks measured between two redraws


class Curve(NamedTuple):
    """The deviation of one architecture from its limit, or from the answer of the GIA.

    - `name`: its name; `gia`: whether distances are from the answer of the GIA.
    - `deviations`: the deviations of the networks measured, by width.
    """

    name: str
    gia: bool
    deviations: dict[int, list[float]]

    @property
    def label(self) -> str:
        """The displayed name."""
        return f"{self.name} (GIA)" if self.gia else self.name

    def means(self) -> dict[int, float]:
        """The mean deviation at each width, widths ascending."""
        return {width: float(np.mean(ds)) for width, ds in sorted(self.deviations.items())}

    def slope(self) -> Slope:
        """The log–log slope of the means and its standard error, both NaN for fewer than three widths."""
        return log_log_slope(self.deviations) if len(self.deviations) > 2 else Slope(np.nan, np.nan)


class DeviationCurves(Plot):
    """Deviation against width on logarithmic axes for several architectures, filled point by point.

    Points are means over networks, bars two standard errors. The first five architectures have their own
    colours and markers; if there are more, those after the third are grey. Grey dashed lines fall as
    1/√n. Measurements are kept and shown again on request.
    """

    def __init__(self, widths: Sequence[int], most: int, name: str = "figure-1"):
        super().__init__(name)
        self._widths = list(widths)
        self._found: dict[tuple[str, str], dict[tuple[int, int], tuple[float, ...]]] = {}
        self._names: list[str] = []
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="lines", name="∝ 1/√n", hoverinfo="skip", opacity=0.55)
        figure.data[0].line.update(color=theme.MUTED, dash="dash", width=1)
        figure.add_scatter(x=[], y=[], mode="lines", name="Yang (2020), by eye", hoverinfo="skip", opacity=0.35)
        figure.data[1].line.update(color=theme.MUTED, width=6)
        for _ in range(most):
            figure.add_scatter(x=[], y=[], mode="lines+markers", visible=False)
        self._slots = figure.data[2:]
        figure.update_layout(
            annotations=[theme.heading("", xref="paper", x=0)],
            xaxis={"type": "log", "tickvals": self._widths, "title": "width n", "fixedrange": True},
            yaxis={"type": "log", "title": "relative deviation", "fixedrange": True, "tickformat": ".0%"},
            legend={"x": 0.01, "font": {"size": 14}},
            margin={"l": 72, "r": 10, "t": theme.HEADING, "b": 48},
        )
        figure.layout.legend.bgcolor = "rgba(0,0,0,0)"

    def restart(
        self,
        names: Sequence[str],
        parametrization: str,
        widths: Sequence[int],
        seeds: Sequence[int],
        times_root: bool = False,
    ) -> None:
        """Show these architectures at these widths; `times_root` multiplies every deviation by √n."""
        self._names, self._parametrization = list(names), parametrization
        self._shown_widths, self._seeds, self._times_root = list(widths), list(seeds), times_root
        self._draw_frame()
        self._draw()

    def remaining(self) -> list[tuple[str, int, list[int]]]:
        """The measurements still to be made, as some seeds of one width of one architecture each; narrow ones first."""
        return [
            (name, width, missing[k : k + AT_ONCE])
            for width in self._shown_widths
            for name in self._names
            for missing in [[seed for seed in self._seeds if (width, seed) not in self._of(name)]]
            for k in range(0, len(missing), AT_ONCE)
        ]

    def add(self, name: str, width: int, distances: dict[int, tuple[float, ...]]) -> None:
        """Add networks by seed: the distance of each from the limit and, if it differs, from the answer of the GIA."""
        self._of(name).update({(width, seed): found for seed, found in distances.items()})
        self._draw()

    def curves(self) -> list[Curve]:
        """The curves shown, as far as they have been measured."""
        curves = []
        for name in self._names:
            found: tuple[dict[int, list[float]], ...] = ({}, {})
            for (width, seed), distances in self._of(name).items():
                if width in self._shown_widths and seed in self._seeds:
                    for by_width, distance in zip(found, distances, strict=False):
                        by_width.setdefault(width, []).append(distance)
            curves += [
                Curve(name, bool(answer), by_width) for answer, by_width in enumerate(found) if by_width or not answer
            ]
        return curves

    def look(self, name: str) -> tuple[str, str]:
        """The colour and the marker of an architecture."""
        place = self._names.index(name)
        if place >= (3 if len(self._names) > len(theme.SERIES) else len(theme.SERIES)):
            return theme.MUTED, "circle"
        return theme.SERIES[place], theme.MARKS[place]

    def _of(self, name: str) -> dict[tuple[int, int], tuple[float, ...]]:
        return self._found.setdefault((self._parametrization, name), {})

    def _scaled(self, widths: Any, deviations: Any) -> np.ndarray:
        return np.asarray(deviations) * (np.sqrt(widths) if self._times_root else 1)

    def _draw_frame(self) -> None:
        """Draw everything that does not depend on networks: the axes, the 1/√n lines, and the curves of the paper."""
        ends = np.array([self._shown_widths[0] / 1.2, self._shown_widths[-1] * 1.2])
        low, high = (0.4, 60.0) if self._times_root else (0.004, 1.2)
        guides, originals = self.figure.data[:2]
        constants = 2.0 ** np.arange(4)
        known = [c * 64**0.5 for name, c in ORIGINAL_AT_64.items() if name in self._names and len(self._names) <= 5]
        with self.drawing():
            for trace, heights in ((guides, constants), (originals, known)):
                lines = [[*self._scaled(ends, c / ends**0.5), None] for c in heights]
                trace.update(
                    x=[*ends, None] * len(lines),
                    y=[height for line in lines for height in line],
                    showlegend=bool(lines),
                )
            self.figure.layout.annotations[0].text = "How far from the limit?" + " (times √n)" * self._times_root
            self.figure.layout.xaxis.range = list(np.log10(ends))
            where = (0.99, "top") if self._times_root else (0.02, "bottom")  # a corner that stays empty
            self.figure.layout.legend.update(y=where[0], yanchor=where[1])
            self.figure.layout.yaxis.update(
                range=[np.log10(low), np.log10(high)],
                title="relative deviation" + " × √n" * self._times_root,
                tickformat=".2~g" if self._times_root else ".0%",
                tickvals=[0.5, 1, 2, 4, 8, 16, 32] if self._times_root else [0.01, 0.03, 0.1, 0.3, 1],
            )

    def _draw(self) -> None:
        curves = self.curves()
        crowd = len(self._names) > len(theme.SERIES)
        with self.drawing():
            for slot, curve in zip(self._slots, curves, strict=False):
                colour, mark = self.look(curve.name)
                grey = colour == theme.MUTED
                x = np.array(list(curve.means()))
                y = self._scaled(x, list(curve.means().values()))
                errors = 2 * self._scaled(x, [standard_error(ds) for _, ds in sorted(curve.deviations.items())])
                slot.update(x=x, y=y, name=curve.label, visible=True, opacity=0.5 if grey else 1, showlegend=not grey)
                slot.line.update(color=colour, width=1.5 if grey else 2.5, dash="dot" if curve.gia else "solid")
                slot.marker.update(color=colour, size=5 if grey else 11, symbol=mark + "-open" * curve.gia)
                slot.error_y.update(
                    type="data", color=colour, thickness=1.5, width=4, array=np.nan_to_num(errors), visible=not crowd
                )
                slot.hovertemplate = "width %{x:,}: %{y:.3~g}<extra>" + curve.label + "</extra>"
            for slot in self._slots[len(curves) :]:
                if slot.visible:
                    slot.visible = False
        self.say(self._summary(curves))

    def _summary(self, curves: list[Curve]) -> str:
        measured = [curve for curve in curves if curve.deviations and not curve.gia]
        networks = sum(len(ds) for curve in measured for ds in curve.deviations.values())
        c = {curve.name: np.mean([d * n**0.5 for n, d in curve.means().items()]) for curve in measured}
        if not c:
            return "If the law holds, each curve falls as <i>c</i>/√n, with its own <i>c</i>."
        least, most = min(c, key=c.__getitem__), max(c, key=c.__getitem__)
        said = f"<b>{networks:,}</b> random networks so far. Deviation × √n, the <i>c</i> of <i>c</i>/√n, is"
        if least == most:
            return f"{said} <b>{figures(c[least])}</b> on average."
        return f"{said} from <b>{figures(c[least])}</b> ({least}) to <b>{figures(c[most])}</b> ({most}) on average."

    def table(self) -> Iterator[Sequence[Any]]:
        yield "architecture", "parametrization", "width", "seed", "from_the_limit", "from_gia_answer"
        for name in self._names:
            for (width, seed), distances in sorted(self._of(name).items()):
                yield name, self._parametrization, width, seed, *distances, *[""] * (2 - len(distances))


class SlopePlot(Plot):
    """The slope of every curve with two standard errors, beside −1/2."""

    def __init__(self, name: str = "slopes"):
        super().__init__(name)
        self._curves: list[Curve] = []
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="markers", showlegend=False)
        figure.data[0].hovertemplate = "%{y}: %{x:.2f}<extra></extra>"
        figure.data[0].error_x.update(type="data", color=theme.MUTED, thickness=2, width=4)
        figure.add_vline(x=-0.5, line={"color": theme.LIMIT, "width": 3, "dash": "dash"})
        figure.update_layout(
            annotations=[theme.heading("The slope of each", xref="paper", x=0)],
            xaxis={"title": "log–log slope", "range": [-0.85, 0.15], "tickvals": [-0.75, -0.5, -0.25, 0]},
            yaxis={"autorange": "reversed", "fixedrange": True, "automargin": True},
            margin={"l": 10, "r": 14, "t": theme.HEADING, "b": 48},
        )
        figure.layout.xaxis.update(fixedrange=True, ticktext=["−0.75", "−0.5", "−0.25", "0"])
        figure.layout.yaxis.tickfont.size = 13

    def show(self, curves: Sequence[Curve], looks: Sequence[tuple[str, str]]) -> None:
        """Show the slopes of curves, each in its colour and with its marker."""
        self._curves = list(curves)
        slopes = np.array([curve.slope() for curve in curves])
        dots = self.figure.data[0]
        with self.drawing():
            dots.update(x=slopes[:, 0], y=[c.label for c in curves])
            dots.error_x.array = 2 * np.nan_to_num(slopes[:, 1])
            dots.marker.update(color=[colour for colour, _ in looks], size=11)
            dots.marker.symbol = [m + "-open" * c.gia for c, (_, m) in zip(curves, looks, strict=True)]
            self.figure.layout.yaxis.range = [len(curves) - 0.4, -0.6]
        known = {c.name: c.slope() for c in curves if not c.gia and np.isfinite(c.slope().value)}
        self.say(_summary(known) if known else "A slope needs three widths; theory predicts −0.50.")

    def table(self) -> Iterator[Sequence[Any]]:
        yield "curve", "slope", "standard_error"
        for curve in self._curves:
            yield curve.label, *curve.slope()


def _summary(slopes: dict[str, Slope]) -> str:
    """How many slopes of distances to the limit agree with −1/2, and which do not."""
    values = [slope.value for slope in slopes.values()]
    said = f"Theory predicts −0.50; measured <b>{signed(float(np.mean(values)))}</b>"
    if len(values) > 1:
        said += f" on average, from {signed(min(values))} to {signed(max(values))}"
    if not np.isfinite([slope.error for slope in slopes.values()]).all():
        return f"{said}."
    apart = [name for name, slope in slopes.items() if not slope.agrees_with(-0.5)]
    said += f". Within two standard errors of it: <b>{len(slopes) - len(apart)} of {len(slopes)}</b>"
    if not apart:
        return f"{said}."
    return (
        f"{said}; outside: {', '.join(apart)}. Narrow networks bend a curve, and chance alone puts one in twenty there."
    )
