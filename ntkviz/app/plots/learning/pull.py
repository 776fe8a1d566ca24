"""One small step of training on one image, and how the kernel carries it over to others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...style import theme
from ...style.wording import figures, signed
from ...translation.words import _
from ..panel import Handle, Part, Plot
from ..side_by_side_kernels import axis_strips

REACH = 2.15  # of the axis of outputs; targets are at most 2 from zero
BESIDE = 0.09  # how far a network's arrow stands from the limit's
HEADS = {"limit": 18, "network": 13}  # pixels
COLOURS = {"limit": theme.LIMIT, "network": theme.FINITE}


class PullPlot(Plot):
    """Two images: the first is trained one step towards a target, and the second one's output moves as well.

    The first output moves by η Θ(ξ, ξ) (y − f), the second by η Θ(ξ̄, ξ) (y − f), for the limit Θ and for one network's
    kernel. Outputs are drawn from where they start, f = 0. The target is a handle for the control `target`. The line of
    text is the formula with its numbers; a reader who points at a term sees which part of the plot it is (`nv-pull` in
    the stylesheet, which knows the order of the traces).

    - `pictures`: `(images, side, side)`, with pixels between 0 and 1.
    - `names`: what each image shows, for its title.
    """

    def __init__(self, pictures: np.ndarray, names: Sequence[str], name: str = "pull"):
        super().__init__(name)
        self.widget.add_class("nv-pull")
        self.handles = [Handle(_("target of the first image"), 0.0, "target")]
        self._pictures, self._names = np.asarray(pictures), list(names)
        self._moved: dict[str, np.ndarray] = {}
        self._kernel, self._rate, self._target = np.ones(2), 1.0, 0.0
        figure = self.figure
        figure.add_scatter(x=[0, 0], y=[0, 0], mode="lines+markers", name=_("target y"), line_color=theme.INK)
        figure.data[0].line.update(width=2.5, dash="dot")
        figure.data[0].marker.update(size=[0, 11], color=theme.INK, opacity=1)
        for kind, off in (("limit", 0.0), ("network", BESIDE)):
            for place in (0, 1):
                figure.add_scatter(x=[place + off] * 2, y=[0, 0], mode="lines+markers", name=_names()[kind])
                width = 7 if kind == "limit" else 4
                figure.data[-1].update(line={"color": COLOURS[kind], "width": width}, showlegend=place == 0)
                figure.data[-1].marker.update(symbol="arrow", angleref="previous", color=COLOURS[kind], opacity=1)
                figure.data[-1].marker.line.width = 0
        figure.update_traces(hovertemplate="%{y:.2f}<extra>%{fullData.name}</extra>")
        figure.add_scatter(x=[0.24, 0.76], y=[0.5, 0.5], yaxis="y4", mode="lines", line_color=theme.LIMIT)
        figure.data[-1].update(showlegend=False, hoverinfo="skip")
        for axis in "23":
            figure.add_heatmap(xaxis=f"x{axis}", yaxis=f"y{axis}", colorscale=theme.THUMBNAIL, zmin=0, zmax=1)
            figure.data[-1].update(showscale=False, hoverinfo="skip")
        self._known, self._sampled = self.parts = [
            Part(_("“infinite width”"), [0, 1, 2, 5]),
            Part(_("The network"), [3, 4]),
        ]
        figure.add_hline(y=0, line={"color": theme.MUTED, "width": 1.5})
        self._lay_out()

    def _lay_out(self) -> None:
        hidden = {"visible": False, "fixedrange": True}
        below = hidden | {"domain": [0, 0.27], "constrain": "domain"}
        image = below | {"autorange": "reversed"}
        self.figure.update_layout(
            annotations=[
                theme.heading(_("One step of training, two images"), xref="paper", x=0),
                {"text": "", "x": 0.5, "y": 0.27, "yref": "paper", "yanchor": "bottom", "showarrow": False},
            ],
            xaxis=hidden | {"range": [-0.5, 1.5]},
            yaxis={"title": _("output f, from its start"), "range": [-REACH, REACH], "domain": [0.37, 1]},
            xaxis2=hidden | {"domain": [0.1, 0.4], "anchor": "y2", "constrain": "domain"},
            yaxis2=image | {"anchor": "x2", "scaleanchor": "x2"},
            xaxis3=hidden | {"domain": [0.6, 0.9], "anchor": "y3", "constrain": "domain"},
            yaxis3=image | {"anchor": "x3", "scaleanchor": "x3"},
            yaxis4=below | {"anchor": "x", "range": [0, 1]},
            legend=theme.legend(x=0.5, xanchor="center"),
            margin={"l": 62, "r": 10, "t": theme.HEADING, "b": 6},
        )
        self.figure.layout.yaxis.update(
            fixedrange=True, tickvals=[-2, -1, 0, 1, 2], ticktext=["−2", "−1", "0", "1", "2"]
        )
        self.figure.layout.annotations[1].update(font={"size": 15, "color": theme.INK})

    def restart(self, images: tuple[int, int], kernel: Sequence[float], rate: float, target: float) -> None:
        """Train image `images[0]` towards `target`; `kernel` is (Θ(ξ, ξ), Θ(ξ̄, ξ)) in the limit, `rate` is η."""
        self._kernel, self._rate, self._target = np.asarray(kernel, dtype=float), rate, target
        self._moved = {"limit": rate * self._kernel * target}
        share = self._kernel[1] / self._kernel[0]
        self.outdate()
        with self.drawing(self._known):
            self.figure.data[0].y = [0, target]
            self._draw_arrows("limit", self.figure.data[1:3])
            self.figure.data[5].line.width = 1.5 + 18 * abs(share)
            for trace, image in zip(self.figure.data[6:], images, strict=True):
                trace.z = self._pictures[image]
            self.figure.layout.annotations[1].text = f"Θ(ξ̄, ξ) = {signed(share)} Θ(ξ, ξ)"
        self._say()

    def add(self, kernel: Sequence[float]) -> None:
        """Show the step of one network, with its own (Θₙ(ξ, ξ), Θₙ(ξ̄, ξ))."""
        self._moved["network"] = self._rate * np.asarray(kernel, dtype=float) * self._target
        with self.drawing(self._sampled):
            self._draw_arrows("network", self.figure.data[3:5])
        self._say()

    def _draw_arrows(self, kind: str, traces: Sequence[Any]) -> None:
        for trace, moved in zip(traces, self._moved[kind], strict=True):
            trace.y = [0, float(moved)]
            trace.marker.size = [0, min(HEADS[kind], 40 * abs(moved))]  # a head no longer than its arrow

    def _say(self) -> None:
        term = '<span class="nv-term nv-term-{}" tabindex="0">{}</span>'.format
        words = " · ".join([term("rate", "η"), term("kernel", "Θ(ξ̄, ξ)"), term("gap", "(y − f(ξ))")])
        rate, kernel, gap = figures(self._rate), figures(self._kernel[1]), signed(self._target, 1)
        gap = f"({gap})" if self._target < 0 else gap
        formula = f"{term('move', 'Δf(ξ̄)')} = {words} = {rate} · {kernel} · {gap}"
        said = _("{formula} = <b>{limit}</b>; in this network <b>{network}</b>.")
        if "network" not in self._moved:
            said = _("{formula} = <b>{limit}</b>.")
        self.say(said.format(formula=formula, **{kind: signed(moved[1]) for kind, moved in self._moved.items()}))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "image", "target", *self._moved
        for k, which in enumerate(("trained", "other")):
            yield which, self._target if k == 0 else "", *(float(moved[k]) for moved in self._moved.values())


def _names() -> dict[str, str]:
    return {"limit": _("infinite width"), "network": _("one network")}


class RowPlot(Plot):
    """What one small step of training on one image does to the outputs on all of them: a row of the kernel.

    - `pictures`: `(images, side, side)`.
    - `names`: what each shows.
    """

    def __init__(self, pictures: np.ndarray, names: Sequence[str], name: str = "row"):
        super().__init__(name)
        self._names, count = list(names), len(pictures)
        self._moved: dict[str, np.ndarray] = {}
        figure, places = self.figure, np.arange(count)
        [x, y, strip] = list(axis_strips(np.asarray(pictures)))[1]
        figure.add_heatmap(x=x, y=y - count + 0.4, z=strip, colorscale=theme.THUMBNAIL, zmin=0, zmax=1, yaxis="y2")
        figure.data[0].update(showscale=False, hoverinfo="skip")
        figure.add_bar(x=places, y=np.zeros(count), name=_names()["limit"], marker_color=theme.LIMIT, width=0.62)
        figure.add_scatter(x=places, y=np.full(count, np.nan), mode="markers", name=_names()["network"])
        figure.data[2].marker.update(color=theme.FINITE, size=10)
        for trace in figure.data[1:]:
            trace.update(customdata=self._names, hovertemplate="%{customdata}: %{y:.2f}<extra>%{fullData.name}</extra>")
        self._known, self._sampled = self.parts = [Part(_("“infinite width”"), [1]), Part(_("The network"), [2])]
        figure.add_hline(y=0, line={"color": theme.MUTED, "width": 1.5})
        figure.add_shape(type="rect", yref="y2", y0=-0.03, y1=1.12, line={"color": theme.INK, "width": 3})
        figure.update_layout(
            annotations=[theme.heading(_("The same step, every image"), xref="paper", x=0)],
            xaxis={"visible": False, "range": [-0.6, count - 0.4], "fixedrange": True},
            yaxis={"range": [-1, 1], "domain": [0.2, 1], "fixedrange": True, "nticks": 6},
            yaxis2={"visible": False, "range": [1.15, -0.05], "domain": [0, 0.15], "fixedrange": True},
            legend=theme.legend(x=1, xanchor="right", font={"size": 13}),
            margin={"l": 46, "r": 6, "t": theme.HEADING, "b": 6},
        )

    def restart(self, trained: int, moved: np.ndarray) -> None:
        """Show by how much every output moves in the limit, `(images,)`, if image `trained` is trained."""
        self._moved = {"limit": np.asarray(moved, dtype=float)}
        reach = 1.15 * max(0.25, float(np.max(np.abs(moved))))
        self.outdate()
        with self.drawing(self._known):
            self.figure.data[1].y = self._moved["limit"]
            self.figure.layout.yaxis.range = [-reach if np.min(moved) < 0 else 0.0, reach if np.max(moved) > 0 else 0.0]
            self.figure.layout.shapes[1].update(x0=trained - 0.5, x1=trained + 0.5)
        self.say(self._least())

    def add(self, moved: np.ndarray) -> None:
        """Show by how much they move in one network."""
        self._moved["network"] = np.asarray(moved, dtype=float)
        with self.drawing(self._sampled):
            self.figure.data[2].y = self._moved["network"]
        self.say(self._least())

    def _least(self) -> str:
        moved = self._moved["limit"]
        order = np.argsort(moved * (np.sign(moved[np.argmax(np.abs(moved))]) or 1))
        least, most = self._names[order[0]], self._names[order[-2]]
        said = _(
            "Beside the trained image, “{most}” follows it most, by <b>{by_most}</b>, and “{least}” least, by "
            "<b>{by_least}</b>."
        )
        by = {"by_most": signed(moved[order[-2]]), "by_least": signed(moved[order[0]])}
        return said.format(most=most, least=least, **by)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "image", *self._moved
        for name, *moved in zip(self._names, *self._moved.values(), strict=True):
            yield name, *map(float, moved)
