"""Random networks as curves inside the band of their limit."""

from __future__ import annotations

import numpy as np

from .... import architectures
from ....kernels.infinite import infinite_ntk
from ....networks.outputs import sample_outputs
from ...style.theme import FINITE, LIMIT
from ..drawing import across, down, polyline, svg


def draw() -> str:
    """The card of chapter 1."""
    s = np.linspace(-3, 3, 25)
    path, network = np.stack([s, np.ones_like(s)], axis=1), architectures.mlp(depth=3)
    std = np.sqrt(np.diag(infinite_ntk(network, path).nngp))
    curves = np.asarray(sample_outputs(network, path, width=64, draws=32, key=3))
    edge = 2.6 * np.max(std)

    def line(y: np.ndarray, colour: str, width: float, opacity: float = 1.0) -> str:
        return polyline(across(s, 20), down(np.clip(y, -edge, edge), -edge, edge, 10), colour, width, opacity)

    lines = "".join(line(curve, FINITE, 1.2, 0.45) for curve in curves)
    band = "".join(line(side * std, LIMIT, 3) for side in (-2, 2))
    return svg(lines + band, "random networks inside the band of their limit")
