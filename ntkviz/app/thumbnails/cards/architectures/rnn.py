"""The pairs of time steps that make up a recurrent network's kernel: from the last state, and from the average."""

from __future__ import annotations

import numpy as np

from ..... import architectures
from .....kernels.contributions import infinite_contributions
from ...drawing import heatmap, svg

STEPS = 4


def draw() -> str:
    """The card of chapter 11."""
    words = STEPS**0.5 * np.eye(STEPS)[None, [0, 1, 2, 0]]
    maps = []
    for pooling in ("last", "average"):
        parts = infinite_contributions(architectures.rnn(pooling=pooling, sigma_w=1.4, sigma_b=0.3), words)
        maps.append(parts["U"] + np.pad(parts["W"], ((1, 0), (1, 0))) + parts["b"])
    squares = "".join(heatmap(m, m, left) for m, left in zip(maps, (25, 175), strict=True))
    return svg(squares, "pairs of time steps: only the diagonal, and all of them")
