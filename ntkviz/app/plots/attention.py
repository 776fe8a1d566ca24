"""Attention between the words of a sentence: the attention map, and one word's weights in many random networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..style import theme
from ..translation.words import _, counted
from .panel import Part, Plot


class AttentionPair(Plot):
    """Two attention maps side by side on one colour scale from 0 to 1; each row holds one word's weights and sums to 1.

    - `left`, `right`: their headings.
    - `words`: the labels of both axes, `(T,)`; a smaller map is that of the first words.
    """

    def __init__(self, left: str, right: str, words: Sequence[str], name: str = "attention"):
        super().__init__(name)
        self.widget.add_class("nv-pair")
        self._titles, self._words, self._names = (left, right), list(words), _numbered(words)
        count = len(self._words)
        blank = np.full((count, count), np.nan)
        said = _("from {word} to {other}")
        figure = self.figure
        for side, number in enumerate(("", "2")):
            figure.add_heatmap(z=blank, xaxis=f"x{number}", yaxis=f"y{number}", coloraxis="coloraxis", xgap=1, ygap=1)
            figure.data[-1].customdata = [[said.format(word=a, other=b) for b in self._names] for a in self._names]
            figure.data[-1].hovertemplate = f"{self._titles[side]}<br>%{{customdata}}: %{{z:.3f}}<extra></extra>"
            figure.add_shape(
                type="rect", xref=f"x{number}", yref=f"y{number}", x0=-0.5, x1=count - 0.5, y0=-0.5, y1=0.5
            )
        self.parts = [Part(f"“{left}”", [0]), Part(f"“{right}”", [1])]
        figure.update_shapes(line={"color": theme.LIMIT, "width": 3})
        axis: dict[str, Any] = {
            "tickvals": list(range(count)),
            "ticktext": self._words,
            "ticks": "",
            "showgrid": False,
            "fixedrange": True,
            "constrain": "domain",
        }
        across = axis | {"range": [-0.5, count - 0.5], "tickangle": -45, "constraintoward": "left"}
        down = axis | {"range": [count - 0.5, -0.5], "constraintoward": "top"}
        figure.update_layout(
            xaxis=across | {"domain": [0, 0.43]},
            yaxis=down | {"scaleanchor": "x"},
            xaxis2=across | {"domain": [0.5, 0.93], "anchor": "y2"},
            yaxis2=down | {"scaleanchor": "x2", "anchor": "x2"},
            coloraxis={
                "colorscale": theme.SEQUENTIAL,
                "cmin": 0,
                "cmax": 1,
                "colorbar": {"thickness": 12, "outlinewidth": 0, "x": 0.94, "len": 0.9, "y": 1, "yanchor": "top"},
            },
            margin={"l": 52, "r": 40, "t": theme.HEADING, "b": 50},
            annotations=[
                theme.heading(title, xref=x, x=-0.5) for title, x in zip(self._titles, ("x", "x2"), strict=True)
            ],
        )

    def show(self, left: np.ndarray | None = None, right: np.ndarray | None = None, chosen: int | None = None) -> None:
        """Show one map or both, `(T, T)`, and frame the row of word number `chosen`."""
        given = [part for part, weights in zip(self.parts, (left, right), strict=True) if weights is not None]
        with self.drawing(*given):
            if left is not None:
                self.figure.data[0].z = self._padded(left)
            if right is not None:
                self.figure.data[1].z = self._padded(right)
        if chosen is not None:
            self.figure.update_shapes(y0=chosen - 0.5, y1=chosen + 0.5, x1=self._count - 0.5)
        if not all(part.drawn for part in self.parts):
            self.say("")
            return
        sample, limit = self._maps()
        number = f"{np.abs(sample - limit).max():.3f}" if all(part.current for part in self.parts) else "…"
        said = _("Every row sums to 1. The largest difference between the two maps is <b>{number}</b>.")
        self.say(said.format(number=number))

    @property
    def _count(self) -> int:
        """The number of words of the limit's map."""
        return int(np.isfinite(np.asarray(self.figure.data[1].z, dtype=float)).any(axis=1).sum())

    def _padded(self, weights: np.ndarray) -> np.ndarray:
        """A map with empty cells for the omitted words."""
        missing = len(self._words) - len(weights)
        return np.pad(np.asarray(weights, dtype=float), (0, missing), constant_values=np.nan)

    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Both maps, restricted to the words of the limit's map."""
        shown = slice(self._count), slice(self._count)
        left, right = (np.asarray(trace.z, dtype=float)[shown] for trace in self.figure.data)
        return left, right

    def table(self) -> Iterator[Sequence[Any]]:
        yield ("from", "to", *self._titles)
        left, right = (
            weights * (np.nan if part.outdated else 1) for weights, part in zip(self._maps(), self.parts, strict=True)
        )
        for row, column in np.ndindex(*right.shape):
            yield self._names[row], self._names[column], float(left[row, column]), float(right[row, column])


