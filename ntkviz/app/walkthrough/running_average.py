"""The Master Theorem as a plot: an average over more and more coordinates converges to a constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...calculus.walkthrough import Average
from ..plots.panel import Plot
from ..style import theme
from ..style.wording import signed
from ..translation.words import _, counted

LARGEST = 4096
POINTS = 300


class RunningAverage(Plot):
    """The average of a line's first m terms, against m on a logarithmic axis, beside its limit.

    The band is the error expected for m independent terms: twice their standard deviation over √m.
    For an output the sum is divided by √m instead, and the band does not narrow.
    """

    def __init__(self, name: str = "average"):
        super().__init__(name)
        self._average: Average | None = None
        self._psi = ""
        self._m, self._running = np.array([]), np.array([])
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="lines", fill="toself", line_width=0, hoverinfo="skip", showlegend=False)
        figure.data[0].fillcolor = theme.translucent(theme.LIMIT, 0.14)
        figure.add_scatter(x=[], y=[], mode="lines", name=_("limit"), line={"color": theme.LIMIT, "width": 3})
        figure.add_scatter(x=[], y=[], mode="lines", name=_("one network"), line={"color": theme.FINITE, "width": 2.5})
        figure.update_traces(hovertemplate="m = %{x:,}: %{y:.3f}<extra>%{fullData.name}</extra>")
        figure.update_layout(
            annotations=[theme.heading("", xref="paper", x=0)],
            xaxis={"type": "log", "range": [0, np.log10(1.2 * LARGEST)], "tickvals": [1, 4, 16, 64, 256, 1024, 4096]},
            yaxis={"fixedrange": True, "nticks": 6},
            legend=theme.legend(x=1, xanchor="right", font={"size": 14}),
            margin={"l": 56, "r": 20, "t": theme.HEADING, "b": 52},
        )
        figure.layout.xaxis.update(fixedrange=True, title={"text": _("m, number of coordinates averaged")})

    def restart(self, average: Average | None, psi: str) -> None:
        """Draw the limit, if the line has terms to average; `psi` is the name of a vector's terms (HTML)."""
        self._average, self._psi = average, psi
        self._m, self._running = np.array([]), np.array([])
        self._draw()

    def add(self, terms: Sequence[float]) -> None:
        """Add the terms in one network, one for each coordinate."""
        if self._average is None:
            return
        self._m = np.arange(1, len(terms) + 1)
        self._running = np.cumsum(terms, dtype=float) / (self._m if self._average.settles else np.sqrt(self._m))
        self._draw()

    def _draw(self) -> None:
        band, limit, network = self.figure.data
        average = self._average
        with self.drawing():
            self.figure.layout.annotations[0].text = self._heading()
            if average is None:
                for trace in (band, limit, network):
                    trace.update(x=[], y=[])
            else:
                m = np.geomspace(1, LARGEST, 49)
                half = 2 * average.spread / (np.sqrt(m) if average.settles else 1)
                expected = average.expected if average.settles else 0.0
                upper = expected + half * np.ones_like(m)
                band.update(x=np.append(m, m[::-1]), y=np.append(upper, 2 * expected - upper[::-1]))
                limit.update(x=[1, LARGEST] if average.settles else [], y=[expected] * 2 if average.settles else [])
                shown = np.unique(np.geomspace(1, max(1, len(self._m)), POINTS).astype(int)) - 1
                shown = shown[shown < len(self._m)]
                network.update(x=self._m[shown], y=self._running[shown])
                reach = max((1.2 if average.settles else 2.8) * average.spread, 0.02)
                self.figure.layout.yaxis.range = [expected - reach, expected + reach]
        self.say(self._reading())

    def _heading(self) -> str:
        if self._average is None:
            return _("Nothing to average")
        if self._average.of == "vector":
            return _("The average of {terms}").format(terms=self._psi)
        return _("The average on this line") if self._average.of == "Moment" else _("The sum divided by √m")

    def _reading(self) -> str:
        if self._average is None:
            return _("One number: it has no coordinates to average over.")
        limit = signed(self._average.expected)
        if not self._running.size:
            if not self._average.settles:
                return _("Divided by √m, not by m, the sum never settles.")
            return _("The limit is <b>{limit}</b>.").format(limit=limit)
        count = len(self._m)
        if not self._average.settles:
            said = counted(
                "Divided by √m, not by m, the sum never settles: after {count} term it is <b>{here}</b>.",
                "Divided by √m, not by m, the sum never settles: after {count} terms it is <b>{here}</b>.",
                count,
            )
        else:
            said = counted(
                "After {count} coordinate it is <b>{here}</b>; the limit is <b>{limit}</b>.",
                "After {count} coordinates it is <b>{here}</b>; the limit is <b>{limit}</b>.",
                count,
            )
        return said.format(count=f"{count:,}", here=signed(self._running[-1]), limit=limit)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "m", "running", "limit"
        limit = self._average.expected if self._average and self._average.settles else float("nan")
        yield from ((int(m), float(running), limit) for m, running in zip(self._m, self._running, strict=True))
