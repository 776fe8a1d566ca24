"""A second moment with its tangent: the value that the rules of the forward kernels compute."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax

from ...language.zero import ZERO, linear


@functools.partial(jax.tree_util.register_dataclass, data_fields=["value", "tangent"], meta_fields=[])
@dataclass(frozen=True)
class KernelPair:
    """E[Z^a Z^b] and its tangent: arrays of one shape, or `ZERO`."""

    value: Any = ZERO
    tangent: Any = ZERO

    def map(self, function: Callable[[Any], Any]) -> KernelPair:
        """Apply a linear function to both."""
        return KernelPair(linear(function, self.value), linear(function, self.tangent))

    def __add__(self, other: KernelPair) -> KernelPair:
        return KernelPair(self.value + other.value, self.tangent + other.tangent)

    @property
    def is_zero(self) -> bool:
        """Whether the moment is zero by the form of the program."""
        return self.value is ZERO
