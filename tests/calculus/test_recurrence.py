"""A recurrent network over time: the limit against the gate's closed form, networks, and the forward kernels."""

import numpy as np
import pytest
from scipy.special import erf
from selection import full

import ntkviz as nv
from ntkviz.calculus.half_life import tail
from ntkviz.errors import HyperparameterError, InputError
from ntkviz.networks.sampling import random_key, sample_parameters

STEPS = 6
TOKENS = np.arange(STEPS), np.r_[STEPS, 1:STEPS]
X = np.sqrt(STEPS + 1) * np.eye(STEPS + 1)[[*TOKENS]]
GATED = {"lstm": nv.architectures.lstm(sigma_w=0.0), "gru": nv.architectures.gru(sigma_w=0.0)}
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(64)


@nv.architecture
def bag_of_tokens(net, x):
    """f = vᵀ(mean_t φ(Uξ^t))/√n: no state."""
    return net.readout("v", nv.erf(net.input("U", x)).mean(1))


def averaged(arch, scrambles=8):
    squares = [np.square(nv.recurrence_limit(arch, X, scramble=k).distance) for k in range(scrambles)]
    return np.sqrt(np.mean(squares, axis=0))


def expected(function):
    return float(WEIGHTS @ function(NODES) / WEIGHTS.sum())


@pytest.mark.parametrize("bias", [0.0, 1.0])
@pytest.mark.parametrize("cell", GATED)
def test_without_recurrence_the_trace_shrinks_by_the_gates_root_mean_square(cell, bias):
    gate = expected(lambda z: np.asarray(nv.erf_gate.fn(z + bias)) ** 2) ** 0.5
    if bias == 0:
        assert gate**2 == pytest.approx(0.25 + np.arcsin(2 / 3) / (2 * np.pi))
    distance = averaged(GATED[cell](forget_bias=bias))
    # In a GRU, the first token's memory is only multiplied; an LSTM's is read through φ, whose slope is constant only
    # after one or two steps.
    first = 0 if cell == "gru" else 2
    assert (distance[-1] / distance[first]) ** (1 / (STEPS - 1 - first)) == pytest.approx(gate, rel=0.04)


def test_gates_have_the_law_of_the_limit():
    x, arch = X, nv.architectures.lstm(forget_bias=1.0)
    limit, network = nv.recurrence_limit(arch, x), nv.recurrence(arch, x, width=1024, key=0)
    assert limit.gates.keys() == network.gates.keys() == {"input", "forget", "output", "candidate"}
    assert limit.gates["input"].shape == (STEPS, 2048)
    assert network.gates["forget"].shape == (STEPS - 1, 1024)
    for name, samples in limit.gates.items():
        for statistic in (np.mean, np.std):
            assert statistic(np.asarray(network.gates[name])) == pytest.approx(statistic(np.asarray(samples)), abs=0.02)


@pytest.mark.parametrize("name", ["rnn", full("gru"), full("lstm")])
def test_distances_in_networks_agree_with_the_limit(name):
    arch = getattr(nv.architectures, name)(sigma_b=0.3)
    runs = [nv.recurrence(arch, X, width=1024, key=key).distance for key in range(8)]
    assert np.sqrt(np.mean(np.square(runs), axis=0)) == pytest.approx(averaged(arch), rel=0.12)


def test_the_last_distance_of_an_rnn_is_that_of_its_kernel():
    arch = nv.architectures.rnn(sigma_b=0.3)
    k = nv.infinite_ntk(arch, X).nngp
    assert averaged(arch)[-1] ** 2 == pytest.approx(k[0, 0] + k[1, 1] - 2 * k[0, 1], rel=0.05)


@pytest.mark.parametrize("bias", [0.0, 0.7])
@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_the_bias_stands_in_front_of_the_gate_that_keeps(name, bias):
    """One network of width 16 against its cell written out in NumPy."""
    arch = getattr(nv.architectures, name)(sigma_w=0.8, sigma_b=0.3, forget_bias=bias)
    program, width = nv.program(arch, X), 16
    sampled = sample_parameters(program, width, random_key(3))
    weights = {p.name: np.asarray(w, dtype=float) for p, w in zip(program.parameters, sampled, strict=True)}

    def sum_of(part, t, s):
        u = X[:, t] @ weights[f"U_{part}"].T / X.shape[-1] ** 0.5 + 0.3 * weights[f"b_{part}"]
        return u + 0.8 * s @ weights[f"W_{part}"].T / width**0.5

    def gate(h):
        return (1 + erf(h)) / 2

    s = c = np.zeros((2, width))
    for t in range(STEPS):
        if name == "lstm":
            kept = gate(sum_of("forget", t, s) + bias) * c
            c = kept + gate(sum_of("input", t, s)) * erf(sum_of("candidate", t, s))
            s = gate(sum_of("output", t, s)) * erf(c)
        else:
            z = gate(sum_of("update", t, s) + bias)
            s = z * s + (1 - z) * erf(sum_of("candidate", t, gate(sum_of("reset", t, s)) * s))
    last = float(nv.recurrence(arch, X, width=width, key=3).distance[-1])
    assert last == pytest.approx(np.sqrt(np.mean((s[0] - s[1]) ** 2)), rel=1e-4)


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_a_large_forget_bias_keeps_the_state(name):
    arch = getattr(nv.architectures, name)(sigma_w=0.0)
    runs = {bias: nv.recurrence(arch(forget_bias=bias), X, width=512, key=0) for bias in (-4.0, 4.0)}
    distance = {bias: np.asarray(run.distance) for bias, run in runs.items()}
    assert distance[-4.0][-1] < 1e-6 * distance[-4.0][0]
    if name == "gru":  # the first state is written through 1 − z, which the bias shuts as well
        assert distance[4.0][-1] == pytest.approx(distance[4.0][0], rel=1e-3)
    else:
        assert distance[4.0][-1] > 0.7 * distance[4.0][0]


def test_half_life():
    steps = np.arange(20)
    assert nv.half_life(3 * 0.5 ** (steps / 7)) == pytest.approx(7)
    assert nv.half_life(np.full(20, 2.0)) == float("inf")
    assert nv.half_life(np.array([1.0, 0.0, 0.0])) == 0
    assert nv.half_life(np.zeros(5)) == 0
    bent = np.where(steps < 8, 1.0, 0.5 ** ((steps - 7) / 4.0))
    assert nv.half_life(bent) == pytest.approx(4)
    # Rounding far below the first distance is not fitted.
    assert nv.half_life(np.maximum(0.5**steps, 1e-5)) == pytest.approx(1)
    assert list(tail(0.5**steps).steps) == [5, 6, 7, 8, 9]
    # In whatever unit, and however steep the first step: the floor is a thousandth of the first distance.
    assert nv.half_life(1e4 * np.maximum(0.5**steps, 1e-5)) == pytest.approx(1)
    assert list(tail([1.0, 0.01, 0.005, 1e-4, 1e-4]).steps) == [1, 2]
    assert list(tail([1.0, 0.1, 0.01, 0.001]).steps) == [2, 3]


def test_refusals_are_one_sentence():
    with pytest.raises(InputError, match="it must be two sequences"):
        nv.recurrence_limit(GATED["lstm"], X[:1])
    with pytest.raises(HyperparameterError, match="no matrix"):
        nv.recurrence(bag_of_tokens, X, width=8, key=0)
