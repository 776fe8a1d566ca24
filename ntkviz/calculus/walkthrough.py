"""A program line by line: the kind of each line, its limit, and its value in one random network."""

from __future__ import annotations

import functools
from collections.abc import Callable
from statistics import NormalDist
from typing import Any, NamedTuple, cast

import numpy as np

from ..distant.readings import read
from ..language import instructions as ops
from ..language.architecture import Architecture, program
from ..language.gradients.instructions import Identity
from ..language.program import Program
from ..language.text.listing import Line
from .results import Law, Limit

Psi = Callable[[np.ndarray, np.ndarray], np.ndarray]

KINDS = ("given", "MatMul", "Nonlin", "Moment", "output")


class Step(NamedTuple):
    """One line of a program with its limit; for an array of vectors, the limit of the first one.

    Attributes:
        line: The line of the listing.
        kind: One of `KINDS`.
        backward: Whether the line belongs to the gradients.
        sources: The numbers of the steps that it uses.
        limit: The law of Z. That of a scalar is the constant θ̊; that of an output vᵀx/√n, which varies
            from network to network, is N(0, E (Z^v Z^x)²).
        returning: The names of the vectors y whose Z^y make up Ż of a line Wx.
        fresh: The standard deviation of its other part Ẑ; `None` if Ż is zero.
        beside: The index of the vector that it is compared with, see `Walkthrough.cloud`; `None` if there is none.
        returns: The indices of those y, with the number c of each in Ż = Σ c Z^y.
    """

    line: Line
    kind: str
    backward: bool
    sources: tuple[int, ...]
    limit: Law
    returning: tuple[str, ...]
    fresh: float | None
    beside: int | None
    returns: tuple[tuple[int, float], ...]


class Cloud(NamedTuple):
    """The coordinates of a line beside those of a vector that it depends on, or may depend on.

    Attributes:
        name: The name of the other vector; empty if there is none.
        beside: The coordinates of the other vector; NaN if there is none.
        values: The coordinates of the line.
        returned: The part of each that is Ż, the sum of c y_α.
    """

    name: str
    beside: np.ndarray
    values: np.ndarray
    returned: np.ndarray


class Average(NamedTuple):
    """The Master Theorem for the terms of a line.

    Attributes:
        of: What the terms are: `"vector"` for ψ of its coordinates, `"Moment"` for the terms that a Moment averages,
            `"output"` for the v_α x_α of an output vᵀx/√n.
        expected: The mean of one term in the limit.
        spread: The standard deviation of one term in the limit.
    """

    of: str
    expected: float
    spread: float

    @property
    def settles(self) -> bool:
        """Whether the line is an average Σ/m, which tends to `expected`; an output is Σ/√m, as random as one term."""
        return self.of != "output"


