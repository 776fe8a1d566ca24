"""The entries of a convolutional kernel that belong to pairs of positions in two images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..style import theme
from ..style.wording import signed
from ..translation.words import _
from .panel import Plot


class PositionTable(Plot):
    """The entries T_pq with p in one row of pixels of the first image, and q in the same row of the second.

    - `shape`: `(rows, columns)` of an image.

    Dashed is the diagonal p = q, which is all that flattening reads; average pooling reads the whole table.
    """

    def __init__(self, heading: str, shape: tuple[int, int], name: str = "positions"):
        super().__init__(name)
        self._shape, columns = shape, shape[1]
        self._row, self._table = 0, np.full((*shape, *shape), np.nan)
        figure, places = self.figure, np.arange(1, columns + 1)
        figure.add_heatmap(z=np.full((columns, columns), np.nan), x=places, y=places, coloraxis="coloraxis")
        figure.data[0].update(xgap=1, ygap=1)
        figure.data[0].hovertemplate = _("column %{y} of x, column %{x} of x′: %{z:.3f}<extra></extra>")
        for colour, width, dash in (("white", 5, "solid"), (theme.THIRD, 3, "dash")):
            figure.add_scatter(x=[0.5, columns + 0.5], y=[0.5, columns + 0.5], mode="lines", hoverinfo="skip")
            figure.data[-1].update(line={"color": colour, "width": width, "dash": dash}, showlegend=False)
        axis = {"tickvals": list(range(2, columns + 1, 2)), "ticks": "", "showgrid": False, "fixedrange": True}
        axis |= {"constrain": "domain", "tickfont": {"size": 12}, "tickangle": 0}
        figure.update_layout(
            annotations=[theme.heading(heading, xref="x", x=0.5)],
            xaxis=axis | {"title": _("column of x′"), "range": [0.5, columns + 0.5], "constraintoward": "left"},
            yaxis=axis | {"title": _("column of x"), "range": [columns + 0.5, 0.5], "constraintoward": "top"},
            coloraxis={"colorbar": {"thickness": 12, "outlinewidth": 0, "len": 1, "y": 1, "yanchor": "top"}},
            margin={"l": 52, "r": 10, "t": theme.HEADING, "b": 50},
        )
        figure.layout.yaxis.scaleanchor = "x"

    def show(self, table: np.ndarray, row: int, unit: float) -> None:
        """Show the table of a row of pixels.

        - `table`: `(P, P)`, the entries for all pairs of the P positions, row by row of the images.
        - `row`: from 1.
        - `unit`: the number of the brightest colours, kept for all tables that are compared.
        """
        self._table, self._row = np.reshape(table, (*self._shape, *self._shape)), row - 1
        block = self._block()
        with self.drawing():
            self.figure.data[0].z = block
            self.figure.set_kernel_colours(unit, float(np.min(block)))
        flat = np.reshape(table, (self._shape[0] * self._shape[1],) * 2)
        said = _(
            "Of all {entries} entries, the mean is <b>{mean}</b>: average pooling. Of the {count} on the diagonal "
            "it is <b>{of_diagonal}</b>: flattening."
        )
        means = {"mean": signed(float(np.mean(flat)), 3), "of_diagonal": signed(float(np.mean(np.diag(flat))), 3)}
        self.say(said.format(entries=f"{flat.size:,}", count=len(flat), **means))

    def _block(self) -> np.ndarray:
        return self._table[self._row, :, self._row, :]

    def table(self) -> Iterator[Sequence[Any]]:
        yield "row", "column", "column_of_second", "entry"
        for (column, other), entry in np.ndenumerate(self._block()):
            yield self._row + 1, column + 1, other + 1, float(entry)
