"""A stack of blocks beside the limit of the network that they form."""

from __future__ import annotations

from ..... import architectures
from .....kernels.infinite import infinite_ntk
from ....course.data import digits
from ....style.theme import FINITE, LIMIT, THIRD
from ...drawing import arrow, heatmap, svg

BLOCKS = ("relu", "W", "skip", "W", "relu")
COLOURS = {"W": FINITE, "relu": LIMIT, "skip": THIRD}


def draw() -> str:
    """The card of chapter 15."""
    tokens = digits(each=3).x.reshape(-1, 2, 32)
    limit = infinite_ntk(architectures.from_blocks(blocks=BLOCKS), tokens).ntk
    stack = "".join(_block(name, COLOURS[name], 25 + 25 * k) for k, name in enumerate(BLOCKS))
    return svg(stack + arrow() + heatmap(limit, limit, 180), "a stack of blocks and a kernel")


def _block(name: str, colour: str, top: float) -> str:
    return (
        f'<rect x="40" y="{top}" width="80" height="20" rx="4" fill="{colour}" fill-opacity="0.18" stroke="{colour}"/>'
        f'<text x="80" y="{top + 14.5}" text-anchor="middle" font-size="13" fill="{colour}">{name}</text>'
    )
