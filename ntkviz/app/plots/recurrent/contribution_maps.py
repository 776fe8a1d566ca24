"""The NTK of two sentences, split into pairs of time steps: one random network beside the limit, under the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...style import theme
from ...style.wording import figures, signed
from ...translation.words import _
from ..panel import Part, Plot
from .unrolled import SELECTED, Unrolled

LINEAR = 0.0003
"""In units: up to here colours are linear, beyond it logarithmic."""

ROUNDING = 1e-12  # in units: smaller numbers count as zero

END = 1.1  # the end of the colour scale, with room for its last ticks

MAPS, NETWORK = 0.53, 0.64  # of the height: the upper end of the maps, and the lower end of the network

MARKS = {"−1": -1, "−10%": -0.1, "−1%": -0.01, "0": 0, "1%": 0.01, "10%": 0.1, "1": 1}

Parts = Mapping[str, np.ndarray]  # by parameter: `(T, T̄)`, or `(1, 1)` for a parameter that is used once


def shade(share: np.ndarray | float) -> np.ndarray:
    """The position of numbers in units on the colour scale from −1 to 1: asinh(share/LINEAR)/asinh(1/LINEAR)."""
    return np.asarray(np.arcsinh(np.asarray(share) / LINEAR) / np.arcsinh(1 / LINEAR))


class ContributionMaps(Plot):
    """Two maps, of one network and of the limit: the contribution of each pair of time steps to the NTK.

    - `words`, `words_bar`: the words of the two sentences, along the axes.

    Both sides are given as `{parameter: (T, T̄)}`; a parameter used once, such as the readout, is not on the map
    but in the line below it. Circles mark the pairs of equal lag, T − t = T̄ − t̄. Above the maps is the network,
    unrolled, with the backward paths to the two steps of the chosen cell.

    Colours are logarithmic on both sides of zero, since the noise in a network is a hundredth of the largest cells and
    of either sign. They are relative to a `unit`, which the caller keeps for all maps that are compared.
    """

    def __init__(self, left: str, right: str, words: Sequence[str], words_bar: Sequence[str], name: str = "pairs"):
        super().__init__(name)
        self.widget.add_class("nv-pair")
        self._words, self._words_bar = list(words), list(words_bar)
        self._sides: list[Parts | None] = [None, None]
        self._unit = 1.0
        self._frame: tuple[Any, ...] = ()  # the settings for which `_draw_frame` drew last
        self.parts = [Part(f"“{left}”", [0]), Part(f"“{right}”", [2])]
        self._lengths = len(words), len(words_bar)
        figure, (rows, columns) = self.figure, self._lengths
        for axis in ("", "2"):
            place = {"xaxis": f"x{axis}", "yaxis": f"y{axis}"}
            figure.add_heatmap(z=np.full((rows, columns), np.nan), coloraxis="coloraxis", xgap=1.5, ygap=1.5, **place)
            figure.data[-1].hovertemplate = "%{text}<extra></extra>"
            figure.add_scatter(x=[], y=[], mode="markers", hoverinfo="skip", showlegend=False, **place)
            figure.data[-1].marker.update(color="white", size=7, line={"color": "black", "width": 1})
            for colour, width in (("white", 6), (SELECTED, 3)):
                figure.add_shape(type="rect", xref=f"x{axis}", yref=f"y{axis}", line={"color": colour, "width": width})
        self._lay_out(left, right)
        self._unrolled = Unrolled(figure, words, words_bar, {"xaxis": "x3", "yaxis": "y3"})

    def _lay_out(self, left: str, right: str) -> None:
        rows, columns = self._lengths
        across = {"tickvals": list(range(columns)), "ticktext": self._words_bar, "range": [-0.5, columns - 0.5]}
        along = {"tickvals": list(range(rows)), "ticktext": self._words, "range": [rows - 0.5, -0.5]}
        quiet = {"showgrid": False, "fixedrange": True, "ticks": "", "tickfont": {"size": 13}}
        x = across | quiet | {"automargin": True}  # on a phone the words stand upright
        y = along | quiet | {"domain": [0, MAPS]}
        bar = {"thickness": 12, "outlinewidth": 0, "x": 0.95, "len": MAPS, "y": 0, "yanchor": "bottom"}
        self.figure.update_layout(
            xaxis=x | {"domain": [0, 0.44]},
            yaxis=y,
            xaxis2=x | {"domain": [0.5, 0.94], "anchor": "y2"},
            yaxis2=y | {"anchor": "x2"},
            xaxis3={"domain": [0, 1], "anchor": "y3"},
            yaxis3={"domain": [NETWORK, 1], "anchor": "x3"},
            coloraxis={"colorscale": theme.DIVERGING, "cmin": -END, "cmax": END, "colorbar": bar},
            margin={"l": 40, "r": 50, "t": 6, "b": 30},
            annotations=[
                theme.heading(title, xref=f"{axis} domain", x=0, y=MAPS, font={"size": 15})
                for title, axis in zip((left, right), ("x", "x2"), strict=True)
            ],
        )
        marks = {"tickvals": [float(shade(mark)) for mark in MARKS.values()], "ticktext": list(MARKS)}
        self.figure.layout.coloraxis.colorbar.update(marks | {"tickfont": {"size": 12}, "ticks": ""})
        self.figure.layout.coloraxis.colorbar.title = {"text": self._name_of_unit(), "font": {"size": 13}}

    def _name_of_unit(self) -> str:
        return f"× {figures(self._unit)}"

    def on_pick(self, picked: Callable[[int, int], object]) -> None:
        """Call `picked(t, t̄)`, from 1, when a cell of either map is clicked."""

        def on_click(trace: Any, points: Any, state: Any) -> None:
            if points.xs:
                t, t_bar = int(points.ys[0]) + 1, int(points.xs[0]) + 1
                if t <= self._lengths[0] and t_bar <= self._lengths[1]:
                    picked(t, t_bar)

        for number in (0, 2):
            self.figure.data[number].on_click(on_click)

    def restart(
        self,
        limit: Parts,
        length: int,
        length_bar: int,
        unit: float,
        *,
        chosen: tuple[int, int] = (1, 1),
        average: bool = False,
    ) -> None:
        """Show the limit for the first words of each sentence; the network's map stays until a new one is added.

        - `unit`: the positive number of the brightest colour.
        - `chosen`: the cell (t, t̄), from 1, whose backward paths are shown.
        - `average`: the output reads all states; otherwise it reads the last.
        """
        self._sides[1], self._lengths = limit, (length, length_bar)
        frame = self._lengths, chosen, average
        self.outdate()
        with self.drawing(self.parts[1]):
            # Plotly takes milliseconds to find that nothing changes.
            if unit != self._unit:
                self._unit = unit
                self.figure.layout.coloraxis.colorbar.title.text = self._name_of_unit()
            if frame != self._frame:
                self._draw_frame(*frame)
                self._frame = frame
            self._draw(1)
        self._read()

    def add(self, network: Parts) -> None:
        """Show a random network."""
        self._sides[0] = network
        with self.drawing(self.parts[0]):
            self._draw(0)
        self._read()

    def _draw_frame(self, lengths: tuple[int, int], chosen: tuple[int, int], average: bool) -> None:
        """Draw what does not depend on the kernel: the circles, the chosen cell and the network."""
        length, length_bar = lengths
        steps = range(1, min(lengths) + 1)
        for circles in self.figure.data[1:4:2]:
            circles.update(x=[length_bar - k for k in steps], y=[length - k for k in steps])
        y, x = chosen
        self.figure.update_shapes(x0=x - 1.5, x1=x - 0.5, y0=y - 1.5, y1=y - 0.5)
        self._unrolled.draw(lengths, chosen, average)

    def equal_lag_share(self, side: int) -> float:
        """The share of pairs of equal lag in the sum of all absolute values; NaN if the map is zero."""
        cells, (length, length_bar) = np.abs(self._map(side)), self._lengths
        t, t_bar = np.indices(cells.shape)
        total = cells.sum()
        if total <= ROUNDING * self._unit:
            return float("nan")
        return float(cells[length - t == length_bar - t_bar].sum() / total)

    def _over_time(self, side: int) -> dict[str, np.ndarray]:
        """The parts that depend on time, within the lengths."""
        parts = self._sides[side]
        assert parts is not None
        length, length_bar = self._lengths
        return {name: np.asarray(p)[:length, :length_bar] for name, p in parts.items() if np.size(p) > 1}

    def _map(self, side: int) -> np.ndarray:
        return sum(self._over_time(side).values(), np.zeros(self._lengths))

    def _draw(self, side: int) -> None:
        shape = len(self._words), len(self._words_bar)
        length, length_bar = self._lengths
        cells, text = np.full(shape, np.nan), np.full(shape, "", dtype=object)
        said = _("{word} ({t}) and {other} ({t_bar}): <b>{value}</b>")
        cells[:length, :length_bar] = self._map(side)
        for t, t_bar in np.ndindex(length, length_bar):
            split = "<br>".join(f"{name}: {signed(float(p[t, t_bar]), 4)}" for name, p in self._over_time(side).items())
            words, value = {"word": self._words[t], "other": self._words_bar[t_bar]}, signed(float(cells[t, t_bar]), 4)
            text[t, t_bar] = f"{said.format(**words, t=t + 1, t_bar=t_bar + 1, value=value)}<br>{split}"
        self.figure.data[2 * side].update(z=shade(cells / self._unit), text=text)

    def _read(self) -> None:
        limit = self._sides[1]
        assert limit is not None
        within = self._over_time(1)
        sums = {name: float(np.sum(within.get(name, part))) for name, part in limit.items()}
        sums = {name: value if abs(value) > ROUNDING * self._unit else 0.0 for name, value in sums.items()}
        term, whole = _("{value} from {parameter}"), _("In the limit Θ = <b>{sum}</b>: {terms}.")
        terms = " + ".join(term.format(value=figures(value), parameter=name) for name, value in sums.items())
        said = whole.format(sum=figures(sum(sums.values())), terms=terms)
        self.say(f"{said} {self._lags()}".rstrip())

    def _lags(self) -> str:
        """The share of equal lags; empty if there is none."""
        share = self.equal_lag_share(1)
        if not np.isfinite(share):
            return ""
        if not self.parts[0].current:
            return _("Equal lags (white dots) make up <b>{share}</b> of the map.").format(share=f"{share:.0%}")
        said = _("Equal lags (white dots) make up <b>{share}</b> of the map; in this network, <b>{network}</b>.")
        return said.format(share=f"{share:.0%}", network=f"{self.equal_lag_share(0):.0%}")

    def table(self) -> Iterator[Sequence[Any]]:
        limit, network = self._sides[1], None if self.parts[0].outdated else self._sides[0]
        assert limit is not None
        yield "parameter", "first_step", "second_step", "limit", "network"
        for name, part in limit.items():
            within = self._over_time(1).get(name, part)
            for place in np.ndindex(*np.shape(within)):
                measured = "" if network is None else float(np.asarray(network[name])[place])
                steps = (place[0] + 1, place[1] + 1) if name in self._over_time(1) else ("", "")
                yield name, *steps, float(within[place]), measured
