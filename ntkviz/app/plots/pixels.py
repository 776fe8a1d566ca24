"""How much of a kernel is already in the data: inner products of pixels, and the kernel against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..style import theme
from ..style.wording import signed
from ..translation.words import _
from .panel import Plot
from .side_by_side_kernels import axis_strips


class PixelMaps(Plot):
    """Three maps of all pairs of images: the inner products of their pixels, the kernel, and the difference of the two.

    Both have ones on the diagonal: the inputs have mean square 1, and the kernel is divided by its diagonal.

    - `x`: `(count, d)`, the inputs of the network.
    - `pictures`: `(count, side, side)`, the images drawn along the axes.
    - `names`: the names of the images.
    """

    def __init__(self, x: np.ndarray, pictures: np.ndarray, names: Sequence[str], name: str = "pixel-maps"):
        super().__init__(name)
        x = np.asarray(x, dtype=float)
        self._names, count = list(names), len(x)
        self._maps = [x @ x.T / x.shape[1], np.full((count, count), np.nan), np.full((count, count), np.nan)]
        figure = self.figure
        frame = {"visible": False, "range": [-2.0, count - 0.4], "constrain": "domain", "fixedrange": True}
        titles = _("Pixels ξ·ξ̄/d"), _("Kernel Θ/Θ(ξ, ξ)"), _("Kernel − pixels")
        pair = _("{row} and {column}").format
        for k, title in enumerate(titles):
            axis = "" if k == 0 else str(k + 1)
            for across, along, strip in axis_strips(np.asarray(pictures)):
                figure.add_heatmap(z=strip, x=across, y=along, colorscale=theme.THUMBNAIL, zmin=0, zmax=1)
                figure.data[-1].update(xaxis=f"x{axis}", yaxis=f"y{axis}", showscale=False, hoverinfo="skip")
            figure.add_heatmap(z=self._maps[k], xaxis=f"x{axis}", yaxis=f"y{axis}", coloraxis="coloraxis")
            figure.data[-1].update(xgap=1, ygap=1, customdata=[[pair(row=a, column=b) for b in names] for a in names])
            figure.data[-1].hovertemplate = f"{title}<br>%{{customdata}}: %{{z:.2f}}<extra></extra>"
            domain = {"domain": [0.34 * k, 0.34 * k + 0.32], "anchor": f"y{axis}", "constraintoward": "left"}
            down = {"range": [count + 1.0, -0.6], "scaleanchor": f"x{axis}", "constraintoward": "top"}
            figure.layout[f"xaxis{axis}"] = frame | domain
            figure.layout[f"yaxis{axis}"] = frame | down | {"anchor": f"x{axis}"}
        colours = theme.kernel_colours(1.0, -1.0)
        colours["colorbar"] |= {
            "thickness": 12,
            "outlinewidth": 0,
            "orientation": "h",
            "len": 0.6,
            "y": 0,
            "yanchor": "bottom",
        }
        figure.update_layout(
            coloraxis=colours,
            margin={"l": 0, "r": 4, "t": theme.HEADING, "b": 0},
            annotations=[
                theme.heading(title, xref=axis, x=-0.5) for title, axis in zip(titles, ("x", "x2", "x3"), strict=True)
            ],
        )
        figure.layout.coloraxis.colorbar.title.text = ""

    def show(self, kernel: np.ndarray) -> None:
        """Draw a kernel `(count, count)` beside the pixels."""
        root = np.sqrt(np.diag(kernel))
        self._maps[1] = np.asarray(kernel, dtype=float) / root[:, None] / root
        self._maps[2] = self._maps[1] - self._maps[0]
        with self.drawing():
            self.figure.data[5].z, self.figure.data[8].z = self._maps[1:]
        off = self._maps[2][~np.eye(len(root), dtype=bool)]
        said = _("The network adds between <b>{low}</b> and <b>{high}</b> to a pair.")
        self.say(said.format(low=signed(off.min()), high=signed(off.max())))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "row", "column", "pixels", "kernel", "difference"
        for row, column in np.ndindex(self._maps[0].shape):
            yield self._names[row], self._names[column], *(float(one[row, column]) for one in self._maps)


class PixelPlot(Plot):
    """The kernel of every pair of images against the inner product of their pixels.

    - `x`: `(count, d)`, the inputs of the network.
    - `labels`: `(count,)`, the class of each.
    """

    def __init__(self, x: np.ndarray, labels: np.ndarray, name: str = "pixels"):
        super().__init__(name)
        x, classes = np.asarray(x, dtype=float), np.asarray(labels)
        pixels = x @ x.T / x.shape[1]
        self._pairs = np.triu_indices(len(x), 1)
        self._pixels, self._same = pixels[self._pairs], (classes[:, None] == classes)[self._pairs]
        self._kernel = np.full(len(self._pixels), np.nan)
        figure = self.figure
        for label, symbol in ((_("one class"), "circle"), (_("two classes"), "circle-open")):
            figure.add_scatter(x=[], y=[], mode="markers", name=label)
            figure.data[-1].marker.update(
                color=theme.LIMIT, size=9, symbol=symbol, line={"color": theme.LIMIT, "width": 1.5}
            )
        figure.update_traces(hovertemplate=_("pixels %{x:.2f}, kernel %{y:.4g}<extra>%{fullData.name}</extra>"))
        figure.update_layout(
            xaxis={"title": "ξ·ξ̄/d", "fixedrange": True, "nticks": 6},
            yaxis={"fixedrange": True, "nticks": 6},
            legend=theme.legend(x=0.01, y=0.99),
            margin={"l": 46, "r": 12, "t": theme.HEADING, "b": 52},
            annotations=[theme.heading(_("Kernel Θ of each pair"), xref="paper", x=0)],
        )

    def show(self, kernel: np.ndarray) -> None:
        """Draw a kernel `(count, count)` against the pixels."""
        self._kernel = np.asarray(kernel, dtype=float)[self._pairs]
        with self.drawing():
            for trace, pairs in zip(self.figure.data, (self._same, ~self._same), strict=True):
                trace.update(x=self._pixels[pairs], y=self._kernel[pairs])
        agreed = self.rank_correlation()
        if agreed > 0.9995:
            said = _("All {count} pairs of images: rank correlation <b>{agreed}</b>. Θ ranks them as their pixels do.")
        else:
            said = _(
                "All {count} pairs of images: rank correlation <b>{agreed}</b>. Θ ranks them differently from their "
                "pixels."
            )
        self.say(said.format(count=len(self._pixels), agreed=signed(agreed, 3)))

    def rank_correlation(self) -> float:
        """Spearman's rank correlation between kernel and pixels, over all pairs of different images."""
        return float(np.corrcoef(_ranks(self._pixels), _ranks(self._kernel))[0, 1])

    def table(self) -> Iterator[Sequence[Any]]:
        yield "image", "other_image", "one_class", "pixels", "kernel"
        for i, j, same, pixels, kernel in zip(*self._pairs, self._same, self._pixels, self._kernel, strict=True):
            yield int(i), int(j), bool(same), float(pixels), float(kernel)


def _ranks(values: np.ndarray) -> np.ndarray:
    """The rank of each value; equal values share their mean rank."""
    place, counts = np.unique(values, return_inverse=True, return_counts=True)[1:]
    return (np.cumsum(counts) - (counts - 1) / 2)[place]
