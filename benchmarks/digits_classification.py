"""Handwritten digits classified by infinitely wide networks: the accuracy of NNGP and NTK regression.

    .venv/bin/python benchmarks/digits_classification.py

prints, for each architecture, the share of test digits that are assigned to the right one of ten
classes, and writes `benchmarks/digits_classification.csv`. Targets are one-hot and centred; the NNGP
predicts by its posterior mean without noise, the NTK by the mean at the end of gradient flow.
Training images are drawn at random from the 1797 that ship with scikit-learn. The convolutional
networks, whose kernels compare all pairs of positions, get fewer images, and so does one of the
perceptrons, for comparison. Takes about two minutes on two cores; `--only "mlp relu"` selects rows.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

import ntkviz as nv
from ntkviz import regression

HERE = Path(__file__).parent
CLASSES = range(10)


class Row(NamedTuple):
    """An architecture, the shape of one example, and the numbers of training and test examples."""

    arch: nv.Architecture
    shape: tuple[int, ...]
    train: int
    test: int


def rows() -> dict[str, Row]:
    """Every architecture by name."""
    a = nv.architectures
    vector, image = (64,), (8, 8, 1)
    return {
        "mlp relu": Row(a.mlp(depth=3, nonlinearity="relu"), vector, 500, 1297),
        "mlp erf": Row(a.mlp(depth=3, nonlinearity="erf"), vector, 500, 1297),
        "resnet relu": Row(a.resnet(depth=3, nonlinearity="relu"), vector, 500, 1297),
        "mlp relu, few images": Row(a.mlp(depth=3, nonlinearity="relu"), vector, 200, 400),
        "cnn relu, flattened": Row(a.cnn(depth=2, pooling="flatten"), image, 200, 400),
        "cnn relu, averaged": Row(a.cnn(depth=2, pooling="average"), image, 200, 400),
    }


def accuracies(row: Row, seed: int) -> dict[str, float]:
    """The share of right answers of each kernel."""
    digits = load_digits()
    x = digits.data - digits.data.mean(axis=0)
    x /= np.sqrt(np.mean(x**2, axis=1, keepdims=True))
    x = x.reshape(-1, *row.shape)
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[: row.train], order[row.train : row.train + row.test]
    targets = regression.one_hot(digits.target[train], CLASSES)
    wide = regression.fit(row.arch, x[train], targets, x[test], covariance=False)
    means = {"nngp": wide.nngp_posterior().mean, "ntk": wide.gradient_flow().mean}
    return {kernel: float(np.mean(mean.argmax(axis=-1) == digits.target[test])) for kernel, mean in means.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="which images are drawn")
    parser.add_argument("--only", nargs="+", metavar="ROW", choices=list(rows()), default=list(rows()))
    options = parser.parse_args()
    print("architecture            train   test    NNGP     NTK")
    with (HERE / "digits_classification.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["architecture", "train", "test", "nngp_accuracy", "ntk_accuracy"])
        for name in options.only:
            row = rows()[name]
            found = accuracies(row, options.seed)
            writer.writerow([name, row.train, row.test, *(f"{share:.4f}" for share in found.values())])
            print(f"{name:22}{row.train:7}{row.test:7}{found['nngp']:8.1%}{found['ntk']:8.1%}", flush=True)


if __name__ == "__main__":
    main()
