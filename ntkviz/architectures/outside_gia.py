"""Two networks that fail the Simple GIA Check: the GIA would give a wrong NTK."""

from __future__ import annotations

from typing import Any

from ..language import Network, Scalar, Vector, architecture, as_nonlinearity, inner, moment, whole_number


@architecture
def mean_readout_mlp(net: Network, x: Scalar, *, depth: int = 2, nonlinearity: Any = "square") -> Scalar:
    """x¹ = Uξ/√d + 1; hˡ = Wˡxˡ⁻¹/√n, xˡ = φ(hˡ) for l = 2…depth; f = 1ᵀx^depth/n. All σ = 1.

    Inputs `(batch, d)`; the 1 in x¹ is not trained. The readout 1 is not a random vector, so the
    check fails. Depth 2 with a single number as input is the counterexample of Tensor Programs II: with
    C = 1 + ξξ̄ the NTK is 4C² + 8Cξξ̄, while the GIA gives 4C² + 4Cξξ̄.

    Source: Tensor Programs II (arXiv:2006.14548), §"When GIA fails".

    Args:
        depth: The number of layers, ≥ 1.
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)

    def layer(net: Network, h: Vector) -> Vector:
        return phi(net.matrix("W") @ h)

    h = net.input("U", x) + 1.0
    h = net.repeat(whole_number(depth, "depth", at_least=1) - 1, layer, h)
    return moment(h)


@architecture
def tied_readout(
    net: Network, x: Scalar, *, nonlinearity: Any = "relu", sigma_u: float = 1.0, sigma_w: float = 1.0
) -> Scalar:
    """x = φ(Uξ/√d); f = xᵀφ(Wx/√n)/n.

    Inputs `(batch, d)`. The readout is the interior vector x, as in a language model whose
    output reuses its embedding; the check fails, and the GIA gives a wrong NTK.

    Source: the Simple GIA Check of Tensor Programs II (arXiv:2006.14548).

    Args:
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        sigma_u: The standard deviation of the input weights U, the embedding.
        sigma_w: The standard deviation of the weights W.
    """
    x.axes("batch d")
    phi = as_nonlinearity(nonlinearity)
    embedded = phi(net.input("U", x, std=sigma_u))
    return inner(embedded, phi(net.matrix("W", std=sigma_w) @ embedded))
