"""The simple recurrent network."""

from __future__ import annotations

from typing import Any

from ..language import Network, Output, Scalar, Vector, architecture, as_nonlinearity, one_of, stack


@architecture
def rnn(
    net: Network,
    x: Scalar,
    *,
    nonlinearity: Any = "erf",
    pooling: str = "last",
    sigma_w: float = 1.0,
    sigma_u: float = 1.0,
    sigma_b: float = 0.0,
    sigma_v: float = 1.0,
) -> Output:
    """hᵗ = Uξᵗ + W sᵗ⁻¹ + b; sᵗ = φ(hᵗ), s⁰ = 0; f = vᵀs^T/√n, or vᵀ(mean_t sᵗ)/√n.

    Inputs `(batch, time, d)`, or a list of sequences `(time, d)` of different lengths. U, W and b
    are the same for all t.

    Source: Tensor Programs II (arXiv:2006.14548), §2 and Figure 1.

    Args:
        nonlinearity: φ: a name, a nonlinearity or a JAX function.
        pooling: The state that is read out: the `"last"`, or the `"average"` over time.
        sigma_w: The standard deviation of the recurrent weights W.
        sigma_u: The standard deviation of the input weights U.
        sigma_b: The standard deviation of the biases b.
        sigma_v: The standard deviation of the readout v.
    """
    _, time, _ = x.axes("batch time d")
    phi = as_nonlinearity(nonlinearity)
    u = net.input("U", x, std=sigma_u) + net.bias("b", std=sigma_b)
    W = net.matrix("W", std=sigma_w)
    states = [phi(u[:, 0])]
    for t in range(1, time):
        states.append(phi(u[:, t] + W @ states[-1]))
    return net.readout("v", pooled(states, pooling), std=sigma_v)


def pooled(states: list[Vector], pooling: str) -> Vector:
    """The last state, or the average over time.

    Args:
        states: Vectors of leading shape `(batch,)`, one for each step.
        pooling: `"last"` or `"average"`.

    Returns:
        Vectors of leading shape `(batch,)`.

    Raises:
        HyperparameterError: `pooling` is neither.
    """
    one_of(pooling, "pooling", ("last", "average"))
    return states[-1] if pooling == "last" else stack(states, axis=1).mean(1)
