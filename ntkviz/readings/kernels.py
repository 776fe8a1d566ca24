"""What the readings at infinite width hand to each other."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import jax

from .error import Error


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
    refused: tuple[str, ...] = ()
