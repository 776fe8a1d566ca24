"""The graph convolutional network."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import InputError
from ..language import Network, Output, Scalar, Vector, architecture, as_nonlinearity, whole_number


@architecture
def gcn(
    net: Network,
    graphs: Scalar | tuple[Scalar, ...],
    *,
    depth: int = 2,
    nonlinearity: Any = "relu",
    sigma_w: float = 1.5,
    sigma_b: float = 0.1,
    sigma_v: float = 1.0,
) -> Output:
    """h¹ = ÂξW¹ + b¹; hˡ⁺¹ = Âφ(hˡ)Wˡ⁺¹ + bˡ⁺¹, Â = D^(−1/2)(A + I)D^(−1/2); f = vᵀ(mean_i φ(h_i^depth))/√n.

    Inputs `(features, adjacency)`, `(batch, nodes, d)` and `(batch, nodes, nodes)`, or two lists
    for graphs of different sizes; edge weights ≥ 0, D the row sums of A + I. Rows of h are nodes.

    Source: Kipf and Welling 2017 (arXiv:1609.02907).

    Args:
        depth: The number of graph convolutions, ≥ 1.
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_w: The standard deviation of the weights W.
        sigma_b: The standard deviation of the biases b.
        sigma_v: The standard deviation of the readout v.

    Raises:
        InputError: The inputs are not a pair of such shapes.
    """
    if not isinstance(graphs, tuple) or len(graphs) != 2:
        raise InputError(
            "gcn takes a tuple (features, adjacency), of shapes (batch, nodes, d) and (batch, nodes, nodes)."
        )
    features, adjacency = graphs
    _, nodes, _ = features.axes("batch nodes d")
    if adjacency.shape[1:] != (nodes, nodes):
        raise InputError(
            f"The adjacency has shape {adjacency.shape}; for {nodes} nodes it must be (batch, {nodes}, {nodes})."
        )
    phi = as_nonlinearity(nonlinearity)
    with_loops = adjacency + np.eye(nodes)
    scale = with_loops.sum(-1) ** -0.5
    propagation = scale[:, :, None] * with_loops * scale[:, None, :]

    def layer(net: Network, h: Vector) -> Vector:
        return propagation @ (net.matrix("W", std=sigma_w) @ phi(h)) + net.bias("b", std=sigma_b)

    h = propagation @ net.input("W1", features, std=sigma_w) + net.bias("b1", std=sigma_b)
    h = net.repeat(whole_number(depth, "depth", at_least=1) - 1, layer, h)
    return net.readout("v", phi(h).mean(1), std=sigma_v)
