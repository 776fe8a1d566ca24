"""A loop over rows gives the same as one computation for all pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ntkviz as nv
from ntkviz.execution.examples import LANES, equal_pieces
from ntkviz.execution.trace_signature import trace_signature
from ntkviz.kernels.forward import row_blocks as rows
from ntkviz.kernels.infinite import _block_side


@pytest.mark.parametrize(("left", "right"), [((3, 4), (5, 2)), ((7,), (2,)), ((1, 6), (6,)), ((2,), ()), ((), (3,))])
@pytest.mark.parametrize("most", [1, 8, 1000])
def test_rows_equal_all_pairs(monkeypatch, rng, left, right, most):
    monkeypatch.setattr(rows, "NUMBERS", most)
    ones = (1,) * len(right)
    of_x = {"k": jnp.asarray(rng.normal(size=left + ones)), "mean": None, "theta": (jnp.ones(()),)}
    of_y = {"k": jnp.asarray(rng.normal(size=right))}
    kxy = jnp.asarray(rng.normal(size=left + right))

    def function(x, y, k):
        return x["k"] * y["k"] + k, jnp.sin(k) * x["theta"][0]

    for found, expected in zip(
        rows.by_rows(function, of_x, of_y, kxy, left, right), function(of_x, of_y, kxy), strict=True
    ):
        assert found.shape == left + right
        np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_few_rows_at_a_time(monkeypatch):
    """A kernel of 12 × 10 entries in rows of 30 numbers at most, not all at once."""
    monkeypatch.setattr(rows, "NUMBERS", 35)
    seen = []

    def function(x, y, k):
        seen.append(k.shape)
        return x * y * k

    rows.by_rows(function, jnp.ones((12, 1)), jnp.ones(10), jnp.ones((12, 10)), (12,), (10,))
    assert set(seen) == {(3, 10)}


def test_long_rows_of_a_network(monkeypatch, rng):
    """With relu, which has a closed form, and tanh, which is integrated."""
    x = rng.normal(size=(2, 4, 4, 1))
    for phi in ("relu", "tanh"):
        arch = nv.architectures.cnn(depth=2, nonlinearity=phi, pooling="average")
        whole = nv.infinite_ntk(arch, x)
        monkeypatch.setattr(rows, "NUMBERS", 64)
        jax.clear_caches()
        in_rows = nv.infinite_ntk(arch, x)
        monkeypatch.undo()
        np.testing.assert_allclose(in_rows.ntk, whole.ntk, rtol=1e-12)


def test_scores_of_attention_do_not_make_blocks_small(rng):
    """The tokens × tokens products are averaged within one input and never combined with those of another: one pair of
    inputs takes at most tokens² numbers."""
    tokens = 16
    program = nv.architectures.transformer(depth=2).trace((rng.normal(size=(1, tokens, 3)),))
    assert _block_side(trace_signature(program, program)) == 2**9 // tokens


def test_large_kernels_of_a_pair_are_taken_one_by_one(rng):
    arch = nv.architectures.cnn(pooling="average")
    sides = []
    for side in (4, 16):
        program = arch.trace((rng.normal(size=(1, side, side, 1)),))
        sides.append(_block_side(trace_signature(program, program)))
    assert sides == [32, 1]


@pytest.mark.parametrize(("size", "most"), [(500, 128), (130, 128), (7, 128), (128, 128), (5, 2), (1, 1)])
def test_pieces_are_of_one_length_and_cover_all(size, most):
    pieces = equal_pieces(size, most)
    assert [i for p in pieces for i in range(size)[p.new]] == list(range(size))
    [length] = {p.examples.stop - p.examples.start for p in pieces}
    assert length <= most
    assert len(pieces) == -(-size // most)
    assert length % LANES == 0 or length in (size, most)
