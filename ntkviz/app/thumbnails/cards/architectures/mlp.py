"""The map of order and chaos, with its edge."""

from __future__ import annotations

import numpy as np
from plotly.colors import sample_colorscale

from ..... import architectures
from .....kernels.sweep import sweep
from ....style.theme import LIMIT, SEQUENTIAL
from ...drawing import HEIGHT, WIDTH, polyline, svg


def draw() -> str:
    """The card of chapter 9."""
    columns, rows = 32, 17
    sigma_w, sigma_b = np.linspace(0.5, 2.5, columns), np.linspace(0.9, 0.05, rows)
    inputs = np.sqrt(2) * np.array([[1, 0], [0.9, 0.19**0.5]])
    network = architectures.mlp(depth=20, nonlinearity="erf")
    kernel = sweep(network, inputs, sigma_w=sigma_w, sigma_b=sigma_b).nngp
    correlation = kernel[..., 0, 1] / np.sqrt(kernel[..., 0, 0] * kernel[..., 1, 1])
    side = WIDTH / columns
    cells = "".join(
        f'<rect x="{i * side:.1f}" y="{j * side:.1f}" width="{side + 0.3:.1f}" height="{side + 0.3:.1f}" '
        f'fill="{sample_colorscale(SEQUENTIAL, float(np.clip(correlation[i, j], 0, 1)))[0]}"/>'
        for i, j in np.ndindex(columns, rows)
    )
    alike = np.array([np.interp(-0.9, -correlation[:, j], np.arange(columns)) for j in range(rows)])
    line = polyline((alike + 0.5) * side, np.linspace(side / 2, HEIGHT - side / 2, rows), LIMIT, 4)
    return svg(cells + line, "a map of order and chaos, and the line along which correlations are unchanged")
