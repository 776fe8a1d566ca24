"""The residual network."""

from __future__ import annotations

from typing import Any

from ..language import Network, Output, Scalar, Vector, architecture, as_nonlinearity, whole_number


@architecture
def resnet(
    net: Network,
    x: Scalar,
    *,
    depth: int = 2,
    nonlinearity: Any = "relu",
    sigma_w: float = 1.5,
    sigma_b: float = 0.1,
    sigma_v: float = 1.0,
) -> Output:
    """x¹ = W¹ξ + b¹; xˡ⁺¹ = xˡ + Wˡ⁺¹φ(xˡ) + bˡ⁺¹; f = vᵀφ(x^depth)/√n.

    Inputs `(batch, d)`.

    Source: Tensor Programs II (arXiv:2006.14548), §2; He et al. 2016 (arXiv:1603.05027) with the nonlinearity before
    the weights ("pre-activation").

    Args:
        depth: The number of vectors xˡ, ≥ 1: one dense layer and depth − 1 residual blocks.
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_w: The standard deviation of the weights W.
        sigma_b: The standard deviation of the biases b.
        sigma_v: The standard deviation of the readout v.
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)

    def block(net: Network, h: Vector) -> Vector:
        return h + net.matrix("W", std=sigma_w) @ phi(h) + net.bias("b", std=sigma_b)

    h = net.input("W1", x, std=sigma_w) + net.bias("b1", std=sigma_b)
    h = net.repeat(whole_number(depth, "depth", at_least=1) - 1, block, h)
    return net.readout("v", phi(h), std=sigma_v)
