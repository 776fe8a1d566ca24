"""The experiment of Figure 1 for every architecture: a network, small inputs, and its kernel's distance from the limit.

The first three are those of the figure, made faster for a page and with data that need no download: the RNN and the
Transformer read the first seven words of the figure's two sentences, with a Gaussian vector for each word instead of
its GloVe vector; one batch of 12 handwritten digits replaces the figure's batches of 7 and 5 CIFAR-10 images.
`benchmarks/figure_1.py` uses the whole sentences and both batches.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ... import architectures as library
from ...convergence import relative_frobenius
from ...distant.readings import read, reading
from ...execution.cost import Cost
from ...kernels.results import Fluctuation
from ...language.architecture import Architecture
from ...language.gradients.gia import simple_gia_check
from .data import every_digit

SENTENCES = "The brown fox jumps over the dog", "The quick brown fox jumps over the"


@dataclass(frozen=True, eq=False)
class Experiment:
    """One architecture and its inputs.

    - `arch`: the network.
    - `x`: a batch of inputs.
    - `WIDEST_REAL`: the largest width at which matrices are sampled; wider networks are virtual.
    """

    WIDEST_REAL: ClassVar[int] = 4096
    arch: Architecture
    x: Any

    @functools.cached_property
    def answers(self) -> tuple[np.ndarray, ...]:
        """The limit Θ of the NTK and, if the Simple GIA Check fails, also the answer of the GIA."""
        ways = (False,) if simple_gia_check(self.arch, self.x).passes else (False, True)
        return tuple(read("infinite_ntk", self.arch, self.x, assume_gia=gia).ntk for gia in ways)

    @functools.cached_property
    def fluctuation(self) -> Fluctuation:
        """The predicted distance of wide networks from the limit."""
        found: Fluctuation = read("fluctuation", self.arch, self.x)
        return found

    def distances(self, width: int, seed: int) -> tuple[float, ...]:
        """‖Θ_n − Θ‖_F / ‖Θ‖_F of one random network, for each of `answers`; of a virtual one beyond `WIDEST_REAL`."""
        name = ntk_of_network(virtual=width > self.WIDEST_REAL)
        sample = np.asarray(read(name, self.arch, self.x, width=width, key=seed), dtype=float)
        return tuple(relative_frobenius(sample, theta) for theta in self.answers)

    def cost(self, width: int) -> Cost:
        """The memory and time that one network of this width needs."""
        return network_cost(self.arch, self.x, width, virtual=width > self.WIDEST_REAL)


@functools.cache
def experiments(parametrization: str = "ntk4a") -> dict[str, Experiment]:
    """Every experiment by name; Figure 1 of Yang (2020) was made with the parametrization `ntk4a`."""
    rng = np.random.default_rng(0)
    vectors, sequences, images = rng.normal(size=(4, 6)), rng.normal(size=(2, 3, 5)), rng.normal(size=(2, 3, 3, 2))
    edges = np.triu(rng.random((3, 5, 5)) < 0.5, 1).astype(float)
    graphs = rng.normal(size=(3, 5, 4)), edges + edges.transpose(0, 2, 1)
    text = _embedded(SENTENCES)
    rows: dict[str, tuple[Architecture, Any]] = {
        "RNN": (library.rnn(pooling="average", sigma_u=2**0.5, sigma_b=0.2**0.5), text),
        "Transformer": (library.transformer, text),
        "BatchNorm": (library.batchnorm_mlp, every_digit()[0][:12]),
        "MLP": (library.mlp, vectors),
        "ResNet": (library.resnet, vectors),
        "LayerNorm": (library.layernorm_mlp, vectors),
        "CNN": (library.cnn(pooling="average"), images),
        "graph network": (library.gcn, graphs),
        "attention": (library.attention(heads=2), sequences),
        "GRU": (library.gru, sequences),
        "LSTM": (library.lstm, sequences),
        "tied autoencoder": (library.tied_autoencoder, vectors),
        "mean readout": (library.mean_readout_mlp, vectors),
        "tied readout": (library.tied_readout, vectors),
    }
    return {name: Experiment(arch(parametrization=parametrization), x) for name, (arch, x) in rows.items()}


def ntk_of_network(virtual: bool) -> str:
    """The name of the reading that samples one network and computes its NTK."""
    return "virtual_ntk" if virtual else "empirical_ntk"


def network_cost(arch: Architecture, x: Any, width: int, *, virtual: bool) -> Cost:
    """The memory and time that the NTK of one network of this width needs."""
    cost: Cost = read("cost", reading(ntk_of_network(virtual)), arch, x, width=width, key=0)
    return cost


def _embedded(sentences: tuple[str, ...], dimension: int = 100) -> np.ndarray:
    """Sentences of one length as `(sentences, words, dimension)`; a word has the same Gaussian vector everywhere."""
    rng = np.random.default_rng(0)
    words = sorted({word for sentence in sentences for word in sentence.lower().split()})
    vectors = {word: rng.standard_normal(dimension) for word in words}
    return np.array([[vectors[word] for word in sentence.lower().split()] for sentence in sentences])