class Walkthrough:
    """An architecture's program, forward and backward, to step through; its limit is computed once.

    The gradients are those of the first output. Data do not count as lines. A readout vᵀx must pass the Simple GIA
    Check, since at scale 1/n its limit would be a number.

    Args:
        arch: An architecture.
        x: Its inputs, as for `program`.

    Attributes:
        program: The unrolled program with its gradients.
        lines: The lines of the listing, without the data.
        network: A function `(width, key)` that returns the values of one random network, by index.

    Raises:
        NtkvizError: Whatever `program` and `Program.backward` raise.
    """

    def __init__(self, arch: Architecture, x: Any):
        self.program: Program = program(arch, x).backward()
        self._forward = len(self.program.forward)
        self.lines = tuple(line for line in self.program.lines() if line.type != "data")
        self._numbers = {line.index: k for k, line in enumerate(self.lines)}
        self.network = functools.lru_cache(maxsize=4)(self._network)

    def __len__(self) -> int:
        return len(self.lines)

    @functools.cached_property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in order."""
        return tuple(self._step(line, self._limit) for line in self.lines)

    @functools.cached_property
    def _limit(self) -> Limit:
        return cast(Limit, read("limit_law", self.program))

    @functools.cached_property
    def _samples(self) -> dict[int, np.ndarray]:
        return {k: np.asarray(law.samples) for k, law in self._limit.vectors.items()}

    def _step(self, line: Line, limit: Limit) -> Step:
        returning = limit.vectors[line.index].corrections if line.index in limit.vectors else ()
        return Step(
            line,
            self.kind(line),
            line.index >= self._forward,
            tuple(self._numbers[k] for k in line.depends_on if k in self._numbers),
            self._law(line, limit),
            tuple(other.name for other in self.lines if other.index in returning),
            self._fresh(line, limit) if returning else None,
            self._beside(line, returning),
            self._returns(line.index, returning),
        )

    def kind(self, line: Line) -> str:
        """The kind of a line, one of `KINDS`.

        Args:
            line: One of `lines`.

        Returns:
            `"given"`, `"MatMul"`, `"Nonlin"`, `"Moment"` or `"output"`.
        """
        if line.index == self.program.output:
            return "output"
        match self.program.instructions[line.index].op:
            case ops.InputMatMul() | ops.InitialVector() | Identity():
                return "given"
            case ops.MatMul():
                return "MatMul"
            case _:
                return "Nonlin" if line.type == "X-var" else "Moment"

    def _law(self, line: Line, limit: Limit) -> Law:
        if line.index in limit.vectors:
            law = limit.vectors[line.index]
            mean, std = np.ravel(law.mean)[0], np.ravel(law.std)[0]
            return _law(first(law.samples), mean, std, law.gaussian, law.corrections)
        if line.index in limit.scalars:
            value = np.ravel(limit.scalars[line.index])[0]
            return _law(np.array([value]), value, 0.0)
        spread = np.std(self._line_terms(line, self._samples, lambda h, g: h))
        return _law(spread * _standard_normal(), 0.0, spread)

    def _fresh(self, line: Line, limit: Limit) -> float:
        """The standard deviation σ √E (Z^x)² of Ẑ^{Wx}, which is that of Wx for a W that is used nowhere else."""
        instruction = self.program.instructions[line.index]
        sigma2 = float(self.program.variance(self.program.parameter_of(line.index)))
        law = limit.vectors[instruction.args[0]]
        return float(np.sqrt(sigma2 * (np.ravel(law.mean)[0] ** 2 + np.ravel(law.std)[0] ** 2)))

    def _beside(self, line: Line, returning: tuple[int, ...]) -> int | None:
        """Of Wx, what went through Wᵀ before, or x; of other lines, the vector that it varies with most."""
        if not self._is_vector(line.index) or self.kind(line) == "given":
            return None
        before = returning or [self.program.instructions[k].args[0] for k in self._transposes(line.index)]
        if before:
            return before[-1]
        samples = self._samples
        others = [k for k in line.depends_on if k in samples and _is_one(samples[k]) and np.std(samples[k]) > 1e-9]
        # Of an array, a line uses another vector than the first one: then its arguments say which.
        others = others or [k for k in self.program.instructions[line.index].args if k in samples]
        value = first(samples[line.index])
        return max(others, key=lambda k: abs(np.cov(value, first(samples[k]))[0, 1]), default=None)

    def _transposes(self, index: int) -> list[int]:
        """The earlier lines that multiply by the transpose of a line's matrix."""
        op = self.program.instructions[index].op
        if not isinstance(op, ops.MatMul):
            return []
        return [k for k, one in enumerate(self.program.instructions[:index]) if one.op == op.opposite]

    def _returns(self, index: int, returning: tuple[int, ...]) -> tuple[tuple[int, float], ...]:
        """The numbers c = σ² E ∂Z^x/∂Ẑ of Ż, by Stein's lemma: E Z^x Ẑ^i = Σ_j c_j E Z^i Z^j, of y_i and y_j."""
        if not returning:
            return ()
        samples, args = self._samples, self.program.instructions
        y = np.stack([first(samples[k]) for k in returning])
        through = {args[k].args[0]: k for k in self._transposes(index)}
        fresh = np.stack([self._without_returned(through[k], first(samples[through[k]])) for k in returning])
        c = np.linalg.solve(y @ y.T, fresh @ first(samples[args[index].args[0]]))
        return tuple(zip(returning, map(float, c), strict=True))

    def _without_returned(self, index: int, values: np.ndarray) -> np.ndarray:
        """The samples of Ẑ of a line Wx."""
        returns = self._returns(index, self._limit.vectors[index].corrections)
        return values - sum(c * first(self._samples[k]) for k, c in returns)

    def _network(self, width: int, key: int) -> dict[int, np.ndarray]:
        """All vectors and scalars of one random network, by index."""
        return {k: np.asarray(v) for k, v in read("coordinates", self.program, width=width, key=key).items()}

    def value(self, number: int, network: dict[int, np.ndarray]) -> np.ndarray:
        """The value of a line in one network.

        Args:
            number: The number of the line in `lines`.
            network: The values of a network, as `network(width, key)` returns them.

        Returns:
            The n coordinates of a vector, `(n,)`, or an array of one number, `(1,)`.
        """
        line = self.lines[number]
        if line.index not in network:
            terms = self._line_terms(line, network, lambda h, g: h)
            return np.array([np.sum(terms) / np.sqrt(len(terms))])
        values = network[line.index]
        return first(values) if self._is_vector(line.index) else np.ravel(values)[:1]

    def terms(self, number: int, network: dict[int, np.ndarray], psi: Psi) -> np.ndarray:
        """The n terms, one for each coordinate α, of the average that belongs to a line.

        Args:
            number: The number of the line in `lines`.
            network: The values of a network, as `network(width, key)` returns them.
            psi: An elementwise function ψ of two arrays of coordinates.

        Returns:
            ψ(h_α, g_α) for a vector h, with g the program's first vector; the summands of a Moment and of an output
            vᵀx/√n; `(n,)`. Empty for a number computed from other numbers.
        """
        return self._line_terms(self.lines[number], network, psi)

    def cloud(self, number: int, network: dict[int, np.ndarray] | None = None) -> Cloud:
        """A vector's coordinates beside those of another, which shows what the line does to them.

        The other vector is the input of a Nonlin, so that the points lie on its graph, and the x of Wx; but where x
        may depend on Wᵀy, it is y, part of which may return.

        Args:
            number: The number of the line in `lines`.
            network: The values of a network, as `network(width, key)` returns them; `None` for samples of Z.

        Returns:
            n coordinates of each `(n,)`; for a line that is a number, this number `(1,)`, or its samples.
        """
        step, names = self.steps[number], {line.index: line.name for line in self.lines}
        values = self._samples if network is None else network
        if self._is_vector(step.line.index):
            own = first(values[step.line.index])
        else:
            own = np.asarray(step.limit.samples) if network is None else self.value(number, network)
        returned = sum((c * first(values[k]) for k, c in step.returns), np.zeros(len(own)))
        if step.beside is None:
            return Cloud("", np.full(len(own), np.nan), own, returned)
        return Cloud(names.get(step.beside, "its input"), first(values[step.beside]), own, returned)

    def average(self, number: int, psi: Psi) -> Average | None:
        """The limit of the average over a line's terms, by the Master Theorem.

        Args:
            number: The number of the line in `lines`.
            psi: An elementwise function ψ of two arrays of coordinates.

        Returns:
            The mean and the standard deviation of one term; `None` if the line has no terms.
        """
        terms = self._line_terms(self.lines[number], self._samples, psi)
        if not terms.size:
            return None
        if self._is_vector(self.lines[number].index):
            return Average("vector", float(np.mean(terms)), float(np.std(terms)))
        op, limit = self.program.instructions[self.lines[number].index].op, self.steps[number].limit
        return Average("Moment" if isinstance(op, ops.Moment) else "output", float(limit.mean), float(np.std(terms)))

    def _line_terms(self, line: Line, values: dict[int, np.ndarray], psi: Psi) -> np.ndarray:
        instruction = self.program.instructions[line.index]
        match instruction.op:
            case ops.Moment():
                return first(values[instruction.args[0]])
            case ops.Readout():
                v, x = (first(values[k]) for k in instruction.args)
                return np.asarray(v * x)
            case _ if self._is_vector(line.index):
                return psi(first(values[line.index]), first(values[self.lines[0].index]))
            case _:
                return np.array([])

    def _is_vector(self, index: int) -> bool:
        return self.program.instructions[index].kind == "vector"


def first(values: Any) -> np.ndarray:
    """The first vector of an array of vectors `(*leading, n)`."""
    return np.asarray(np.asarray(values).reshape(-1, np.shape(values)[-1])[0])


def _is_one(values: np.ndarray) -> bool:
    """Whether an array `(*leading, n)` has one vector only."""
    return bool(values.size == values.shape[-1])


@functools.cache
def _standard_normal() -> np.ndarray:
    """A thousand quantiles of N(0, 1), as evenly spread samples."""
    return np.array([NormalDist().inv_cdf((k + 0.5) / 1000) for k in range(1000)])


def _law(samples: Any, mean: Any, std: Any, gaussian: bool = True, corrections: tuple[int, ...] = ()) -> Law:
    """A law of plain NumPy values, which plots can use without JAX."""
    return Law(samples, mean, std, gaussian, corrections)
