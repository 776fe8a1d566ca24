"""The complete table of deviations: how far random networks are from their limit, for every architecture.

    .venv/bin/python benchmarks/deviation_table.py

prints the relative Frobenius deviation ‖Θ_n − Θ‖/‖Θ‖ of each architecture, a mean over 20 random
networks at each width 64 … 4096, with its log–log slope (theory: −1/2), in both parametrizations
(which agree where every σ is 1 and there is no bias), and writes every network's deviation to
`benchmarks/deviation_table.csv`. Where the Simple GIA Check fails, Θ is the correct limit; a second
table then shows the distance to the answer of the gradient independence assumption instead, which
stops falling because that answer is wrong.

Takes about half an hour on two cores. `--seeds` and `--largest-width` make it shorter, `--only rnn gru`
selects architectures, and `--out` names another file.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import ntkviz as nv
from ntkviz.kernels.results import Deviation, DeviationTable

HERE = Path(__file__).parent
WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096)
PARAMETRIZATIONS = ("ntk", "ntk4a")


class Row(NamedTuple):
    """An architecture and a small batch of inputs."""

    arch: nv.Architecture
    x: Any


def rows() -> dict[str, Row]:
    """Every architecture of the library; the first word of a row's name is the architecture's."""
    rng = np.random.default_rng(0)
    vectors, sequences = rng.standard_normal((4, 6)), rng.standard_normal((3, 4, 5))
    edges = np.triu(rng.random((3, 5, 5)) < 0.5, 1).astype(float)
    graphs = rng.standard_normal((3, 5, 4)), edges + edges.transpose(0, 2, 1)
    # In a small batch, some coordinates are almost equal in all rows; batchnorm divides by their spread,
    # so the deviation has heavy tails.
    batch = rng.standard_normal((10, 12))
    a = nv.architectures
    return {
        "mlp": Row(a.mlp, vectors),
        "resnet": Row(a.resnet, vectors),
        "layernorm_mlp": Row(a.layernorm_mlp, vectors),
        "batchnorm_mlp": Row(a.batchnorm_mlp, batch),
        "cnn 1-D, flattened": Row(a.cnn, rng.standard_normal((3, 6, 2))),
        "cnn 2-D, averaged": Row(a.cnn(pooling="average"), rng.standard_normal((2, 3, 3, 2))),
        "rnn, last state": Row(a.rnn, sequences),
        "rnn, averaged": Row(a.rnn(pooling="average"), sequences),
        "gru": Row(a.gru, sequences[:2, :2]),
        "lstm": Row(a.lstm, sequences[:2, :2]),
        "transformer": Row(a.transformer, sequences),
        "attention, tied": Row(a.attention(heads=2, tied=True), sequences),
        "attention, untied": Row(a.attention(heads=2), sequences),
        "gcn": Row(a.gcn, graphs),
        "tied_autoencoder": Row(a.tied_autoencoder, vectors),
        "mean_readout_mlp": Row(a.mean_readout_mlp, vectors),
        "tied_readout": Row(a.tied_readout, vectors),
    }


class Measured(NamedTuple):
    """One random network: the distance of its NTK from the correct limit, and from the GIA's answer if that differs."""

    width: int
    seed: int
    relative_frobenius: float
    from_gia_answer: float | None = None


def measured(row: Row, widths: list[int], seeds: int) -> Iterator[Measured]:
    """Sample networks of every width; both distances of one network come from one sample."""
    limits = [nv.infinite_ntk(*row).ntk]
    if not nv.simple_gia_check(*row).passes:
        limits.append(nv.infinite_ntk(*row, assume_gia=True).ntk)
    for seed in range(seeds):
        for width in widths:
            sample = np.asarray(nv.empirical_ntk(*row, width=width, key=seed), dtype=float)
            distances = [float(np.linalg.norm(sample - limit) / np.linalg.norm(limit)) for limit in limits]
            yield Measured(width, seed, *(round(distance, 6) for distance in distances))


def heading(widths: list[int]) -> str:
    """The first line of a printed table."""
    return "architecture".ljust(20) + "".join(f"{w:>8}" for w in widths) + "   slope"


def line(name: str, table: DeviationTable) -> str:
    """A row of a printed table."""
    return f"{name:20}" + "".join(f"{mean:8.4f}" for mean in table.means().values()) + f"{table.slope():8.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--largest-width", type=int, default=WIDTHS[-1])
    parser.add_argument("--only", nargs="+", metavar="ARCHITECTURE", choices=nv.architectures.__all__)
    parser.add_argument("--out", type=Path, default=HERE / "deviation_table.csv")
    options = parser.parse_args()
    widths = [w for w in WIDTHS if w <= options.largest_width]
    chosen = {name: row for name, row in rows().items() if not options.only or row.arch.__name__ in options.only}
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["parametrization", "architecture", *Measured._fields])
        for parametrization in PARAMETRIZATIONS:
            print(f"parametrization {parametrization}", heading(widths), sep="\n")
            from_gia = []
            for name, row in chosen.items():
                found = list(measured(Row(row.arch(parametrization=parametrization), row.x), widths, options.seeds))
                writer.writerows([parametrization, name, *one] for one in found)
                file.flush()
                print(line(name, DeviationTable(Deviation(*one[:3]) for one in found)), flush=True)
                if found[0].from_gia_answer is not None:
                    table = DeviationTable(Deviation(one.width, one.seed, one.from_gia_answer) for one in found)
                    from_gia.append(line(name, table))
            print("from the answer of gradient independence", *from_gia, sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
