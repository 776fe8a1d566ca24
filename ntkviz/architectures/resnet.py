"""The residual network."""

from __future__ import annotations

from typing import Any

from ..language import architecture, as_nonlinearity, whole_number


@architecture
def resnet(net, x, *, depth: int = 2, nonlinearity: Any = "relu", sigma_w=1.5, sigma_b=0.1, sigma_v=1.0):
    """x¹ = W¹ξ + b¹; xˡ⁺¹ = xˡ + Wˡ⁺¹φ(xˡ) + bˡ⁺¹; f = vᵀφ(x^depth)/√n.

    Inputs `(batch, d)`. `depth` counts the vectors xˡ: one dense layer and depth − 1 residual
    blocks. Source: Tensor Programs II, §2; He et al. 2016 with the nonlinearity before the
    weights ("pre-activation", arXiv:1603.05027).
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)

    def block(net, h):
        return h + net.matrix("W", std=sigma_w) @ phi(h) + net.bias("b", std=sigma_b)

    h = net.input("W1", x, std=sigma_w) + net.bias("b1", std=sigma_b)
    h = net.repeat(whole_number(depth, "depth", at_least=1) - 1, block, h)
    return net.readout("v", phi(h), std=sigma_v)
