"""A narrow network's attention map beside the limit."""

from __future__ import annotations

import numpy as np

from ..... import architectures
from .....calculus.master import coordinates
from .....kernels.constants import limit_scalars
from .....language import program
from ...drawing import arrow, heatmap, svg


def draw() -> str:
    """The card of the chapter on the transformer."""
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(3, 32))[[0, 1, 2, 0, 1, 2]] + 0.8 * rng.normal(size=(6, 32))
    traced = program(architectures.transformer(), tokens[None])
    index = next(line.index for line in traced.lines() if "softmax" in line.formula_text)
    limit = np.asarray(limit_scalars(traced)[index])[0]
    sample = np.asarray(coordinates(traced, width=32, key=1)[index])[0]
    return svg(
        heatmap(sample, limit, 20) + arrow() + heatmap(limit, limit, 180), "a random attention map and its limit"
    )
