"""A narrow network's kernel beside the limit."""

from __future__ import annotations

import numpy as np

from .... import architectures
from ....kernels.infinite import infinite_ntk
from ....networks.finite import empirical_ntk
from ...course.data import digits
from ..drawing import arrow, heatmap, svg


def draw() -> str:
    """The card of chapter 2."""
    x, network = digits(each=3).x, architectures.mlp(depth=2)
    limit = infinite_ntk(network, x).ntk
    sample = np.asarray(empirical_ntk(network, x, width=64, key=3))
    return svg(heatmap(sample, limit, 20) + arrow() + heatmap(limit, limit, 180), "a random kernel and its limit")
