"""The whole table of deviations: how far random networks are from their limit, for every architecture.

    python benchmarks/deviation_table.py

prints each architecture's mean relative Frobenius deviation ‖Θ_n − Θ‖/‖Θ‖ over 10 seeds at widths
64 … 4096, with its log–log slope (theory: −1/2), and writes `benchmarks/deviation_table.csv`.
`--seeds` and `--largest-width` make it shorter, `--only rnn cnn` picks rows.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

import ntkviz as nv
from ntkviz.readings.deviation import Deviation

HERE = Path(__file__).parent


def rows() -> dict[str, tuple[nv.Architecture, Any]]:
    """Every architecture of the library with a small batch of inputs."""
    rng = np.random.default_rng(0)
    vectors, sequences = rng.standard_normal((4, 6)), rng.standard_normal((3, 4, 5))
    edges = np.triu(rng.random((3, 5, 5)) < 0.5, 1).astype(float)
    graphs = rng.standard_normal((3, 5, 4)), edges + edges.transpose(0, 2, 1)
    a = nv.architectures
    return {
        "mlp": (a.mlp(), vectors),
        "resnet": (a.resnet(), vectors),
        "layernorm_mlp": (a.layernorm_mlp(), vectors),
        "batchnorm_mlp": (a.batchnorm_mlp(), rng.standard_normal((6, 6))),
        "cnn 1-D": (a.cnn(), rng.standard_normal((3, 6, 2))),
        "cnn 2-D": (a.cnn(pooling="average"), rng.standard_normal((2, 3, 3, 2))),
        "rnn": (a.rnn(pooling="average"), sequences),
        "gru": (a.gru(), sequences[:2, :2]),
        "lstm": (a.lstm(), sequences[:2, :2]),
        "transformer": (a.transformer(), sequences),
        "attention": (a.attention(heads=2, tied=True), sequences),
        "gcn": (a.gcn(), graphs),
        "tied_autoencoder": (a.tied_autoencoder(), vectors),
        "mean_readout_mlp": (a.mean_readout_mlp(), vectors),
        "tied_readout": (a.tied_readout(), vectors),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--largest-width", type=int, default=4096)
    parser.add_argument("--only", nargs="+", metavar="ROW", default=list(rows()))
    options = parser.parse_args()
    widths = [w for w in (64, 128, 256, 512, 1024, 2048, 4096) if w <= options.largest_width]
    print("architecture      " + "".join(f"{w:>8}" for w in widths) + "   slope")
    with (HERE / "deviation_table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", *Deviation._fields])
        for name in options.only:
            arch, x = rows()[name]
            table = nv.deviation(arch, x, widths=widths, seeds=options.seeds)
            writer.writerows([name, *row] for row in table)
            cells = "".join(f"{mean:8.4f}" for mean in table.means().values())
            print(f"{name:18}{cells}{table.slope():8.2f}", flush=True)


if __name__ == "__main__":
    main()
