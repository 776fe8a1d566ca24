"""The multi-layer perceptron."""

from __future__ import annotations

from typing import Any

from ..language import architecture, as_nonlinearity, whole_number


@architecture
def mlp(net, x, *, depth: int = 2, nonlinearity: Any = "relu", sigma_w=1.5, sigma_b=0.1, sigma_v=1.0):
    """h¹ = W¹ξ + b¹; hˡ⁺¹ = Wˡ⁺¹φ(hˡ) + bˡ⁺¹; f = vᵀφ(h^depth)/√n. No readout bias.

    Inputs `(batch, d)`. `depth` counts hidden layers; every dense map is Wx/√fan_in. Source:
    Tensor Programs II, §2; Jacot et al. 2018 for its NTK.
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)

    def layer(net, h):
        return net.matrix("W", std=sigma_w) @ phi(h) + net.bias("b", std=sigma_b)

    h = net.input("W1", x, std=sigma_w) + net.bias("b1", std=sigma_b)
    h = net.repeat(whole_number(depth, "depth", at_least=1) - 1, layer, h)
    return net.readout("v", phi(h), std=sigma_v)
