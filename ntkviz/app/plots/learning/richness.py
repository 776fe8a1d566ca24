"""Training where features move: an output that leaves the kernel's prediction, and features that align meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from ...style import theme
from ...style.ranges import round_up
from ...style.wording import plus_minus, share, signed
from ...translation.words import _, counted
from ..panel import Handle, Part, Plot

USUAL, LITTLE = 1.15, 0.2  # where the axis of outputs ends, on a side that is reached and on one that is not
DIVERGED = 10.0  # an output beyond which a network has diverged


def alignment(kernel: Float[np.ndarray, "train train"], labels: Float[np.ndarray, "train"]) -> float:
    """yᵀKy/(‖K‖_F ‖y‖²): 1 if K = yyᵀ up to a factor, and 0 if the kernel knows nothing of the labels.

    Source: Cristianini et al. 2001, On kernel-target alignment.
    """
    labels = np.asarray(labels, dtype=float)
    return float(labels @ kernel @ labels / (np.linalg.norm(kernel) * (labels @ labels)))


class RichnessPlot(Plot):
    """The output on one point during training: what the kernel predicts, the limit at this richness, and networks.

    Beside it are the examples, and the point, which is a handle for the controls `x1` and `x2`.

    - `steps`: how many steps there are.
    - `points`: the examples in the plane, `(2, train)`; `labels`: their targets, ±1.
    - `networks`: how many networks are trained.
    - `reach`: of the plane's axes.
    """

    def __init__(
        self, steps: int, points: np.ndarray, labels: np.ndarray, networks: int, reach: float, name: str = "training"
    ):
        super().__init__(name)
        self.handles = [Handle(_("test point"), "x1", "x2", ("x2", "y2"))]
        self._steps = np.arange(steps + 1)
        self._time, self._width = steps, 0
        self._kernel = self._limit = self._error = np.empty(0)
        self._networks: list[np.ndarray] = []
        figure = self.figure
        for edge in ("low", "high"):
            figure.add_scatter(x=self._steps, mode="lines", line_width=0, showlegend=False, hoverinfo="skip")
            figure.data[-1].update(
                fill="tonexty" if edge == "high" else None, fillcolor=theme.translucent(theme.LIMIT, 0.3)
            )
        self._line(_("infinite width"), theme.LIMIT, 5)
        for k in range(networks):
            self._line(_("networks"), theme.FINITE, 1.8, showlegend=k == 0)
        self._line(_("the kernel"), theme.THIRD, 3, dash="dash")
        self._draw_examples(np.asarray(points), np.asarray(labels))
        self._limits, self._lines, self._predicted = (
            figure.data[:3],
            figure.data[3 : 3 + networks],
            figure.data[3 + networks],
        )
        self._of_kernel, self._of_limit, self._of_networks = self.parts = [
            Part(_("The kernel’s prediction"), range(3 + networks, len(figure.data))),
            Part(_("“infinite width”"), [0, 1, 2]),
            Part(_("The sample of networks"), range(3, 3 + networks)),
        ]
        for target in (-1, 1):
            figure.add_hline(y=target, line={"color": theme.MUTED, "width": 1.5, "dash": "dot"}, layer="below")
        figure.add_vline(x=steps, line={"color": theme.MUTED, "width": 1.5}, layer="below")
        self._lay_out(reach)

    def _line(self, label: str, colour: str, width: float, dash: str = "solid", showlegend: bool = True) -> None:
        self.figure.add_scatter(x=self._steps, y=[], mode="lines", name=label, showlegend=showlegend)
        self.figure.data[-1].line.update(color=colour, width=width, dash=dash)
        self.figure.data[-1].hovertemplate = _("step %{x}: %{y:.3f}<extra>%{fullData.name}</extra>")

    def _draw_examples(self, points: np.ndarray, labels: np.ndarray) -> None:
        for sign, text in ((1, "+"), (-1, "−")):
            x, y = points[:, labels == sign]
            self.figure.add_scatter(x=x, y=y, xaxis="x2", yaxis="y2", mode="text", text=[text] * len(x))
            hover = _("target {target}<extra></extra>").format(target=f"{text}1")
            self.figure.data[-1].update(showlegend=False, hovertemplate=hover)
            self.figure.data[-1].textfont.update(size=26, color=theme.INK)

    def _lay_out(self, reach: float) -> None:
        plane = {"range": [-reach, reach], "fixedrange": True, "tickvals": [-1, 1], "constrain": "domain"}
        self.figure.update_layout(
            annotations=[
                theme.heading(_("The output on one point"), xref="paper", x=0),
                theme.heading(_("the points"), xref="paper", x=0.71),
                *(
                    # Inside the plane: on a phone there is no room beside it.
                    {"text": f"ξ<sub>{k}</sub>", "x": x, "y": y, "xref": "x2", "yref": "y2", "showarrow": False}
                    for k, x, y in ((1, 0, -0.8 * reach), (2, -0.8 * reach, 0))
                ),
            ],
            xaxis={"title": _("steps of gradient descent"), "domain": [0, 0.64], "fixedrange": True},
            yaxis={"title": _("output f"), "fixedrange": True, "tickvals": [-1, -0.5, 0, 0.5, 1]},
            xaxis2=plane | {"domain": [0.75, 1], "anchor": "y2"},
            yaxis2=plane | {"domain": [0.45, 1], "anchor": "x2"},
            legend=theme.legend(x=0.66, y=0.02, yanchor="bottom", traceorder="normal"),
            margin={"l": 62, "r": 8, "t": theme.HEADING, "b": 48},
        )
        self.figure.layout.yaxis2.update(scaleanchor="x2", constraintoward="top")
        self.figure.layout.xaxis.update(range=[0, self._steps[-1] * 1.02], nticks=6)

    def restart(
        self,
        predicted: Float[np.ndarray, "times"],
        time: int,
        width: int,
        *,
        limit: tuple[Float[np.ndarray, "times"], Float[np.ndarray, "times"]] | None = None,
        networks: Sequence[Float[np.ndarray, "times"]] = (),
    ) -> None:
        """Draw the kernel's prediction for each step, and mark the step `time`; networks have this width.

        `limit`: the arguments of `show_limit`, and `networks`: those of `add`, for results that are known already. All
        is drawn in one update.
        """
        self._kernel, self._time, self._width = np.asarray(predicted), time, width
        self._limit, self._error = limit or (np.empty(0), np.empty(0))
        self._networks = [np.asarray(outputs, dtype=float) for outputs in networks]
        self.outdate()
        learned, trained = [self._of_limit] * bool(limit), [self._of_networks] * bool(self._networks)
        self._draw(self._of_kernel, *learned, *trained)

    def show_limit(self, outputs: Float[np.ndarray, "times"], errors: Float[np.ndarray, "times"]) -> None:
        """Draw the limit of training, with two of its standard errors on both sides."""
        self._limit, self._error = np.asarray(outputs), np.asarray(errors)
        self._draw(self._of_limit)

    def add(self, outputs: Float[np.ndarray, "times"]) -> None:
        """Draw one more trained network."""
        self._networks.append(np.asarray(outputs, dtype=float))
        self._draw(self._of_networks)

    def _draw(self, *parts: Part) -> None:
        low, high = self._limit - 2 * self._error, self._limit + 2 * self._error
        with self.drawing(*parts):
            if self._of_kernel in parts:
                self._predicted.y = self._kernel
                self.figure.layout.shapes[-1].update(x0=self._time, x1=self._time)
            if self._of_limit in parts:
                for trace, y in zip(self._limits, (low, high, self._limit), strict=True):
                    trace.y = y
            if self._of_networks in parts:
                for trace, y in zip(self._lines, self._drawn_networks(), strict=True):
                    trace.y = y
            self.figure.layout.yaxis.range = self._range()
        self.say(self._words())

    def _drawn_networks(self) -> Iterator[np.ndarray]:
        """What each line shows: those of networks still to come are empty, and divergence is cut off."""
        for k in range(len(self._lines)):
            y = self._networks[k] if k < len(self._networks) else np.full(len(self._steps), np.nan)
            yield np.where(np.abs(y) < DIVERGED, y, np.nan)

    def _range(self) -> list[float]:
        """The range of the axis of outputs."""
        shown = np.concatenate([self._kernel, self._limit, *self._networks])
        shown = shown[np.abs(shown) < DIVERGED]
        ends = [round_up(1.05 * end) if end > USUAL else USUAL if end > LITTLE else LITTLE for end in _reach(shown)]
        return [-ends[0], ends[1]]

    def _words(self) -> str:
        at = self._time
        fields = {"steps": str(at), "kernel": signed(self._kernel[at])}
        if self._limit.size:
            fields["limit"] = signed(self._limit[at], 3)
            fields["error"] = f"{self._error[at]:.3f}" if self._error[at] >= 5e-4 else _("less than 0.001")
        if self._networks:
            fields["networks"] = self._networks_in_words(np.array([net[at] for net in self._networks]))
        return _after(at, bool(self._limit.size), bool(self._networks)).format(**fields)

    def _networks_in_words(self, outputs: np.ndarray) -> str:
        good = outputs[np.abs(outputs) < DIVERGED]
        lost = len(outputs) - len(good)
        if not good.size:
            said = _("networks of width {width} <b>diverge</b>")
        elif lost:
            said = _("networks of width {width} {output} ({lost} diverged)")
        else:
            said = _("networks of width {width} {output}")
        spread = float(np.std(good, ddof=1)) if len(good) > 1 else np.nan
        output = plus_minus(float(np.mean(good)), spread) if good.size else ""
        return said.format(width=f"{self._width:,}", output=output, lost=lost)

    def table(self) -> Iterator[Sequence[Any]]:
        columns = {"kernel": self._kernel}
        if self._of_limit.current and self._limit.size:
            columns |= {"limit": self._limit, "standard_error": self._error}
        columns |= {f"network_{k + 1}": outputs for k, outputs in enumerate(self._networks)}
        yield "step", *columns
        for row in zip(self._steps, *columns.values(), strict=True):
            yield int(row[0]), *map(float, row[1:])


def _reach(numbers: np.ndarray) -> tuple[float, float]:
    """How far numbers reach below zero, and above."""
    return float(np.max(-numbers, initial=0.0)), float(np.max(numbers, initial=0.0))


def _after(steps: int, limit: bool, networks: bool) -> str:
    """The sentence for a number of steps, with or without the limit, and with or without networks."""
    if limit and networks:
        return counted(
            "After {steps} step: the kernel says <b>{kernel}</b>, infinite width <b>{limit}</b> ± {error} (s.e.), "
            "{networks}.",
            "After {steps} steps: the kernel says <b>{kernel}</b>, infinite width <b>{limit}</b> ± {error} (s.e.), "
            "{networks}.",
            steps,
        )
    if limit:
        return counted(
            "After {steps} step: the kernel says <b>{kernel}</b>, infinite width <b>{limit}</b> ± {error} (s.e.).",
            "After {steps} steps: the kernel says <b>{kernel}</b>, infinite width <b>{limit}</b> ± {error} (s.e.).",
            steps,
        )
    if networks:
        return counted(
            "After {steps} step: the kernel says <b>{kernel}</b>, {networks}.",
            "After {steps} steps: the kernel says <b>{kernel}</b>, {networks}.",
            steps,
        )
    return counted(
        "After {steps} step: the kernel says <b>{kernel}</b>.",
        "After {steps} steps: the kernel says <b>{kernel}</b>.",
        steps,
    )


class FeaturesPlot(Plot):
    """The kernel ⟨x, x̄⟩/n of the last layer's features at infinite width, before training and after some steps.

    The line below says how much of it points along the labels (`alignment`), and how far the NTK has moved.

    - `labels`: the targets of the examples, ±1, in the order in which they are drawn.
    """

    def __init__(self, labels: np.ndarray, name: str = "features"):
        super().__init__(name)
        self._labels = np.asarray(labels, dtype=float)
        self._kernels: dict[str, np.ndarray] = {}
        self._time, self._moved, self._width = 0, np.nan, 0
        self._in_networks: list[float] = []
        count, figure = len(self._labels), self.figure
        pair = _("{row} and {column}").format
        for axis in ("", "2"):
            figure.add_heatmap(z=np.full((count, count), np.nan), xaxis=f"x{axis}", yaxis=f"y{axis}", xgap=1, ygap=1)
            figure.data[-1].update(coloraxis="coloraxis", hovertemplate="%{customdata}: %{z:.3g}<extra></extra>")
            figure.data[-1].customdata = [
                [pair(row=f"{a:+.0f}", column=f"{b:+.0f}") for b in self._labels] for a in self._labels
            ]
        self._before, self._after, self._measured = self.parts = [
            Part(_("The kernel before"), [0]),
            Part(_("The kernel after"), [1]),
            Part(_("The networks’ NTK")),
        ]
        marks = {
            "tickvals": list(range(count)),
            "ticktext": ["+" if label > 0 else "−" for label in self._labels],
            "range": [-0.5, count - 0.5],
            "fixedrange": True,
            "showgrid": False,
            "constrain": "domain",
        }
        down = marks | {"range": [count - 0.5, -0.5], "constraintoward": "top"}
        figure.update_layout(
            xaxis=marks | {"domain": [0, 0.43], "title": _("example, by target")},
            yaxis=down | {"scaleanchor": "x"},
            xaxis2=marks | {"domain": [0.47, 0.9], "anchor": "y2", "title": _("example, by target")},
            yaxis2=down | {"scaleanchor": "x2", "anchor": "x2", "showticklabels": False},
            coloraxis={"colorbar": {"thickness": 12, "outlinewidth": 0, "x": 0.91, "len": 0.86, "y": 1}},
            margin={"l": 24, "r": 40, "t": theme.HEADING, "b": 48},
            annotations=[
                theme.heading(_("Features before"), xref="x", x=-0.5),
                theme.heading("", xref="x2", x=-0.5),
            ],
        )
        figure.layout.coloraxis.colorbar.yanchor = "top"

    def restart(
        self,
        before: Float[np.ndarray, "train train"],
        time: int,
        width: int,
        *,
        after: tuple[Float[np.ndarray, "times train train"], float] | None = None,
        networks: Sequence[float] = (),
    ) -> None:
        """Draw the kernel before training; the other is that after `time` steps.

        `after`: the arguments of `show_after`, and `networks`: those of `add`, for results that are known already. All
        is drawn in one update.
        """
        self._kernels, self._time, self._width = {"before": np.asarray(before)}, time, width
        self._moved, self._in_networks = np.nan, list(networks)
        self.outdate()
        measured = [self._measured] * bool(self._in_networks)
        if after is None:
            self._draw(before, self._before, *measured)
        else:
            self._note_after(*after)
            self._draw(after[0], self._before, self._after, *measured)

    def show_after(self, trajectory: Float[np.ndarray, "times train train"], moved: float) -> None:
        """Draw the kernel after these steps; `moved` is the relative change of the NTK until then.

        `trajectory`: the kernel at all times, whose largest entry sets the colours, so that times can be compared.
        """
        self._note_after(trajectory, moved)
        self._draw(trajectory, self._after)

    def add(self, moved: float) -> None:
        """Note the relative change of one network's NTK, from before training to its end."""
        self._in_networks.append(moved)
        with self.drawing(self._measured):
            pass
        self._say()

    def _note_after(self, trajectory: Float[np.ndarray, "times train train"], moved: float) -> None:
        self._kernels["after"], self._moved = np.asarray(trajectory[self._time]), moved

    def _draw(self, coloured: np.ndarray, *parts: Part) -> None:
        """Draw these parts; the largest entry of the kernels `coloured` sets the colours."""
        with self.drawing(*parts):
            if self._before in parts:
                self.figure.data[0].z = self._kernels["before"]
                after = counted("after {steps} step", "after {steps} steps", self._time).format(steps=self._time)
                self.figure.layout.annotations[1].text = after
            if self._after in parts:
                self.figure.data[1].z = self._kernels["after"]
            self._colour(coloured)
        self._say()

    def _colour(self, kernels: np.ndarray) -> None:
        unit = max(float(np.max(np.abs(kernels))), 1e-300)
        self.figure.set_kernel_colours(unit, -unit)  # some settings have negative entries

    def _say(self) -> None:
        fields = {when: signed(alignment(kernel, self._labels)) for when, kernel in self._kernels.items()}
        if "after" not in self._kernels:
            self.say(_("Alignment with the targets: <b>{before}</b> before.").format(**fields))
            return
        said = _("Alignment with the targets: <b>{before}</b> before, <b>{after}</b> after.").format(**fields)
        self.say(f"{said} {self._moved_in_words()}")

    def _moved_in_words(self) -> str:
        """How far the NTK has moved at infinite width, and in networks as far as they have been measured."""
        good = [moved for moved in self._in_networks if moved < DIVERGED]
        if good:
            said = _(
                "The NTK has moved by <b>{moved}</b>; by the last step, that of networks of width {width} by "
                "<b>{mean}</b>."
            )
        elif self._in_networks:
            said = _(
                "The NTK has moved by <b>{moved}</b>; by the last step, that of networks of width {width} by "
                "<b>far</b>."
            )
        else:
            said = _("The NTK has moved by <b>{moved}</b>.")
        mean = share(float(np.mean(good))) if good else ""
        return said.format(moved=share(self._moved), width=f"{self._width:,}", mean=mean)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "row", "column", "row_target", "column_target", *self._kernels
        for row, column in np.ndindex(len(self._labels), len(self._labels)):
            entries = (kernel[row, column] for kernel in self._kernels.values())
            yield row + 1, column + 1, *map(float, (self._labels[row], self._labels[column], *entries))
