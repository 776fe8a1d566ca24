"""The autoencoder with tied weights: W and Wᵀ in one forward pass."""

from __future__ import annotations

from typing import Any

from ..language import Network, Output, Scalar, architecture, as_nonlinearity


@architecture
def tied_autoencoder(
    net: Network, x: Scalar, *, nonlinearity: Any = "erf", sigma_w: float = 1.0, sigma_v: float = 1.0
) -> Output:
    """x = φ(Uξ); h = Wx; y = Wᵀφ(h); f = vᵀφ(y)/√n.

    Inputs `(batch, d)`. The decoder uses the transpose of the encoder's matrix, so Wᵀφ(h) is *not*
    Gaussian in the limit: Z^y = Ẑ^y + σ_w² E[φ′(Z^h)] Z^x. The Simple GIA Check passes; the limit
    needs the general reading.

    Source: Tensor Programs III (arXiv:2009.10685), §2.

    Args:
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_w: The standard deviation of the weights U and W.
        sigma_v: The standard deviation of the readout v.
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)
    W = net.matrix("W", std=sigma_w)
    encoded = W @ phi(net.input("U", x, std=sigma_w))
    return net.readout("v", phi(W.T @ phi(encoded)), std=sigma_v)
