"""Virtual networks have the law of real ones, also at widths where the limit is far away."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from outside_gia import readout_used_twice, there_and_back
from scipy.stats import ks_2samp
from selection import full, full_except

import ntkviz as nv
from ntkviz.calculus import virtual
from ntkviz.errors import HyperparameterError, TooLargeError
from ntkviz.execution.memory_limit import LESS_MEMORY
from ntkviz.networks.finite import ntk_of_examples
from ntkviz.networks.sampling import sample_parameters

a = nv.architectures
DRAWS = 4000
SAME = 1e-3  # each of some fifty comparisons falls below once in a thousand times
rng = np.random.default_rng(0)
VECTORS, SEQUENCES = rng.standard_normal((2, 3)), rng.standard_normal((2, 3, 2))

TRANSPOSED = "W and its transpose, check failing"
PROGRAMS = {
    "mlp": (a.mlp(depth=2), VECTORS),
    "shared over time": (a.rnn(sigma_b=0.2), SEQUENCES),
    "attention and layernorm": (a.transformer, SEQUENCES[:, :2]),
    "W and its transpose, check passing": (a.tied_autoencoder, VECTORS),
    TRANSPOSED: (there_and_back, VECTORS),
    "readout used twice": (readout_used_twice, VECTORS),
    "mean readout": (a.mean_readout_mlp, VECTORS),
}


def real_ntks(arch, x, width):
    """NTKs of networks with matrices, `(draws, |x|, |x|)`."""
    program = arch.trace((x[:1],)).unrolled().with_data(x)

    def one(key):
        return ntk_of_examples(program, None, sample_parameters(program, width, key), width)

    return np.asarray(jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(5), DRAWS)))


def virtual_ntks(arch, x, width):
    programs = virtual.Stacks.of(arch, x).programs
    each = jax.jit(jax.vmap(lambda key: virtual._ntk(programs, width, key)))
    return np.asarray(each(jax.random.split(jax.random.key(7), DRAWS)))


# Narrower than there are vectors to multiply; and wider, with a matrix applied once, again, and as its transpose.
NARROW_AND_WIDE = [*((name, 4) for name in PROGRAMS), ("mlp", 16), ("shared over time", 16), (TRANSPOSED, 16)]
ALWAYS = ("readout used twice", 4), (TRANSPOSED, 16)


@pytest.mark.parametrize(("name", "width"), full_except(NARROW_AND_WIDE, *ALWAYS))
def test_the_law_is_that_of_networks_with_matrices(name, width):
    arch, x = PROGRAMS[name]
    real, other = real_ntks(arch, x, width), virtual_ntks(arch, x, width)
    f = nv.sample_outputs(arch, x, width=width, draws=DRAWS, key=0)
    g = nv.virtual_outputs(arch, x, width=width, draws=DRAWS, key=1)
    for statistic in (lambda k: k[:, 0, 0], lambda k: k[:, 0, 1], lambda k: k[:, 0, 0] - 2 * k[:, 0, 1]):
        assert ks_2samp(statistic(real), statistic(other)).pvalue > SAME
    for statistic in (lambda f: f[:, 0], lambda f: f[:, 0] * f[:, 1]):
        assert ks_2samp(statistic(f), statistic(g)).pvalue > SAME


def test_the_comparison_detects_a_missing_return_from_the_transpose(monkeypatch):
    """Treats the transpose as if it were another matrix."""
    arch, x = PROGRAMS[TRANSPOSED]
    real = real_ntks(arch, x, 4)
    monkeypatch.setattr(virtual, "VirtualNetwork", _Forgetful)
    jax.clear_caches()
    wrong = virtual_ntks(arch, x, 4)
    jax.clear_caches()
    assert ks_2samp(real[:, 0, 0], wrong[:, 0, 0]).pvalue < 1e-6


class _Forgetful(virtual.VirtualNetwork):
    """Forgets what the transpose was applied to."""

    def matrix(self, name, inputs):
        matrix = super().matrix(name, inputs)
        times = type(matrix).times

        def without(x, sigma, z, *, transpose=False):
            p, made = matrix.known[not transpose]
            matrix.known[not transpose] = p[:0], made[:0]
            result = times(matrix, x, sigma, z, transpose=transpose)
            matrix.known[not transpose] = p, made
            return result

        matrix.times = without
        return matrix


def test_coordinates_have_the_law_of_networks():
    program = nv.program(there_and_back, VECTORS[:1]).backward()
    real = nv.coordinates(program, width=6, key=0, draws=3000)
    others = [nv.virtual_coordinates(program, width=6, key=k) for k in range(600)]
    assert others[0].keys() == real.keys()
    last = max(k for k, i in enumerate(program.instructions) if i.kind == "vector")
    squares = [np.mean(np.asarray(v) ** 2, axis=-1).ravel() for v in (real[last], [o[last] for o in others])]
    assert ks_2samp(*squares).pvalue > SAME


@pytest.mark.full
def test_a_wide_virtual_network_is_as_far_from_the_limit_as_predicted():
    arch, x, width = a.mlp(depth=3), np.random.default_rng(1).standard_normal((3, 6)), 10**5
    limit = nv.infinite_ntk(arch, x).ntk
    distances = [
        np.linalg.norm(nv.virtual_ntk(arch, x, width=width, key=k) - limit) / np.linalg.norm(limit) for k in range(24)
    ]
    expected = nv.fluctuation(arch, x).c / width**0.5
    assert np.mean(distances) == pytest.approx(expected, abs=4 * np.std(distances) / 24**0.5)


def test_sequences_of_several_lengths_are_read_by_one_network():
    x = [SEQUENCES[0], SEQUENCES[0, :2], SEQUENCES[1]]
    limit = nv.infinite_ntk(a.rnn, x).ntk
    np.testing.assert_allclose(nv.virtual_ntk(a.rnn, x, width=10**5, key=0), limit, rtol=0.1)


def test_equal_inputs_have_equal_rows():
    ntk = nv.virtual_ntk(a.mlp, VECTORS[[0, 0, 1]], width=64, key=0)
    np.testing.assert_allclose(ntk[0], ntk[1], rtol=1e-9)


def test_networks_too_large_for_memory_are_refused(monkeypatch):
    monkeypatch.setenv("NTKVIZ_MEMORY_GB", "0.1")
    with pytest.raises(TooLargeError):
        nv.virtual_ntk(a.mlp, VECTORS, width=10**7, key=0)


MEMORY = """
import re, sys
import numpy as np
import ntkviz as nv

