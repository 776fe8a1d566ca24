"""What one line of a program does: each coordinate as a dot beside the vector it is made from, and the law of Z."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import numpy as np

from ...calculus.walkthrough import Cloud, Step
from ..plots import statistics
from ..plots.panel import Plot
from ..style import theme
from ..style.wording import signed
from ..translation.words import _

BINS = 41
DOTS = 400  # of a wide network, so many are enough to see the form, and few enough to move
LONGEST = 40  # characters of a formula in the heading
SPLIT = 0.7  # of the width: dots to the left, their histogram to the right
Ends = tuple[float, float]  # of the axis of heights
RETURNS = theme.SERIES[3]  # what returns, Ż, has a colour of its own


class LineCloud(Plot):
    """Each coordinate of a vector as a dot: its height is its value, its place that of the vector it is compared with.

    At the right, their histogram under the law of Z. Where part of an earlier vector returns (Ż), that part is filled,
    and the dashed curve is the law of Ẑ alone. A non-Gaussian law is drawn in steps, as the share of its samples in
    each bar, since it may have an atom, as relu's at 0. A number is one dot beside its limit.

    On the dashboard's pages the dots move from the last line to the next, by way of Ẑ (`figure.js`).
    """

    def __init__(self, name: str = "coordinates"):
        super().__init__(name)
        self._step: Step | None = None
        self._cloud: Cloud | None = None
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="lines", fill="tozeroy", name=_("returns: Ż"), line={"color": RETURNS})
        figure.data[0].update(fillcolor=theme.translucent(RETURNS, 0.3), hoverinfo="skip")
        figure.add_scatter(x=[], y=[], mode="markers", name=_("one network"), showlegend=False, meta={"moves": True})
        figure.data[1].marker.update(color=theme.FINITE, size=6, opacity=0.7)
        figure.add_bar(x=[], y=[], orientation="h", name=_("one network"), xaxis="x2", opacity=0.5, showlegend=False)
        figure.data[2].marker.update(color=theme.FINITE, line_width=0)
        figure.add_scatter(x=[], y=[], mode="lines", name=_("law of Z"), xaxis="x2")
        figure.data[3].line.update(color=theme.LIMIT, width=3)
        figure.add_scatter(x=[], y=[], mode="lines", name=_("Ẑ alone"), xaxis="x2")
        figure.data[4].line.update(color=theme.THIRD, width=3, dash="dash")
        figure.data[1].hovertemplate = "%{x:.2f}, %{y:.2f}<extra></extra>"
        for trace in figure.data[2:]:
            trace.hovertemplate = _("near %{y:.2f}: %{x:.3f}<extra>%{fullData.name}</extra>")
        figure.update_layout(
            annotations=[theme.heading("", xref="paper", x=0)],
            bargap=0,
            xaxis={"domain": [0, SPLIT], "fixedrange": True, "nticks": 6},
            xaxis2={"domain": [SPLIT + 0.02, 1], "fixedrange": True, "showticklabels": False, "showgrid": False},
            yaxis={"fixedrange": True, "nticks": 7, "zeroline": True},
            legend=theme.legend(x=1, xanchor="right"),
            margin={"l": 64, "r": 10, "t": theme.HEADING, "b": 52},
        )
        for axis in (figure.layout.xaxis, figure.layout.yaxis):
            axis.update(zerolinecolor=theme.MUTED, zerolinewidth=1)

    def restart(self, step: Step, limit: Cloud) -> None:
        """Draw a line's law and clear the network; `limit` has samples of Z."""
        self._step, self._cloud = step, None
        ends = _ends(step, limit.values)
        low, high = (0.0, 1.0) if not limit.name else (min(limit.beside.min(), 0.0), max(limit.beside.max(), 0.0))
        room = 0.06 * (high - low)
        place = _("the same coordinate of {name}").format(name=limit.name) if limit.name else ""
        with self.drawing():
            self._draw_law(ends)
            self._draw_returned(low, high)
            self.figure.layout.yaxis.range = ends
            self.figure.layout.xaxis.update(
                range=[low - room, high + room], title={"text": place}, showticklabels=bool(place), zeroline=bool(place)
            )
            self.figure.layout.annotations[0].text = escape(self._heading())
            value = _("a coordinate of {name}") if self._is_vector() else "{name}"
            self.figure.layout.yaxis.title.text = value.format(name=step.line.name)
            for trace in self.figure.data[1:3]:
                trace.update(x=[], y=[])
        self.say(self._reading())

    def add(self, cloud: Cloud) -> None:
        """Show the line in one network."""
        self._cloud = cloud
        with self.drawing():
            self._draw_network(cloud)
        self.say(self._reading())

    def _draw_law(self, ends: Ends) -> None:
        assert self._step
        step, law = self._step, self._step.limit
        y = np.linspace(*ends, 161)
        _, _, _, curve, fresh = self.figure.data
        places: Any
        heights: Any
        if law.std <= 1e-9:
            places, heights = [law.mean] * 2, [0, 1]
        elif law.gaussian:
            places, heights = y, statistics.density(y, law.mean, law.std)
        else:
            places, heights = _middles(ends), _density(np.asarray(law.samples), ends)
        alone: Any = [] if step.fresh is None else statistics.density(y, 0, step.fresh)
        curve.update(x=heights, y=places)
        curve.line.shape = "linear" if law.gaussian or law.std <= 1e-9 else "vhv"
        fresh.update(x=alone, y=y if step.fresh else [], visible=step.fresh is not None)
        self.figure.layout.xaxis2.range = [0, 1.25 * max(*heights, *alone)]

    def _draw_returned(self, low: float, high: float) -> None:
        assert self._step
        line, returns = self.figure.data[0], self._step.returns
        shown = len(returns) == 1
        line.update(x=[low, high] if shown else [], y=[returns[0][1] * end for end in (low, high)] if shown else [])
        line.visible = shown

    def _draw_network(self, cloud: Cloud) -> None:
        _, dots, bars, _, _ = self.figure.data
        ends = self._ends_with(cloud)
        self.figure.layout.yaxis.range = ends
        values = cloud.values[:DOTS]
        places = cloud.beside[:DOTS] if cloud.name else (np.arange(len(values)) + 0.5) / len(values)
        # By way of `customdata` the dots move to their heights: first comes what is fresh, then what returns.
        dots.update(x=places, y=values, customdata=values - cloud.returned[:DOTS])
        dots.marker.size = 6 if self._is_vector() else 14
        # A constant would be a bar that is as high as it is narrow.
        density: Any = _density(cloud.values, ends) if np.std(cloud.values) > 1e-9 else []
        bars.update(x=density, y=_middles(ends) if len(density) else [], width=(ends[1] - ends[0]) / BINS)

    def _ends_with(self, cloud: Cloud) -> Ends:
        """The range of heights, which is wider if the number that the line is lies beyond it."""
        low, high = self.figure.layout.yaxis.range
        away = 0.0 if self._is_vector() else 1.4 * abs(cloud.values[0] - (low + high) / 2)
        return low - max(0.0, away - (high - low) / 2), high + max(0.0, away - (high - low) / 2)

    def _heading(self) -> str:
        assert self._step
        line = self._step.line
        formula = line.formula_text.split(",  ")[0]  # without what the letters in it are
        return f"{line.name} = {formula}" if len(formula) < LONGEST else line.name

    def _is_vector(self) -> bool:
        assert self._step
        return self._step.line.type not in ("scalar", "output")

    def _reading(self) -> str:
        assert self._step
        step, law = self._step, self._step.limit
        mean, std = signed(float(law.mean)), signed(float(law.std))
        if not self._is_vector():
            if law.std > 1e-9:
                said = _("It stays random: over many networks N(0, <b>{std}</b>²).").format(std=std)
            else:
                said = _("A number, with the limit <b>{mean}</b>.").format(mean=mean)
            if not self._cloud:
                return said
            return f"{said} {_('Here it is <b>{value}</b>.').format(value=signed(self._cloud.values[0]))}"
        if law.std <= 1e-9:
            return _("A constant: every coordinate is <b>{mean}</b>.").format(mean=mean)
        if not self._cloud:
            return f"{_form(step)} {_('Mean <b>{mean}</b>, deviation <b>{std}</b>.').format(mean=mean, std=std)}"
        said = _("Mean <b>{mean}</b>, deviation <b>{std}</b>; here {mean_here} and {std_here}.")
        here = {"mean_here": signed(self._cloud.values.mean()), "std_here": signed(self._cloud.values.std())}
        return f"{_form(step)} {said.format(mean=mean, std=std, **here)}"

    def table(self) -> Iterator[Sequence[Any]]:
        assert self._step
        cloud = self._cloud
        yield self._step.line.name, cloud.name if cloud and cloud.name else "beside", "of_it_returned"
        if cloud:
            yield from zip(*(map(float, part) for part in (cloud.values, cloud.beside, cloud.returned)), strict=True)


