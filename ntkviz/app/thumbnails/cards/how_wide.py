"""The predicted distance from the limit up to a width of a million, its band, and networks on it."""

from __future__ import annotations

import numpy as np

from .... import architectures
from ....kernels.deviation import deviation
from ....kernels.fluctuation import fluctuation
from ...style.theme import FINITE, LIMIT
from ..drawing import dots, down, polyline, svg

REAL, VIRTUAL = [64, 1024], [16_384, 262_144]
ENDS = np.array([30.0, 1e6])


def draw() -> str:
    """The card of the chapter on predicted deviations: discs are networks, rings are virtual ones."""
    network, inputs = architectures.mlp(depth=1), np.random.default_rng(0).normal(size=(2, 4))
    predicted = fluctuation(network, inputs)
    law, low, high = ((c / ENDS**0.5) for c in (predicted.c, *predicted.band()[:2]))
    bottom, top = np.log(low[1]), np.log(high[0])

    def x(widths: np.ndarray) -> np.ndarray:
        return np.asarray(24 + 272 * np.log(widths / ENDS[0]) / np.log(ENDS[1] / ENDS[0]))

    corners = zip(x(ENDS[[0, 1, 1, 0]]), down(np.log([*low, *high[::-1]]), bottom, top), strict=True)
    outline = " ".join(f"{a:.1f},{b:.1f}" for a, b in corners)
    card = f'<polygon points="{outline}" fill="{LIMIT}" fill-opacity="0.18"/>'
    card += polyline(x(ENDS), down(np.log(law), bottom, top), LIMIT)
    for widths, virtual in ((REAL, False), (VIRTUAL, True)):
        table = deviation(network, inputs, widths=widths, seeds=5, virtual=virtual)
        found = np.array([(width, distance) for width, _, distance in table]).T
        networks = dots(x(found[0]), down(np.log(found[1]), bottom, top), FINITE, 4)
        ring = f'fill="none" stroke="{FINITE}" stroke-width="2"'
        card += networks.replace(f'fill="{FINITE}"', ring) if virtual else networks
    return svg(card, "a falling line with a band around it, and networks of growing width inside the band")
