"""The limit kernels of ntkviz compared with those of neural-tangents: agreement, time and memory.

    .venv/bin/python benchmarks/infinite_kernels.py

Both compute the NNGP and the NTK of one batch with itself in float64, from and to NumPy arrays, in separate processes
that alternate. Both use the parametrization "ntk": N(0, 1) parameters times σ, no bias in the readout. `compile` is how
much longer the first call took than the median of the others; no compiled code is kept from other runs. Since a process
has only one first call, several processes of each are run, and medians over them are shown. `memory` is the peak of a
process minus what it held before the first call. neural-tangents' default precision, float32, is shown for comparison,
from one process. The first run installs neural-tangents into `.cache/peers`.

Afterwards, the memory of ntkviz alone is measured for growing batches of the MLP: it computes in blocks, so apart from
the two kernels themselves, its memory should stay the same.
"""

from __future__ import annotations

import argparse

import numpy as np
from peers.environment import neural_tangents, ourselves
from peers.side_by_side import Measured, Side, side_by_side

OURS, PEER, PEER_32 = "ntkviz", "neural-tangents", "  in float32"


def cases(small: bool) -> dict[str, tuple[np.ndarray, dict]]:
    """Inputs and networks by name; `small` for a quick trial."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(20, 8) if small else (500, 784))
    images = random.normal(size=(3, 4, 4, 2) if small else (10, 16, 16, 3))
    mlp = {phi: {"network": "mlp", "hyper": {"depth": 3, "nonlinearity": phi}} for phi in ("relu", "erf")}
    cnn = {
        depth: {"network": "cnn", "hyper": {"depth": depth, "nonlinearity": "relu", "pooling": "average"}}
        for depth in (2, 3)
    }
    return {
        **{f"MLP, 3 hidden layers, {phi}": (vectors, settings) for phi, settings in mlp.items()},
        **{f"CNN, {d} layers 3 × 3, relu, average pooling": (images, settings) for d, settings in cnn.items()},
    }


def compare(name: str, x: np.ndarray, settings: dict, repeats: int, starts: int) -> None:
    """Print one case."""
    peer = neural_tangents()
    script = "infinite_kernels_neural_tangents.py"
    both = {OURS: Side(ourselves(), "infinite_kernels_ntkviz.py"), PEER: Side(peer, script)}
    sides = both | {PEER_32: Side(peer, script, {"precision": "float32"})}
    turns = both, dict(reversed(both.items()))  # the first to run has the processor as the start left it
    first, *others = (
        side_by_side(turns[start % 2] if start else sides, {"x": x}, settings, repeats=repeats)
        for start in range(starts)
    )

    def typical(side: str) -> tuple[float, float, float]:
        runs = [run[side] for run in (first, *others) if side in run]
        quantities = [(m.median, m.compilation, m.peak_memory - m.started) for m in runs]
        seconds, compilation, memory = np.median(quantities, axis=0)
        return float(seconds), float(compilation), float(memory)

    inputs = f"{len(x)} × {len(x)} inputs of shape {x.shape[1:]}"
    print(f"{name}; {inputs}, medians of {repeats} calls of {starts} processes each")
    for side, m in first.items():
        seconds, compilation, memory = typical(side)
        apart = max(_difference(m, first[PEER], kernel) for kernel in ("nngp", "ntk"))
        print(
            f"  {side:16} {1e3 * seconds:8.1f} ms   compile {compilation:5.2f} s   memory {memory:5.0f} MB   "
            f"largest difference {apart:.0e}   on {m.device}"
        )
    seconds, compilation, memory = np.divide(typical(OURS), typical(PEER))
    print(f"  {'ratio':16} {seconds:8.2f}      compile {compilation:5.2f}     memory {memory:5.2f}\n", flush=True)


def _difference(one: Measured, other: Measured, kernel: str) -> float:
    """The largest difference of two kernels, relative to the largest entry."""
    a, b = one.results[kernel], other.results[kernel]
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)))


def memory_of_growing_batches(sizes: list[int]) -> None:
    """Print the peak memory of `infinite_ntk` for growing batches, also without the two kernels that it returns."""
    settings = {"network": "mlp", "hyper": {"depth": 3, "nonlinearity": "relu"}}
    print("Memory of ntkviz, MLP, inputs of dimension 784, in MB")
    for size in sizes:
        x = np.random.default_rng(0).normal(size=(size, 784))
        m = side_by_side({OURS: Side(ourselves(), "infinite_kernels_ntkviz.py")}, {"x": x}, settings, repeats=0)[OURS]
        result = sum(kernel.nbytes for kernel in m.results.values()) / 1024**2
        grown = m.peak_memory - m.started
        print(f"  {size:5} inputs: {grown:6.0f}, result {result:6.0f}, the rest {grown - result:6.0f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--repeats", type=int, default=8, help="calls of a process after the first")
    parser.add_argument("--starts", type=int, default=5, help="processes of each")
    parser.add_argument("--small", action="store_true", help="tiny inputs, for a quick trial")
    options = parser.parse_args()
    for name, (x, settings) in cases(options.small).items():
        if options.only in name:
            compare(name, x, settings, options.repeats, options.starts)
    memory_of_growing_batches([20, 40] if options.small else [500, 2000, 4000])


if __name__ == "__main__":
    main()
