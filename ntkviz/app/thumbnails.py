"""Small drawings for the cards of the home page, computed when the page is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from plotly.colors import sample_colorscale

from .. import architectures
from ..readings.finite import empirical_ntk
from ..readings.infinite import infinite_ntk
from ..readings.outputs import sample_outputs
from . import data
from .theme import FINITE, LIMIT, MUTED, SEQUENTIAL, THIRD

WIDTH, HEIGHT = 320, 170


def gaussian() -> str:
    """Random networks as curves inside the band of their limit."""
    s = np.linspace(-3, 3, 25)
    path, network = np.stack([s, np.ones_like(s)], axis=1), architectures.mlp(depth=3)
    std = np.sqrt(np.diag(infinite_ntk(network, path).nngp))
    curves = np.asarray(sample_outputs(network, path, width=64, draws=32, key=3))
    scale = 2.6 * np.max(std)
    lines = "".join(_curve(s, curve / scale, FINITE, 1.2, 0.45) for curve in curves)
    band = "".join(_curve(s, side * std / scale, LIMIT, 3) for side in (-2, 2))
    return _svg(lines + band, "random networks inside the band of their limit")


def _curve(x: np.ndarray, y: np.ndarray, colour: str, width: float, opacity: float = 1.0) -> str:
    """A line across the card; `y` between −1 and 1 is inside it."""
    across = 20 + (WIDTH - 40) * (x - x[0]) / (x[-1] - x[0])
    down = HEIGHT / 2 - (HEIGHT / 2 - 10) * np.clip(y, -1, 1)
    points = " ".join(f"{a:.1f},{d:.1f}" for a, d in zip(across, down, strict=True))
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}" stroke-linejoin="round"/>'
    )


def ntk() -> str:
    """A narrow network's kernel beside the limit."""
    x, network = data.digits(each=3).x, architectures.mlp(depth=2)
    limit = infinite_ntk(network, x).ntk
    sample = np.asarray(empirical_ntk(network, x, width=64, key=3))
    return _svg(_heatmap(sample, limit, 20) + _arrow() + _heatmap(limit, limit, 180), "a random kernel and its limit")


def gradient_independence() -> str:
    """The correct kernel, the shortcut's, and networks, against the second input."""
    network, inputs = architectures.mean_readout_mlp(), np.linspace(-2, 1, 31)[:, None]
    correct, shortcut = (infinite_ntk(network, [[0.7]], inputs, assume_gia=gia).ntk[0] for gia in (False, True))
    samples = [np.asarray(empirical_ntk(network, [[0.7]], inputs, width=512, key=key))[0] for key in range(6)]
    x = np.linspace(30, WIDTH - 30, len(inputs))

    def y(values: np.ndarray) -> np.ndarray:
        low, high = correct.min(), correct.max()
        return HEIGHT - 30 - (values - low) / (high - low) * (HEIGHT - 60)

    def line(values: np.ndarray, style: str) -> str:
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y(values), strict=True))
        return f'<polyline points="{points}" fill="none" stroke-width="3" {style}/>'

    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{FINITE}"/>'
        for a, b in list(zip(x, y(np.mean(samples, axis=0)), strict=True))[::3]
    )
    lines = line(shortcut, f'stroke="{THIRD}" stroke-dasharray="8 6"') + line(correct, f'stroke="{LIMIT}"')
    return _svg(lines + dots, "two curves that part, and points that follow one of them")


def _heatmap(kernel: np.ndarray, scale: np.ndarray, left: float, size: float = 120) -> str:
    low, high = scale.min(), scale.max()
    share = np.clip((kernel - low) / (high - low), 0, 1)
    side = size / len(kernel)
    return "".join(
        f'<rect x="{left + column * side:.1f}" y="{25 + row * side:.1f}" width="{side:.1f}" height="{side:.1f}" '
        f'fill="{sample_colorscale(SEQUENTIAL, float(share[row, column]))[0]}"/>'
        for row, column in np.ndindex(*kernel.shape)
    )


def _arrow() -> str:
    return (
        f'<path d="M147 85h22m-7 -6l7 6l-7 6" fill="none" stroke="{LIMIT}" stroke-width="2.5" stroke-linecap="round"/>'
        f'<text x="158" y="72" text-anchor="middle" font-size="13" fill="{MUTED}">n→∞</text>'
    )


def _svg(content: str, description: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{description}">{content}</svg>'


# A chapter without a drawing has a card without one.
THUMBNAILS: dict[str, Callable[[], str]] = {
    "01_gaussian": gaussian,
    "02_ntk": ntk,
    "04_gradient_independence": gradient_independence,
}
