"""Self-attention alone, with matrices of its own for queries, keys, values and outputs."""

from __future__ import annotations

from ..errors import HyperparameterError
from ..language import architecture, inner, number, softmax, whole_number


@architecture
def attention(
    net,
    x,
    *,
    heads: int = 1,
    tied: bool = False,
    scaling: str = "1/n",
    temperature=1.0,
    sigma_u=1.0,
    sigma_w=1.0,
    sigma_v=1.0,
):
    """q_i = W_qξ_i, k_i = W_kξ_i, y_i = W_yξ_i; A = softmax_j(⟨q_i, k_j⟩/n / temperature);
    x_i = Σ_heads W_o Σ_j A_ij y_j / √heads; f = vᵀ(mean_i x_i)/√n.

    Inputs `(batch, time, d)`, or a list of sequences `(time, d)`. Every head has matrices of its
    own: W_q, W_k and W_y (the values) with std `sigma_u`, W_o with std `sigma_w`. Independent W_q
    and W_k give scores that vanish as 1/√n: in the limit every token attends to all alike.
    `tied=True` takes W_k = W_q, and the scores converge to σ_u²⟨ξ_i, ξ_j⟩/d. `scaling` can be
    `"1/n"` only. Source: Vaswani et al. 2017; the scaling 1/n of Tensor Programs II; Hron et al.
    2020 (arXiv:2006.10540).
    """
    x.axes("batch time d")
    heads = whole_number(heads, "heads", at_least=1)
    number(temperature, "temperature", above=0)
    if scaling != "1/n":
        raise HyperparameterError(
            f"The scaling is {scaling!r}; it must be '1/n': at 1/√n the scores stay random at infinite width and "
            "are no scalars of a tensor program."
        )

    def head(h):
        q = net.input(f"Wq[{h}]", x, std=sigma_u)
        k = q if tied else net.input(f"Wk[{h}]", x, std=sigma_u)
        y = net.input(f"Wy[{h}]", x, std=sigma_u)
        weights = softmax(inner(q[:, :, None], k[:, None, :]) / temperature)
        return net.matrix(f"Wo[{h}]", std=sigma_w, fan=heads) @ (weights @ y)

    out = sum(head(h + 1) for h in range(heads))
    return net.readout("v", out.mean(1), std=sigma_v)
