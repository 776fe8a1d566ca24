"""Limit kernels compared with NumPy evaluations of the same formulas: time, compilation, memory, agreement.

    .venv/bin/python benchmarks/infinite_against_numpy.py

There are two NumPy versions: one follows the formulas literally, with a Python loop for each index
(`peers/limits_numpy_by_index.py`); the other uses whole arrays within each pair of inputs (`peers/limits_numpy.py`), as
an expert would for speed. ntkviz takes the architecture of the library. All compute NNGP and NTK in float64, between
different inputs, so that none can use symmetry. They run in separate processes that alternate; times are medians, of
three calls where loops take seconds. Memory is the peak of a process minus what it held before its first call; the Gram
matrix is the two kernels together. With twice the inputs, the Gram matrix has four times the entries, while the memory
for blocks stays the same. Takes five minutes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from peers.environment import ourselves
from peers.side_by_side import Side, side_by_side

RNN = {"sigma_w": 1.4, "sigma_u": 1.0, "sigma_b": 0.3, "sigma_v": 1.1}
TRANSFORMER = {"depth": 2, "sigma_u": 1.1, "sigma_w": 1.3, "sigma_v": 1.0, "temperature": 0.8}
CASES: list[tuple[str, str, tuple[int, ...], dict[str, Any], dict[str, Any]]] = [
    ("RNN, 100 steps, 8 × 8", "rnn", (8, 100, 10), RNN, {"pooling": "average"}),
    ("RNN, 100 steps, 20 × 20", "rnn", (20, 100, 10), RNN, {"pooling": "average"}),
    ("RNN, 100 steps, 40 × 40", "rnn", (40, 100, 10), RNN, {"pooling": "average"}),
    ("Transformer, 16 tokens, 20 × 20", "transformer", (20, 16, 10), TRANSFORMER, {}),
    ("Transformer, 16 tokens, 50 × 50", "transformer", (50, 16, 10), TRANSFORMER, {}),
    ("Transformer, 64 tokens, 20 × 20", "transformer", (20, 64, 10), TRANSFORMER, {}),
    ("BatchNorm, depth 2, batches of 8", "batchnorm_mlp", (8, 20), {"depth": 2, "sigma_w": 1.2, "sigma_v": 1.0}, {}),
    ("BatchNorm, depth 2, batches of 16", "batchnorm_mlp", (16, 20), {"depth": 2, "sigma_w": 1.2, "sigma_v": 1.0}, {}),
]
OURS, BY_INDEX, ARRAYS = "ntkviz", "numpy_by_index", "numpy"


def compare(network: str, shape: tuple[int, ...], hyper: dict[str, Any], options: dict[str, Any]) -> str:
    """One line: times of a call, their ratios, compilation, memory, and the largest difference of the kernels."""
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(size=shape) for name in ("x1", "x2")}
    sides = {name: Side(ourselves(), f"limits_{name}.py") for name in (OURS, BY_INDEX, ARRAYS)}
    settings = {"network": network, "hyper": hyper}
    sides[OURS] = Side(ourselves(), "limits_ntkviz.py", {"options": options})
    measured = side_by_side(sides, inputs, settings, repeats=3)
    ours, others = measured[OURS], [measured[BY_INDEX], measured[ARRAYS]]
    apart = max(
        np.max(np.abs(ours.results[k] - other.results[k])) / np.max(np.abs(other.results[k]))
        for k in ("nngp", "ntk")
        for other in others
    )
    gram = sum(k.nbytes for k in ours.results.values()) / 1e6
    return (
        f"{1e3 * ours.median:9.1f}"
        + "".join(f"{1e3 * other.median:12.1f}{other.median / ours.median:8.1f}×" for other in others)
        + f"{ours.compilation:10.1f} s{ours.peak_memory - ours.started:8.0f}{gram:9.3f}{apart:11.0e}  {ours.device}"
    )


def main() -> None:
    print(
        f"{'':36}{'ntkviz':>9}{'NumPy by':>12}{'ratio':>9}{'NumPy':>12}{'ratio':>9}{'compiling':>12}{'memory':>8}"
        f"{'Gram':>9}{'apart':>11}  ntkviz on\n"
        f"{'':36}{'ms':>9}{'index, ms':>12}{'':>9}{'arrays, ms':>12}{'':>9}{'':>12}{'MB':>8}{'MB':>9}"
    )
    for name, *case in CASES:
        print(f"{name:36}{compare(*case)}", flush=True)


if __name__ == "__main__":
    main()
