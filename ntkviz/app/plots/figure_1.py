"""Figure 1 of Tensor Programs II: how far networks of several architectures are from their limits, and the slopes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...convergence import Slope, log_log_slope, standard_error
from ...kernels.results import Fluctuation
from ..style import theme
from ..style.wording import figures, signed
from ..translation.words import _, counted, listed
from .panel import Plot

ORIGINAL_AT_64 = {"RNN": 0.2, "Transformer": 0.15, "BatchNorm": 0.5}
"""The first points of the figure's curves, at width 64, read off by eye."""

AT_ONCE = 10  # networks measured between two redraws
VIRTUAL_NETWORKS = 4  # at most, at each width: a network of width a million takes seconds
POWERS = {2: "10²", 3: "10³", 4: "10⁴", 5: "10⁵", 6: "10⁶"}  # ticks
SEEDS = 10_000  # reserved for each width
NINE_OF_TEN = 1.645  # standard deviations to both sides, which enclose nine tenths of a normal law
VIRTUAL_MARK = "cross"
DEVIATIONS = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]  # ticks


class Curve(NamedTuple):
    """The deviation of one architecture from its limit, or from the answer of the GIA.

    - `name`: its name; `gia`: whether distances are from the answer of the GIA.
    - `deviations`: the deviations of the networks measured, by width.
    """

    name: str
    gia: bool
    deviations: dict[int, list[float]]

    @property
    def label(self) -> str:
        """The displayed name."""
        return _("{name} (GIA)").format(name=_shown(self.name)) if self.gia else _shown(self.name)

    def constant(self) -> Slope:
        """Deviation × √n of single networks, averaged over the wider half of the widths, and its standard error."""
        widths = sorted(self.deviations)
        wide = widths[len(widths) // 2 :]
        found = np.concatenate([np.sqrt(width) * np.array(self.deviations[width]) for width in wide])
        return Slope(float(found.mean()), standard_error(found.tolist()))

    def means(self) -> dict[int, float]:
        """The mean deviation at each width, widths ascending."""
        return {width: float(np.mean(ds)) for width, ds in sorted(self.deviations.items())}

    def slope(self) -> Slope:
        """The log–log slope of the means and its standard error, both NaN for fewer than three widths."""
        return log_log_slope(self.deviations) if len(self.deviations) > 2 else Slope(np.nan, np.nan)


class Prediction(NamedTuple):
    """A predicted c of c/√n with its standard error, and the standard deviation of single networks, times √n."""

    c: float
    error: float
    std: float

    def band(self, networks: Any) -> tuple[Any, Any]:
        """The band in which nine out of ten means over this many networks lie, times √n."""
        half = NINE_OF_TEN * self.std / np.sqrt(networks)
        return self.c - half, self.c + half


class DeviationCurves(Plot):
    """Deviation against width on logarithmic axes for several architectures, filled point by point.

    Points are means over networks, bars two standard errors; networks wider than `real` are virtual, with a marker of
    their own. The first five architectures have their own colours and markers; if there are more, those after the third
    are grey. Dashed lines are the predictions c/√n, in bands that hold nine out of ten such means. Measurements and
    predictions are kept and shown again on request.
    """

    def __init__(self, widths: Sequence[int], most: int, real: int, name: str = "figure-1"):
        super().__init__(name)
        self._widths, self._real = list(widths), real
        self._found: dict[tuple[str, str], dict[tuple[int, int], tuple[float, ...]]] = {}
        self._predicted: dict[tuple[str, str], Prediction] = {}
        self._too_large: set[tuple[str, int]] = set()
        self._names: list[str] = []
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="lines", name=_("predicted, <i>c</i>/√n"), hoverinfo="skip", opacity=0.6)
        figure.data[0].line.update(color=theme.MUTED, dash="dash", width=1.5)
        figure.add_scatter(x=[], y=[], mode="lines", name=_("Yang (2020), by eye"), hoverinfo="skip")
        figure.data[1].update(line={"color": theme.MUTED, "width": 6}, opacity=0.35)
        for _slot in range(most):
            figure.add_scatter(x=[], y=[], mode="lines+markers", visible=False)
        self._slots = figure.data[2:]
        figure.add_scatter(x=[None], y=[None], mode="markers", name=_("virtual networks"), visible=False)
        figure.data[-1].marker.update(color=theme.MUTED, size=11, symbol=VIRTUAL_MARK)
        self._virtual = figure.data[-1]
        for colour in theme.SERIES:
            figure.add_scatter(x=[], y=[], mode="lines", hoverinfo="skip", showlegend=False)
            figure.data[-1].line.update(color=colour, dash="dash", width=1.5)
        self._lines = figure.data[-len(theme.SERIES) :]
        for colour in theme.SERIES:
            shade = theme.translucent(colour, 0.15)
            figure.add_scatter(x=[], y=[], mode="lines", fill="toself", fillcolor=shade, hoverinfo="skip")
            figure.data[-1].update(line_width=0, showlegend=False)
        self._bands = figure.data[-len(theme.SERIES) :]
        figure.update_layout(
            annotations=[theme.heading("", xref="paper", x=0)],
            xaxis={"type": "log", "title": _("width n"), "fixedrange": True},
            yaxis={"type": "log", "title": _("relative deviation"), "fixedrange": True},
            legend={"x": 0.01, "font": {"size": 14}},
            margin={"l": 72, "r": 10, "t": theme.HEADING, "b": 48},
        )
        figure.layout.legend.bgcolor = "rgba(0,0,0,0)"

    def restart(
        self,
        names: Sequence[str],
        parametrization: str,
        widths: Sequence[int],
        seeds: Sequence[int],
        times_root: bool = False,
    ) -> None:
        """Show these architectures at these widths; `times_root` multiplies every deviation by √n."""
        self._names, self._parametrization = list(names), parametrization
        self._shown_widths, self._seeds, self._times_root = list(widths), list(seeds), times_root
        self._too_large = set()
        self._draw_frame()
        self._draw()

    def unpredicted(self) -> list[str]:
        """The architectures shown whose c has not been predicted yet."""
        return [name for name in self._names if (self._parametrization, name) not in self._predicted]

    def predict(self, name: str, found: Fluctuation) -> None:
        """Take the prediction for one architecture."""
        norms = np.linalg.norm(found.draws, axis=(1, 2))
        std = found.c * float(norms.std() / norms.mean())
        self._predicted[self._parametrization, name] = Prediction(found.c, found.error, std)
        self._draw()

    def remaining(self) -> list[tuple[str, int, list[int]]]:
        """The measurements still to be made, each as seeds for one architecture at one width; narrow networks first."""
        return [
            (name, width, missing[k : k + AT_ONCE])
            for width in self._shown_widths
            for name in self._names
            for missing in [[seed for seed in self._seeds_of(width) if (width, seed) not in self._of(name)]]
            for k in range(0, len(missing), AT_ONCE)
        ]

    def add(self, name: str, width: int, distances: dict[int, tuple[float, ...]]) -> None:
        """Add networks by seed: the distance of each from the limit and, if it differs, from the answer of the GIA."""
        self._of(name).update({(width, seed): found for seed, found in distances.items()})
        self._draw()

    def leave_out(self, name: str, width: int) -> None:
        """Say that networks of this width need more memory than is available."""
        self._too_large.add((name, width))
        self._draw()

    def curves(self) -> list[Curve]:
        """The curves shown, as far as they have been measured."""
        curves = []
        for name in self._names:
            found: tuple[dict[int, list[float]], ...] = ({}, {})
            for (width, seed), distances in self._of(name).items():
                if width in self._shown_widths and seed in self._seeds_of(width):
                    for by_width, distance in zip(found, distances, strict=False):
                        by_width.setdefault(width, []).append(distance)
            curves += [
                Curve(name, bool(answer), by_width) for answer, by_width in enumerate(found) if by_width or not answer
            ]
        return curves

    def look(self, name: str) -> tuple[str, str]:
        """The colour and the marker of an architecture."""
        place = self._names.index(name)
        if place >= (3 if len(self._names) > len(theme.SERIES) else len(theme.SERIES)):
            return theme.MUTED, "circle"
        return theme.SERIES[place], theme.MARKS[place]

    def _of(self, name: str) -> dict[tuple[int, int], tuple[float, ...]]:
        return self._found.setdefault((self._parametrization, name), {})

    def _seeds_of(self, width: int) -> list[int]:
        """Networks of one seed share random numbers at all widths, so each width has seeds of its own."""
        first = SEEDS * self._widths.index(width)
        return [first + seed for seed in self._seeds[: None if width <= self._real else VIRTUAL_NETWORKS]]

    def _predictions(self) -> dict[str, Prediction]:
        found = ((name, self._predicted.get((self._parametrization, name))) for name in self._names)
        return {name: prediction for name, prediction in found if prediction is not None}

    def _scaled(self, widths: Any, deviations: Any) -> np.ndarray:
        return np.asarray(deviations) * (np.sqrt(widths) if self._times_root else 1)

    def _ends(self) -> np.ndarray:
        return np.array([self._shown_widths[0] / 1.2, self._shown_widths[-1] * 1.2])

    def _law(self, constants: Sequence[float], widest: float = np.inf) -> dict[str, Any]:
        """x and y of lines c/√n, one after the other, to the largest width shown, or `widest`."""
        ends = np.minimum(self._ends(), widest)
        lines = [[*self._scaled(ends, c / ends**0.5), None] for c in constants]
        return {"x": [*ends, None] * len(lines), "y": [height for line in lines for height in line]}

    def _draw_frame(self) -> None:
        """Draw everything that does not depend on networks: the axes, and the curves of the paper."""
        largest, beyond = self._shown_widths[-1], self._shown_widths[-1] > self._real
        low, high = (0.4, 60.0) if self._times_root else (0.1 / max(largest, self._real) ** 0.5, 1.2)
        known = [c * 64**0.5 for name, c in ORIGINAL_AT_64.items() if name in self._names and len(self._names) <= 5]
        with self.drawing():
            self.figure.data[1].update(**self._law(known, self._real), showlegend=bool(known))
            self._virtual.visible = beyond
            heading = _("How far from the limit? (times √n)") if self._times_root else _("How far from the limit?")
            self.figure.layout.annotations[0].text = heading
            self.figure.layout.xaxis.update(
                range=list(np.log10(self._ends())),
                tickvals=[10**k for k in POWERS] if beyond else self._shown_widths,
                ticktext=list(POWERS.values()) if beyond else [f"{width:,}" for width in self._shown_widths],
            )
            where = (0.99, "top") if self._times_root else (0.02, "bottom")  # a corner that stays empty
            self.figure.layout.legend.update(y=where[0], yanchor=where[1])
            heights = [0.5, 1, 2, 4, 8, 16, 32] if self._times_root else DEVIATIONS
            self.figure.layout.yaxis.update(
                range=[np.log10(low), np.log10(high)],
                title=_("relative deviation × √n") if self._times_root else _("relative deviation"),
                tickvals=heights,
                ticktext=[f"{height:g}" if self._times_root else f"{100 * height:g}%" for height in heights],
            )

    def _draw(self) -> None:
        curves = self.curves()
        with self.drawing():
            self._draw_predictions()
            for slot, curve in zip(self._slots, curves, strict=False):
                self._draw_curve(slot, curve)
            for slot in self._slots[len(curves) :]:
                if slot.visible:
                    slot.visible = False
        self.say(" ".join(filter(None, (self._summary(curves), self._left_out()))))

    def _draw_predictions(self) -> None:
        """The lines c/√n: one for each architecture in its colour, and those of the grey ones together."""
        found = self._predictions()
        grey = [c for name, (c, *_) in found.items() if self.look(name)[0] == theme.MUTED]
        self.figure.data[0].update(self._law(grey) if grey else {"x": [None], "y": [None]}, showlegend=bool(found))
        for line, band, name in itertools.zip_longest(self._lines, self._bands, self._names[: len(self._lines)]):
            own = name in found and self.look(name)[0] != theme.MUTED
            line.update(**self._law([found[name].c] if own else []))
            if not own or len(self._names) > len(self._lines):
                band.update(x=[], y=[])
                continue
            widths = np.array(self._shown_widths)
            edges = found[name].band([len(self._seeds_of(width)) for width in widths])
            low, high = (self._scaled(widths, edge / widths**0.5) for edge in edges)
            band.update(x=[*widths, *widths[::-1]], y=[*low, *high[::-1]])

    def _draw_curve(self, slot: Any, curve: Curve) -> None:
        colour, mark = self.look(curve.name)
        grey, crowd = colour == theme.MUTED, len(self._names) > len(theme.SERIES)
        x = np.array(list(curve.means()))
        y = self._scaled(x, list(curve.means().values()))
        errors = 2 * self._scaled(x, [standard_error(ds) for _, ds in sorted(curve.deviations.items())])
        slot.update(x=x, y=y, name=curve.label, visible=True, opacity=0.5 if grey else 1, showlegend=not grey)
        slot.line.update(color=colour, width=1.5 if grey else 2.5, dash="dot" if curve.gia else "solid")
        symbols = [(mark if width <= self._real else VIRTUAL_MARK) + "-open" * curve.gia for width in x]
        slot.marker.update(color=colour, size=5 if grey else 11, symbol=symbols or mark + "-open" * curve.gia)
        slot.error_y.update(
            type="data", color=colour, thickness=1.5, width=4, array=np.nan_to_num(errors), visible=not crowd
        )
        slot.hovertemplate = _("width %{x:,}: %{y:.3~g}<extra>%{fullData.name}</extra>")

    def _summary(self, curves: list[Curve]) -> str:
        predicted = self._predictions()
        if not predicted:
            return _("Each curve should fall as <i>c</i>/√n, with its own <i>c</i>; predicting it …")
        measured = [curve for curve in curves if curve.deviations and not curve.gia and curve.name in predicted]
        if not measured:
            return _constants({name: prediction.c for name, prediction in predicted.items()})
        networks = sum(len(ds) for curve in measured for ds in curve.deviations.values())
        ratios, agreeing = [], 0
        for curve in measured:
            (mean, error), (c, of_c) = curve.constant(), predicted[curve.name][:2]
            ratios.append(mean / c)
            agreeing += abs(mean - c) <= 2 * np.hypot(error, of_c)
        said = counted(
            "<b>{networks}</b> network so far. Its deviation × √n is <b>{ratio}</b> times the predicted <i>c</i>; "
            "within two standard errors of <i>c</i>: <b>{agreeing} of {count}</b>.",
            "<b>{networks}</b> networks so far. Their deviation × √n is <b>{ratio}</b> times the predicted <i>c</i> on "
            "average; within two standard errors of <i>c</i>: <b>{agreeing} of {count}</b>.",
            networks,
        )
        ratio = signed(float(np.mean(ratios)))
        return said.format(networks=f"{networks:,}", ratio=ratio, agreeing=agreeing, count=len(measured))

    def _left_out(self) -> str:
        if not self._too_large:
            return ""
        width = min(width for name, width in self._too_large)
        names = listed(map(_shown, sorted({name for name, width in self._too_large})))
        said = _("Too large for the available memory from width {width} on: {names}.")
        return said.format(width=f"{width:,}", names=names)

    def table(self) -> Iterator[Sequence[Any]]:
        yield "architecture", "parametrization", "width", "network", "seed", "from_the_limit", "from_gia_answer", "c"
        for name in self._names:
            c = self._predictions()[name].c if name in self._predictions() else ""
            for (width, seed), distances in sorted(self._of(name).items()):
                kind = "random" if width <= self._real else "virtual"
                yield name, self._parametrization, width, kind, seed, *distances, *[""] * (2 - len(distances)), c


