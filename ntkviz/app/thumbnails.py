"""Small drawings for the cards of the home page, computed when the page is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from plotly.colors import sample_colorscale

from .. import architectures
from ..readings.finite import empirical_ntk
from ..readings.infinite import infinite_ntk
from . import data
from .theme import LIMIT, MUTED, SEQUENTIAL

WIDTH, HEIGHT = 320, 170


def ntk() -> str:
    """A narrow network's kernel beside the limit."""
    x, network = data.digits(each=3).x, architectures.mlp(depth=2)
    limit = infinite_ntk(network, x).ntk
    sample = np.asarray(empirical_ntk(network, x, width=64, key=3))
    return _svg(_heatmap(sample, limit, 20) + _arrow() + _heatmap(limit, limit, 180), "a random kernel and its limit")


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
THUMBNAILS: dict[str, Callable[[], str]] = {"02_ntk": ntk}
