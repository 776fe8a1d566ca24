"""Figure 1 of Tensor Programs II: the NTK of wide random networks approaches its limit as 1/√n.

    .venv/bin/python benchmarks/figure_1.py

prints the relative Frobenius deviation ‖Θ_n − Θ‖/‖Θ‖ of an RNN, a Transformer and a perceptron with
batch normalisation, a mean over 10 random networks at each width 64 … 8192, beside c/√n with c
fitted, and whether every mean lies within a factor of 2 of the original's curve. It writes every
network's deviation to `benchmarks/figure_1.csv`. `--seeds` and `--largest-width` make it shorter,
`--only RNN` selects networks, and `--out` names another file.

The networks are those of the original, in its parametrization (`ntk4a`). The data are as close to
the original's as is possible without a download: the RNN and the Transformer read the same two
sentences, with a Gaussian vector for each word instead of its GloVe vector; the two batches, of 7
and 5 images as in the original, are handwritten digits instead of CIFAR-10.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_digits

import ntkviz as nv
from ntkviz.kernels.results import Deviation, DeviationTable

HERE = Path(__file__).parent
WIDTHS = (64, 128, 256, 512, 1024, 2048, 4096, 8192)
SENTENCES = "The brown fox jumps over the dog", "The quick brown fox jumps over the lazy dog"


class Curve(NamedTuple):
    """A curve of the figure: a network, its batches of inputs, and where the original's curve starts at width 64."""

    arch: nv.Architecture
    batches: list[Any]
    original_at_64: float


def embedded(sentences: tuple[str, ...], dimension: int = 100) -> list[np.ndarray]:
    """Each sentence as `(words, dimension)`; a word has the same vector wherever it occurs."""
    rng = np.random.default_rng(0)
    words = sorted({word for sentence in sentences for word in sentence.lower().split()})
    vectors = {word: rng.standard_normal(dimension) for word in words}
    return [np.stack([vectors[word] for word in sentence.lower().split()]) for sentence in sentences]


def curves() -> dict[str, Curve]:
    """The three networks of the figure."""
    a, form = nv.architectures, "ntk4a"
    text, images = embedded(SENTENCES), load_digits().data
    rnn = a.rnn(pooling="average", sigma_u=2**0.5, sigma_b=0.2**0.5, parametrization=form)
    return {
        "RNN": Curve(rnn, [text], 0.2),
        "Transformer": Curve(a.transformer(parametrization=form), [text], 0.15),
        "BatchNorm+ReLU": Curve(a.batchnorm_mlp(parametrization=form), [images[:7], images[7:12]], 0.5),
    }


def among_all(kernel: Callable[[Any, Any], Any], batches: list[Any]) -> np.ndarray:
    """The kernel of the inputs of all batches: of every batch with itself, and between any two."""
    rows = [[kernel(one, None if other is one else other) for other in batches] for one in batches]
    return np.block([[np.asarray(block, dtype=float) for block in row] for row in rows])


def limit(curve: Curve) -> np.ndarray:
    """The NTK at infinite width."""
    return among_all(lambda one, other: nv.infinite_ntk(curve.arch, one, other).ntk, curve.batches)


def sample(curve: Curve, width: int, seed: int) -> np.ndarray:
    """The NTK of one random network; the same seed gives the same network for every pair of batches."""
    return among_all(lambda one, other: nv.empirical_ntk(curve.arch, one, other, width=width, key=seed), curve.batches)


def deviations(curve: Curve, widths: list[int], seeds: int) -> Iterator[Deviation]:
    """The points of a curve."""
    ntk = limit(curve)
    for seed in range(seeds):
        for width in widths:
            distance = np.linalg.norm(sample(curve, width, seed) - ntk) / np.linalg.norm(ntk)
            yield Deviation(width, seed, round(float(distance), 6))


def report(name: str, curve: Curve, table: DeviationTable) -> str:
    """The printed lines of one curve."""
    means = table.means()
    root = {width: width**0.5 for width in means}
    c = float(np.exp(np.mean([np.log(mean * root[width]) for width, mean in means.items()])))
    original = {width: curve.original_at_64 * root[64] / root[width] for width in means}
    near = all(0.5 < means[width] / original[width] < 2 for width in means)
    lines = [
        (name, means.values(), f"{table.slope():8.2f}"),
        (f"  {c:.2f}/√n", [c / root[width] for width in means], ""),
        ("  original", original.values(), f"   {'within' if near else 'NOT within'} a factor of 2"),
    ]
    return "\n".join(f"{what:16}" + "".join(f"{y:8.4f}" for y in ys) + end for what, ys, end in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--largest-width", type=int, default=WIDTHS[-1])
    parser.add_argument("--only", nargs="+", metavar="NETWORK", choices=list(curves()), default=list(curves()))
    parser.add_argument("--out", type=Path, default=HERE / "figure_1.csv")
    options = parser.parse_args()
    widths = [w for w in WIDTHS if w <= options.largest_width]
    print("network         " + "".join(f"{w:>8}" for w in widths) + "   slope")
    with options.out.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["network", *Deviation._fields])
        for name in options.only:
            curve = curves()[name]
            table = DeviationTable(deviations(curve, widths, options.seeds))
            writer.writerows([name, *row] for row in table)
            print(report(name, curve, table), flush=True)


if __name__ == "__main__":
    main()
