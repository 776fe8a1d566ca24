"""The infinite-width limit of training and networks of width 4096, for five architectures and three values of γ.

    .venv/bin/python benchmarks/training_limits.py      # ten minutes on two cores

Each row compares the outputs on four training and two test inputs after each of six steps: the limit, with its standard
error, and the mean of eight networks trained by `jax.grad`, with its own. `deviation` is the largest difference in
units of the standard error of the difference, over the 36 numbers; the columns `…_last` are for the first test input
after the last step. Each network starts at its own f₀, of order 1/(γ√n), which causes the larger part of their error.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))

import ntkviz as nv  # noqa: E402
from tests.training.sgd import descend  # noqa: E402

WIDTH, NETWORKS, STEPS = 4096, 8, 6
RICHNESS = 0.25, 1.0, 2.0
A = nv.architectures
ROWS, SEQUENCES = (4, 3), (4, 2, 3)
ARCHITECTURES = {
    "mlp": (A.mlp(depth=2), ROWS),
    "mlp tanh": (A.mlp(depth=3, nonlinearity="tanh"), ROWS),
    "rnn": (A.rnn, SEQUENCES),
    "tied_autoencoder": (A.tied_autoencoder, ROWS),
    "transformer": (A.transformer, SEQUENCES),
}
COLUMNS = ("architecture", "richness", "deviation", "limit_last", "limit_error", "networks_last", "networks_error")


def row(name: str, richness: float) -> dict[str, object]:
    """One line of the table."""
    arch, shape = ARCHITECTURES[name]
    rng = np.random.default_rng(0)
    x, x_test, y = rng.normal(size=shape), rng.normal(size=(2, *shape[1:])), np.array([1.0, -1.0, 1.0, -1.0])
    rate = 0.3 * nv.regression.fit(arch, x, y, covariance=False).learning_rate_bound()
    options = {"steps": STEPS, "learning_rate": rate, "richness": richness}
    learned = nv.feature_learning(arch, x, y, x_test, **options)
    limit, error = (np.hstack([part.train, part.test]) for part in (learned, learned.error))
    networks = np.array(
        [descend(arch, x, y, x_test, width=WIDTH, key=k, dtype=jnp.float32, **options) for k in range(NETWORKS)]
    )
    mean, spread = networks.mean(axis=0), networks.std(axis=0, ddof=1) / NETWORKS**0.5
    deviation = np.max(np.abs(mean - limit)[1:] / np.hypot(error, spread)[1:])
    numbers = deviation, *(part[-1, 4] for part in (limit, error, mean, spread))
    return dict(zip(COLUMNS, (name, richness, *(f"{n:.4g}" for n in numbers)), strict=True))


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
                table.writerow(found := row(name, richness))
                lines.flush()
                print(*found.values(), flush=True)


if __name__ == "__main__":
    main()
