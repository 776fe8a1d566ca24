"""The constant of the 1/√n law, predicted without a network, beside what random networks show.

    .venv/bin/python benchmarks/fluctuation_table.py

takes every row of `deviation_table.py` and draws networks with matrices at each width. Theory says that the mean of
‖Θ_n − Θ‖_F/‖Θ‖_F is c/√n: `benchmarks/fluctuation_table.csv` has c as `nv.fluctuation` predicts it, and √n times the
mean that was measured, each with its standard error. What differs beyond these is of the next order in 1/√n, and
smaller at the larger width. Rows that would take longer than `--minutes` at a width are left out there, and said so.

The committed table is a part: width 256 and the first architectures alone, on two cores that others used too (so its
seconds are long). Width 1024 and the other rows have not been run.
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
    """√n times the relative distance of each network from the limit; nothing if it would take too long."""
    one, keys = network(row, width), jax.random.split(jax.random.key(0), seeds)
    one(keys[0])  # compiles
    start = time.perf_counter()
    found = [one(key) for key in keys[:8]]
    if (time.perf_counter() - start) * seeds / 8 > 60 * minutes:
        return None
    found += [one(key) for key in keys[8:]]
    return width**0.5 * np.linalg.norm(np.stack(found) - limit, axis=(1, 2)) / np.linalg.norm(limit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=400, help="networks at each width")
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--minutes", type=float, default=60, help="of one row at one width, at most")
    parser.add_argument("--only", nargs="+", metavar="ARCHITECTURE", choices=nv.architectures.__all__)
    parser.add_argument("--out", type=Path, default=HERE / "fluctuation_table.csv")
    options = parser.parse_args()
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(Measured._fields)
        for name, row in rows().items():
            if options.only and row.arch.__name__ not in options.only:
                continue
            nv.fluctuation(*row)  # compiles
            start = time.perf_counter()
            predicted = nv.fluctuation(*row)
            seconds, limit = time.perf_counter() - start, nv.infinite_ntk(*row).ntk
            for width in options.widths:
                found = distances(row, limit, width, options.seeds, options.minutes)
                if found is None:
                    print(f"{name}: left out at width {width}, more than {options.minutes:g} min", flush=True)
                    continue
                mean, error = found.mean(), found.std(ddof=1) / len(found) ** 0.5
                numbers = (round(float(v), 4) for v in (predicted.c, predicted.error, seconds))
                line = Measured(name, *numbers, width, len(found), *(round(float(v), 4) for v in (mean, error)))
                writer.writerow(line)
                file.flush()
                print(*line, sep="  ", flush=True)


if __name__ == "__main__":
    main()
