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
    """Why a reading does not give a limit, and what to use `instead`: pairs of steps one by one in place of a scan
    over a loop, unrolled layers in place of repeated ones, all pairs in place of equal positions, the general reading
    in place of the forward kernels, or samples in place of exact algebra."""

    instead: Literal["pair by pair", "written out", "all pairs", "general", "samples"]
    text: str


@functools.partial(jax.tree_util.register_dataclass, data_fields=["nngp", "ntk", "error"], meta_fields=["refused"])
@dataclass(frozen=True)
class LimitKernels:
    """NNGP and NTK of two batches, `(|X|, |X̄|)`, and their relative error.

    - `refused`: the reasons why this reading does not give the limit; if there are any, the numbers are meaningless.
      Reasons pass through `jit` with the numbers, so that a single trace tells whether the reading applies and
      computes the limit.
    """

    nngp: Float64[Array | np.ndarray, "outputs outputs_bar"]
    ntk: Float64[Array | np.ndarray, "outputs outputs_bar"]
    error: Error
    refused: tuple[Reason, ...] = ()
