"""The predicted width at which networks are 1 % from their limit, and the measured distance of networks of that width.

    .venv/bin/python benchmarks/required_width.py

asks `nv.width_for` how wide a network has to be for a mean distance of 1 %, and then samples virtual networks of that
width: `benchmarks/required_width.csv` has the mean of ‖Θ_n − Θ‖_F/‖Θ‖_F, in percent, with its standard error. One
network passes the Simple GIA Check with independent matrices, one shares its matrix over time, and one fails the check.
Takes a few minutes on two cores; at these widths, networks with real matrices would need up to 90 GB each.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

import ntkviz as nv

HERE = Path(__file__).parent
RELATIVE = 0.01
rng = np.random.default_rng(0)


def on_the_sphere(*shape: int) -> np.ndarray:
    """Random inputs with ‖x‖² = d."""
    x = rng.standard_normal(shape)
    return x / np.sqrt((x**2).mean(-1, keepdims=True))


VECTORS, SEQUENCES = on_the_sphere(3, 6), on_the_sphere(2, 4, 5)
NETWORKS = {
    "relu MLP of depth 3": (nv.architectures.mlp(depth=3), VECTORS),
    "RNN, erf": (nv.architectures.rnn(sigma_w=1.2, sigma_b=0.3), SEQUENCES),
    "tied readout, relu": (nv.architectures.tied_readout, VECTORS),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=400, help="virtual networks of each architecture")
    parser.add_argument("--out", type=Path, default=HERE / "required_width.csv")
    options = parser.parse_args()
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("architecture", "width", "error", "networks", "percent", "standard_error"))
        for name, (arch, x) in NETWORKS.items():
            wanted, limit = nv.width_for(arch, x, relative=RELATIVE), nv.infinite_ntk(arch, x).ntk
            ntks = [nv.virtual_ntk(arch, x, width=wanted.width, key=key) for key in range(options.networks)]
            found = 100 * np.linalg.norm(np.stack(ntks) - limit, axis=(1, 2)) / np.linalg.norm(limit)
            mean, error = found.mean(), found.std(ddof=1) / len(found) ** 0.5
            line = (name, wanted.width, round(wanted.error), len(found), round(mean, 4), round(error, 4))
            writer.writerow(line)
            file.flush()
            print(*line, sep="  ", flush=True)


if __name__ == "__main__":
    main()
