"""Results about the limits of programs: records of numbers, which need no JAX."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jaxtyping import Float

if TYPE_CHECKING:
    from jax import Array


class Law(NamedTuple):
    """The law of Z for an array of vectors: the distribution of each coordinate for large n.

    Attributes:
        samples: Draws of Z, `(*leading, samples)`, which are joint draws for all vectors of a program.
        mean: The mean of Z, `(*leading,)`.
        std: The standard deviation of Z, `(*leading,)`.
        gaussian: Whether the form of the program makes Z Gaussian, so that N(mean, std²) is its law.
        corrections: For Wx, the indices of the vectors y whose Z^y make up Ż in Z = Ẑ + Ż.
    """

    samples: Float[Array, "*leading samples"]
    mean: Float[Array, "*leading"]
    std: Float[Array, "*leading"]
    gaussian: bool
    corrections: tuple[int, ...]


class Limit(NamedTuple):
    """The limits of a program's values, by index.

    Attributes:
        vectors: The law of Z for each array of vectors.
        scalars: The numbers θ̊ `(*leading,)` for each array of scalars.
    """

    vectors: dict[int, Law]
    scalars: dict[int, Array]


class Estimate(NamedTuple):
    """An expectation, from independent scrambles of the samples.

    Attributes:
        value: The expectation.
        error: The standard error of `value`.
    """

    value: Float[Array, "*leading"]
    error: Float[Array, "*leading"]


class MasterTheorem(NamedTuple):
    """Both sides of the Master Theorem.

    Attributes:
        empirical: (1/n) Σ_α ψ(h_α) of one random network.
        limit: E ψ(Z).
        error: The standard error of `limit`.
    """

    empirical: float
    limit: float
    error: float


class Recurrence(NamedTuple):
    """The states and gates of a recurrent network on two sequences, step by step.

    Attributes:
        distance: √(E(s^t − s̄^t)²), `(T,)`, between the states on the two sequences; E is the mean over coordinates or
            over samples of Z.
        gates: The coordinates (or samples) of each gate on the first sequence, `(steps, n)`, by name. A gate that is
            not used at the first step, where there is no state, has one step fewer.
    """

    distance: Float[Array, "steps"]
    gates: dict[str, Float[Array, "steps width"]]
