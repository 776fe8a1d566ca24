"""One row of a batch's kernel with and without one more point, and random networks."""

from __future__ import annotations

import numpy as np

from ..... import architectures
from .....kernels.infinite import infinite_ntk
from .....networks.finite import empirical_ntk
from ....style.theme import FINITE, LIMIT, THIRD
from ...drawing import across, dots, down, polyline, svg


def draw() -> str:
    """The card of the chapter on batch normalization."""
    positions, extra = np.array([0.05, 0.2, 0.35, 0.55, 0.7, 0.95]), 0.45
    network = architectures.batchnorm_mlp()
    inputs = np.exp(-(((np.append(positions, extra)[:, None] - np.linspace(0, 1, 11)) / 0.15) ** 2) / 2)
    inputs[-1] *= 4
    alone = infinite_ntk(network, inputs[:-1]).ntk[2]
    together = infinite_ntk(network, inputs).ntk[2, :-1]
    samples = [np.asarray(empirical_ntk(network, inputs, width=512, key=key))[2, :-1] for key in range(8)]
    low, high, x = alone.min(), alone.max(), across(positions)
    lines = polyline(x, down(alone, low, high), THIRD, dashes="8 6") + polyline(x, down(together, low, high), LIMIT)
    points = dots(x, down(np.mean(samples, axis=0), low, high), FINITE)
    return svg(lines + points, "a curve before and after one more point joins, and random networks on the second one")