def _shown(name: str) -> str:
    """The name of an architecture as a reader sees it; those of other experiments are choices of controls."""
    known = {
        "graph network": _("graph network"),
        "attention": _("attention"),
        "tied autoencoder": _("tied autoencoder"),
        "mean readout": _("mean readout"),
        "tied readout": _("tied readout"),
    }
    return known.get(name, _(name))


def _constants(found: dict[str, float]) -> str:
    """The predicted constants, from the smallest to the largest."""
    least, most = min(found, key=found.__getitem__), max(found, key=found.__getitem__)
    if least == most:
        return _("Predicted without sampling a network: <i>c</i> is <b>{c}</b>.").format(c=figures(found[least]))
    said = _(
        "Predicted without sampling a network: <i>c</i> is from <b>{low}</b> ({lowest}) to <b>{high}</b> ({highest})."
    )
    return said.format(low=figures(found[least]), lowest=_shown(least), high=figures(found[most]), highest=_shown(most))


class SlopePlot(Plot):
    """The slope of every curve with two standard errors, beside −1/2."""

    def __init__(self, name: str = "slopes"):
        super().__init__(name)
        self._curves: list[Curve] = []
        figure = self.figure
        figure.add_scatter(x=[], y=[], mode="markers", showlegend=False)
        figure.data[0].hovertemplate = "%{y}: %{x:.2f}<extra></extra>"
        figure.data[0].error_x.update(type="data", color=theme.MUTED, thickness=2, width=4)
        figure.add_vline(x=-0.5, line={"color": theme.LIMIT, "width": 3, "dash": "dash"})
        figure.update_layout(
            annotations=[theme.heading(_("Slope of each curve"), xref="paper", x=0)],
            xaxis={"title": _("log–log slope"), "range": [-0.85, 0.15], "tickvals": [-0.75, -0.5, -0.25, 0]},
            yaxis={"autorange": "reversed", "fixedrange": True, "automargin": True},
            margin={"l": 10, "r": 14, "t": theme.HEADING, "b": 48},
        )
        figure.layout.xaxis.update(fixedrange=True, ticktext=["−0.75", "−0.5", "−0.25", "0"])
        figure.layout.yaxis.tickfont.size = 13

    def show(self, curves: Sequence[Curve], looks: Sequence[tuple[str, str]]) -> None:
        """Show the slopes of curves, each in its colour and with its marker."""
        self._curves = list(curves)
        slopes = np.array([curve.slope() for curve in curves])
        dots = self.figure.data[0]
        with self.drawing():
            dots.update(x=slopes[:, 0], y=[c.label for c in curves])
            dots.error_x.array = 2 * np.nan_to_num(slopes[:, 1])
            dots.marker.update(color=[colour for colour, _ in looks], size=11)
            dots.marker.symbol = [m + "-open" * c.gia for c, (_, m) in zip(curves, looks, strict=True)]
            self.figure.layout.yaxis.range = [len(curves) - 0.4, -0.6]
        known = {c.name: c.slope() for c in curves if not c.gia and np.isfinite(c.slope().value)}
        self.say(_summary(known) if known else _("A slope needs three widths; theory predicts −0.50."))

    def table(self) -> Iterator[Sequence[Any]]:
        yield "curve", "slope", "standard_error"
        for curve in self._curves:
            yield curve.label, *curve.slope()


def _summary(slopes: dict[str, Slope]) -> str:
    """How many slopes of distances to the limit agree with −1/2, and which do not."""
    values = [slope.value for slope in slopes.values()]
    measured = _("Theory predicts −0.50; measured <b>{mean}</b>.")
    if len(values) > 1:
        measured = _("Theory predicts −0.50; measured <b>{mean}</b> on average, from {low} to {high}.")
    mean, low, high = map(signed, (float(np.mean(values)), min(values), max(values)))
    measured = measured.format(mean=mean, low=low, high=high)
    if not np.isfinite([slope.error for slope in slopes.values()]).all():
        return measured
    apart = [name for name, slope in slopes.items() if not slope.agrees_with(-0.5)]
    agreeing = _("Within two standard errors of −0.50: <b>{agreeing} of {count}</b>.")
    if apart:
        agreeing = _(
            "Within two standard errors of −0.50: <b>{agreeing} of {count}</b>; outside: {names}. Curves bend at small "
            "widths, and one in twenty is outside by chance."
        )
    inside, names = len(slopes) - len(apart), listed(map(_shown, apart))
    return f"{measured} {agreeing.format(agreeing=inside, count=len(slopes), names=names)}"
