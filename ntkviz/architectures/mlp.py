"""The multi-layer perceptron."""

from __future__ import annotations

from typing import Any

from ..language import Network, Output, Scalar, Vector, architecture, as_nonlinearity, whole_number


@architecture
def mlp(
    net: Network,
    x: Scalar,
    *,
    depth: int = 2,
    nonlinearity: Any = "relu",
    sigma_w: float = 1.5,
    sigma_b: float = 0.1,
    sigma_v: float = 1.0,
) -> Output:
    """h¹ = W¹ξ + b¹; hˡ⁺¹ = Wˡ⁺¹φ(hˡ) + bˡ⁺¹; f = vᵀφ(h^depth)/√n. No readout bias.

    Inputs `(batch, d)`. Every dense map is Wx/√fan_in.

    Source: Tensor Programs II (arXiv:2006.14548), §2; Jacot et al. 2018 (arXiv:1806.07572) for its NTK.

    Args:
        depth: The number of hidden layers, ≥ 1.
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_w: The standard deviation of the weights W.
        sigma_b: The standard deviation of the biases b.
        sigma_v: The standard deviation of the readout v.
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)

    def layer(net: Network, h: Vector) -> Vector:
        return net.matrix("W", std=sigma_w) @ phi(h) + net.bias("b", std=sigma_b)

    h = net.input("W1", x, std=sigma_w) + net.bias("b1", std=sigma_b)
    h = net.repeat(whole_number(depth, "depth", at_least=1) - 1, layer, h)
    return net.readout("v", phi(h), std=sigma_v)
