"""Self-attention alone, with separate matrices for queries, keys, values and outputs."""

from __future__ import annotations

from ..errors import HyperparameterError
from ..language import Network, Output, Scalar, Vector, architecture, inner, number, softmax, whole_number


@architecture
def attention(
    net: Network,
    x: Scalar,
    *,
    heads: int = 1,
    tied: bool = False,
    scaling: str = "1/n",
    temperature: float = 1.0,
    sigma_u: float = 1.0,
    sigma_w: float = 1.0,
    sigma_v: float = 1.0,
) -> Output:
    """q_i = W_qξ_i, k_i = W_kξ_i, y_i = W_yξ_i; A = softmax_j(⟨q_i, k_j⟩/n / temperature);
    x_i = Σ_heads W_o Σ_j A_ij y_j / √heads; f = vᵀ(mean_i x_i)/√n.

    Inputs `(batch, time, d)`, or a list of sequences `(time, d)`. Every head has its own matrices.
    Independent W_q and W_k give scores that vanish as 1/√n: in the limit, every token attends equally
    to all tokens. With W_k = W_q, the scores converge to σ_u²⟨ξ_i, ξ_j⟩/d.

    Source: Vaswani et al. 2017 (arXiv:1706.03762); the scaling 1/n of Tensor Programs II
    (arXiv:2006.14548); Hron et al. 2020 (arXiv:2006.10540).

    Args:
        heads: The number of heads, ≥ 1.
        tied: `True` sets W_k = W_q in each head.
        scaling: The factor of the scores ⟨q_i, k_j⟩; `"1/n"` is the only choice.
        temperature: The divisor > 0 of the scores.
        sigma_u: The standard deviation of the weights W_q, W_k and W_y.
        sigma_w: The standard deviation of the weights W_o.
        sigma_v: The standard deviation of the readout v.

    Raises:
        HyperparameterError: The scaling is not `"1/n"`, `heads` is not a whole number ≥ 1, or the temperature is not
            > 0.
    """
    x.axes("batch time d")
    heads = whole_number(heads, "heads", at_least=1)
    number(temperature, "temperature", above=0)
    if scaling != "1/n":
        raise HyperparameterError(
            f"The scaling is {scaling!r}; it must be '1/n': at 1/√n the scores stay random at infinite width and "
            "are not scalars of a tensor program."
        )

    def head(h: int) -> Vector:
        q = net.input(f"Wq[{h}]", x, std=sigma_u)
        k = q if tied else net.input(f"Wk[{h}]", x, std=sigma_u)
        y = net.input(f"Wy[{h}]", x, std=sigma_u)
        weights = softmax(inner(q[:, :, None], k[:, None, :]) / temperature)
        return net.matrix(f"Wo[{h}]", std=sigma_w, fan=heads) @ (weights @ y)

    out = sum((head(h) for h in range(2, heads + 1)), start=head(1))
    return net.readout("v", out.mean(1), std=sigma_v)
