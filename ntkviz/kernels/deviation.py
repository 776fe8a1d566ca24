"""The distance of random networks from their limit: the relative deviation of the NTK as a function of width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..calculus.virtual import virtual_ntk
from ..convergence import relative_frobenius
from ..errors import NotFiniteError
from ..language.architecture import Architecture, listed, whole_number
from ..networks.finite import empirical_ntk
from ..networks.sampling import check_width
from .infinite import infinite_ntk
from .results import Deviation, DeviationTable


def deviation(
    arch: Architecture, x: Any, *, widths: Iterable[int], seeds: Iterable[int] | int, virtual: bool = False
) -> DeviationTable:
    """Measure ‖Θ_n − Θ‖_F / ‖Θ‖_F of random networks of several widths.

    Source: Tensor Programs II (arXiv:2006.14548), Figure 1.

    Args:
        arch: An architecture.
        x: A batch of inputs.
        widths: The widths n ≥ 1 to sample.
        seeds: The seeds of the networks at each width, or their number.
        virtual: Whether to sample virtual networks (`virtual_ntk`), which have the same law and take memory of order n.

    Returns:
        A row for each width and seed.

    Raises:
        NotFiniteError: The limit is zero, so that distances relative to it are infinite.
        NtkvizError: Whatever else `infinite_ntk` and `empirical_ntk` raise.
    """
    return DeviationTable(deviations(arch, x, widths=widths, seeds=seeds, virtual=virtual))


def deviations(
    arch: Architecture, x: Any, *, widths: Iterable[int], seeds: Iterable[int] | int, virtual: bool = False
) -> Iterator[Deviation]:
    """The rows of `deviation`, each yielded as soon as its network has been sampled."""
    limit = infinite_ntk(arch, x).ntk
    if not np.any(limit):
        raise NotFiniteError("The limit NTK is zero, so relative distances from it are infinite; use other inputs.")
    widths = listed(widths, "widths", of="whole numbers")
    for width in widths:
        check_width(width)
    if hasattr(seeds, "__index__"):
        seeds = range(whole_number(seeds, "The number of seeds", at_least=0))
    for seed in listed(seeds, "seeds", of="whole numbers"):
        for width in widths:
            sampled = (virtual_ntk if virtual else empirical_ntk)(arch, x, width=width, key=seed)
            yield Deviation(width, seed, relative_frobenius(np.asarray(sampled, dtype=float), limit))
