"""The options of a trace, and their checks."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from ..errors import HyperparameterError, TraceError, shown
from ..language.architecture import listed, one_of, whole_number

Std = Mapping[str, float | Callable[[int], float]]


@dataclass(frozen=True)
class Options:
    """The checked options of `nv.trace`; `widths` are the two widths of the trace.

    With `one_block_size` every width axis is divided into blocks of the same size, so that the program describes the
    model at any width.
    """

    widths: tuple[int, int]
    scores: str
    laws: str
    norm_scale: str
    lr: str
    std: Std
    output: int
    one_block_size: bool = False

    @classmethod
    def checked(cls, widths: Any, scores: Any, laws: Any, norm_scale: Any, lr: Any, std: Any, output: Any) -> Options:
        """The options; raises `HyperparameterError` if one of them is invalid."""
        pair = (192, 320) if widths is None else listed(widths, "widths", of="two widths")
        sizes = [whole_number(n, "A width of the trace", at_least=16) for n in pair]
        if len(sizes) != 2 or sizes[0] >= sizes[1]:
            raise HyperparameterError(f"widths is {shown(widths)}; it must be two widths, the smaller one first.")
        one_of(scores, "scores", ("refuse", "1/d"))
        one_of(laws, "laws", ("gaussian", "own"))
        one_of(norm_scale, "norm_scale", ("frozen", "trained"))
        one_of(lr, "lr", ("fan_in", "variance", "standard"))
        if std is not None and not isinstance(std, Mapping):
            raise HyperparameterError("std must be a dictionary from names of parameters to standard deviations.")
        index = whole_number(output, "output", at_least=0)
        return cls((sizes[0], sizes[1]), scores, laws, norm_scale, lr, dict(std or {}), index)

    def std_of(self, name: str, width: int) -> float | None:
        """The standard deviation requested in place of the model's own; `None` if there is none."""
        if name not in self.std:
            return None
        value = self.std[name]
        number = value(width) if callable(value) else value
        if not isinstance(number, int | float | np.floating) or not math.isfinite(number) or number < 0:
            raise HyperparameterError(f"std of {name} at width {width} is {shown(number)}; it must be finite and ≥ 0.")
        return float(number)

    def order(self, ratios: np.ndarray, what: str, where: str) -> Fraction:
        """The p for which all ratios of values at the two widths are (n₂/n₁)^p; `TraceError` if there is none."""
        n1, n2 = self.widths
        if ratios.size and np.all(np.isfinite(ratios)) and np.all(ratios > 0):
            found = np.log(ratios) / math.log(n2 / n1)
            order = Fraction(round(float(found.flat[0]) * 4), 4)
            if np.all(np.abs(found - float(order)) < 1e-5):  # values may be float32
                return order
        raise TraceError(f"{what} depends on the width{where}, but is not proportional to a power of it.")
