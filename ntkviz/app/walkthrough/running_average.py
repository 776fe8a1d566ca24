"""The Master Theorem as a plot: an average over more and more coordinates converges to a constant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...calculus.walkthrough import Average
from ..plots.panel import Plot
from ..style import theme
from ..style.wording import signed

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
        figure.add_scatter(x=[], y=[], mode="lines", name="limit", line={"color": theme.LIMIT, "width": 3})
        figure.add_scatter(x=[], y=[], mode="lines", name="one network", line={"color": theme.FINITE, "width": 2.5})
        figure.update_traces(hovertemplate="m = %{x:,}: %{y:.3f}<extra>%{fullData.name}</extra>")
        figure.update_layout(
            annotations=[theme.heading("", xref="paper", x=0)],
            xaxis={"type": "log", "range": [0, np.log10(1.2 * LARGEST)], "tickvals": [1, 4, 16, 64, 256, 1024, 4096]},
            yaxis={"fixedrange": True, "nticks": 6},
            legend=theme.legend(x=1, xanchor="right", font={"size": 14}),
            margin={"l": 56, "r": 20, "t": theme.HEADING, "b": 52},
        )
        figure.layout.xaxis.update(fixedrange=True, title={"text": "m, number of coordinates averaged"})

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
            return "Nothing to average"
        headings = {"Moment": "The average on this line", "output": "The sum divided by √m"}
        return headings.get(self._average.of, f"The average of {self._psi}")

    def _reading(self) -> str:
        if self._average is None:
            return "One number: it has no coordinates to average over."
        count, here = f"{len(self._m):,}", f"<b>{signed(self._running[-1])}</b>" if self._running.size else ""
        if not self._average.settles:
            after = f": after {count} terms it is {here}" if here else ""
            return f"Divided by √m, not by m, the sum never settles{after}."
        limit = f"he limit is <b>{signed(self._average.expected)}</b>."
        return f"After {count} coordinates it is {here}; t{limit}" if here else f"T{limit}"

    def table(self) -> Iterator[Sequence[Any]]:
        yield "m", "running", "limit"
        limit = self._average.expected if self._average and self._average.settles else float("nan")
        yield from ((int(m), float(running), limit) for m, running in zip(self._m, self._running, strict=True))