def _form(step: Step) -> str:
    """What kind of law Z has."""
    if step.returning:
        parts = zip(step.returning, step.returns, strict=True)
        returned = " + ".join(f"<b>{signed(c)}</b>·Z<sup>{name}</sup>" for name, (_number, c) in parts)
        return f"Z = Ẑ + {returned}."
    if step.kind == "MatMul":
        return _("Z is Gaussian: nothing returns, Ż = 0.")
    return _("Z is Gaussian.") if step.limit.gaussian else _("Z is not Gaussian.")


def _ends(step: Step, samples: np.ndarray) -> Ends:
    """Four standard deviations on both sides, or less where Z is bounded."""
    law = step.limit
    if law.std <= 1e-9:
        reach = max(0.5, 0.2 * abs(float(law.mean)))
        return float(law.mean) - reach, float(law.mean) + reach
    reach = 4 * float(law.std)
    low, high = max(law.mean - reach, samples.min()), min(law.mean + reach, samples.max())
    room = 0.06 * (high - low)
    return float(low - room), float(high + room)


def _middles(ends: Ends) -> np.ndarray:
    edges = np.linspace(*ends, BINS + 1)
    return np.asarray((edges[1:] + edges[:-1]) / 2)


def _density(values: np.ndarray, ends: Ends) -> np.ndarray:
    """The share of the values in each bar divided by its width; values beyond the ends count in the total."""
    edges = np.linspace(*ends, BINS + 1)
    return np.asarray(np.histogram(values, edges)[0] / values.size / (edges[1] - edges[0]))
