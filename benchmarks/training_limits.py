"""The infinite-width limit of training and networks of width 4096, for five architectures and three values of γ.

    .venv/bin/python benchmarks/training_limits.py      # half an hour on two cores

Each row compares the outputs on four training and two test inputs after each of six steps: the limit, with its standard
error, and the mean of networks trained by `jax.grad`, with its own. `deviation` is the largest difference in units of
the standard error of the difference, over the 36 numbers. The columns `…_last` are for the first test input after the
last step; `kernel_last` is what gradient descent with the NTK gives there, the limit for γ → 0.

A network starts at its own f₀, of order 1/(γ√n), which would cause the larger part of the error. So networks come in
pairs whose readouts have opposite signs, and so opposite f₀. A pair's mean has the same expectation and a smaller
variance; the pairs are independent, and the standard error is that of their means.

The numbers of pairs and of scrambles of the limit were raised from 8 to 32, for all rows, after the first results were
seen. From eight, standard errors are so uncertain that the largest of 36 deviations often exceeds 3 or 4: with eight
scrambles it was 3.8 and 3.7 for the RNN at γ = 1 and 2, where 32 scrambles move the limit by 1.3 of its errors.

The learning rate is 0.3 of the largest stable one of the initial kernel. For the tied autoencoder it is 0.1, because at
γ = 2 its kernel grows sevenfold in three steps, and with 0.3 the next step overshoots. That amplifies how far networks
are from their limit: their mean was −0.75 ± 0.02 at width 4096, and the limit −0.91 ± 0.015 (−0.948 ± 0.001 from eight
times as many samples).

A table that lacks rows is completed: rows that it has are not computed again.
"""

from __future__ import annotations

import argparse
import csv
import functools
import itertools
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

import ntkviz as nv  # noqa: E402
from ntkviz.language.gradients.gia import readout_parameter  # noqa: E402
from ntkviz.language.program import register_with_jax  # noqa: E402
from ntkviz.networks.sampling import run, sample_parameters  # noqa: E402

WIDTH, STEPS = 4096, 6
PAIRS = SCRAMBLES = 32
RICHNESS = 0.25, 1.0, 2.0
RATE, RATE_OF = 0.3, {"tied_autoencoder": 0.1}  # in units of the largest stable learning rate of the initial kernel
A = nv.architectures
ROWS, SEQUENCES = (4, 3), (4, 2, 3)
ARCHITECTURES = {
    "mlp": (A.mlp(depth=2, nonlinearity="erf"), ROWS),
    "mlp tanh": (A.mlp(depth=3, nonlinearity="tanh"), ROWS),
    "rnn": (A.rnn, SEQUENCES),
    "tied_autoencoder": (A.tied_autoencoder, ROWS),
    "transformer": (A.transformer, SEQUENCES),
}
COLUMNS = (
    *("architecture", "richness", "deviation", "limit_last", "limit_error", "networks_last", "networks_error"),
    *("kernel_last", "pairs"),
)
register_with_jax()

# The networks are trained without the engine's backward programs and updates. They are large, so one step is compiled
# for each architecture, whatever γ is, and the new parameters take the place of the old ones.


@functools.partial(jax.jit, donate_argnums=1)
def step(program: Any, parameters: Any, y: jax.Array, rates: Any, scale: Any) -> tuple[Any, jax.Array]:
    """The parameters after a step on the inputs that have targets, and the outputs on all inputs before it."""

    def loss(parameters: Any) -> tuple[jax.Array, jax.Array]:
        f = run(program, parameters).output / scale
        return 0.5 * jnp.sum((f[: len(y)] - y) ** 2), f

    moves, f = jax.grad(loss, has_aux=True)(parameters)
    return tuple(w - rate * g for w, rate, g in zip(parameters, rates, moves, strict=True)), f


@functools.partial(jax.jit, static_argnames=("width", "readout"))
def sampled(program: Any, key: jax.Array, sign: Any, *, width: int, readout: int) -> Any:
    """Random parameters, with a sign in front of those of the readout."""
    drawn = sample_parameters(program, width, key)
    return tuple(w * sign if k == readout else w for k, w in enumerate(drawn))


def trained(arch: Any, x: Any, y: Any, x_test: Any, key: int, sign: float, rate: float, richness: float) -> np.ndarray:
    """f after each step, `(steps + 1, train + test)`, of one network."""
    program = arch.trace((np.concatenate([x, x_test]),)).unrolled()
    declared = program.parameters
    readout = declared.index(readout_parameter(program))
    scale = jnp.float32(richness * WIDTH**0.5)
    rates = [jnp.float32(rate * WIDTH * richness**2 * program.number(p.lr) * p.trainable) for p in declared]
    parameters = sampled(program, jax.random.key(key), jnp.float32(sign), width=WIDTH, readout=readout)
    found = []
    for _ in range(STEPS + 1):  # the last step is not looked at
        parameters, f = step(program, parameters, jnp.asarray(y, jnp.float32), rates, scale)
        found.append(np.asarray(f, float))
    return np.array(found)


def row(name: str, richness: float) -> dict[str, object]:
    """One line of the table."""
    arch, shape = ARCHITECTURES[name]
    rng = np.random.default_rng(0)
    x, x_test, y = rng.normal(size=shape), rng.normal(size=(2, *shape[1:])), np.array([1.0, -1.0, 1.0, -1.0])
    wide = nv.regression.fit(arch, x, y, x_test, covariance=False)
    rate = RATE_OF.get(name, RATE) * wide.learning_rate_bound()
    options = {"steps": STEPS, "learning_rate": rate, "richness": richness, "scrambles": SCRAMBLES}
    learned = nv.feature_learning(arch, x, y, x_test, **options)
    limit, error = (np.hstack([part.train, part.test]) for part in (learned, learned.error))
    pairs = np.array(
        [
            np.mean([trained(arch, x, y, x_test, key, sign, rate, richness) for sign in (1.0, -1.0)], axis=0)
            for key in range(PAIRS)
        ]
    )
    mean, spread = pairs.mean(axis=0), pairs.std(axis=0, ddof=1) / PAIRS**0.5
    deviation = np.max(np.abs(mean - limit)[1:] / np.hypot(error, spread)[1:])
    kernel = wide.gradient_descent(STEPS, rate).mean[0]
    numbers = deviation, *(part[-1, 4] for part in (limit, error, mean, spread)), kernel
    return dict(zip(COLUMNS, (name, richness, *(f"{n:.4g}" for n in numbers), PAIRS), strict=True))


def rows_of(file: Path) -> set[tuple[str, float]]:
    """The rows that a table has."""
    if not file.exists():
        return set()
    with file.open(newline="") as lines:
        return {(line["architecture"], float(line["richness"])) for line in csv.DictReader(lines)}


def main() -> None:
    """Write the rows that the table lacks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="ARCHITECTURE", choices=ARCHITECTURES)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".csv"))
    options = parser.parse_args()
    done = rows_of(options.out)
    with options.out.open("a", newline="") as lines:
        table = csv.DictWriter(lines, COLUMNS, lineterminator="\n")
        if not done:
            table.writeheader()
        for name, richness in itertools.product(options.only or ARCHITECTURES, RICHNESS):
            if (name, richness) not in done:
                started = time.process_time()
                table.writerow(found := row(name, richness))
                lines.flush()
                print(*found.values(), f"({time.process_time() - started:.0f} s of CPU time)", flush=True)


if __name__ == "__main__":
    main()
