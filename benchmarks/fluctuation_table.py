"""The constant of the 1/√n law, predicted without sampling networks, compared with measurements on random networks.

    .venv/bin/python benchmarks/fluctuation_table.py

takes every row of `deviation_table.py` and samples networks with matrices at each width. According to theory, the mean
of ‖Θ_n − Θ‖_F/‖Θ‖_F is c/√n: `benchmarks/fluctuation_table.csv` has the c that `nv.fluctuation` predicts, with the CPU
time of the prediction once compiled, and √n times the measured mean, each with its standard error. Differences beyond
these errors are of the next order in 1/√n, and smaller at the larger width. Rows that would take longer than
`--minutes` at a width are skipped there, with a message. Lines that the file already has are kept: after an
interruption, run the script again.

The committed table has every row at both widths. Where 400 networks left a difference of 5 % in doubt, it has 1,600
(`--seeds 1600`).
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from deviation_table import Row, rows

import ntkviz as nv
from ntkviz.execution.examples import traced
from ntkviz.execution.ragged import group_by_shape
from ntkviz.kernels.results import Fluctuation
from ntkviz.language.program import Program
from ntkviz.networks.finite import ntk_of_batches, ntk_of_examples
from ntkviz.networks.sampling import sample_parameters

HERE = Path(__file__).parent
WIDTHS = (256, 1024)


class Measured(NamedTuple):
    """A row of the table."""

    architecture: str
    predicted: float
    error: float
    seconds: float
    width: int
    seeds: int
    measured: float
    standard_error: float


def network(row: Row, width: int):
    """A function of a random key that gives the NTK of a network."""
    (group,) = group_by_shape(row.x, "x")
    program, _, separate = traced(row.arch, group.data, group.data)
    program = program.unrolled().with_data(*group.data)

    @jax.jit
    def ntk(program: Program, key: jax.Array) -> jax.Array:
        parameters = sample_parameters(program, width, key)
        return (ntk_of_examples if separate else ntk_of_batches)(program, None, parameters, width)

    return lambda key: np.asarray(ntk(program, key), float)


def distances(row: Row, limit: np.ndarray, width: int, seeds: int, minutes: float) -> np.ndarray | None:
    """√n times the relative distance of each network from the limit; `None` if it would take too long."""
    one, keys = network(row, width), jax.random.split(jax.random.key(0), seeds)
    one(keys[0])  # compiles
    start = time.perf_counter()
    found = [one(key) for key in keys[:8]]
    if (time.perf_counter() - start) * seeds / 8 > 60 * minutes:
        return None
    found += [one(key) for key in keys[8:]]
    return width**0.5 * np.linalg.norm(np.stack(found) - limit, axis=(1, 2)) / np.linalg.norm(limit)


def prediction(row: Row) -> tuple[Fluctuation, float]:
    """The prediction, and the seconds of CPU time that it takes once compiled."""
    nv.fluctuation(*row)
    start = time.process_time()
    found = nv.fluctuation(*row)
    return found, time.process_time() - start


def measured(name: str, predicted: Fluctuation, seconds: float, width: int, found: np.ndarray) -> Measured:
    """A line of the table."""
    numbers = (predicted.c, predicted.error, seconds, found.mean(), found.std(ddof=1) / len(found) ** 0.5)
    c, error, seconds, mean, standard_error = (round(float(number), 4) for number in numbers)
    return Measured(name, c, error, seconds, width, len(found), mean, standard_error)


def lines_of(file: Path) -> set[tuple[str, int]]:
    """The rows and widths that the file already has."""
    if not file.exists():
        return set()
    with file.open(newline="") as lines:
        return {(line["architecture"], int(line["width"])) for line in csv.DictReader(lines)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=400, help="networks at each width")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--minutes", type=float, default=60, help="the most that one row may take at one width")
    parser.add_argument("--only", nargs="+", metavar="ARCHITECTURE", choices=nv.architectures.__all__)
    parser.add_argument("--out", type=Path, default=HERE / "fluctuation_table.csv")
    options = parser.parse_args()
    done = lines_of(options.out)
    with options.out.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if not done:
            writer.writerow(Measured._fields)
        for name, row in rows().items():
            widths = [width for width in options.widths if (name, width) not in done]
            if not widths or (options.only and row.arch.__name__ not in options.only):
                continue
            predicted, seconds = prediction(row)
            limit = nv.infinite_ntk(*row).ntk
            for width in widths:
                found = distances(row, limit, width, options.seeds, options.minutes)
                if found is None:
                    print(f"{name}: skipped at width {width}, more than {options.minutes:g} min", flush=True)
                    continue
                line = measured(name, predicted, seconds, width, found)
                writer.writerow(line)
                file.flush()
                print(*line, sep="  ", flush=True)


if __name__ == "__main__":
    main()
