"""Training, and how the kernel predicts it: one output over time, networks' deviations, and posterior uncertainty."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ....convergence import Slope, log_log_slope
from ...style import theme
from ...style.ranges import reaching, round_up
from ...style.wording import signed, with_error
from ...translation.words import _, listed
from ..panel import Plot
from ..side_by_side_kernels import axis_strips

DASHES = ("solid", "dash", "solid")
THICKNESS = (1.8, 2.6, 4.0)
USUAL_OUTPUTS = 3.0  # on both sides of zero: targets are ±1, and a network starts within ±2σ of 0
USUAL_DISTANCES = (-3.0, 0.5)  # exponents of ten
DIVERGED = 100.0  # a distance beyond which a network has diverged
START = 0.5  # the position of step 0 on a logarithmic axis of steps


class TrainingCurves(Plot):
    """The output on one image against training steps: the ensemble's mean and band, and networks of three widths.

    - `steps`: the steps at which the output is known, beginning with 0.
    - `pictures`: `(images, side, side)`, one of which is shown beside the plot.
    - `targets`: the meaning of the outputs −1 and 1, `("9", "5")`.

    The band is mean ± 2σ over random initialisations. A network's dotted line is the kernel's prediction
    from that network's own initial outputs. The point at the right end is the answer of Bayes' rule.
    """

    def __init__(self, steps: Sequence[int], pictures: np.ndarray, targets: tuple[str, str], name: str = "training"):
        super().__init__(name)
        self._steps, self._pictures = np.asarray(steps), np.asarray(pictures)
        self._x = np.where(self._steps > 0, self._steps, START)
        self._networks: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        figure, side = self.figure, self._pictures.shape[-1]
        for edge in ("low", "high"):
            figure.add_scatter(x=self._x, mode="lines", line_width=0, showlegend=False, hoverinfo="skip")
            figure.data[-1].update(
                fill="tonexty" if edge == "high" else None, fillcolor=theme.translucent(theme.LIMIT, 0.16)
            )
        figure.add_scatter(x=self._x, mode="lines", name=_("infinite width ± 2σ"), line_color=theme.LIMIT)
        figure.data[-1].line.width = 4
        for k in range(3):
            figure.add_scatter(x=self._x, mode="lines", line_color=theme.FINITE, opacity=(0.75, 0.85, 1)[k])
            figure.data[-1].line.update(width=THICKNESS[k], dash=DASHES[k])
            figure.add_scatter(x=self._x, mode="lines", line_color=theme.LIMIT, showlegend=k == 2)
            figure.data[-1].update(name=_("its own prediction"), line_width=2, line_dash="dot")
        figure.add_scatter(x=[], y=[], mode="markers", name=_("Bayes’ rule ± 2σ"), marker_color=theme.THIRD)
        figure.data[-1].marker.update(size=11, symbol="diamond")
        figure.data[-1].error_y.update(type="data", color=theme.THIRD, thickness=2.5, width=6)
        hover = _("step %{customdata}: %{y:.3f}<extra>%{fullData.name}</extra>")
        figure.update_traces(customdata=self._steps, hovertemplate=hover)
        figure.add_heatmap(z=np.zeros((side, side)), xaxis="x2", yaxis="y2", colorscale=theme.THUMBNAIL, zmin=0, zmax=1)
        figure.data[-1].update(showscale=False, hoverinfo="skip")
        for height in (-1, 1):
            figure.add_hline(y=height, line={"color": theme.MUTED, "width": 1.5, "dash": "dot"})
        hidden = {"visible": False, "fixedrange": True, "constrain": "domain"}
        ticks = [START, *(4**k for k in range(6) if 4**k <= self._steps[-1])]
        figure.update_layout(
            annotations=[
                theme.heading(_("The output on one image"), xref="paper", x=0),
                theme.heading(_("the image"), xref="paper", x=0.76),
            ],
            xaxis={"type": "log", "title": _("steps of gradient descent"), "domain": [0, 0.72], "fixedrange": True},
            yaxis={"title": _("output f"), "fixedrange": True, "tickvals": [-2, -1, 0, 1, 2]},
            xaxis2=hidden | {"domain": [0.76, 0.94], "anchor": "y2", "constraintoward": "left"},
            yaxis2=hidden
            | {"anchor": "x2", "scaleanchor": "x2", "autorange": "reversed", "constraintoward": "top"}
            | {"domain": [0.62, 1]},
            legend=theme.legend(x=0.745, y=0.5, traceorder="normal", font={"size": 14}),
            margin={"l": 82, "r": 6, "t": theme.HEADING, "b": 48},
        )
        figure.layout.xaxis.update(tickvals=ticks, ticktext=["0", *map(str, ticks[1:])])
        figure.layout.xaxis.range = list(np.log10([START / 1.15, self._steps[-1] * 2]))
        figure.layout.yaxis.ticktext = ["−2", f"“{targets[0]}” −1", "0", f"“{targets[1]}” +1", "2"]
        self._targets = targets

    def restart(self, image: int, mean: Any, std: Any, bayes: tuple[float, float], widths: Sequence[int]) -> None:
        """Show the ensemble's output on image `image` at every step and `bayes` (mean, std); clear the networks."""
        self._mean, self._std, self._bayes = np.asarray(mean), np.asarray(std), bayes
        self._widths, self._networks = list(widths), {}
        low, high, middle = self.figure.data[:3]
        end = self.figure.data[9]
        with self.drawing():
            low.y, high.y, middle.y = self._mean - 2 * self._std, self._mean + 2 * self._std, self._mean
            end.update(x=[1.45 * self._steps[-1]], y=[bayes[0]])
            end.error_y.array = [2 * bayes[1]]
            self.figure.data[10].z = self._pictures[image]
            for k, width in enumerate(self._widths):
                self.figure.data[3 + 2 * k].name = _("width {width}").format(width=f"{width:,}")
        self._draw()

    def add(self, width: int, output: Any, predicted: Any) -> None:
        """Add one network's output on the image at every step, and the kernel's prediction from its initial outputs."""
        self._networks[width] = np.asarray(output), np.asarray(predicted)
        self._draw()

    def _draw(self) -> None:
        nothing = np.full(len(self._x), np.nan)
        heights = [self._mean[0] + 2 * self._std[0], *(abs(output[-1]) for output, _ in self._networks.values())]
        highest = 1.05 * max((height for height in heights if height < 5), default=0.0)
        reach = USUAL_OUTPUTS if highest <= USUAL_OUTPUTS else round_up(highest)
        with self.drawing():
            for k, width in enumerate(self._widths):
                for trace, y in zip(
                    self.figure.data[3 + 2 * k : 5 + 2 * k], self._networks.get(width, (nothing, nothing)), strict=True
                ):
                    trace.y = np.where(np.abs(y) < DIVERGED, y, np.nan)  # a network that diverges is cut off
            self.figure.layout.yaxis.range = [-reach, reach]
        self.say(" ".join(self._words()))

    def _words(self) -> Iterator[str]:
        limit = {"limit": signed(self._mean[-1]), "spread": f"{2 * self._std[-1]:.2f}"}
        bayes = {"bayes": signed(self._bayes[0]), "of_bayes": f"{2 * self._bayes[1]:.2f}"}
        said = _("At the end: infinite width <b>{limit}</b> ± {spread}, Bayes {bayes} ± {of_bayes}.")
        yield said.format(**limit, **bayes)
        known = [(width, *self._networks[width]) for width in self._widths if width in self._networks]
        if known:
            apart = listed(_apart(output[-1] - own[-1], width) for width, output, own in known)
            yield _("Distance of a network from its own prediction: {distances}.").format(distances=apart)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "step", "mean", "std", *(f"{what}_{n}" for n in self._networks for what in ("width", "predicted"))
        columns = [column for pair in self._networks.values() for column in pair]
        for row in zip(self._steps, self._mean, self._std, *columns, strict=True):
            yield int(row[0]), *map(float, row[1:])


