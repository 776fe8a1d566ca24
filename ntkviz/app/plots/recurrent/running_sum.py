"""How signed terms, one for each coordinate, add up to a cell of the kernel or cancel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...style import theme
from ...style.ranges import round_range
from ...style.wording import figures
from ...translation.words import _, counted
from ..panel import Part, Plot

ROUNDING = 1e-12  # smaller limits count as zero

LINES = (
    {"color": theme.SEQUENTIAL[5], "width": 2.5},
    {"color": theme.NEGATIVE[4], "width": 2.5},
    {"color": theme.FINITE, "width": 3.5},
)
"""Of positive, of negative and of all terms."""


class RunningSum(Plot):
    """The sum of the terms of the first k coordinates against k, and of the positive and the negative ones alone.

    The limit is the straight line to the number that the sum of all n terms tends to.
    """

    def __init__(self, heading: str, name: str = "terms"):
        super().__init__(name)
        self._terms = np.empty(0)
        self._limit, self._width, self._lags = float("nan"), 1, (0, 0)
        figure = self.figure
        for label, line in zip((_("positive terms"), _("negative terms"), _("all terms")), LINES, strict=True):
            figure.add_scatter(x=[], y=[], mode="lines", name=label, line=line)
        figure.add_scatter(x=[], y=[], mode="lines", name=_("infinite width"))
        figure.data[3].line.update(color=theme.LIMIT, width=3, dash="dash")
        figure.update_traces(hovertemplate=_("%{x} coordinates: %{y:.3f}<extra>%{fullData.name}</extra>"))
        self._network, self._line = self.parts = [Part(_("The network’s sum"), [0, 1, 2]), Part(_("The limit"), [3])]
        figure.update_layout(  # the heading is above two rows of the legend
            annotations=[theme.heading(heading, xref="paper", x=0, yshift=2 * theme.HEADING)],
            xaxis={"title": _("coordinates added"), "fixedrange": True, "nticks": 5},
            yaxis={"title": _("sum so far"), "fixedrange": True, "nticks": 6, "zeroline": True},
            legend=theme.legend(orientation="h", x=0, xanchor="left", yanchor="bottom"),
            margin={"l": 66, "r": 12, "t": 3 * theme.HEADING, "b": 48},
        )
        figure.layout.yaxis.update(zerolinecolor=theme.MUTED, zerolinewidth=1)

    def restart(self, limit: float, width: int, lags: tuple[int, int]) -> None:
        """Show the limit of the sum; `lags` says how often Wᵀ acts on the path to each of the two steps."""
        self._limit = float(limit) if abs(limit) > ROUNDING else 0.0
        self._width, self._lags = width, lags
        self.outdate()
        with self.drawing(self._line):
            self._draw_limit([])
        self.say(self._backward())

    def add(self, terms: Sequence[float]) -> None:
        """Show the terms of one network, `(n,)`, whose sum is the cell."""
        self._terms = np.asarray(terms, dtype=float)
        sums = self._sums()
        with self.drawing(self._network):
            for trace, numbers in zip(self.figure.data[:3], sums, strict=True):
                trace.update(x=np.arange(len(numbers)), y=numbers)
            self._draw_limit(sums)
        positive, negative, total = (numbers[-1] for numbers in sums)
        signs = figures(float(np.linalg.norm(self._terms)))
        parts = {"positive": figures(positive), "negative": figures(-negative), "total": figures(total)}
        self.say(self._with_network().format(**self._limit_of(), **parts, signs=signs))

    def _draw_limit(self, sums: list[np.ndarray]) -> None:
        self.figure.data[3].update(x=[0, self._width], y=[0, self._limit])
        self.figure.layout.xaxis.range = [0, self._width]
        if sums or self._limit:
            self.figure.layout.yaxis.range = round_range([np.array([self._limit]), *sums])

    def _sums(self) -> list[np.ndarray]:
        """The sums over the first 0, 1, …, n coordinates: of positive, of negative and of all terms."""
        parts = np.maximum(self._terms, 0), np.minimum(self._terms, 0), self._terms
        return [np.concatenate([[0.0], np.cumsum(part)]) for part in parts]

    def _limit_of(self) -> dict[str, str]:
        one, other = self._lags
        return {"times": _times(one), "others": _times(other), "limit": figures(self._limit)}

    def _backward(self) -> str:
        one, other = self._lags
        if one == other:
            said = _("<i>W</i><sup>⊤</sup> acts {times}: limit <b>{limit}</b>.")
        else:
            said = _("<i>W</i><sup>⊤</sup> acts {times} and {others}: limit <b>{limit}</b>.")
        return said.format(**self._limit_of())

    def _with_network(self) -> str:
        one, other = self._lags
        if one == other:
            return _(
                "<i>W</i><sup>⊤</sup> acts {times}: limit <b>{limit}</b>, network {positive} − {negative} = "
                "<b>{total}</b>; random signs give ± {signs}."
            )
        return _(
            "<i>W</i><sup>⊤</sup> acts {times} and {others}: limit <b>{limit}</b>, network {positive} − {negative} = "
            "<b>{total}</b>; random signs give ± {signs}."
        )

    def table(self) -> Iterator[Sequence[Any]]:
        yield "coordinate", "term", "sum", "limit"
        terms = self._terms[:0] if self._network.outdated else self._terms
        for number, (term, total) in enumerate(zip(terms, np.cumsum(terms), strict=True), 1):
            yield number, float(term), float(total), self._limit * number / len(self._terms)


def _times(count: int) -> str:
    if count < 3:
        return (_("never"), _("once"), _("twice"))[count]
    return counted("{count} time", "{count} times", count).format(count=count)