class WeightCloud(Plot):
    """The attention weights of one word in many random networks, as dots around their limits.

    - `words`: the labels of the axis, `(T,)`; fewer weights are those of the first words.

    The first network added is the one shown in the map; its weights are drawn as rings.
    """

    def __init__(self, heading: str, words: Sequence[str], name: str = "weights"):
        super().__init__(name)
        self._words = list(words)
        self._limit, self._networks, self._width = np.full(len(self._words), np.nan), np.empty((0, len(words))), 1
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="markers", name=_("networks"))
        figure.data[0].marker.update(color=theme.FINITE, size=6, opacity=0.5)
        figure.add_scatter(x=[], y=[], mode="lines", name=_("infinite width"), line={"color": theme.LIMIT, "width": 3})
        figure.add_scatter(x=[], y=[], mode="markers", name=_("left network"))
        figure.data[2].marker.update(color=theme.FINITE, size=11, symbol="circle-open", line_width=2.5)
        figure.update_traces(hovertemplate="%{y:.3f}<extra>%{fullData.name}</extra>")
        figure.update_layout(
            annotations=[theme.heading(heading, xref="paper", x=0, yshift=theme.HEADING)],
            xaxis={
                "tickvals": list(range(len(self._words))),
                "ticktext": self._words,
                "range": [-0.6, len(self._words) - 0.4],
                "tickangle": -45,
                "showgrid": False,
                "fixedrange": True,
            },
            yaxis={"title": _("attention weight"), "range": [-0.03, 1.03], "fixedrange": True, "nticks": 6},
            legend=theme.legend(orientation="h", x=0, xanchor="left", yanchor="bottom"),
            margin={"l": 62, "r": 10, "t": 2 * theme.HEADING, "b": 50},
        )

    def restart(self, limit: Sequence[float], width: int) -> None:
        """Draw the limits of one word's weights, `(T,)`, and clear the networks; new ones have this width."""
        self._limit, self._width = np.asarray(limit, dtype=float), width
        self._networks = np.empty((0, len(self._limit)))
        self._draw()

    def add(self, weights: Sequence[float]) -> None:
        """Add the same weights in one more random network."""
        self._networks = np.concatenate([self._networks, np.asarray(weights, dtype=float)[None]])
        self._draw()

    def spread(self) -> float:
        """The standard deviation over networks, averaged over all words; NaN for fewer than two networks."""
        if len(self._networks) < 2:
            return float("nan")
        return float(np.sqrt(np.mean(np.var(self._networks, axis=0, ddof=1))))

    def _draw(self) -> None:
        count, words = len(self._networks), np.arange(len(self._limit))
        # Horizontal offsets by multiples of the golden ratio: evenly spread, and reproducible.
        aside = (np.arange(count) * 0.618 % 1 - 0.5)[:, None] * 0.5
        cloud, limit, one = self.figure.data
        with self.drawing():
            cloud.update(x=np.ravel(words + aside), y=np.ravel(self._networks))
            limit.update(
                x=np.ravel([words - 0.42, words + 0.42, np.full(len(words), np.nan)], order="F"),
                y=np.repeat(self._limit, 3),
            )
            one.update(x=words if count else [], y=self._networks[0] if count else [])
        if count < 2:
            self.say(_("Estimating the spread takes at least two networks."))
            return
        said = counted(
            "{count} network of width {width} varies by ± <b>{spread}</b>; times √n that is <b>{product}</b>.",
            "{count} networks of width {width} vary by ± <b>{spread}</b>; times √n that is <b>{product}</b>.",
            count,
        )
        spread, product = f"{self.spread():.3f}", f"{self.spread() * self._width**0.5:.2f}"
        self.say(said.format(count=count, width=f"{self._width:,}", spread=spread, product=product))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "network", "to", "weight", "limit"
        for number, weights in enumerate(self._networks):
            for word, weight, limit in zip(_numbered(self._words), weights, self._limit, strict=False):
                yield number + 1, word, float(weight), float(limit)


def _numbered(words: Sequence[str]) -> list[str]:
    """Words with their positions in the sentence, since a word may occur twice: `the (1)`."""
    return [f"{word} ({place})" for place, word in enumerate(words, 1)]
