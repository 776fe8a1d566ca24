"""The limit kernels of ntkviz beside those of neural-tangents: how far apart, how long, and in how much memory.

    .venv/bin/python benchmarks/infinite_kernels.py

Both calculate the NNGP and the NTK of one batch with itself in float64, from and to NumPy arrays, each in a process of
its own and in turns. Written as "ntk" in both: N(0, 1) parameters times σ, no bias in the readout. `compile` is how
much longer the first call took than the median of the others; nothing is kept from other runs. `memory` is the peak of
the process less what it held before the first call. neural-tangents' default precision, float32, is shown for
comparison. The first run installs neural-tangents into `.cache/peers`.

Afterwards the memory of ntkviz alone is measured for growing batches of the MLP: it calculates in blocks, so that
beside the two kernels themselves it should stay what it is.
"""

from __future__ import annotations

import argparse

import numpy as np
from peers.environment import neural_tangents, ourselves
from peers.side_by_side import Measured, Side, side_by_side

OURS, PEER, PEER_32 = "ntkviz", "neural-tangents", "  in float32"


def cases(small: bool) -> dict[str, tuple[np.ndarray, dict]]:
    """Inputs and networks by name; `small` for a trial."""
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


def compare(name: str, x: np.ndarray, settings: dict, repeats: int) -> dict[str, Measured]:
    """One case, printed."""
    peer = neural_tangents()
    script = "infinite_kernels_neural_tangents.py"
    sides = {
        OURS: Side(ourselves(), "infinite_kernels_ntkviz.py"),
        PEER: Side(peer, script),
        PEER_32: Side(peer, script, {"precision": "float32"}),
    }
    measured = side_by_side(sides, {"x": x}, settings, repeats=repeats)
    print(f"{name}; {len(x)} × {len(x)} inputs of shape {x.shape[1:]}, median of {repeats}")
    for side, m in measured.items():
        apart = max(_difference(m, measured[PEER], kernel) for kernel in ("nngp", "ntk"))
        print(
            f"  {side:16} {1e3 * m.median:8.1f} ms   compile {m.compilation:5.2f} s   "
            f"memory {m.peak_memory - m.started:5.0f} MB   largest difference {apart:.0e}   on {m.device}"
        )
    ours, theirs = measured[OURS], measured[PEER]
    print(
        f"  {'ratio':16} {ours.median / theirs.median:8.2f}      compile {ours.compilation / theirs.compilation:5.2f}"
        f"     memory {(ours.peak_memory - ours.started) / (theirs.peak_memory - theirs.started):5.2f}\n",
        flush=True,
    )
    return measured


def _difference(one: Measured, other: Measured, kernel: str) -> float:
    """The largest difference of two kernels, relative to the largest entry."""
    a, b = one.results[kernel], other.results[kernel]
    return float(np.max(np.abs(a - b)) / np.max(np.abs(b)))


def memory_of_growing_batches(sizes: list[int]) -> None:
    """Peak memory of `infinite_ntk` for more and more inputs, less the two kernels that it returns."""
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
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--small", action="store_true", help="tiny inputs, for a trial")
    options = parser.parse_args()
    for name, (x, settings) in cases(options.small).items():
        if options.only in name:
            compare(name, x, settings, options.repeats)
    memory_of_growing_batches([20, 40] if options.small else [500, 2000, 4000])


if __name__ == "__main__":
    main()
