"""Calls of the public functions with one argument that is wrong, unusual or extreme.

`CALLS` has a valid call of every function; `ODD` has values of every kind. A call returns a result, or refuses by name
in one sentence; it never raises an error of another type, and never returns NaN.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import ntkviz as nv

from .agreement import is_sentence

X = np.random.default_rng(0).standard_normal((2, 3))
SEQUENCES = np.random.default_rng(0).standard_normal((2, 3, 2))


@nv.architecture
def small(net, x, *, sigma_w=1.0, nonlinearity="relu"):
    """One hidden layer."""
    return net.readout("v", getattr(nv, nonlinearity)(net.input("U", x, std=sigma_w)))


PROGRAM = nv.program(small, X)
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "program": (nv.program, {"arch": small, "x": X}),
    "simple_gia_check": (nv.simple_gia_check, {"arch": small, "x": X}),
    "infinite_ntk": (nv.infinite_ntk, {"arch": small, "x1": X, "x2": X, "method": "auto", "assume_gia": False}),
    "empirical_ntk": (nv.empirical_ntk, {"arch": small, "x1": X, "x2": X, "width": 4, "key": 0}),
    "deviation": (nv.deviation, {"arch": small, "x": X, "widths": [4], "seeds": 1}),
    "gram": (nv.gram, {"arch": small, "x1": X, "x2": X, "block": 2, "progress": False}),
    "sweep": (nv.sweep, {"arch": small, "x": X, "sigma_w": [0.5, 1.0]}),
    "sample_outputs": (nv.sample_outputs, {"arch": small, "x": X, "width": 4, "draws": 2, "key": 0}),
    "empirical_contributions": (
        nv.empirical_contributions,
        {"arch": small, "x1": X[:1], "x2": X[:1], "width": 4, "key": 0},
    ),
    "infinite_contributions": (nv.infinite_contributions, {"arch": small, "x1": X[:1], "x2": X[:1]}),
    "coordinates": (nv.coordinates, {"program": PROGRAM, "width": 4, "key": 0}),
    "limit_law": (nv.limit_law, {"program": PROGRAM}),
    "limit_scalars": (nv.limit_scalars, {"program": PROGRAM}),
    "master_theorem": (
        nv.master_theorem,
        {"program": PROGRAM, "psi": np.square, "vectors": [("g1", 0)], "width": 4, "key": 0},
    ),
    "recurrence": (nv.recurrence, {"arch": nv.architectures.rnn, "x": SEQUENCES, "width": 4, "key": 0}),
    "recurrence_limit": (nv.recurrence_limit, {"arch": nv.architectures.rnn, "x": SEQUENCES, "scramble": 0}),
    "half_life": (nv.half_life, {"distance": [1.0, 0.5, 0.25]}),
    "train": (
        nv.train,
        {
            "arch": small,
            "x_train": X,
            "y_train": [1.0, -1.0],
            "x_test": X,
            "width": 4,
            "key": 0,
            "learning_rate": 0.1,
            "steps": [0, 1],
        },
    ),
    "fit": (nv.regression.fit, {"arch": small, "x_train": X, "y_train": [1.0, -1.0], "x_test": X, "covariance": True}),
    "one_hot": (nv.regression.one_hot, {"labels": [0, 1], "classes": [0, 1]}),
    "nonlinearity": (nv.nonlinearity, {"fn": np.tanh, "arity": 1, "smooth": True}),
    "architecture": (nv.architecture, {"fn": lambda net, x, *, a=1: None}),
    "mlp": (
        lambda **hyper: nv.infinite_ntk(nv.architectures.mlp(**hyper), X),
        {"depth": 2, "nonlinearity": "relu", "sigma_w": 1.0, "sigma_b": 0.0, "parametrization": "ntk"},
    ),
    "layernorm_mlp": (
        lambda **hyper: nv.infinite_ntk(nv.architectures.layernorm_mlp(**hyper), X),
        {"depth": 1, "sigma_w": 1.0, "eps": 0.0},
    ),
    "batchnorm_mlp": (lambda x: nv.infinite_ntk(nv.architectures.batchnorm_mlp, x), {"x": np.vstack([np.eye(3)] * 2)}),
    "rnn": (
        lambda **hyper: nv.infinite_ntk(nv.architectures.rnn(**hyper), SEQUENCES),
        {"nonlinearity": "erf", "pooling": "last", "sigma_w": 1.0, "sigma_b": 0.0},
    ),
}

NUMBERS: list[Any] = [0, 1, -1, 2, 3, 0.0, 0.5, -1.5, 1e-320, 1e300, float("nan"), float("inf"), -float("inf"), 10**30]
ARRAYS: list[Any] = [
    np.zeros((2, 3)),
    np.zeros((2, 0)),
    np.zeros((0, 3)),
    np.zeros(()),
    np.zeros((1, 1, 1, 1)),
    np.full((2, 3), np.nan),
    np.full((2, 3), 1e200),
    np.full((2, 3), 1e-200),
    np.ones((2, 3), complex),
    np.ones((2, 3), bool),
    np.ones((2, 3), np.int8),
    np.array([["a", "b"]]),
    np.array([[None, 1]]),
    [[1.0, 2.0], [3.0]],
    [1.0, "a"],
    ([[1.0]], [[1.0], [2.0]]),
    [[0.0, 1.0, 2.0]],
    [[0.0, 1.0, 2.0], [0.0, 1.0, 2.0]],
]
OTHERS: list[Any] = [
    None,
    True,
    "",
    "relu",
    "ntk",
    "σ" * 50,
    b"bytes",
    1j,
    [],
    (),
    {},
    {"a": 1},
    {1, 2},
    [0],
    [1, 1],
    [-1],
    ["g1"],
    [("g1", 0)],
    [("g1", 9)],
    [()],
    object(),
    int,
    lambda: 0,
    lambda *args: args[0],
    range(3),
    iter([1, 2]),
    datetime.date(2020, 1, 1),
    small,
    PROGRAM,
    nv.relu,
    jax.random.key(0),
]
ODD = [*NUMBERS, *ARRAYS, *OTHERS]


ENDLESS = {
    ("deviation", "seeds"),
    ("sample_outputs", "draws"),
    ("train", "steps"),
    ("mlp", "depth"),
    ("layernorm_mlp", "depth"),
}


def odd_values(name: str, argument: str) -> list[Any]:
    """Unusual values of one argument; huge numbers of networks or steps are left out: they are valid, only slow."""
    return [v for v in ODD if (name, argument) not in ENDLESS or not isinstance(v, int) or v < 10]


def problem(name: str, argument: str, value: Any) -> str | None:
    """What is wrong with a function's response to one unusual argument; `None` if nothing is."""
    function, good = CALLS[name]
    try:
        result = function(**good | {argument: value})
    except nv.NtkvizError as refusal:
        return None if is_sentence(str(refusal)) else f"not one sentence: {refusal}"
    except Exception as error:
        if callable(value) and argument in ("psi", "nonlinearity", "progress", "fn"):
            return None  # a function of the caller's that fails says so itself
        return f"{type(error).__name__}: {error}"
    # Training with too large a rate diverges, as its documentation says.
    return None if name == "train" or _has_no_nan(result) else "NaN"


def _has_no_nan(result: Any) -> bool:
    numbers = (leaf for leaf in jax.tree.leaves(result) if isinstance(leaf, float | np.ndarray | jax.Array))
    return not any(np.any(np.isnan(leaf)) for leaf in numbers if np.asarray(leaf).dtype.kind == "f")
