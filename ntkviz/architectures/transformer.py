"""The transformer of the paper's Figure 1: one matrix for keys, queries and values."""

from __future__ import annotations

from typing import Any

from ..language import (
    Network,
    Output,
    Scalar,
    Vector,
    architecture,
    as_nonlinearity,
    inner,
    layernorm,
    number,
    softmax,
    whole_number,
)


@architecture
def transformer(
    net: Network,
    x: Scalar,
    *,
    depth: int = 1,
    temperature: float = 1.0,
    nonlinearity: Any = "relu",
    sigma_u: float = 1.0,
    sigma_w: float = 1.0,
    sigma_v: float = 1.0,
) -> Output:
    """k_i = Uxˡ⁻¹_i; A = softmax_j(⟨k_i, k_j⟩/n / temperature); y_i = k_i + Σ_j A_ij k_j; z = LN(y);
    xˡ = LN(W²φ(W¹z) + z); f = vᵀ(mean_i x_i^depth)/√n. U, W¹, W² differ from layer to layer.

    Inputs `(batch, time, d)`, or a list of sequences `(time, d)`; x⁰ = ξ, so that the first U is
    an input matrix. Keys, queries and values share U. LN is over the width, without affine map or ε.
    The scores ⟨k_i, k_j⟩/n are Moments, so the attention weights converge to constants.

    Source: Tensor Programs II (arXiv:2006.14548), Figure 1 and appendix.

    Args:
        depth: The number of layers, ≥ 1.
        temperature: The divisor > 0 of the scores.
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_u: The standard deviation of the weights U.
        sigma_w: The standard deviation of the weights W¹ and W².
        sigma_v: The standard deviation of the readout v.

    Raises:
        HyperparameterError: `depth` is not a whole number ≥ 1, or the temperature is not > 0.
    """
    x.axes("batch time d")
    phi = as_nonlinearity(nonlinearity)
    number(temperature, "temperature", above=0)

    def attend_and_transform(net: Network, k: Vector) -> Vector:
        scores = inner(k[:, :, None], k[:, None, :]) / temperature
        z = layernorm(k + softmax(scores) @ k)
        g = net.matrix("W1", std=sigma_w) @ z
        return layernorm(net.matrix("W2", std=sigma_w) @ phi(g) + z)

    def layer(net: Network, x: Vector) -> Vector:
        return attend_and_transform(net, net.matrix("U", std=sigma_u) @ x)

    first = attend_and_transform(net, net.input("U", x, std=sigma_u))
    last = net.repeat(whole_number(depth, "depth", at_least=1) - 1, layer, first)
    return net.readout("v", last.mean(1), std=sigma_v)
