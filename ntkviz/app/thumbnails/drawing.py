"""Lines, heatmaps and dots of the cards' drawings, as SVG text."""

from __future__ import annotations

import numpy as np
from plotly.colors import sample_colorscale

from ..style.theme import LIMIT, MUTED, SEQUENTIAL

WIDTH, HEIGHT = 320, 170


def svg(content: str, description: str) -> str:
    """The drawing; screen readers read the description instead."""
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {size} role="img" aria-label="{description}">{content}</svg>'


def polyline(
    x: np.ndarray, y: np.ndarray, colour: str, width: float = 3, opacity: float = 1.0, dashes: str = ""
) -> str:
    """A line through points given in the drawing's own units, y downwards."""
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}" stroke-linejoin="round"{dashed}/>'
    )


def dots(x: np.ndarray, y: np.ndarray, colour: str, radius: float = 3.5) -> str:
    """Points given in the drawing's own units, y downwards."""
    return "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{radius}" fill="{colour}"/>' for a, b in zip(x, y, strict=True)
    )


def across(values: np.ndarray, margin: float = 24) -> np.ndarray:
    """Numbers in increasing order, spread over the width of the card."""
    share = (values - values[0]) / (values[-1] - values[0])
    return np.asarray(margin + (WIDTH - 2 * margin) * share)


def down(values: np.ndarray, low: float, high: float, margin: float = 24) -> np.ndarray:
    """Numbers between `low` and `high`, from the bottom of the card to its top."""
    return HEIGHT - margin - (HEIGHT - 2 * margin) * (values - low) / (high - low)


def heatmap(kernel: np.ndarray, scale: np.ndarray, left: float, size: float = 120, top: float = 25) -> str:
    """A matrix as coloured squares; the smallest and the largest entry of `scale` set the colours."""
    low, high = scale.min(), scale.max()
    share = np.clip((kernel - low) / (high - low), 0, 1)
    side = size / len(kernel)
    return "".join(
        f'<rect x="{left + column * side:.1f}" y="{top + row * side:.1f}" width="{side:.1f}" height="{side:.1f}" '
        f'fill="{sample_colorscale(SEQUENTIAL, float(share[row, column]))[0]}"/>'
        for row, column in np.ndindex(*kernel.shape)
    )


def arrow() -> str:
    """An arrow from the left half of the card to the right one, labelled n→∞."""
    return (
        f'<path d="M147 85h22m-7 -6l7 6l-7 6" fill="none" stroke="{LIMIT}" stroke-width="2.5" stroke-linecap="round"/>'
        f'<text x="158" y="72" text-anchor="middle" font-size="13" fill="{MUTED}">n→∞</text>'
    )
