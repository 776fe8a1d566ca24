"""The distance of random networks from their limit: the relative deviation of the NTK against width."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..convergence import Slope, log_log_slope, relative_frobenius
from ..errors import NotFiniteError
from ..language.architecture import Architecture, listed, whole_number
from ..networks.finite import empirical_ntk
from ..networks.sampling import check_width
from .infinite import infinite_ntk


class Deviation(NamedTuple):
    """One random network's distance from the limit, ‖Θ_n − Θ‖_F / ‖Θ‖_F."""

    width: int
    seed: int
    relative_frobenius: float


class DeviationTable(tuple[Deviation, ...]):
    """A tuple of rows `(width, seed, relative_frobenius)`, with its means and its slope."""

    def means(self) -> dict[int, float]:
        """The deviation at each width, averaged over seeds.

        Returns:
            ‖Θ_n − Θ‖_F / ‖Θ‖_F by width n, ascending.
        """
        return {w: float(np.mean([r.relative_frobenius for r in self if r.width == w])) for w in self.widths()}

    def widths(self) -> list[int]:
        """The widths that were sampled.

        Returns:
            Each width n once, ascending.
        """
        return sorted({row.width for row in self})

    def slope(self) -> float:
        """The log–log slope of the mean deviation against width; theory predicts −1/2.

        Returns:
            The slope; NaN for one width.
        """
        return self._slope().value

    def slope_error(self) -> float:
        """The standard error of `slope`, from the scatter of networks of one width.

        Returns:
            The standard error; NaN if some width has only one network.
        """
        return self._slope().error

    def _slope(self) -> Slope:
        return log_log_slope({w: [row.relative_frobenius for row in self if row.width == w] for w in self.widths()})


def deviation(arch: Architecture, x: Any, *, widths: Iterable[int], seeds: Iterable[int] | int) -> DeviationTable:
    """Measure ‖Θ_n − Θ‖_F / ‖Θ‖_F of random networks of several widths.

    Source: Tensor Programs II (arXiv:2006.14548), Figure 1.

    Args:
        arch: An architecture.
        x: A batch of inputs.
        widths: The widths n ≥ 1 to sample.
        seeds: The seeds of the networks at each width, or their number.

    Returns:
        A row for each width and seed.

    Raises:
        NotFiniteError: The limit is zero, so that distances relative to it are infinite.
        NtkvizError: Whatever else `infinite_ntk` and `empirical_ntk` raise.
    """
    return DeviationTable(deviations(arch, x, widths=widths, seeds=seeds))


def deviations(arch: Architecture, x: Any, *, widths: Iterable[int], seeds: Iterable[int] | int) -> Iterator[Deviation]:
    """The rows of `deviation`, one by one as networks are sampled."""
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
            sampled = np.asarray(empirical_ntk(arch, x, width=width, key=seed), dtype=float)
            yield Deviation(width, seed, relative_frobenius(sampled, limit))
