"""The band of the limit, narrowing during training, with narrow and wide networks inside it."""

from __future__ import annotations

import numpy as np

from .... import architectures, regression
from ....networks.training import train
from ...course.data import digits
from ...style.theme import FINITE, LIMIT
from ..drawing import across, down, polyline, svg

STEPS = np.array([0, 1, 2, 4, 8, 16, 32, 64, 128])


def draw() -> str:
    """The card of chapter 3."""
    data = digits(classes=(5, 9), each=9)
    x_train, y_train = np.delete(data.x, 8, axis=0), np.delete(np.where(data.labels == 5, 1.0, -1.0), 8)
    network, x_test = architectures.mlp(depth=1), data.x[8:9]
    wide = regression.fit(network, x_train, y_train, x_test)
    rate = 0.4 * wide.learning_rate_bound()
    path = wide.gradient_descent(STEPS, rate)
    assert path.covariance is not None
    mean, std, x = path.mean[:, 0], np.sqrt(path.covariance[:, 0, 0]), across(np.log(STEPS + 0.5), 20)

    def line(y: np.ndarray, colour: str, width: float, dashes: str = "") -> str:
        return polyline(x, down(np.clip(y, -2.4, 2.4), -2.4, 2.4, 10), colour, width, dashes=dashes)

    lines = line(mean - 2 * std, LIMIT, 1.5, "3 4") + line(mean + 2 * std, LIMIT, 1.5, "3 4") + line(mean, LIMIT, 4)
    for width, key, thickness in ((8, 1, 1.5), (8, 2, 1.5), (1024, 3, 3), (1024, 4, 3)):
        net = train(network, x_train, y_train, x_test, width=width, key=key, learning_rate=rate, steps=STEPS)
        lines += line(net.test[:, 0], FINITE, thickness)
    return svg(lines, "networks that train inside the band of their limit")
