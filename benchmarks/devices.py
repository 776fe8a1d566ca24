"""The same calls on the processor and on the accelerator that JAX finds: time, compilation, agreement.

    .venv/bin/python benchmarks/devices.py

No call says where it runs: unless `JAX_PLATFORMS` is set, JAX uses a GPU if it finds one, and the engine is the same
code. Limit kernels are in float64 on both devices; a finite network has the same parameters on both, in float32. The
two sides run in separate processes that alternate, from and to NumPy arrays, so that copying to and from the
accelerator is part of a call. `apart` is the largest difference, relative to the largest entry. Without an accelerator,
both are the processor. The results of a machine with 16 cores and an H100 are in `devices.txt`.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from peers.environment import ourselves
from peers.parameters import parameters
from peers.side_by_side import Side, side_by_side

MLP = {"depth": 3, "nonlinearity": "relu"}
CNN = {"depth": 3, "nonlinearity": "relu", "pooling": "average"}
RNN = {"pooling": "average"}
LIMITS: list[tuple[str, str, tuple[int, ...], dict[str, Any]]] = [
    ("MLP, 3 hidden layers, 500 inputs", "mlp", (500, 784), MLP),
    ("MLP, 3 hidden layers, 4000 inputs", "mlp", (4000, 784), MLP),
    ("CNN, 3 layers, average pooling, 10 images", "cnn", (10, 16, 16, 3), CNN),
    ("RNN, 100 steps, 40 inputs", "rnn", (40, 100, 10), RNN),
    ("Transformer, 16 tokens, 50 inputs", "transformer", (50, 16, 10), {}),
    ("BatchNorm, depth 2, batches of 16", "batchnorm_mlp", (16, 20), {"depth": 2}),
]
NETWORKS: list[tuple[str, str, int, tuple[int, ...], dict[str, Any]]] = [
    ("MLP, width 2048, 20 inputs", "mlp", 2048, (20, 64), MLP),
    ("RNN, 100 steps, width 512, 20 inputs", "rnn", 512, (20, 100, 10), RNN),
    ("Transformer, width 512, 20 inputs", "transformer", 512, (20, 16, 10), {}),
]


def compare(name: str, script: str, inputs: dict[str, np.ndarray], settings: dict[str, Any]) -> None:
    """Print a line for each device."""
    sides = {platform or "default": Side(ourselves(), script, platform=platform) for platform in ("cpu", None)}
    measured = side_by_side(sides, inputs, settings, repeats=5)
    cpu = measured["cpu"]
    print(name)
    for side in measured.values():
        apart = max(np.max(np.abs(side.results[k] - r)) / np.max(np.abs(r)) for k, r in cpu.results.items())
        print(
            f"  {side.device:30}{1e3 * side.median:9.1f} ms{cpu.median / side.median:8.2f}×"
            f"   compiling {side.compilation:5.1f} s   apart {apart:.0e}",
            flush=True,
        )


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    random = np.random.default_rng(0)
    for name, network, shape, hyper in LIMITS:
        x1, x2 = random.normal(size=(2, *shape))
        compare(name, "limits_ntkviz.py", {"x1": x1, "x2": x2}, {"network": network, "hyper": hyper})
    for name, network, width, shape, hyper in NETWORKS:
        x = random.normal(size=shape)
        inputs = {"x": x, **parameters(network, width, x, hyper)}
        compare(name, "empirical_ntkviz.py", inputs, {"network": network, "width": width, "hyper": hyper})


if __name__ == "__main__":
    main()
