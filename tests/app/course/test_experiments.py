"""The experiments of Figure 1 measure what their descriptions say."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import Experiment, experiments


def test_experiment_measures_the_relative_frobenius_deviation():
    x = np.random.default_rng(0).normal(size=(3, 4))
    [expected] = nv.deviation(nv.architectures.mlp(), x, widths=[32], seeds=[5])
    assert Experiment(nv.architectures.mlp(), x).distances(32, 5) == pytest.approx((expected.relative_frobenius,))


def test_wide_networks_are_virtual_and_need_little_memory():
    arch, x = nv.architectures.mlp(depth=1), np.random.default_rng(0).normal(size=(1, 4))
    experiment, width = Experiment(arch, x), Experiment.WIDEST_REAL + 1
    deviation = nv.virtual_ntk(arch, x, width=width, key=3) / nv.infinite_ntk(arch, x).ntk - 1
    assert experiment.distances(width, 3) == pytest.approx((abs(deviation.item()),))
    assert experiment.fluctuation.c == nv.fluctuation(arch, x).c
    two_layers = Experiment(nv.architectures.mlp, x)
    assert two_layers.cost(width) == nv.cost(nv.virtual_ntk, two_layers.arch, x, width=width, key=0)
    assert two_layers.cost(32) == nv.cost(nv.empirical_ntk, two_layers.arch, x, width=32, key=0)
    assert two_layers.cost(width).memory < 0.1 * two_layers.cost(Experiment.WIDEST_REAL).memory


def test_only_a_failing_check_adds_the_distance_to_the_shortcut():
    """Chapter 7's example: 4C² + 8Cξξ̄ is the limit, 4C² + 4Cξξ̄ the answer of gradient independence."""
    xi = np.array([[0.7], [-0.4]])
    c, product = 1 + xi @ xi.T, xi @ xi.T
    correct, shortcut = 4 * c**2 + 8 * c * product, 4 * c**2 + 4 * c * product
    experiment = Experiment(nv.architectures.mean_readout_mlp(), xi)
    assert np.array(experiment.answers) == pytest.approx(np.array([correct, shortcut]), abs=1e-9)
    found = experiment.distances(16, 0)
    sample = nv.empirical_ntk(experiment.arch, xi, width=16, key=0)
    for answer, distance in zip(experiment.answers, found, strict=True):
        assert distance == pytest.approx(np.linalg.norm(sample - answer) / np.linalg.norm(answer))


def test_every_architecture_of_the_library_has_an_experiment():
    assert {e.arch.fn.__name__ for e in experiments().values()} == set(nv.architectures.__all__)
    assert [experiments()[name].x.shape for name in ("RNN", "Transformer", "BatchNorm")] == [(2, 7, 100)] * 2 + [
        (12, 64)
    ]
    first, second = experiments()["RNN"].x
    assert np.array_equal(first[0], second[0])  # "the" is one word
    assert not np.array_equal(first[1], second[1])
