"""Architectures from blocks: those that the library also has under another name, any others, and refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from selection import full

import ntkviz as nv
from ntkviz.architectures.blocks import BLOCKS, READOUTS
from ntkviz.errors import HyperparameterError, InputError

library, from_blocks = nv.architectures, nv.architectures.from_blocks
X = np.random.default_rng(0).standard_normal((3, 2, 4))
ONE_TOKEN = X[:, :1]


@pytest.mark.parametrize(
    ("blocks", "readout", "known"),
    [
        (("relu", "W", "relu", "W", "relu"), "random", library.mlp(depth=3, sigma_b=0.0)),
        (("relu", "W", "skip", "relu", "W", "skip", "relu"), "random", library.resnet(depth=3, sigma_b=0.0)),
        (("layernorm", "erf"), "random", library.layernorm_mlp(depth=1, nonlinearity="erf", sigma_b=0.0)),
        (("erf", "A", "erf", "A.T", "erf"), "random", library.tied_autoencoder()),
    ],
)
def test_known_architectures_in_blocks(blocks, readout, known):
    """With U of std 1 there too."""
    sigma = {"sigma_w": 1.0}
    ours = nv.infinite_ntk(from_blocks(blocks=blocks, readout=readout, **sigma), ONE_TOKEN)
    theirs = nv.infinite_ntk(known(**sigma), ONE_TOKEN[:, 0])
    assert ours.nngp == pytest.approx(theirs.nngp, abs=1e-10 + ours.error + theirs.error)
    assert ours.ntk == pytest.approx(theirs.ntk, abs=1e-10 + ours.error + theirs.error)


def test_a_matrix_and_its_transpose_give_twice_the_nngp_of_two_matrices():
    once, twice = (nv.infinite_ntk(from_blocks(blocks=b), X).nngp for b in (("A", "W"), ("A", "A.T")))
    assert twice == pytest.approx(2 * once, rel=1e-9)


def test_attention_without_matrices_by_hand():
    """x⁰ = Uξ, so the scores are ⟨ξ_i, ξ_j⟩/d and the output is linear in U."""
    scores = np.exp(X @ X.swapaxes(1, 2) / 4)
    mixed = (scores / scores.sum(-1, keepdims=True) @ X).mean(1)
    assert nv.infinite_ntk(from_blocks(blocks=("attention",)), X).nngp == pytest.approx(mixed @ mixed.T / 4, rel=1e-9)


@pytest.mark.parametrize("examples", [2, full(8)])
def test_networks_of_any_blocks_approach_their_limit(examples):
    @settings(max_examples=examples, deadline=None, derandomize=True)
    @given(st.lists(st.sampled_from(sorted(BLOCKS)), max_size=4), st.sampled_from(sorted(READOUTS)))
    def approach(blocks, readout):
        arch = from_blocks(blocks=tuple(blocks), readout=readout)
        limit = nv.infinite_ntk(arch, X).ntk
        assert nv.simple_gia_check(arch, X).passes == (readout == "random")
        networks = np.mean([nv.empirical_ntk(arch, X, width=1024, key=seed) for seed in range(8)], axis=0)
        assert np.linalg.norm(networks - limit) < 0.1 * np.linalg.norm(limit) + 1e-8

    approach()


@pytest.mark.parametrize(("blocks", "readout"), [(("relu", "A", "skip"), "random"), (("W", "erf"), "random")])
def test_both_readings_of_the_limit_agree(blocks, readout):
    arch = from_blocks(blocks=blocks, readout=readout)
    forward, general = (nv.infinite_ntk(arch, X, method=method) for method in ("forward", "general"))
    assert general.ntk == pytest.approx(forward.ntk, abs=1e-7 + 5 * general.error)


@pytest.mark.parametrize(
    ("hyper", "error", "says"),
    [
        ({"blocks": ("dense",)}, HyperparameterError, "a block is 'dense'; it must be 'W' or 'A'"),
        ({"blocks": "relu"}, HyperparameterError, "a list of at most 8 names"),
        ({"blocks": ("relu",) * 9}, HyperparameterError, "a list of at most 8 names"),
        ({"readout": "sum"}, HyperparameterError, "readout is 'sum'"),
        ({"sigma_w": -1.0, "blocks": ("W",)}, HyperparameterError, "must be a finite number ≥ 0"),
        ({"x": np.ones((2, 3))}, InputError, "batch, time, d"),
    ],
)
def test_refusals(hyper, error, says):
    x = hyper.pop("x", X)
    with pytest.raises(error, match=says):
        nv.program(from_blocks(**hyper), x)
