"""What the readings at infinite width hand to each other."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax

from ..gaussian.error import Error


class Reason(NamedTuple):
    """Why a reading does not give a limit, and what would: `instead` of loops pairs of their steps, of layers that are
    written once all of them, of equal places all pairs, of the forward kernels the general reading, of exact algebra
    samples."""

    instead: Literal["pair by pair", "written out", "all pairs", "general", "samples"]
    text: str


@functools.partial(jax.tree_util.register_dataclass, data_fields=["nngp", "ntk", "error"], meta_fields=["refused"])
@dataclass(frozen=True)
class LimitKernels:
    """NNGP and NTK of two batches, `(|X|, |X̄|)`, and their relative error.

    - `refused`: why this reading does not give the limit; its numbers mean nothing then. A reason is a value that goes
      through `jit` with the numbers, so that finding out whether a reading applies is the trace that calculates.
    """

    nngp: Any
    ntk: Any
    error: Error
    refused: tuple[Reason, ...] = ()