def memory(name):
    return 1024 * int(re.search(name + r":\\s+(\\d+) kB", open("/proc/self/status").read())[1])

arch, x = getattr(nv.architectures, sys.argv[1]), np.random.default_rng(0).normal(size=eval(sys.argv[2]))
nv.virtual_ntk(arch, x, width=64, key=0)  # all libraries are there
before = memory("VmRSS")
nv.virtual_ntk(arch, x, width=10**6, key=0)
print(nv.cost(nv.virtual_ntk, arch, x, width=10**6, key=0).memory / (memory("VmHWM") - before))
"""


@pytest.mark.parametrize(("arch", "shape"), [("mlp", (3, 6)), full(("rnn", (2, 5, 3)))])
def test_the_memory_of_wide_virtual_networks_is_foretold(arch, shape):
    """Of an MLP compilation, which counts as well, takes a tenth."""
    done = subprocess.run([sys.executable, "-c", MEMORY, arch, str(shape)], capture_output=True, text=True, check=True)
    assert 0.95 < float(done.stdout) < 1.3


@pytest.mark.parametrize(
    ("arch", "shape"),
    [("mlp", (3, 6)), full(("rnn", (2, 5, 3))), full(("cnn", (2, 6, 3))), ("transformer", (2, 3, 4))],
)
def test_memory_is_what_the_compiler_allots_and_what_products_copy(arch, shape):
    """Products copy some fourth of what is allotted here."""
    arch, x = getattr(a, arch), np.random.default_rng(0).normal(size=shape)
    programs = virtual.Stacks.of(arch, x).programs
    drawn = jax.jit(virtual._ntk, static_argnums=1, compiler_options=LESS_MEMORY)
    stats = drawn.lower(programs, 10**5, jax.random.key(0)).compile().memory_analysis()
    allotted = stats.temp_size_in_bytes + stats.argument_size_in_bytes + stats.output_size_in_bytes
    assert 1.1 < nv.cost(nv.virtual_ntk, arch, x, width=10**5, key=0).memory / allotted < 1.6


def test_invalid_options_are_refused():
    with pytest.raises(HyperparameterError, match="width"):
        nv.virtual_ntk(a.mlp, VECTORS, width=0, key=0)
    with pytest.raises(HyperparameterError, match="number of draws"):
        nv.virtual_outputs(a.mlp, VECTORS, width=3, draws=0, key=0)
