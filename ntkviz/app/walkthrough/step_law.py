"""One line of a program in one random network, over the law of its limit Z."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...calculus.walkthrough import Step
from ..plots import statistics
from ..plots.panel import Plot
from ..style import theme
from ..style.wording import signed

BINS = 41


class StepLaw(Plot):
    """The coordinates of a vector as a histogram with the law of Z; a number as a dot beside its limit.

    Where part of an earlier vector returns (Ż), the dashed curve is the law of Ẑ alone. A non-Gaussian law
    is drawn in steps, as the share of its samples in each bar, since it may have an atom, as relu's has at 0.
    """

    def __init__(self, name: str = "coordinates"):
        super().__init__(name)
        self._step: Step | None = None
        self._sample = np.array([])
        figure = self.figure
        figure.add_bar(x=[], y=[], name="one network", marker={"color": theme.FINITE, "line_width": 0}, opacity=0.5)
        figure.add_scatter(x=[], y=[], mode="lines", name="law of Z", line={"color": theme.LIMIT, "width": 3})
        figure.add_scatter(
            x=[], y=[], mode="lines", name="Ẑ alone", line={"color": theme.THIRD, "width": 3, "dash": "dash"}
        )
        figure.add_scatter(
            x=[], y=[], mode="markers", name="one network", marker={"color": theme.FINITE, "size": 14}, cliponaxis=False
        )
        figure.update_traces(hovertemplate="near %{x:.2f}: %{y:.3f}<extra>%{fullData.name}</extra>")
        figure.update_layout(
            annotations=[theme.heading("", xref="paper", x=0)],
            bargap=0,
            xaxis={"fixedrange": True, "nticks": 7},
            yaxis={"title": "density", "showticklabels": False, "showgrid": False, "fixedrange": True},
            legend=theme.legend(x=1, xanchor="right", font={"size": 14}),
            margin={"l": 34, "r": 10, "t": theme.HEADING, "b": 52},
        )

    def restart(self, step: Step) -> None:
        """Draw a line's law and clear the network."""
        self._step, self._sample = step, np.array([])
        self._draw()

    def add(self, sample: Sequence[float]) -> None:
        """Show the line in one network: n coordinates, or a single number."""
        self._sample = np.asarray(sample, dtype=float)
        self._draw()

    def _draw(self) -> None:
        assert self._step
        step, law = self._step, self._step.limit
        bars, curve, fresh, dot = self.figure.data
        low, high = self._ends()
        edges = np.linspace(low, high, BINS + 1)
        middles = (edges[1:] + edges[:-1]) / 2
        x = np.linspace(low, high, 161)
        number = self._sample.size == 1
        density: Any = [] if number or not self._sample.size else _density(self._sample, edges)
        places: Any
        heights: Any
        alone = [] if step.fresh is None else list(statistics.density(x, 0, step.fresh))
        if law.std <= 1e-9:
            places, heights = [law.mean, law.mean], [0, max(density, default=1.0)]
        elif law.gaussian:
            places, heights = x, statistics.density(x, law.mean, law.std)
        else:
            places, heights = middles, _density(np.asarray(law.samples), edges)
        with self.drawing():
            bars.update(x=middles if len(density) else [], y=density, width=edges[1] - edges[0], visible=not number)
            curve.update(x=places, y=heights)
            curve.line.shape = "linear" if law.gaussian else "hvh"
            fresh.update(x=x if alone else [], y=alone, visible=bool(alone))
            dot.update(x=self._sample if number else [], y=[0] if number else [], visible=number)
            self.figure.layout.yaxis.range = [0, (1.5 if alone else 1.3) * max(*heights, *density, *alone)]
            self.figure.layout.xaxis.update(range=[low, high], title={"text": self._axis()})
            self.figure.layout.annotations[0].text = self._heading()
        self.say(self._reading())

    def _ends(self) -> tuple[float, float]:
        """Four standard deviations on both sides, or less where Z is bounded."""
        assert self._step
        law, sample = self._step.limit, self._sample
        if law.std > 1e-9:
            samples, reach = np.asarray(law.samples), 4 * float(law.std)
            low, high = max(law.mean - reach, samples.min()), min(law.mean + reach, samples.max())
            room = 0.06 * (high - low)
            return float(low - room), float(high + room)
        away = 1.4 * float(np.max(np.abs(sample - law.mean), initial=0.0))
        reach = max(0.5, 0.2 * abs(float(law.mean)), away)
        return float(law.mean - reach), float(law.mean + reach)

    def _heading(self) -> str:
        assert self._step
        return f"{'Coordinates of' if self._is_vector() else 'The number'} {self._step.line.name}"

    def _axis(self) -> str:
        assert self._step
        return f"a coordinate of {self._step.line.name}" if self._is_vector() else self._step.line.name

    def _is_vector(self) -> bool:
        assert self._step
        return self._step.line.type not in ("scalar", "output")

    def _reading(self) -> str:
        assert self._step
        step, law = self._step, self._step.limit
        mean, std = signed(float(law.mean)), signed(float(law.std))
        if not self._is_vector():
            here = f" Here it is <b>{signed(self._sample[0])}</b>." if self._sample.size else ""
            if law.std > 1e-9:
                return f"It stays random: across networks, its law is N(0, <b>{std}</b>²).{here}"
            return f"A number that converges to <b>{mean}</b>.{here}"
        if law.std <= 1e-9:
            return f"A constant: every coordinate is <b>{mean}</b>."
        form = "Z is Gaussian" if law.gaussian else "Z is not Gaussian"
        if step.returning:
            made = " and ".join(f"Z<sup>{name}</sup>" for name in step.returning)
            form = f"Z = Ẑ + Ż, where Ż is built from {made}"
        elif step.kind == "MatMul":
            form = "Z is Gaussian: Ż = 0"
        said = f"{form}. Mean <b>{mean}</b>, standard deviation <b>{std}</b>"
        if self._sample.size:
            said += f"; in this network {signed(self._sample.mean())} and {signed(self._sample.std())}"
        return said + "."

    def table(self) -> Iterator[Sequence[Any]]:
        assert self._step
        yield (self._step.line.name,)
        yield from ([float(value)] for value in self._sample)


def _density(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The share of the values in each bar divided by its width; values outside the edges count in the total."""
    return np.asarray(np.histogram(values, edges)[0] / values.size / (edges[1] - edges[0]))
