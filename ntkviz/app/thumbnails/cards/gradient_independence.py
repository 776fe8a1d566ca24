"""The correct kernel, the shortcut's answer, and networks, against the second input."""

from __future__ import annotations

import numpy as np

from .... import architectures
from ....kernels.infinite import infinite_ntk
from ....networks.finite import empirical_ntk
from ...style.theme import FINITE, LIMIT, THIRD
from ..drawing import across, dots, down, polyline, svg


def draw() -> str:
    """The card of chapter 7."""
    network, inputs = architectures.mean_readout_mlp(), np.linspace(-2, 1, 31)
    first, second = [[0.7]], inputs[:, None]
    correct, shortcut = (infinite_ntk(network, first, second, assume_gia=gia).ntk[0] for gia in (False, True))
    samples = [np.asarray(empirical_ntk(network, first, second, width=512, key=key))[0] for key in range(6)]
    low, high, x = correct.min(), correct.max(), across(inputs, 30)
    lines = polyline(x, down(shortcut, low, high, 30), THIRD, dashes="8 6")
    lines += polyline(x, down(correct, low, high, 30), LIMIT)
    points = dots(x[::3], down(np.mean(samples, axis=0), low, high, 30)[::3], FINITE)
    return svg(lines + points, "two curves that diverge, and points that follow one of them")
