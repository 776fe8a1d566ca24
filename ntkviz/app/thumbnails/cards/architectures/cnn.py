"""A kernel with average pooling and one with flattening, against the shift of an image, and a random network."""

from __future__ import annotations

import numpy as np

from .....kernels.infinite import infinite_ntk
from .....language import Network, Output, Scalar, architecture
from .....language.nonlinearities.nonlinearity import relu
from .....networks.finite import empirical_ntk
from ....course.data import digits
from ....style.theme import FINITE, LIMIT, THIRD
from ...drawing import across, dots, down, polyline, svg


@architecture
def one_layer(net: Network, patches: Scalar, *, average: bool = False) -> Output:
    """A convolution of one layer, given its patches: `(batch, positions, pixels)`."""
    x = relu(net.input("W", patches))
    return net.readout("v", x.mean(1)) if average else net.readout("v", x, axes=1)


def draw() -> str:
    """The card of chapter 10."""
    shifts = range(-3, 4)
    columns = digits(classes=(3,), each=1).pictures[0].T  # the positions of a convolution in one dimension
    moved = np.stack([np.pad(columns, ((5 + shift, 5 - shift), (0, 0))) for shift in shifts])
    patches = np.concatenate([moved[:, :-2], moved[:, 1:-1], moved[:, 2:]], axis=-1)
    x, lines, points = across(np.array(shifts), 30), "", ""
    for average, colour, dashes in ((False, THIRD, "8 6"), (True, LIMIT, "")):
        network = one_layer(average=average)
        limit = infinite_ntk(network, patches[3:4], patches).ntk[0]
        sample = np.asarray(empirical_ntk(network, patches[3:4], patches, width=256, key=0))[0]
        lines += polyline(x, down(limit / limit[3], 0, 1, 25), colour, 4, dashes=dashes)
        points += dots(x, down(sample / sample[3], 0, 1, 25), FINITE, 4)
    return svg(lines + points, "a kernel that falls as an image moves, and one that does not")
