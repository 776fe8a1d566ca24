"""How much of a kernel is already in the data: inner products of pixels, and the kernel against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..style import theme
from ..style.wording import signed
from .panel import Plot
from .side_by_side_kernels import axis_strips


class PixelPlot(Plot):
    """On the left, the inner products of images' pixels; on the right, the kernel of every pair of images against them.

    - `x`: `(count, d)`, the inputs of the network.
    - `pictures`: `(count, side, side)`, the images drawn along the axes.
    - `labels`: `(count,)`, the class of each.
    """

    def __init__(self, x: np.ndarray, pictures: np.ndarray, labels: np.ndarray, name: str = "pixels"):
        super().__init__(name)
        x, classes = np.asarray(x, dtype=float), np.asarray(labels)
        pixels = x @ x.T / x.shape[1]
        self._pairs = np.triu_indices(len(x), 1)
        self._pixels, self._same = pixels[self._pairs], (classes[:, None] == classes)[self._pairs]
        self._kernel = np.full(len(self._pixels), np.nan)
        figure, count = self.figure, len(x)
        for across, along, strip in axis_strips(np.asarray(pictures)):
            figure.add_heatmap(z=strip, x=across, y=along, colorscale=theme.THUMBNAIL, zmin=0, zmax=1)
        figure.add_heatmap(z=pixels, coloraxis="coloraxis", xgap=1, ygap=1)
        figure.update_traces(showscale=False, hoverinfo="skip")
        figure.data[2].update(hoverinfo=None, hovertemplate="images %{y} and %{x}: %{z:.2f}<extra></extra>")
        for label, symbol in (("one class", "circle"), ("two classes", "circle-open")):
            figure.add_scatter(x=[], y=[], mode="markers", name=label, xaxis="x2", yaxis="y2")
            figure.data[-1].marker.update(
                color=theme.LIMIT, size=9, symbol=symbol, line={"color": theme.LIMIT, "width": 1.5}
            )
            figure.data[-1].hovertemplate = "pixels %{x:.2f}, kernel %{y:.4g}<extra>" + label + "</extra>"
        frame = {"visible": False, "range": [-2.0, count - 0.4], "constrain": "domain", "fixedrange": True}
        figure.update_layout(
            xaxis=frame | {"domain": [0, 0.4], "constraintoward": "left"},
            yaxis=frame | {"range": [count + 1.0, -0.6], "scaleanchor": "x", "constraintoward": "top"},
            xaxis2={"domain": [0.5, 1], "anchor": "y2", "title": "ξ·ξ̄/d", "fixedrange": True, "nticks": 6},
            yaxis2={"anchor": "x2", "fixedrange": True, "nticks": 6},
            coloraxis={"colorscale": theme.SEQUENTIAL, "showscale": False},
            legend=theme.legend(x=0.51, y=0.99),
            margin={"l": 0, "r": 12, "t": theme.HEADING, "b": 52},
            annotations=[
                theme.heading("Pixels ξ·ξ̄/d", xref="x", x=-0.5),
                theme.heading("Kernel Θ of each pair", xref="paper", x=0.45),
            ],
        )

    def show(self, kernel: np.ndarray) -> None:
        """Draw a kernel `(count, count)` against the pixels."""
        self._kernel = np.asarray(kernel, dtype=float)[self._pairs]
        with self.drawing():
            for trace, pairs in zip(self.figure.data[3:], (self._same, ~self._same), strict=True):
                trace.update(x=self._pixels[pairs], y=self._kernel[pairs])
        agreed = self.rank_correlation()
        order = "ranks them as their pixels do" if agreed > 0.9995 else "ranks them differently from their pixels"
        self.say(f"All {len(self._pixels)} pairs of images: rank correlation <b>{signed(agreed, 3)}</b>. Θ {order}.")

    def rank_correlation(self) -> float:
        """Spearman's rank correlation between kernel and pixels, over all pairs of different images."""
        return float(np.corrcoef(_ranks(self._pixels), _ranks(self._kernel))[0, 1])

    def table(self) -> Iterator[Sequence[Any]]:
        yield "image", "other_image", "one_class", "pixels", "kernel"
        for i, j, same, pixels, kernel in zip(*self._pairs, self._same, self._pixels, self._kernel, strict=True):
            yield int(i), int(j), bool(same), float(pixels), float(kernel)


def _ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
