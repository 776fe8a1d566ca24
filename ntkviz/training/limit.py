"""The infinite-width limit of training in which features move: a loop over one step of the Z calculus on samples.

Training is a tensor program (`program.py`), so it has a limit; but a program grows with every step. Here the step is
the program of one forward and backward pass, compiled once. What it reads of earlier steps is what the matrices make
of the vectors that there were (`matrices.py`): vectors of samples, kept in arrays of fixed size.

If the Simple GIA Check passes, flipping the sign of the readout flips f₀ and every gradient. Samples are taken in pairs
that mirror each other in this way, so that f₀ = 0 as in the limit, and f = F/γ has no large error when γ is small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64
from tqdm import tqdm

from ..calculus.checked import SampleStatistics, check_second_moments, watched
from ..calculus.general import check_differentiable, with_gradients
from ..distant.requests import check_wanted
from ..errors import HyperparameterError, shown
from ..execution.examples import traced
from ..execution.finiteness import check_batches
from ..execution.ragged import Data
from ..gaussian.sobol import sobol_normal
from ..language.architecture import whole_number
from ..language.program import Program
from ..language.rewriting.shorthand import in_full
from ..networks.parameters import check_same_network
from ..networks.sampling import passes
from .descent import ReadOut, descent, dimensions
from .mean_field import mean_field
from .results import FeatureLearning, Trajectory
from .stability import check_stable
from .task import Task, checked_task

LOG2_SAMPLES = 13  # the bias, of order 1/samples, is then below half a standard error of 8 scrambles

LEAST_RICHNESS = 1e-8  # rounding in F is 10⁻¹⁶, and f = F/γ

EVENLY_SPREAD = 512  # dimensions of Sobol points: more would gain little, and SciPy has at most 21,201


def feature_learning(
    arch: Any,
    x: Any,
    y: Any,
    x_test: Any = None,
    *,
    steps: int,
    learning_rate: float,
    richness: float = 1.0,
    loss: str = "squared",
    batches: Any = None,
    scrambles: int = 8,
    progress: bool | Callable[[int, int], None] = False,
) -> FeatureLearning:
    """The infinite-width limit of gradient descent at the scale where features move: outputs and kernels, step by step.

    This is the limit of `training_program`, which defines what is trained and how. As γ → 0, outputs tend to those of
    gradient descent with the NTK, started at 0 (`regression.fit(…).gradient_descent(steps, learning_rate)`), and
    kernels stay constant; at γ = 1 kernels change by their own order of magnitude. Changing numbers and
    hyper-parameters does not recompile.

    ```python
    x, y = [[1.0, 0.5], [-0.7, 1.0], [0.3, -1.2]], [1.0, -1.0, 0.5]
    arch = nv.architectures.mlp(depth=2, nonlinearity="tanh")
    learned = nv.feature_learning(arch, x, y, [[0.6, 0.9]], steps=6, learning_rate=0.4)
    learned.test[-1], learned.error.test[-1]
    ```

    Source: Yang & Hu 2020 (arXiv:2011.14522); Bordelon & Pehlevan 2022 (arXiv:2205.09653) for γ.

    Args:
        arch: An architecture.
        x: As for `training_program`.
        y: As for `training_program`.
        x_test: Inputs whose outputs are recorded too; a separate input if examples are mixed.
        steps: The number of steps, ≥ 0. Time grows like its square.
        learning_rate: η ≥ 0, in units of 1/λ.
        richness: γ ≥ 10⁻⁸, dimensionless.
        loss: `"squared"` or `"logistic"`, as for `training_program`.
        batches: As for `training_program`.
        scrambles: The number m ≥ 2 of independent groups of samples, whose spread gives the standard errors. Four times
            as many take four times as long and halve the errors, which a number exceeds as often as Student's t with
            m − 1 degrees of freedom does.
        progress: `True` draws a progress bar on stderr; a function `(done, total)` is called instead, at the start and
            after each of the independent scrambles. An exception that it raises ends the computation. A cluster that
            computes for this process cannot report progress.

    Returns:
        Outputs and kernels before each step and after the last, with their standard errors.

    Raises:
        HyperparameterError: A number, the loss, the batches or `progress` are invalid.
        InputError: The inputs or targets cannot be used, or batches are given for an architecture that mixes examples.
        DivergenceError: Training diverges, or comes so close to it that its limit cannot be told from samples.
        NotIntegrableError: A nonlinearity jumps, or samples miss a part of it.
        ProgramError: A rule of the language is broken, or a derivative is not a function.
        TooLargeError: The computation would need more memory than is free.
    """
    if not (isinstance(progress, bool) or callable(progress)):
        raise HyperparameterError(f"progress is {shown(progress)}; it must be True, False or a function (done, total).")
    count = whole_number(scrambles, "scrambles", at_least=2)
    task = checked_task(
        arch,
        x,
        y,
        x_test,
        steps=steps,
        learning_rate=learning_rate,
        richness=richness,
        loss=loss,
        batches=batches,
    )
    if task.richness < LEAST_RICHNESS:
        raise HyperparameterError(
            f"richness is {shown(richness)}; below {LEAST_RICHNESS:g} features move by less than rounding, so take the "
            "limit γ → 0, nv.regression.fit(…).gradient_descent(steps, learning_rate)."
        )
    found = [np.stack(part) for part in zip(*_with_progress(_scrambles(task, count), count, progress), strict=True)]
    with np.errstate(all="ignore"):  # numbers that overflow are refused below
        means, errors = (
            Trajectory(train, test, features if features.size else None, ntk)
            for train, test, features, ntk in (
                [part.mean(axis=0) for part in found],
                [part.std(axis=0, ddof=1) / count**0.5 for part in found],
            )
        )
        check_stable(task, means, errors)
    return FeatureLearning(*means, errors)


def _with_progress(found: Iterator[Any], count: int, progress: bool | Callable[[int, int], None]) -> Iterator[Any]:
    """Pass on the results, one for each scramble, and report how many are done."""
    with tqdm(total=count, unit="scramble", disable=progress is not True) as bar:
        for done in range(count + 1):
            check_wanted()
            if callable(progress):
                progress(done, count)
            if done < count:
                yield next(found)
                bar.update()
    yield from found  # yields nothing more, but runs the final checks of the generator


def _scrambles(task: Task, count: int) -> Iterator[tuple[np.ndarray, ...]]:
    """The outputs on training and test inputs, the features and the NTK, for each scramble.

    Authors' functions are checked before the first step, since only there vectors are Gaussian.
    """
    train, test = _programs(task)
    check_differentiable(train)
    check_batches(train)
    mirrored, read_out = passes(train), ReadOut.of(train)
    programs = mean_field(train), None if test is None else mean_field(test)
    weights = np.concatenate([task.weights, np.zeros((1, len(task.targets)))])  # the last time has no step
    before: list[list[SampleStatistics]] = []
    for scramble in range(count):
        found = descent(
            *programs,
            task.targets,
            weights,
            task.learning_rate,
            task.richness,
            jnp.asarray(_normals(dimensions(*programs), LOG2_SAMPLES - mirrored, scramble)),
            jax.random.key(scramble),
            loss=task.loss,
            read_out=read_out,
            mirrored=mirrored,
            output_biases=task.output_biases[0],
            bias_rate=task.output_biases[1],
        )
        *numbers, statistics = found
        before.append([SampleStatistics(*jax.tree.map(lambda part: part[0], tuple(of))) for of in statistics])
        yield tuple(map(np.asarray, numbers))
    whole = with_gradients(programs[0], assume_gia=False).program
    check_second_moments(whole, watched(whole.structure), before)


def _normals(dimension: int, log2_samples: int, scramble: int) -> Float64[np.ndarray, "dimension samples"]:
    """Sobol points in the first dimensions, beginning with those of parameters, and random points in the others."""
    evenly = sobol_normal(min(dimension, EVENLY_SPREAD), log2_samples, seed=scramble)
    others = np.random.default_rng(scramble).standard_normal((dimension - len(evenly), 2**log2_samples))
    return np.concatenate([evenly, others])


def _programs(task: Task) -> tuple[Program, Program | None]:
    """The programs of training and test inputs, each for a stack of data as the Z calculus takes it."""
    first, second, separate = traced(task.arch, task.train, task.train if task.test is None else task.test)
    check_same_network(task.arch, first, second)

    def stacked(program: Program, data: Data) -> Program:
        stack = (d[:, None] if separate else d[None] for d in data)
        return in_full(program).unrolled().with_data(*stack)

    return stacked(first, task.train), None if task.test is None else stacked(second, task.test)
