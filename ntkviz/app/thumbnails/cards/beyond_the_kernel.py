"""The limits of training at three values of richness, which leave the kernel's prediction."""

from __future__ import annotations

import numpy as np

from .... import architectures, regression
from ....training.limit import feature_learning
from ...style.theme import LIMIT, THIRD
from ..drawing import across, down, polyline, svg

STEPS = 12
X = np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
Y = np.array([1.0, 1.0, -1.0, -1.0])
POINT = np.array([[0.4, 0.3]])


def draw() -> str:
    """The card of chapter 8."""
    network = architectures.mlp(depth=1, nonlinearity="tanh", sigma_b=1.0)
    wide = regression.fit(network, X, Y, POINT, covariance=False)
    rate, x = 0.4 * wide.learning_rate_bound(), across(np.arange(STEPS + 1), 30)
    kernel = wide.gradient_descent(np.arange(STEPS + 1), rate).mean[:, 0]
    limits = [
        feature_learning(network, X, Y, POINT, steps=STEPS, learning_rate=rate, richness=richness).test[:, 0]
        for richness in (0.5, 1.0, 1.5)
    ]
    low, high = 0.0, max(limit.max() for limit in limits)
    lines = polyline(x, down(kernel, low, high, 24), THIRD, dashes="8 6")
    for width, limit in zip((2.0, 3.0, 4.0), limits, strict=True):
        lines += polyline(x, down(limit, low, high, 24), LIMIT, width)
    return svg(lines, "curves that leave a dashed one, the more the richer the training")
