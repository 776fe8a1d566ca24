"""Limits of scalars: by hand, against samples of the Z's, and their refusals."""

import numpy as np
import pytest

import ntkviz as nv

TOKENS = np.random.default_rng(0).normal(size=(1, 4, 6))


def attention_indices(program):
    return [line.index for line in program.lines() if "softmax" in line.formula_text]


def test_first_attention_map_is_a_softmax_of_the_data():
    program = nv.program(nv.architectures.transformer(temperature=0.3, sigma_u=1.2), TOKENS)
    [index] = attention_indices(program)
    scores = 1.2**2 * TOKENS[0] @ TOKENS[0].T / 6 / 0.3
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    assert np.asarray(nv.limit_scalars(program)[index])[0] == pytest.approx(weights, abs=1e-12)


def test_all_scalars_of_two_layers_agree_with_sampled_ones():
    program = nv.program(nv.architectures.transformer(depth=2), TOKENS).unrolled()
    exact, sampled = nv.limit_scalars(program), nv.limit_law(program).scalars
    assert exact.keys() == sampled.keys()
    assert len(attention_indices(program)) == 2
    for index, value in exact.items():
        assert value.shape == program.instructions[index].shape
        assert np.asarray(value) == pytest.approx(np.asarray(sampled[index]), abs=2e-3, rel=2e-3)


def test_moving_a_hyper_parameter_compiles_nothing(compilations):
    nv.limit_scalars(nv.program(nv.architectures.transformer(temperature=0.7), TOKENS))
    with compilations() as count:
        nv.limit_scalars(nv.program(nv.architectures.transformer(temperature=0.9, sigma_u=2.0), TOKENS + 1))
    assert count() == 0


def test_refusals():
    with pytest.raises(nv.HyperparameterError, match="Expected a program"):
        nv.limit_scalars(nv.architectures.transformer())

    @nv.architecture
    def returning(net, xi):
        W, x = net.matrix("W"), net.input("U", xi)
        return net.readout("v", nv.relu(x) * nv.moment(nv.relu(W.T @ nv.relu(W @ x))))

    with pytest.raises(nv.NoForwardLimitError, match="transpose"):
        nv.limit_scalars(nv.program(returning, [[0.7]]))
