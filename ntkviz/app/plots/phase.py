"""Order and chaos: the correlation after many layers as a map over (σ_w, σ_b), and one network layer by layer.

Both plots are given numbers; the edge and the correlations are computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..style import theme
from ..style.wording import signed
from ..translation.words import _, counted
from .panel import Plot

REACH = 4  # powers of ten on both sides of 1 that the colours of mean squares cover


class PhaseDiagram(Plot):
    """The correlation of two inputs after some layers, over a grid of σ_w and σ_b, with the edge χ₁ = 1.

    - `sigma_w`, `sigma_b`: the grid, evenly spaced.

    For a nonlinearity with exploding lengths, every correlation goes to 1 and the map would have a single colour:
    `lengths=True` draws the mean square of a coordinate instead.
    """

    def __init__(self, sigma_w: Sequence[float], sigma_b: Sequence[float], name: str = "phase-diagram"):
        super().__init__(name)
        self.sigma_w, self.sigma_b = np.asarray(sigma_w, dtype=float), np.asarray(sigma_b, dtype=float)
        self._lengths: bool | None = None  # whether the heatmap is set up for mean squares
        self._correlation = self._square = self._slope = np.full((len(self.sigma_w), len(self.sigma_b)), np.nan)
        figure = self.figure
        figure.add_heatmap(
            x=self.sigma_w,
            y=self.sigma_b,
            colorscale=theme.SEQUENTIAL,
            colorbar={"thickness": 12, "outlinewidth": 0, "x": 1.01, "y": 0.5},
        )
        figure.add_contour(
            x=self.sigma_w,
            y=self.sigma_b,
            contours={"start": 1, "end": 1, "size": 1, "coloring": "lines"},
            colorscale=[[0, theme.LIMIT], [1, theme.LIMIT]],
            line={"width": 3.5},
            showscale=False,
            hoverinfo="skip",
        )
        figure.add_scatter(x=[], y=[], mode="markers", hoverinfo="skip", showlegend=False)
        figure.data[2].marker.update(color=theme.FINITE, size=17, line={"color": "white", "width": 3})
        steps = [grid[1] - grid[0] for grid in (self.sigma_w, self.sigma_b)]
        figure.update_layout(
            annotations=[theme.heading("", xref="paper", x=0)],
            xaxis={"title": _("weights σ<sub>w</sub>"), "range": _around(self.sigma_w, steps[0]), "fixedrange": True},
            yaxis={"title": _("biases σ<sub>b</sub>"), "range": _around(self.sigma_b, steps[1]), "fixedrange": True},
            margin={"l": 62, "r": 46, "t": theme.HEADING, "b": 52},
        )

    def on_pick(self, picked: Callable[[float, float], object]) -> None:
        """Call `picked(σ_w, σ_b)` when a point of the map is clicked."""

        def on_click(trace: Any, points: Any, state: Any) -> None:
            if points.xs:
                picked(float(points.xs[0]), float(points.ys[0]))

        self.figure.data[0].on_click(on_click)

    def show(
        self,
        correlation: np.ndarray,
        square: np.ndarray,
        slope: np.ndarray,
        layer: int,
        at: tuple[float, float],
        slope_at: float,
        growth_at: float,
        *,
        lengths: bool = False,
    ) -> None:
        """Draw a new map with the reader's position.

        - `correlation`, `square`, `slope`: `(σ_w, σ_b)`, the correlation after `layer` layers, the mean square of a
          coordinate there, and χ₁.
        - `at`: the reader's (σ_w, σ_b), with χ₁ and the growth of a vector's mean square from one deep layer to
          the next at that point.
        """
        self._correlation, self._square, self._slope = correlation, square, slope
        field, edge, marker = self.figure.data
        with self.drawing():
            edge.z = slope.T
            marker.update(x=[at[0]], y=[at[1]])
            if lengths != self._lengths:  # plotly takes half a millisecond to find that nothing changes
                field.update(_for_mean_squares() if lengths else _for_correlations())
                self._lengths = lengths
            field.z = np.log10(square.T) if lengths else correlation.T
            field.customdata = square.T if lengths else None
            self.figure.layout.annotations[0].text = _heading(layer, lengths)
        said = _phase(float(slope_at), growth_at)
        if lengths:
            ends = {"low": signed(np.min(correlation)), "high": signed(np.max(correlation))}
            said += _(" Correlations on the map: {low} to {high}.").format(**ends)
        self.say(said)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "sigma_w", "sigma_b", "correlation", "mean_square", "slope"
        for i, j in np.ndindex(self._correlation.shape):
            fields = (self._correlation[i, j], self._square[i, j], self._slope[i, j])
            yield tuple(map(float, (self.sigma_w[i], self.sigma_b[j], *fields)))


def _for_correlations() -> dict[str, Any]:
    """Settings of the heatmap for correlations."""
    return {
        "zmin": 0,
        "zmax": 1,
        "colorbar": {"tickvals": [0, 0.5, 1], "ticktext": ["0", "0.5", "1"]},
        "hovertemplate": _("σ_w = %{x:.2f}, σ_b = %{y:.2f}: %{z:.3f}<extra>correlation</extra>"),
    }


def _for_mean_squares() -> dict[str, Any]:
    """Settings of the heatmap for powers of ten of mean squares, which are its `customdata`."""
    return {
        "zmin": -REACH,
        "zmax": REACH,
        "colorbar": {
            "tickvals": [-REACH, 0, REACH],
            "ticktext": [f"10<sup>−{REACH}</sup>", "1", f"10<sup>{REACH}</sup>"],
        },
        "hovertemplate": _("σ_w = %{x:.2f}, σ_b = %{y:.2f}: %{customdata:.3~g}<extra>mean square</extra>"),
    }


def _around(grid: np.ndarray, step: float) -> list[float]:
    """The range of an axis that exactly covers the cells of a heatmap."""
    return [grid[0] - step / 2, grid[-1] + step / 2]


def _heading(layer: int, lengths: bool) -> str:
    if lengths:
        said = counted("Mean square after {layer} layer", "Mean square after {layer} layers", layer)
    else:
        said = counted("Correlation after {layer} layer", "Correlation after {layer} layers", layer)
    return said.format(layer=layer)


def _phase(slope: float, growth: float) -> str:
    """The phase by the slope of the correlation map, whether or not the vectors' lengths converge."""
    if growth > 1.01:
        said = _(
            "Orange: the edge χ₁ = 1. You are at χ₁ = <b>{slope}</b>, and each layer multiplies the mean square by "
            "{factor}: <b>lengths explode</b>."
        )
        return said.format(slope=signed(slope), factor=f"{growth:.2f}")
    if abs(slope - 1) < 0.01:
        said = _("Orange: the edge χ₁ = 1. You are at χ₁ = <b>{slope}</b>, <b>the edge</b>: gradients keep their size.")
        return said.format(slope=signed(slope))
    if slope < 1:
        said = _(
            "Orange: the edge χ₁ = 1. You are at χ₁ = <b>{slope}</b>, <b>order</b>: a layer multiplies gradients by "
            "{factor}."
        )
    else:
        said = _(
            "Orange: the edge χ₁ = 1. You are at χ₁ = <b>{slope}</b>, <b>chaos</b>: a layer multiplies gradients by "
            "{factor}."
        )
    return said.format(slope=signed(slope), factor=f"{slope**0.5:.2f}")


