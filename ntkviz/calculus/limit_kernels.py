"""The result of a reading at infinite width, and the reasons why it may not apply."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, NamedTuple

import jax
import numpy as np
from jax import Array
from jaxtyping import Float64

from ..gaussian.error import Error


class Reason(NamedTuple):
    """Why a reading does not give a limit.

    Attributes:
        instead: The alternative: pairs of steps one by one instead of a scan over a loop, unrolled layers instead of
            repeated ones, all pairs instead of equal positions, the Z calculus instead of the forward kernels, or
            samples instead of exact algebra.
        text: The reason, for users.
    """

    instead: Literal["pair by pair", "written out", "all pairs", "general", "samples"]
    text: str


@functools.partial(jax.tree_util.register_dataclass, data_fields=["nngp", "ntk", "error"], meta_fields=["refused"])
@dataclass(frozen=True)
class LimitKernels:
    """The NNGP and NTK of two batches, `(|X|, |X̄|)`, and their relative error.

    Attributes:
        nngp: The NNGP.
        ntk: The NTK.
        error: The relative error.
        refused: The reasons why this reading does not give the limit; if there are any, the numbers are meaningless.
            Reasons pass through `jit` with the numbers, so that a single trace decides whether the reading applies and
            computes the limit.
    """

    nngp: Float64[Array | np.ndarray, "outputs outputs_bar"]
    ntk: Float64[Array | np.ndarray, "outputs outputs_bar"]
    error: Error
    refused: tuple[Reason, ...] = ()
