"""Multi-layer perceptrons with normalisation: over the width (layernorm), over the batch (batchnorm)."""

from __future__ import annotations

from typing import Any

from ..language import (
    Network,
    Output,
    Scalar,
    Vector,
    architecture,
    as_nonlinearity,
    batchnorm,
    layernorm,
    number,
    whole_number,
)


@architecture
def layernorm_mlp(
    net: Network,
    x: Scalar,
    *,
    depth: int = 2,
    nonlinearity: Any = "relu",
    sigma_w: float = 1.5,
    sigma_b: float = 0.1,
    sigma_v: float = 1.0,
    eps: float = 0.0,
) -> Output:
    """h¹ = W¹ξ + b¹; hˡ⁺¹ = Wˡ⁺¹φ(LN(hˡ)) + bˡ⁺¹; f = vᵀφ(LN(h^depth))/√n.

    Inputs `(batch, d)`. LN(h) = (h − mean)/√(variance + `eps`) over the width, without an affine map.
    Its statistics are Moments, which converge to constants, so the limit is that of a perceptron with
    rescaled layers.

    Source: Tensor Programs II (arXiv:2006.14548), appendix on layernorm; Ba et al. 2016 (arXiv:1607.06450).

    Args:
        depth: The number of hidden layers, ≥ 1.
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_w: The standard deviation of the weights W.
        sigma_b: The standard deviation of the biases b.
        sigma_v: The standard deviation of the readout v.
        eps: The number ≥ 0 added to the variance, in its units.
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)
    number(eps, "eps", at_least=0)

    def layer(net: Network, h: Vector) -> Vector:
        return net.matrix("W", std=sigma_w) @ phi(layernorm(h, eps)) + net.bias("b", std=sigma_b)

    h = net.input("W1", x, std=sigma_w) + net.bias("b1", std=sigma_b)
    h = net.repeat(whole_number(depth, "depth", at_least=1) - 1, layer, h)
    return net.readout("v", phi(layernorm(h, eps)), std=sigma_v)


@architecture
def batchnorm_mlp(
    net: Network, x: Scalar, *, depth: int = 1, nonlinearity: Any = "relu", sigma_w: float = 1.0, sigma_v: float = 1.0
) -> Output:
    """hˡ = Wˡxˡ⁻¹ for each of the B rows; xˡ = φ((hˡ − mean_B)/std_B); f_i = vᵀx_i^depth/√n.

    Inputs `(B, d)`, B ≥ 2: a batch is *one* input, and kernels are between the rows of two batches.
    The std is that with 1/B; there are no ε, no biases and no affine map. Batch normalisation is a
    nonlinearity of B vectors at once. With relu, the expectation is integrated to 1e-8; within one
    batch, the NTK is finite only if B ≥ 4.

    Source: Tensor Programs II (arXiv:2006.14548), Figure 1 and appendix on batchnorm; Yang et al. 2019
    (arXiv:1902.08129).

    Args:
        depth: The number of hidden layers, ≥ 1.
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_w: The standard deviation of the weights W.
        sigma_v: The standard deviation of the readout v.
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)

    def layer(net: Network, h: Vector) -> Vector:
        return net.matrix("W", std=sigma_w) @ phi(batchnorm(h))

    h = net.input("W1", x, std=sigma_w)
    h = net.repeat(whole_number(depth, "depth", at_least=1) - 1, layer, h)
    return net.readout("v", phi(batchnorm(h)), std=sigma_v)