class LayersPlot(Plot):
    """The correlation of two inputs against the number of layers: infinite width, its NTK, and random networks.

    - `layers`: the numbers of layers.

    Points are the mean of the networks so far, bars their standard deviation.
    """

    def __init__(self, layers: Sequence[int], name: str = "layers"):
        super().__init__(name)
        self.layers = np.asarray(layers)
        self._limit = self._tangent = np.full(len(self.layers), np.nan)
        self._networks: list[np.ndarray] = []
        self._marked = 0
        figure = self.figure
        lines = {"x": self.layers, "y": [], "mode": "lines"}
        figure.add_scatter(name=_("infinite width"), line={"color": theme.LIMIT, "width": 4}, **lines)
        figure.add_scatter(name=_("its NTK"), line={"color": theme.THIRD, "width": 3, "dash": "dash"}, **lines)
        figure.add_scatter(x=[], y=[], mode="markers", name=_("networks"))
        figure.data[2].marker.update(color=theme.FINITE, size=7)
        figure.data[2].error_y.update(type="data", color=theme.FINITE, thickness=1.5, width=3)
        figure.update_traces(hovertemplate=_("layer %{x}: %{y:.3f}<extra>%{fullData.name}</extra>"))
        figure.update_layout(
            xaxis={"title": _("layer ℓ"), "range": [0, self.layers[-1] + 1], "fixedrange": True},
            yaxis={"title": _("correlation"), "fixedrange": True, "tickvals": [-0.5, 0, 0.5, 1]},
            legend=theme.legend(orientation="h", x=1, xanchor="right", yanchor="bottom"),
            margin={"l": 62, "r": 12, "t": theme.HEADING, "b": 52},
        )
        figure.add_vline(x=1, line={"color": theme.MUTED, "width": 1.5, "dash": "dot"})

    def restart(self, limit: Sequence[float], tangent: Sequence[float], layer: int) -> None:
        """Draw the correlations of the limit and of its NTK and clear the networks; the line below is for `layer`."""
        self._limit, self._tangent = np.asarray(limit, dtype=float), np.asarray(tangent, dtype=float)
        self._networks, self._marked = [], int(np.flatnonzero(self.layers == layer)[0])
        self._draw()

    def add(self, network: Sequence[float]) -> None:
        """Add one random network, measured after every layer."""
        self._networks.append(np.asarray(network, dtype=float))
        self._draw()

    def _spread(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the networks: NaN for none, and deviation 0 for only one."""
        if not self._networks:
            return np.full(len(self.layers), np.nan), np.full(len(self.layers), np.nan)
        several = len(self._networks) > 1
        return np.mean(self._networks, axis=0), np.std(self._networks, axis=0, ddof=int(several))

    def _draw(self) -> None:
        limit, tangent, networks = self.figure.data
        mean, std = self._spread()
        shown = slice(None) if self._networks else slice(0)
        with self.drawing():
            limit.y, tangent.y = self._limit, self._tangent
            networks.update(x=self.layers[shown], y=mean[shown])
            networks.error_y.array = std[shown]
            lowest = min(0.0, *self._limit, *self._tangent, *(mean - std)[shown])
            self.figure.layout.yaxis.range = [lowest - 0.05, 1.05]
            self.figure.layout.shapes[0].update(x0=self.layers[self._marked], x1=self.layers[self._marked])
        self.say(self._reading(mean[self._marked], std[self._marked]))

    def _reading(self, mean: float, std: float) -> str:
        if len(self._networks) > 1:
            said = _(
                "Layer {layer}: correlation of the inputs <b>{limit}</b> (in networks <b>{mean}</b> ± {std}), of the "
                "NTK <b>{tangent}</b>."
            )
        elif self._networks:
            said = _(
                "Layer {layer}: correlation of the inputs <b>{limit}</b> (in the network <b>{mean}</b>), of the NTK "
                "<b>{tangent}</b>."
            )
        else:
            said = _("Layer {layer}: correlation of the inputs <b>{limit}</b>, of the NTK <b>{tangent}</b>.")
        limit, tangent = (signed(curve[self._marked]) for curve in (self._limit, self._tangent))
        return said.format(
            layer=self.layers[self._marked], limit=limit, tangent=tangent, mean=signed(mean), std=f"{std:.2f}"
        )

    def table(self) -> Iterator[Sequence[Any]]:
        yield "layer", "correlation", "ntk_correlation", "networks_mean", "networks_std", "networks"
        for layer, *row in zip(self.layers, self._limit, self._tangent, *self._spread(), strict=True):
            yield int(layer), *map(float, row), len(self._networks)
