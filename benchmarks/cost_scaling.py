"""How the time of each reading grows with inputs, depth, pixels, sequence length and width, compared with theory.

    .venv/bin/python benchmarks/cost_scaling.py

For each row, the sizes are computed alternately, after compilation, and the median time of each is used. The exponent
is the slope of log time against log size, with its standard error. The smallest size measures the fixed cost of a call,
which is subtracted; only sizes that take at least 1.3 times as long count. Sizes are chosen so that the arrays of a
layer fit into a processor's cache either at every size or at none. Writes all times into `cost_scaling.csv` and prints
the table, which is stored in `cost_scaling.txt`.

Theory counts operations when the size is large and all else is fixed. A kernel has N² entries, each of which takes one
step per layer. Average pooling involves all P² pairs of pixels, and an average over time all T² pairs of steps; a last
state involves pairs of equal steps only, and flattening pairs of equal pixels only. A transformer's attention takes T³
products, but its nonlinearities take T² closed forms, each of which costs as much as hundreds of products. A network of
width n costs n² per layer and input, forward and backward; its kernel then takes N² n products, which are few in
comparison while N is far below n. Networks read some hundred inputs at a time, as memory allows; with more inputs, each
block is recomputed for every other block.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import ntkviz as nv

HERE = Path(__file__).parent
LIBRARY = nv.architectures
OVERHEAD = 1.3
"""A size counts if it takes at least this many times as long as the smallest one."""


@dataclass(frozen=True)
class Row:
    """One law: what is computed for a size, and the exponent of its time according to theory."""

    reading: str
    architecture: str
    grows: str
    theory: str
    sizes: tuple[int, ...]
    calculate: Callable[[int], Callable[[], Any]]


def _data(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape)


def _limit(arch: Any, *shape: int) -> Callable[[], Any]:
    # Two batches: within a single one, symmetry saves a share of the blocks that depends on the size.
    x, y = _data(*shape), _data(*shape)
    return lambda: nv.infinite_ntk(arch, x, y)


def _sampled(arch: Any, width: int, *shape: int) -> Callable[[], Any]:
    x = _data(*shape)
    return lambda: np.asarray(nv.empirical_ntk(arch, x, width=width, key=0))


def _cnn(pooling: str) -> Callable[[int], Callable[[], Any]]:
    return lambda pixels: _limit(LIBRARY.cnn(pooling=pooling), 2, int(pixels**0.5), int(pixels**0.5), 3)


def _rnn(pooling: str) -> Callable[[int], Callable[[], Any]]:
    return lambda steps: _limit(LIBRARY.rnn(pooling=pooling), 16, steps, 4)


ROWS = [
    Row("limit", "MLP", "inputs N", "2", (2, 1024, 1536, 2048, 3072), lambda n: _limit(LIBRARY.mlp(depth=3), n, 32)),
    Row("limit", "MLP", "depth", "1", (1, 32, 64, 96, 128), lambda d: _limit(LIBRARY.mlp(depth=d), 400, 32)),
    Row("limit", "CNN, average pooling", "pixels P", "2", (16, 1024, 1296, 1600, 2304), _cnn("average")),
    Row("limit", "CNN, flattened", "pixels P", "1", (16, 65536, 102400, 147456, 262144), _cnn("flatten")),
    Row("limit", "RNN, average", "steps T", "2", (4, 50, 75, 100, 150), _rnn("average")),
    Row("limit", "RNN, last state", "steps T", "1", (4, 200, 300, 400, 600), _rnn("last")),
    Row(
        "limit", "transformer", "tokens T", "2…3", (2, 256, 384, 512, 768),
        lambda t: _limit(LIBRARY.transformer(), 2, t, 8),
    ),
    Row(
        "width n", "MLP", "width n", "2", (16, 1024, 2048, 3072, 4096),
        lambda n: _sampled(LIBRARY.mlp(depth=3), n, 16, 32),
    ),
    Row(
        "width n", "MLP", "inputs N", "1", (2, 128, 256, 384, 512),
        lambda n: _sampled(LIBRARY.mlp(depth=3), 2048, n, 32),
    ),
    Row(
        "width n", "MLP", "depth", "1", (1, 4, 6, 8, 12), lambda d: _sampled(LIBRARY.mlp(depth=d), 1024, 64, 32)
    ),
]  # fmt: skip


def measure(row: Row, repeats: int) -> dict[int, float]:
    """The median time in seconds of a compiled call for each size; the sizes alternate."""
    calls = {size: row.calculate(size) for size in row.sizes}
    times: dict[int, list[float]] = {size: [] for size in row.sizes}
    for _ in range(1 + repeats):
        for size, call in calls.items():
            start = time.perf_counter()
            call()
            times[size].append(time.perf_counter() - start)
    return {size: float(np.median(found[1:])) for size, found in times.items()}


def exponent(seconds: dict[int, float]) -> tuple[float, float, list[int]]:
    """The slope of log time against log size, its standard error, and the sizes that it is fitted to.

    The smallest size measures the fixed cost of a call. NaN if fewer than three sizes take enough longer than that.
    """
    smallest, *others = sorted(seconds)
    sizes = [size for size in others if seconds[size] >= OVERHEAD * seconds[smallest]]
    if len(sizes) < 3:
        return np.nan, np.nan, sizes
    x, y = np.log(sizes), np.log([seconds[size] - seconds[smallest] for size in sizes])
    x = x - x.mean()
    slope = x @ y / (x @ x)
    residual = y - y.mean() - slope * x
    return float(slope), float(np.sqrt(residual @ residual / (len(sizes) - 2) / (x @ x))), sizes


def line(row: Row, seconds: dict[int, float]) -> str:
    """One line of the table."""
    slope, error, sizes = exponent(seconds)
    law = f"{slope:5.2f} ± {error:.2f}" if sizes[2:] else "hidden by overhead"
    over = f"{sizes[0]} … {sizes[-1]}" if sizes else "none"
    times = f"{1e3 * seconds[min(seconds)]:.1f} … {1e3 * seconds[max(seconds)]:.0f} ms"
    return f"{row.reading:8} {row.architecture:21} {row.grows:9} {row.theory:>6}   {law:18} {over:14} {times}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="rows that contain this")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--out", type=Path, default=HERE / "cost_scaling.csv", help="the table is written beside it, as .txt"
    )
    options = parser.parse_args()
    lines = [f"{'reading':8} {'architecture':21} {'grows':9} {'theory':>6}   {'measured':18} {'sizes':14} times"]
    print(lines[0])
    with options.out.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["reading", "architecture", "grows", "theory", "size", "seconds"])
        for row in ROWS:
            if options.only not in f"{row.reading} {row.architecture} {row.grows}":
                continue
            seconds = measure(row, options.repeats)
            lines.append(line(row, seconds))
            print(lines[-1], flush=True)
            for size, value in seconds.items():
                table.writerow([row.reading, row.architecture, row.grows, row.theory, size, f"{value:.3g}"])
    options.out.with_suffix(".txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
