"""How fast an LSTM forgets its first token, for three forget biases, and random networks along one of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..... import architectures
from .....calculus.recurrence import recurrence, recurrence_limit
from ....style.theme import FINITE, LIMIT
from ...drawing import across, down, polyline, svg

STEPS = 6


def draw() -> str:
    """The card of chapter 12."""
    tokens = np.arange(STEPS), np.r_[STEPS, 1:STEPS]
    x = np.sqrt(STEPS + 1) * np.eye(STEPS + 1)[[*tokens]]
    steps, network = across(np.arange(STEPS)), architectures.lstm(sigma_w=0.5, sigma_b=0.1)

    def line(distance: ArrayLike, colour: str, width: float, opacity: float = 1.0) -> str:
        distances = np.asarray(distance)
        relative = np.log10(distances / distances[0])
        return polyline(steps, down(relative, -1.6, 0.1), colour, width, opacity)

    networks = [recurrence(network(forget_bias=0.5), x, width=128, key=key).distance for key in range(8)]
    limits = [recurrence_limit(network(forget_bias=bias), x).distance for bias in (0.0, 0.5, 2.0)]
    drawn = [line(one, FINITE, 1.3, 0.5) for one in networks] + [line(one, LIMIT, 3) for one in limits]
    return svg("".join(drawn), "the memory of the first token, fading at three rates")
