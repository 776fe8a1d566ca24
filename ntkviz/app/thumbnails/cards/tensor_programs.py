"""Lines of a recurrent network's program, one of them highlighted, and the law of its coordinates."""

from __future__ import annotations

from html import escape

import numpy as np

from .... import architectures
from ....calculus.walkthrough import Walkthrough
from ...plots import statistics
from ...style.theme import FINITE, LIMIT, MUTED
from ...walkthrough.score import COLOURS, LETTERS
from ..drawing import HEIGHT, polyline, svg

FIRST, ROWS, CURRENT, HIGH = 3, 6, 7, 24


def draw() -> str:
    """The card of chapter 6."""
    program = Walkthrough(architectures.rnn(sigma_w=1.2, sigma_b=0.3), [[[1.0, -0.5], [0.3, 1.2], [-1.0, 0.4]]])
    rows = "".join(_row(program, k) for k in range(FIRST, FIRST + ROWS))
    sample = program.value(CURRENT, program.network(1024, 1))
    heights, edges = np.histogram(sample, 21, (-3, 3), density=True)
    std = program.steps[CURRENT].limit.std
    left, base, scale = 205 + 15 * (edges + 3), HEIGHT - 30, 100 / statistics.density(0, 0, std)
    bars = "".join(
        f'<rect x="{x:.1f}" y="{base - scale * h:.1f}" width="{left[1] - left[0]:.1f}" height="{scale * h:.1f}" '
        f'fill="{FINITE}" fill-opacity="0.5"/>'
        for x, h in zip(left, heights, strict=False)
    )
    z = np.linspace(-3, 3, 61)
    law = polyline(205 + 15 * (z + 3), base - scale * statistics.density(z, 0, std), LIMIT)
    return svg(rows + bars + law, "lines of a program and the law of one of them")


def _row(program: Walkthrough, number: int) -> str:
    line, y = program.lines[number], 13 + HIGH * (number - FIRST)
    kind = program.kind(line)
    mark = f'<rect x="14" y="{y}" width="176" height="{HIGH}" fill="{MUTED}" fill-opacity="0.25"/>'
    return (
        f'{mark if number == CURRENT else ""}<rect x="18" y="{y + 4}" width="16" height="16" fill="{COLOURS[kind]}" '
        f'fill-opacity="0.5"/><text x="26" y="{y + 16}" font-size="11" text-anchor="middle" fill="currentColor">'
        f'{LETTERS[kind]}</text><text x="42" y="{y + 16.5}" font-size="12" font-family="monospace" '
        f'fill="currentColor">{escape(line.name)} = {escape(line.formula_text.split(",  ")[0])}</text>'
    )
