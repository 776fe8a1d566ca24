"""Architectures composed of named blocks: any list of them is a tensor program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import HyperparameterError
from ..language import Matrix, Network, Output, Scalar, Vector, architecture, inner, layernorm, moment, one_of, softmax
from ..language.nonlinearities.nonlinearity import erf, gelu, relu


@dataclass
class Shared:
    """The shared state of the blocks of one network.

    Attributes:
        net: The network, which declares matrices.
        sigma_w: The standard deviation of their entries.
        kept: The vectors that the next "skip" adds: those after the previous "skip", initially Uξ.
        fresh: The number of matrices declared by "W" so far.
        a: The matrix A, once a block has used it.
    """

    net: Network
    sigma_w: Any
    kept: Vector
    fresh: int = 0
    a: Matrix | None = None

    def new(self) -> Matrix:
        """Declare a new matrix.

        Returns:
            The matrix, with the next number in its name.
        """
        self.fresh += 1
        return self.net.matrix(f"W{self.fresh}", std=self.sigma_w)

    def matrix_a(self) -> Matrix:
        """The matrix A, declared on the first call.

        Returns:
            The same random matrix on every call.
        """
        if self.a is None:
            self.a = self.net.matrix("A", std=self.sigma_w)
        return self.a


def _skip(shared: Shared, x: Vector) -> Vector:
    shared.kept = shared.kept + x
    return shared.kept


def _attention(shared: Shared, x: Vector) -> Vector:
    """Every token becomes an average of all tokens, weighted by softmax_j(⟨x_i, x_j⟩/n)."""
    return softmax(inner(x[:, :, None], x[:, None, :])) @ x


BLOCKS: dict[str, Callable[[Shared, Vector], Vector]] = {
    "W": lambda shared, x: shared.new() @ x,
    "A": lambda shared, x: shared.matrix_a() @ x,
    "A.T": lambda shared, x: shared.matrix_a().T @ x,
    "relu": lambda shared, x: relu(x),
    "gelu": lambda shared, x: gelu(x),
    "erf": lambda shared, x: erf(x),
    "layernorm": lambda shared, x: layernorm(x),
    "attention": _attention,
    "skip": _skip,
}

READOUTS: dict[str, Callable[[Network, Vector, Vector], Output | Scalar]] = {
    "random": lambda net, first, x: net.readout("v", x.mean(1)),
    "shifted": lambda net, first, x: net.readout("v", x.mean(1), mean=1.0),
    "mean": lambda net, first, x: moment(x.mean(1)),
    "tied": lambda net, first, x: inner(first, x).mean(1),
}

MOST = 8  # the largest number of blocks in a list


@architecture
def from_blocks(
    net: Network,
    x: Scalar,
    *,
    blocks: Sequence[str] = ("relu", "W", "relu"),
    readout: str = "random",
    sigma_w: float = 1.5,
) -> Output | Scalar:
    """x⁰ = Uξ/√d; xᵏ⁺¹ = blockₖ(xᵏ) for each of `blocks`; f by `readout` of the last, averaged over tokens.

    Inputs `(batch, time, d)`; without the block "attention", only the average mixes tokens. U has
    std 1. The blocks:

    - `"W"`: W x with a new matrix W; `"A"`: A x, with the same matrix A everywhere; `"A.T"`: Aᵀ x.
    - `"relu"`, `"gelu"`, `"erf"`: the nonlinearity.
    - `"layernorm"`: (x − mean)/std over the width.
    - `"attention"`: x_i ← Σ_j softmax_j(⟨x_i, x_j⟩/n) x_j over the tokens.
    - `"skip"`: adds the vectors after the last `"skip"`, or Uξ if there is none.

    Any such list is a program of NETSOR⊤ with moments, and has a limit.

    Source: Tensor Programs III (arXiv:2009.10685).

    Args:
        blocks: The names of at most 8 blocks, in any order.
        readout: `"random"` vᵀx/√n, `"shifted"` (v + 1)ᵀx/n, `"mean"` 1ᵀx/n or `"tied"` x⁰ᵀx/n, v with std 1. Only the
            first passes the Simple GIA Check.
        sigma_w: The standard deviation of the weights W and A.

    Raises:
        HyperparameterError: There are more than 8 blocks, or a block or the readout is unknown.
    """
    x.axes("batch time d")
    one_of(readout, "readout", tuple(READOUTS))
    if isinstance(blocks, str) or len(blocks) > MOST:
        raise HyperparameterError(f"blocks is {blocks!r}; it must be a list of at most {MOST} names.")
    first = vectors = net.input("U", x)
    shared = Shared(net, sigma_w, first)
    for name in blocks:
        vectors = BLOCKS[one_of(name, "a block", tuple(BLOCKS))](shared, vectors)
    return READOUTS[readout](net, first, vectors)