def _trend(slope: Slope) -> int:
    """Whether a distance increases with width, 1, decreases, −1, or neither with certainty, 0."""
    return 0 if abs(slope.value) <= 2 * slope.error else int(np.sign(slope.value))


def _apart(difference: float, width: int) -> str:
    if abs(difference) >= DIVERGED:
        return _("<b>diverged</b> at width {width}").format(width=f"{width:,}")
    return _("<b>{distance}</b> at width {width}").format(distance=f"{abs(difference):.3f}", width=f"{width:,}")


class LinearisationErrorPlot(Plot):
    """Two measures of linearisation error against width: the outputs' distance from the kernel's prediction, and the
    change of the empirical kernel during training.

    Points are trained networks, lines the means of those that did not diverge; the dashed lines fall as 1/√n and as
    1/n, and the text below says whether the means do.
    """

    def __init__(self, widths: Sequence[int], name: str = "linearisation-error"):
        super().__init__(name)
        self._points: dict[tuple[int, int], tuple[float, float]] = {}
        self._stable = True
        figure = self.figure
        looks = (_("output error"), theme.FINITE, "circle"), (_("kernel change"), theme.THIRD, "square")
        for label, colour, mark in looks:
            figure.add_scatter(x=[], y=[], mode="markers", showlegend=False, marker_color=colour, opacity=0.35)
            figure.add_scatter(x=[], y=[], mode="lines+markers", name=label, line_color=colour, line_width=2)
            figure.data[-1].marker.update(size=10, symbol=mark)
        for power, law in ((0.5, "∝ 1/√n"), (1.0, "∝ 1/n")):
            figure.add_scatter(x=[], y=[], mode="lines", name=law, hoverinfo="skip", line_color=theme.MUTED)
            figure.data[-1].line.update(dash="dash" if power == 0.5 else "dot", width=1.5)
        for trace in figure.data[:4]:
            trace.hovertemplate = _("width %{x:,}: %{y:.2%}<extra></extra>")
        figure.update_layout(
            annotations=[theme.heading(_("Distance from the prediction"), xref="paper", x=0)],
            xaxis={"type": "log", "title": _("width n"), "tickvals": list(widths), "fixedrange": True},
            yaxis={"type": "log", "tickformat": ".2~%", "fixedrange": True, "range": list(USUAL_DISTANCES)},
            legend=theme.legend(x=0.02, y=0.02, yanchor="bottom"),
            margin={"l": 62, "r": 10, "t": theme.HEADING, "b": 48},
        )
        figure.layout.xaxis.range = list(np.log10([widths[0] / 1.5, widths[-1] * 1.5]))
        figure.layout.yaxis.tickvals = [0.001, 0.01, 0.1, 1]

    def restart(self, stable: bool = True) -> None:
        """Clear the networks; `stable`: whether the learning rate is well below that at which wide networks diverge."""
        self._points, self._stable = {}, stable
        self._draw()

    def add(self, width: int, seed: int, outputs: float, kernel: float) -> None:
        """Add one trained network: its distance from its own prediction, and the relative change of its kernel."""
        self._points[width, seed] = outputs, kernel
        self._draw()

    def _by_width(self) -> tuple[dict[int, list[float]], dict[int, list[float]]]:
        """Both distances of the networks of each width that did not diverge."""
        found: tuple[dict[int, list[float]], dict[int, list[float]]] = {}, {}
        for (width, _seed), both in sorted(self._points.items()):
            if np.all(np.array(both) < DIVERGED):
                for by_width, distance in zip(found, both, strict=True):
                    by_width.setdefault(width, []).append(distance)
        return found

    def means(self) -> tuple[dict[int, float], dict[int, float]]:
        """The means of both over the networks of each width that did not diverge."""
        outputs, kernel = ({n: float(np.mean(ds)) for n, ds in found.items()} for found in self._by_width())
        return outputs, kernel

    def slopes(self) -> tuple[Slope, Slope]:
        """The log–log slopes of both means with their standard errors; NaN for fewer than three widths."""
        outputs, kernel = (
            log_log_slope(found) if len(found) > 2 else Slope(np.nan, np.nan) for found in self._by_width()
        )
        return outputs, kernel

    def _draw(self) -> None:
        with self.drawing():
            for k, means in enumerate(self.means()):
                points, mean, law = self.figure.data[2 * k], self.figure.data[2 * k + 1], self.figure.data[4 + k]
                points.update(x=[n for n, _ in self._points], y=[both[k] for both in self._points.values()])
                n, y = np.array(list(means)), np.array(list(means.values()))
                mean.update(x=n, y=y)
                power = (0.5, 1.0)[k]
                constant = np.exp(np.mean(np.log(y * n**power))) if len(n) else np.nan
                law.update(x=n, y=constant / n**power if len(n) else [])
            everything = [distance for both in self._points.values() for distance in both if distance < DIVERGED]
            self.figure.layout.yaxis.range = reaching(USUAL_DISTANCES, everything)
        self.say(" ".join(filter(None, (self._slopes_in_words(), self._diverged_in_words()))))

    def _slopes_in_words(self) -> str:
        slopes = self.slopes()
        if not np.isfinite([slope.value for slope in slopes]).all():
            return _("Each point is one trained network.")
        outputs, kernel = slopes
        numbers = {"outputs": with_error(outputs), "kernel": with_error(kernel)}
        if not np.isfinite([slope.error for slope in slopes]).all():
            return _("Slopes: outputs {outputs}, kernel {kernel} so far.").format(**numbers)
        said = _("Slopes: outputs {outputs}, kernel {kernel}.").format(**numbers)
        trend = _("{outputs}, and {kernel}.")
        if not self._stable:
            trend = _("{outputs}, and {kernel}: this learning rate is at the edge of stability.")
        return f"{said} {trend.format(outputs=self._outputs_in_words(outputs), kernel=_kernel_in_words(kernel))}"

    def _outputs_in_words(self, slope: Slope) -> str:
        trend = _trend(slope)
        if trend == 0:
            return _("A wider network deviates from its prediction neither clearly less nor clearly more")
        if trend > 0:
            return _("A wider network deviates from its prediction <b>more</b>")
        if self._stable and not slope.agrees_with(-0.5):
            return _(
                "A wider network deviates from its prediction less, though not as 1/√n: narrow networks are too far "
                "from the limit"
            )
        return _("A wider network deviates from its prediction less")

    def _diverged_in_words(self) -> str:
        count = len(self._points) - sum(map(len, self._by_width()[0].values()))
        said = _("Left out: {count} of {total} networks, which diverged.")
        return said.format(count=count, total=len(self._points)) if count else ""

    def table(self) -> Iterator[Sequence[Any]]:
        yield "width", "seed", "outputs_off", "kernel_moved"
        for (width, seed), both in sorted(self._points.items()):
            yield width, seed, *both


