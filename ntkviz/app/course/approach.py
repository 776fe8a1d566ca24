"""Fills a plot of deviations: with the prediction first, then random networks, then virtual ones."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...convergence import relative_frobenius
from ...distant.readings import read, reading
from ...errors import NotFiniteError, NotIntegrableError, TooLargeError
from ...execution.cost import Cost
from ...language.architecture import Architecture
from ..pages.background import Update
from ..plots.convergence import VIRTUAL_NETWORKS, ConvergencePlot
from ..translation.refusals import refused
from .experiments import network_cost, ntk_of_network

LONGEST, LARGEST = 8.0, 3e9
"""The most seconds and bytes that a virtual network may take on a page: its computation cannot be interrupted."""

REFUSALS = NotFiniteError, NotIntegrableError, TooLargeError
"""The errors by which a prediction is refused: the plot shows the reason, and networks are sampled nevertheless."""


Sample = Callable[[int, int], Any]
"""The NTK of a network by its width and seed."""


def approach(plot: ConvergencePlot, arch: Architecture, x: Any, real: Sample | None = None) -> Iterator[Update]:
    """A picture's `as_it_comes`: the predicted line, then the networks one by one, without those that `plot` has.

    `real` samples those that are not virtual, by default from the program.
    """
    if not plot.is_predicted:
        yield _prediction(plot, arch, x)
    remaining = plot.remaining()
    virtual = {width for width, _ in remaining} & set(plot.virtual)
    too_large = {width for width in virtual if not _fits(network_cost(arch, x, width, virtual=True))}
    limit = read("infinite_ntk", arch, x).ntk
    for width, seed in remaining:
        if width in too_large:
            yield functools.partial(plot.leave_out, width)
        else:
            yield _network(plot, arch, x, limit, width, seed, real)


def costs(plot: ConvergencePlot, arch: Architecture, x: Any) -> list[Cost]:
    """The cost of each part of `approach`: a picture's `estimate`."""
    virtual = [cost for width in plot.virtual if _fits(cost := network_cost(arch, x, width, virtual=True))]
    return [
        _cost_of_prediction(arch, x),
        *(network_cost(arch, x, width, virtual=False).repeated(plot.seeds) for width in plot.widths),
        *(cost.repeated(min(plot.seeds, VIRTUAL_NETWORKS)) for cost in virtual),
    ]


def _prediction(plot: ConvergencePlot, arch: Architecture, x: Any) -> Update:
    try:
        return functools.partial(plot.predict, read("fluctuation", arch, x))
    except REFUSALS as refusal:
        return functools.partial(plot.refuse, refused(str(refusal)), law=not isinstance(refusal, NotFiniteError))


def _network(
    plot: ConvergencePlot, arch: Architecture, x: Any, limit: np.ndarray, width: int, seed: int, real: Sample | None
) -> Update:
    virtual = width in plot.virtual
    of_program = functools.partial(read, ntk_of_network(virtual), arch, x)
    try:
        sample = of_program(width=width, key=seed) if virtual or real is None else real(width, seed)
    except TooLargeError:
        if not virtual:
            raise
        return functools.partial(plot.leave_out, width)
    return functools.partial(plot.add, width, seed, relative_frobenius(np.asarray(sample, dtype=float), limit))


def _cost_of_prediction(arch: Architecture, x: Any) -> Cost:
    try:
        cost: Cost = read("cost", reading("fluctuation"), arch, x)
    except REFUSALS:
        return Cost()
    return cost


def _fits(cost: Cost) -> bool:
    return cost.seconds <= LONGEST and cost.memory <= LARGEST
