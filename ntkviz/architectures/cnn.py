"""The convolutional network, in one or two dimensions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError
from ..language import Network, Output, Scalar, Vector, architecture, as_nonlinearity, one_of, whole_number
from ..language.handle import V


@architecture
def cnn(
    net: Network,
    x: Scalar,
    *,
    depth: int = 2,
    filter_size: int = 3,
    padding: str = "SAME",
    pooling: str = "flatten",
    nonlinearity: Any = "relu",
    sigma_w: float = 1.5,
    sigma_b: float = 0.1,
    sigma_v: float = 1.0,
) -> Output:
    """h¹_p = Σ_o W¹_oξ_{p+o} + b¹; hˡ⁺¹_p = Σ_o Wˡ⁺¹_oφ(hˡ_{p+o}) + bˡ⁺¹; f reads φ(h^depth).

    Inputs `(batch, length, channels)` or `(batch, height, width, channels)`; p runs over the P
    positions, o over the offsets of a filter. The stride is 1; fan_in = filter positions × channels,
    at the border, too.

    Source: Tensor Programs II (arXiv:2006.14548), §2; Novak et al. 2019 (arXiv:1810.05148) for the kernels.

    Args:
        depth: The number of convolutions, ≥ 1.
        filter_size: The number of positions along each side of a filter, ≥ 1.
        padding: `"SAME"` (zeros beyond the border) or `"VALID"`.
        pooling: `"flatten"`, f = Σ_p v_pᵀφ(h_p)/√(nP), with separate readout weights for each position, or `"average"`,
            f = vᵀ(mean_p φ(h_p))/√n.
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_w: The standard deviation of the weights W.
        sigma_b: The standard deviation of the biases b.
        sigma_v: The standard deviation of the readout v.

    Raises:
        InputError: The inputs have a different number of axes, or are too small for the `"VALID"` filters.
        HyperparameterError: `depth`, `filter_size`, `padding` or `pooling` is invalid.
    """
    if x.ndim not in (3, 4):
        raise InputError(
            f"A convolution takes data of shape (batch, length, channels) or (batch, height, width, channels), "
            f"not {x.shape}."
        )
    phi = as_nonlinearity(nonlinearity)
    depth = whole_number(depth, "depth", at_least=1)
    sides = (whole_number(filter_size, "filter_size", at_least=1),) * (x.ndim - 2)
    one_of(padding, "padding", ("SAME", "VALID"))
    one_of(pooling, "pooling", ("flatten", "average"))
    axes = tuple(range(1, x.ndim - 1))

    def seen_by_filters(a: V) -> tuple[V, list[int]]:
        """The array, padded for filters that extend beyond its border, and the filter positions along each axis."""
        if padding == "SAME":
            before = [(side - 1) // 2 for side in sides]
            around = [(b, side - 1 - b) for b, side in zip(before, sides, strict=True)]
            a = a.pad([(0, 0), *around, *[(0, 0)] * (a.ndim - 1 - len(sides))])
        counts = [a.shape[axis] - side + 1 for axis, side in zip(axes, sides, strict=True)]
        if min(counts) < 1:
            raise InputError(f"Inputs of shape {x.shape[1:-1]} are too small for {depth} VALID filters {sides}.")
        return a, counts

    def windows(a: Vector) -> Iterator[tuple[tuple[int, ...], Vector]]:
        """The array at each offset of the filter: one shifted copy for each offset."""
        a, counts = seen_by_filters(a)
        for offset in itertools.product(*map(range, sides)):
            yield offset, a[(slice(None), *(slice(o, o + c) for o, c in zip(offset, counts, strict=True)))]

    def patches(a: Scalar) -> Scalar:
        """The patch under the filter at each position, as one row: all channels of the first offset, and so on."""
        a, counts = seen_by_filters(a)
        places, offsets = np.ix_(*map(np.arange, counts), *map(np.arange, sides)), len(sides)
        seen = a[(slice(None), *(p + o for p, o in zip(places[:offsets], places[offsets:], strict=True)))]
        return seen.reshape(*seen.shape[: 1 + offsets], -1)

    def layer(net: Network, h: Vector, number: int | str = "") -> Vector:
        W = net.matrix(f"W{number}", std=sigma_w, shape=sides, fan=filter_size ** len(sides))
        out = net.bias(f"b{number}", std=sigma_b)
        for offset, shifted in windows(phi(h)):
            out = out + W[offset] @ shifted
        return out

    h = net.input("W1", patches(x), std=sigma_w) + net.bias("b1", std=sigma_b)
    if padding == "SAME":
        h = net.repeat(depth - 1, layer, h)
    else:  # every layer has fewer positions than the one below
        for number in range(2, depth + 1):
            h = layer(net, h, number)
    if pooling == "average":
        return net.readout("v", phi(h).mean(axes), std=sigma_v)
    return net.readout("v", phi(h), std=sigma_v, axes=len(axes))
