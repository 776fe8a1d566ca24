"""A recurrent network unrolled over time for two sentences, with the backward paths to one step of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...style import theme

SELECTED = theme.SERIES[3]
"""The colour of what the reader has selected: a pair of steps, and the paths to them."""

ROWS = (1.0, 1), (0.0, -1)  # of each sentence: its height, and the side on which its words are
INPUT, LABEL, WORD, BUS = 0.4, 0.27, 0.64, -0.32  # distances from the states, towards the words
OUTPUT = 0.9  # steps from the last state to the output

Point = tuple[float, float]


class Unrolled:
    """The drawing, on axes of a figure of its own: `place` is `{"xaxis": "x3", "yaxis": "y3"}`.

    - `words`, `words_bar`: the words of the two sentences.

    The sentences are aligned at their ends, so that steps of equal lag are above each other.
    """

    def __init__(self, figure: Any, words: Sequence[str], words_bar: Sequence[str], place: dict[str, str]):
        self._figure, self._sentences = figure, (list(words), list(words_bar))
        self._end = max(len(words), len(words_bar))
        self._first = len(figure.data)
        for colour, width in ((theme.MUTED, 1.5), (SELECTED, 4)):
            figure.add_scatter(x=[], y=[], mode="lines", line={"color": colour, "width": width}, **place)
        for colour, size in ((theme.MUTED, 11), (SELECTED, 15)):
            figure.add_scatter(x=[], y=[], mode="markers", marker={"color": colour, "size": size}, **place)
        figure.add_scatter(x=[], y=[], mode="text", textfont={"size": 13}, cliponaxis=False, **place)
        for trace in figure.data[self._first :]:
            trace.update(hoverinfo="skip", showlegend=False)
        hidden = {"visible": False, "fixedrange": True}
        figure.layout[f"xaxis{place['xaxis'][1:]}"].update(hidden | {"range": [0.5, self._end + OUTPUT + 0.5]})
        figure.layout[f"yaxis{place['yaxis'][1:]}"].update(hidden | {"range": [-0.9, 1.9]})

    def draw(self, lengths: tuple[int, int], chosen: tuple[int, int], average: bool) -> None:
        """Draw the first words of each sentence, with the paths back from the outputs to the `chosen` steps (from 1).

        `average`: the outputs read all states; otherwise they read the last.
        """
        rows = [(row, lengths[row], chosen[row]) for row in (0, 1)]
        everything = [
            *(line for row, length, _ in rows for line in self._inputs(row, length)),
            *(line for row, length, _ in rows for line in self._edges(row, length, 1, average)),
        ]
        paths = [line for row, length, step in rows for line in self._edges(row, length, step, average)]
        outputs = [self._output(row) for row in (0, 1)]
        states = [self._at(row, length, t) for row, length, _ in rows for t in range(1, length + 1)] + outputs
        ends = [self._at(*place) for place in rows] + outputs
        lines, path, nodes, selected, labels = self._figure.data[self._first : self._first + 5]
        for trace, polygons in ((lines, everything), (path, paths)):
            broken = [point for polygon in polygons for point in (*polygon, (np.nan, np.nan))]
            trace.update(x=[x for x, _ in broken], y=[y for _, y in broken])
        for trace, points in ((nodes, states), (selected, ends)):
            trace.update(x=[x for x, _ in points], y=[y for _, y in points])
        words = [label for place in rows for label in self._labels(*place)]
        labels.update(x=[x for x, _, _ in words], y=[y for _, y, _ in words], text=[text for _, _, text in words])

    def _at(self, row: int, length: int, t: float, outwards: float = 0.0) -> Point:
        """The place of state t, or of what is beside it on the side of the words."""
        height, side = ROWS[row]
        return self._end - length + t, height + side * outwards

    def _output(self, row: int, outwards: float = 0.0) -> Point:
        return self._at(row, self._end, self._end + OUTPUT, outwards)

    def _inputs(self, row: int, length: int) -> Iterator[list[Point]]:
        for t in range(1, length + 1):
            yield [self._at(row, length, t), self._at(row, length, t, INPUT)]

    def _edges(self, row: int, length: int, first: int, average: bool) -> Iterator[list[Point]]:
        """The edges that lead from the output back to state `first`."""
        yield [self._at(row, length, t) for t in range(first, length + 1)]
        if not average:
            yield [self._at(row, length, length), self._output(row)]
            return
        for t in range(first, length + 1):
            yield [self._at(row, length, t), self._at(row, length, t, BUS)]
        yield [self._at(row, length, first, BUS), self._output(row, BUS), self._output(row)]

    def _labels(self, row: int, length: int, first: int) -> Iterator[tuple[float, float, str]]:
        for t in range(1, length + 1):
            yield *self._at(row, length, t, WORD), self._sentences[row][t - 1]
            if t < length:
                yield *self._at(row, length, t + 0.5, LABEL), "<b>W<sup>⊤</sup></b>" if t >= first else "W"
        x, y = self._output(row, LABEL)
        yield x - OUTPUT / 2, y, "<b>v</b>"
        yield x, self._output(row, WORD)[1], "f" if row == 0 else "f̄"
