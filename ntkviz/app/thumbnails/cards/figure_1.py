"""Curves of three architectures falling side by side as 1/√n."""

from __future__ import annotations

import numpy as np

from ....kernels.deviation import deviation
from ...course.experiments import experiments
from ...style.theme import MUTED, SERIES
from ..drawing import across, dots, down, polyline, svg

WIDTHS = np.array([16, 128, 1024])  # each width is compiled separately


def draw() -> str:
    """The card of chapter 5: three architectures that compile quickly."""
    x, low, high = across(np.log(WIDTHS), 36), np.log(0.05), np.log(1.2)
    law = "".join(polyline(x, down(np.log(c / WIDTHS**0.5), low, high), MUTED, 1.5, 0.6, "5 5") for c in (1, 2, 4))
    curves = ""
    for name, colour in zip(("MLP", "mean readout", "tied readout"), SERIES, strict=False):
        experiment = experiments()[name]
        table = deviation(experiment.arch, experiment.x, widths=WIDTHS.tolist(), seeds=16)
        y = down(np.log(list(table.means().values())), low, high)
        curves += polyline(x, y, colour) + dots(x, y, colour, 5)
    return svg(law + curves, "three curves of deviation against width that fall side by side")