def _kernel_in_words(slope: Slope) -> str:
    trend = _trend(slope)
    if trend == 0:
        return _("its kernel moves neither clearly less nor clearly more")
    return _("its kernel moves <b>more</b>") if trend > 0 else _("its kernel moves less")


class CertaintyPlot(Plot):
    """Several posteriors for several images, each as a mean with two standard deviations.

    - `pictures`: `(images, side, side)`.
    - `truth`: −1 or 1 for each.
    - `posteriors`: the means and the standard deviations, by name.
    - `targets`: the meaning of the outputs −1 and 1.
    - `shown`: the images to draw; the others are only counted.
    """

    def __init__(
        self,
        pictures: np.ndarray,
        truth: np.ndarray,
        posteriors: Mapping[str, tuple[np.ndarray, np.ndarray]],
        targets: tuple[str, str],
        shown: Sequence[int],
        name: str = "certainty",
    ):
        super().__init__(name)
        self._truth, self._posteriors = np.asarray(truth), posteriors
        drawn = np.asarray(shown)
        figure, count = self.figure, len(drawn)
        [x, y, strip] = list(axis_strips(np.asarray(pictures)[drawn]))[1]
        figure.add_heatmap(x=x, y=y - count + 0.4, z=strip, colorscale=theme.THUMBNAIL, zmin=0, zmax=1, yaxis="y2")
        figure.data[0].update(showscale=False, hoverinfo="skip")
        for k, (label, (mean, std)) in enumerate(posteriors.items()):
            figure.add_scatter(x=np.arange(count) + 0.24 * k - 0.12, y=mean[drawn], mode="markers", name=label)
            colour = (theme.LIMIT, theme.THIRD)[k]
            figure.data[-1].marker.update(color=colour, size=11, symbol=("circle", "diamond")[k])
            figure.data[-1].error_y.update(type="data", array=2 * std[drawn], color=colour, thickness=2.5, width=4)
            figure.data[-1].hovertemplate = "%{y:.2f}<extra>%{fullData.name}</extra>"
        figure.add_scatter(
            x=np.arange(count), y=self._truth[drawn], mode="markers", name=_("true label"), hoverinfo="skip"
        )
        figure.data[-1].marker.update(symbol="line-ew", size=30, line_width=3, line_color=theme.MUTED)
        figure.add_hline(y=0, line={"color": theme.MUTED, "width": 1.5})
        figure.update_layout(
            annotations=[theme.heading(_("Images not used in training"), xref="paper", x=0)],
            xaxis={"visible": False, "range": [-0.6, count - 0.4], "fixedrange": True},
            yaxis={"title": _("output f"), "tickvals": [-1, 0, 1], "domain": [0.2, 1], "fixedrange": True},
            yaxis2={"visible": False, "range": [1.15, -0.05], "domain": [0, 0.17], "fixedrange": True},
            legend=theme.legend(orientation="h", x=1, xanchor="right", yanchor="bottom", font={"size": 14}),
            margin={"l": 82, "r": 10, "t": theme.HEADING, "b": 4},
        )
        figure.layout.yaxis.ticktext = [f"“{targets[0]}” −1", "0", f"“{targets[1]}” +1"]
        self.say("<br>".join(self._counted(label, *posterior) for label, posterior in posteriors.items()))

    def _counted(self, label: str, mean: np.ndarray, std: np.ndarray) -> str:
        sure, right = np.abs(mean) > 2 * std, np.sign(mean) == self._truth
        numbers = {"sure": sure.sum(), "unsure": (~sure).sum()}
        shares = {"right": _share(right[sure]), "unsure_right": _share(right[~sure])}
        return _certainty(bool(sure.any()), bool(sure.all())).format(label=label, count=len(mean), **numbers, **shares)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "image", "truth", *(f"{label}_{what}" for label in self._posteriors for what in ("mean", "std"))
        columns = [column for pair in self._posteriors.values() for column in pair]
        for image, row in enumerate(zip(self._truth, *columns, strict=True)):
            yield image, *map(float, row)


def _share(right: np.ndarray) -> str:
    return f"{np.mean(right):.0%}" if len(right) else ""


def _certainty(of_any: bool, of_all: bool) -> str:
    """The sentence for a posterior that is sure of some images, of all of them, or of none."""
    if of_all:
        return _(
            "{label}, all {count} images: sure (0 outside the bar) of <b>{sure}</b>, right on <b>{right}</b>; unsure "
            "of <b>{unsure}</b>."
        )
    if of_any:
        return _(
            "{label}, all {count} images: sure (0 outside the bar) of <b>{sure}</b>, right on <b>{right}</b>; unsure "
            "of <b>{unsure}</b>, right on <b>{unsure_right}</b>."
        )
    return _(
        "{label}, all {count} images: sure (0 outside the bar) of <b>{sure}</b>; unsure of <b>{unsure}</b>, right on "
        "<b>{unsure_right}</b>."
    )
