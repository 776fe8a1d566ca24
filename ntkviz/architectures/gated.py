"""Recurrent networks with gates: GRU and LSTM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..language import Network, Output, Scalar, Vector, architecture, as_nonlinearity
from .rnn import pooled


@architecture
def gru(
    net: Network,
    x: Scalar,
    *,
    pooling: str = "last",
    gate: Any = "erf_gate",
    nonlinearity: Any = "erf",
    sigma_w: float = 1.0,
    sigma_u: float = 1.0,
    sigma_b: float = 0.0,
    sigma_v: float = 1.0,
    forget_bias: float = 0.0,
) -> Output:
    """The gated recurrent unit: zᵗ, rᵗ = γ(Uξᵗ + W sᵗ⁻¹ + b), gates z and r each with its own U, W, b;
    cᵗ = φ(U_cξᵗ + W_c(rᵗ ∘ sᵗ⁻¹) + b_c); sᵗ = zᵗ ∘ sᵗ⁻¹ + (1 − zᵗ) ∘ cᵗ, s⁰ = 0.

    f = vᵀs^T/√n, or vᵀ(mean_t sᵗ)/√n. Inputs `(batch, time, d)`, or a list of sequences `(time, d)`.
    The limit needs the general reading, because of the products of gates and states.

    Source: Cho et al. 2014 (arXiv:1406.1078); Tensor Programs II (arXiv:2006.14548), §2.

    Args:
        pooling: The state that is read out: the `"last"`, or the `"average"` over time.
        gate: γ: `"erf_gate"`, (1 + erf)/2, or `"sigmoid"`.
        nonlinearity: φ: `"erf"` or `"tanh"`.
        sigma_w: The standard deviation of the recurrent weights W.
        sigma_u: The standard deviation of the input weights U.
        sigma_b: The standard deviation of the biases b.
        sigma_v: The standard deviation of the readout v.
        forget_bias: A number added to the argument of the update gate's γ, not trained: if positive, the unit keeps its
            state longer (Tallec and Ollivier 2018, arXiv:1804.11188).
    """
    gamma, phi = as_nonlinearity(gate), as_nonlinearity(nonlinearity)
    update, reset, candidate = (
        _affine(net, x, name, sigma_u, sigma_w, sigma_b) for name in ("update", "reset", "candidate")
    )

    keep = net.scalar(forget_bias)

    def step(t: int, s: Vector | None) -> Vector:
        z = gamma(update(t, s) + keep)
        if s is None:
            return (1 - z) * phi(candidate(t, None))
        return z * s + (1 - z) * phi(candidate(t, gamma(reset(t, s)) * s))

    states = [step(0, None)]
    for t in range(1, x.shape[1]):
        states.append(step(t, states[-1]))
    return net.readout("v", pooled(states, pooling), std=sigma_v)


@architecture
def lstm(
    net: Network,
    x: Scalar,
    *,
    pooling: str = "last",
    gate: Any = "erf_gate",
    nonlinearity: Any = "erf",
    sigma_w: float = 1.0,
    sigma_u: float = 1.0,
    sigma_b: float = 0.0,
    sigma_v: float = 1.0,
    forget_bias: float = 0.0,
) -> Output:
    """The long short-term memory: iᵗ, oᵗ, gᵗ = γ(Uξᵗ + W sᵗ⁻¹ + b), gates i, o and g (forget) each with its own
    U, W, b; aᵗ = φ(U_aξᵗ + W_a sᵗ⁻¹ + b_a); cᵗ = gᵗ ∘ cᵗ⁻¹ + iᵗ ∘ aᵗ; sᵗ = oᵗ ∘ φ(cᵗ), c⁰ = s⁰ = 0.

    f = vᵀs^T/√n, or vᵀ(mean_t sᵗ)/√n. Inputs `(batch, time, d)`, or a list of sequences `(time, d)`.
    The limit needs the general reading, because of the products of gates and states.

    Source: Gers et al. 2000, the cell of Hochreiter and Schmidhuber 1997 with a forget gate.

    Args:
        pooling: The state that is read out: the `"last"`, or the `"average"` over time.
        gate: γ: `"erf_gate"`, (1 + erf)/2, or `"sigmoid"`.
        nonlinearity: φ: `"erf"` or `"tanh"`.
        sigma_w: The standard deviation of the recurrent weights W.
        sigma_u: The standard deviation of the input weights U.
        sigma_b: The standard deviation of the biases b.
        sigma_v: The standard deviation of the readout v.
        forget_bias: A number added to the argument of the forget gate's γ, not trained: if positive, the cell remembers
            longer (Gers et al. 2000; Jozefowicz et al. 2015 recommend 1, for a sigmoid).
    """
    gamma, phi = as_nonlinearity(gate), as_nonlinearity(nonlinearity)
    take_in, forget, give_out, candidate = (
        _affine(net, x, name, sigma_u, sigma_w, sigma_b) for name in ("input", "forget", "output", "candidate")
    )
    keep = net.scalar(forget_bias)
    states: list[Vector] = []
    s: Vector | None = None
    c: Vector | None = None
    for t in range(x.shape[1]):
        new = gamma(take_in(t, s)) * phi(candidate(t, s))
        c = new if c is None else gamma(forget(t, s) + keep) * c + new
        s = gamma(give_out(t, s)) * phi(c)
        states.append(s)
    return net.readout("v", pooled(states, pooling), std=sigma_v)


def _affine(
    net: Network, x: Scalar, name: str, sigma_u: float, sigma_w: float, sigma_b: float
) -> Callable[[int, Vector | None], Vector]:
    """Uξᵗ + W s + b with its own parameters, as a function of t and s (`None` for s = 0)."""
    x.axes("batch time d")
    u = net.input(f"U_{name}", x, std=sigma_u) + net.bias(f"b_{name}", std=sigma_b)
    W = net.matrix(f"W_{name}", std=sigma_w)
    return lambda t, s: u[:, t] if s is None else u[:, t] + W @ s
