"""Empirical NTKs compared with neural-tangents and with a plain vmapped Jacobian: time, compilation, memory, agreement.

    .venv/bin/python benchmarks/empirical_kernels.py

All sides get the same parameters, in float32; they run in separate processes that alternate, and report their device.
For the MLP of three hidden layers, neural-tangents takes part with each of its implementations (Novak et al. 2022,
arXiv:2206.08720), with and without its option to vmap over inputs, so that its fastest is among them; it is installed
into an environment of its own (`peers/environment.py`). The Jacobian is `vmap(grad)` of a network written by hand,
flattened, and the kernel is J Jᵀ. Memory is the peak of a process minus what it held before its first call. Takes two
minutes; `--only rnn` runs one network.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from peers.environment import neural_tangents, ourselves
from peers.parameters import parameters
from peers.side_by_side import Side, side_by_side

MLP = {"depth": 3, "nonlinearity": "relu", "sigma_w": 1.5, "sigma_b": 0.1, "sigma_v": 1.2}
RNN = {"sigma_w": 1.3, "sigma_u": 1.0, "sigma_b": 0.3, "sigma_v": 1.1}
TRANSFORMER = {"depth": 2, "sigma_u": 1.1, "sigma_w": 1.3, "sigma_v": 1.0, "temperature": 0.8}
CASES: list[tuple[str, int, tuple[int, ...], dict[str, Any], dict[str, Any]]] = [
    ("mlp", 512, (20, 64), MLP, {}),
    ("mlp", 2048, (20, 64), MLP, {}),
    ("rnn", 512, (20, 100, 10), RNN, {"pooling": "average"}),
    ("transformer", 512, (20, 16, 10), TRANSFORMER, {}),
]
IMPLEMENTATIONS = ("JACOBIAN_CONTRACTION", "NTK_VECTOR_PRODUCTS", "STRUCTURED_DERIVATIVES")


def sides(network: str, options: dict[str, Any]) -> dict[str, Side]:
    """The implementations that take part for a network; neural-tangents takes part for the MLP only."""
    ours = {"ntkviz": Side(ourselves(), "empirical_ntkviz.py", {"options": options})}
    jacobian = {"vmapped Jacobian": Side(ourselves(), "empirical_jacobian.py")}
    if network == "rnn":
        written_out = Side(ourselves(), "empirical_jacobian.py", {"written_out": True})
        return ours | jacobian | {"vmapped Jacobian, steps written out": written_out}
    if network != "mlp":
        return ours | jacobian
    peers = {
        f"neural-tangents {name.lower()}{', vmap' if axes == 0 else ''}": Side(
            neural_tangents(), "empirical_neural_tangents.py", {"implementation": name, "vmap_axes": axes}
        )
        for name in IMPLEMENTATIONS
        for axes in (None, 0)
    }
    return ours | jacobian | peers


def compare(network: str, width: int, shape: tuple[int, ...], hyper: dict[str, Any], options: dict[str, Any]) -> None:
    """Print a line for each side."""
    x = np.random.default_rng(0).normal(size=shape)
    settings = {"network": network, "width": width, "hyper": hyper}
    measured = side_by_side(
        sides(network, options), {"x": x, **parameters(network, width, x, hyper | options)}, settings, repeats=7
    )
    ours = measured["ntkviz"]
    size = np.max(np.abs(ours.results["ntk"]))
    print(
        f"{network}, width {width}, inputs {shape}; the kernel itself takes {ours.results['ntk'].nbytes / 1e3:.1f} kB"
    )
    for name, side in measured.items():
        apart = np.max(np.abs(side.results["ntk"] - ours.results["ntk"])) / size
        print(
            f"  {name:48}{1e3 * side.median:9.1f} ms{side.median / ours.median:7.1f}×"
            f"   compiling {side.compilation:5.1f} s{side.peak_memory - side.started:8.0f} MB"
            f"   apart {apart:.0e}   on {side.device}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="one network of mlp, rnn, transformer")
    only = parser.parse_args().only
    for case in CASES:
        if only in (None, case[0]):
            compare(*case)


if __name__ == "__main__":
    main()
