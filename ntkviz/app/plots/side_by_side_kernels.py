"""Two kernels side by side on one colour scale, with the inputs drawn along their axes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...convergence import relative_frobenius
from ..style import theme
from ..style.wording import share
from ..translation.words import _
from .panel import Part, Plot


class SideBySideKernels(Plot):
    """A network's kernel and its limit on one colour scale from zero, whose unit is the limit's largest entry.

    - `left`, `right`: their headings.
    - `pictures`: `(count, side, side)`, the images drawn along the axes.
    - `hint`: what to look for, in the line below, after the distance.
    - `names`: the names of the images, by default `image 1` and so on.
    """

    def __init__(
        self,
        left: str,
        right: str,
        pictures: np.ndarray,
        hint: str = "",
        name: str = "kernels",
        *,
        names: Sequence[str] | None = None,
    ):
        super().__init__(name)
        self.widget.add_class("nv-pair")
        self._hint, self._count = hint, len(pictures)
        self._names = list(names or (_("image {k}").format(k=k + 1) for k in range(self._count)))
        self._titles = (left, right)
        figure = self.figure
        blank = np.full((self._count, self._count), np.nan)
        pair = _("{row} and {column}").format
        for side, axis in enumerate(("", "2")):
            for x, y, strip in axis_strips(pictures):
                figure.add_heatmap(
                    z=strip, x=x, y=y, xaxis=f"x{axis}", yaxis=f"y{axis}", colorscale=theme.THUMBNAIL, zmin=0, zmax=1
                )
            figure.add_heatmap(z=blank, xaxis=f"x{axis}", yaxis=f"y{axis}", coloraxis="coloraxis", xgap=1, ygap=1)
            figure.data[-1].customdata = [[pair(row=a, column=b) for b in self._names] for a in self._names]
            figure.data[-1].hovertemplate = f"{self._titles[side]}<br>%{{customdata}}: %{{z:.4g}}<extra></extra>"
        for trace in (*figure.data[0:2], *figure.data[3:5]):
            trace.update(showscale=False, hoverinfo="skip")
        self._strips = [figure.data[k] for k in (0, 1, 3, 4)]
        self._images = figure.data[2], figure.data[5]
        self.parts = [Part(_("“{heading}”").format(heading=text), [2 + 3 * k]) for k, text in enumerate((left, right))]
        frame = {"visible": False, "range": [-2.0, self._count - 0.4], "constrain": "domain", "fixedrange": True}
        down = frame | {"range": [self._count + 1.0, -0.6]}
        figure.update_layout(
            xaxis=frame | {"domain": [0, 0.46], "constraintoward": "left"},
            yaxis=down | {"scaleanchor": "x", "constraintoward": "top"},
            xaxis2=frame | {"domain": [0.48, 0.94], "anchor": "y2", "constraintoward": "left"},
            yaxis2=down | {"scaleanchor": "x2", "anchor": "x2", "constraintoward": "top"},
            coloraxis={
                "colorscale": theme.SEQUENTIAL,
                "colorbar": {"thickness": 12, "outlinewidth": 0, "x": 0.95, "len": 0.86, "y": 1, "yanchor": "top"},
            },
            margin={"l": 0, "r": 40, "t": theme.HEADING, "b": 0},
            annotations=[
                theme.heading(title, xref=axis, x=-0.5) for title, axis in zip(self._titles, ("x", "x2"), strict=True)
            ],
        )

    def illustrate(self, pictures: np.ndarray) -> None:
        """Draw other images along the axes, `(count, side, side)`."""
        inks = [ink for _, _, ink in axis_strips(pictures)]
        with self.figure.batch_update():
            for strip, ink in zip(self._strips, 2 * inks, strict=True):
                strip.z = ink

    def show(self, left: np.ndarray | None = None, right: np.ndarray | None = None) -> None:
        """Show one kernel or both, each `(count, count)`; a new right one sets the colours."""
        given = [part for part, kernel in zip(self.parts, (left, right), strict=True) if kernel is not None]
        with self.drawing(*given):
            if left is not None:
                self._images[0].z = np.asarray(left, dtype=float)
            if right is not None:
                self._images[1].z = np.asarray(right, dtype=float)
                unit = max(float(np.nanmax(np.abs(right))), 1e-300)
                self.figure.set_kernel_colours(unit, float(np.nanmin(right)))
        if not all(part.drawn for part in self.parts):
            self.say("")
            return
        sample, limit = (np.asarray(image.z, dtype=float) for image in self._images)
        distance = relative_frobenius(sample, limit)
        number = share(distance) if all(part.current for part in self.parts) else "…"
        said = _("This network is <b>{distance}</b> from the limit (relative Frobenius norm).")
        self.say(f"{said.format(distance=number)} {self._hint}")

    def table(self) -> Iterator[Sequence[Any]]:
        yield ("row", "column", *self._titles)
        left, right = (
            np.asarray(image.z, dtype=float) * (np.nan if part.outdated else 1)
            for image, part in zip(self._images, self.parts, strict=True)
        )
        for row, column in np.ndindex(self._count, self._count):
            yield self._names[row], self._names[column], left[row, column], right[row, column]


def axis_strips(pictures: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The images in a column left of a heatmap, and in a row below it: x, y and ink of each strip."""
    pictures = np.pad(pictures, ((0, 0), (1, 1), (1, 1)))  # a margin, so that images do not touch
    count, side, _ = pictures.shape
    along = (np.arange(count * side) + 0.5) / side - 0.5
    across = (np.arange(side) + 0.5) / side * 1.1
    yield across - 1.75, along, np.concatenate(list(pictures), axis=0)
    yield along, across + count - 0.4, np.concatenate(list(pictures), axis=1)
