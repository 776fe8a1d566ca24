"""Traced models as architectures: their limits, reports, rates and NTKs."""

import pickle
import warnings

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fuzzing.programs import HELPERS, program_number
from selection import full

import ntkviz as nv
from ntkviz.execution.examples import examples_are_separate
from ntkviz.language.rewriting.folding import fold
from ntkviz.networks import sampling

from .refusals import two_layers
from .zoo import CNN, IMAGES, MODELS, NORMAL, SEQUENCES, TOKENS, VECTORS, LanguageModel, plain

A = nv.architectures
PLAIN = {"sigma_w": 1.0, "sigma_b": 0.0, "sigma_v": 1.0, "parametrization": "ntk4a"}


@pytest.fixture(autouse=True)
def quiet():
    """Silence warnings about assumptions, which have their own tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        yield


class MLP(nn.Module):
    n: int
    bias: bool = False

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.relu(nn.Dense(self.n, kernel_init=NORMAL)(x))
        return nn.Dense(1, use_bias=self.bias, kernel_init=NORMAL)(x)


class PlainCNN(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        for _ in range(2):
            x = nn.relu(nn.Conv(self.n, (3, 3), kernel_init=NORMAL)(x))
        return nn.Dense(1, use_bias=False, kernel_init=NORMAL)(x.mean((1, 2)))


def attention(p, x, n):
    h = x @ p["U"]
    k = h @ p["W"]
    return jax.nn.relu(jax.nn.softmax(k @ k.swapaxes(1, 2) / n) @ h).mean(1) @ p["v"]


@nv.architecture
def attention_in_the_language(net, x):
    h = net.input("U", x)
    k = net.matrix("W") @ h
    scores = nv.softmax(nv.inner(k[:, :, None], k[:, None]))
    return net.readout("v", nv.relu(scores @ h).mean(1))


@pytest.mark.parametrize(
    ("make", "arch", "x"),
    [
        (MLP, A.mlp(depth=2, **PLAIN), VECTORS),
        full((PlainCNN, A.cnn(pooling="average", **PLAIN), IMAGES)),
        (lambda n: two_layers(n, attention), attention_in_the_language(parametrization="ntk4a"), SEQUENCES),
        (MODELS["tied_autoencoder"][0], None, VECTORS[:2]),
    ],
)
def test_limits_are_those_of_the_language(make, arch, x):
    if arch is None:
        arch = tied_autoencoder_in_the_language(parametrization="ntk4a")
    found, expected = nv.infinite_ntk(nv.trace(make), x), nv.infinite_ntk(arch, x)
    # Flax draws in float32, whose normal numbers have a standard deviation of 1 up to 1e-7.
    error = 5 * (found.error + expected.error)
    np.testing.assert_allclose(found.nngp, expected.nngp, rtol=2e-6, atol=error)
    np.testing.assert_allclose(found.ntk, expected.ntk, rtol=2e-6, atol=error)


@nv.architecture
def tied_autoencoder_in_the_language(net, x):
    W = net.matrix("W")
    return net.readout("v", nv.erf(W.T @ nv.tanh(W @ nv.tanh(net.input("U", x)))))


@pytest.mark.parametrize("number", [4, 10, 11, full(12), full(21)])
def test_programs_traced_again_have_the_same_kernels(number, monkeypatch):
    """A random program, run as a JAX function of its parameters, is traced into a program of the same kernels."""
    monkeypatch.setattr(sampling, "_product", lambda x, w, transposed: x @ w)  # without a derivative of its own
    example = program_number(number)
    names = {"np": np, **HELPERS}
    exec(example.source.replace(", lr=0.5", "").replace(", trainable=False", ""), names)
    arch, x = nv.architecture(names["network"]), example.data
    expected = _kernels(arch, x)

    def make(n):
        def init(key, x):
            return sampling.sample_parameters(nv.program(arch, np.zeros(x.shape)), n, key)

        def apply(parameters, x):
            return sampling.run(nv.program(arch, np.zeros(x.shape)).with_data(x), parameters).output

        return init, apply

    found = _kernels(nv.trace(make, lr="variance"), x)
    for one, other in zip(found[:2], expected[:2], strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8 + 5 * (found.error + expected.error))


def _kernels(arch, x):
    with jax.disable_jit(not arch.trace((x,)).has_repeats):
        return nv.infinite_ntk(arch, x, method="forward")


def test_bias_of_the_output_adds_its_rate():
    """A bias that starts at 0 leaves the NNGP alone, and adds 1 to the NTK."""
    without, with_bias = (
        nv.infinite_ntk(
            nv.trace(
                lambda n, b=b: nn.Sequential(
                    [nn.Dense(n, kernel_init=NORMAL), nn.tanh, nn.Dense(1, use_bias=b, kernel_init=NORMAL)]
                )
            ),
            VECTORS,
        )
        for b in (False, True)
    )
    np.testing.assert_allclose(with_bias.nngp, without.nngp, atol=1e-12)
    np.testing.assert_allclose(with_bias.ntk, without.ntk + 1, atol=1e-10)


def test_own_ntk_approaches_the_limit():
    t = nv.trace(lambda n: MLP(n, bias=True))
    limit = nv.infinite_ntk(t, VECTORS).ntk
    mean = np.mean([t.model_ntk(VECTORS, width=256, key=k) for k in range(8)], 0)
    assert np.linalg.norm(mean - limit) < 0.1 * np.linalg.norm(limit)  # about 0.02; any lost term is 0.2 or more


def wide_tied_readout(p, x, n):
    """A readout that is used elsewhere, of 2n coordinates."""
    h = jnp.tanh(x @ p["U"]) @ p["W"]
    return (jax.nn.relu(h) * jnp.tanh(h + p["v"])) @ p["v"] / n


def test_own_ntk_approaches_the_limit_at_scale_one_over_n():
    shapes = {"U": lambda n, d: ((d, n), d), "W": lambda n, d: ((n, 2 * n), n), "v": lambda n, d: ((2 * n,), 1)}
    t = nv.trace(plain(VECTORS, **shapes)(wide_tied_readout))
    limit = nv.infinite_ntk(t, VECTORS[:2])
    own = np.mean([t.model_ntk(VECTORS[:2], width=256, key=k) for k in range(8)], 0)
    assert np.linalg.norm(own - limit.ntk) < 0.1 * np.linalg.norm(limit.ntk)


def test_learning_rates_are_a_pytree_of_the_parameters():
    t = nv.trace(lambda n: MLP(n, bias=True))
    nv.program(t, VECTORS)
    rates = t.learning_rates(512)
    assert rates["Dense_0"] == {"kernel": 1 / 5, "bias": 1.0}
    assert rates["Dense_1"]["kernel"] == pytest.approx(1 / 512)
    assert rates["Dense_2"] == {"kernel": pytest.approx(1 / 512), "bias": 1.0}


@pytest.mark.parametrize(("lr", "first", "second"), [("variance", 1 / 5, 1 / 512), ("standard", 0.0, 1 / 512)])
def test_other_learning_rates(lr, first, second):
    t = nv.trace(MLP, lr=lr)
    nv.program(t, VECTORS)
    rates = t.learning_rates(512)
    assert rates["Dense_0"]["kernel"] == pytest.approx(first, rel=1e-5)
    assert rates["Dense_1"]["kernel"] == pytest.approx(second, rel=1e-5)
    assert t.check(VECTORS, width=16).ntk < 1e-11


def test_report_names_every_parameter_and_assumption():
    with pytest.warns(nv.AssumptionWarning, match="not Gaussian"):
        nv.program(t := nv.trace(lambda n: nn.Sequential([nn.Dense(n), nn.LayerNorm(), nn.relu, nn.Dense(2)])), VECTORS)
    report = t.report
    kinds = {p.name: p.kind for p in report.parameters}
    assert kinds == {
        "layers_0.bias": "vectors",
        "layers_0.kernel": "input",
        "layers_1.bias": "vectors",
        "layers_1.scale": "number",
        "layers_3.bias": "output bias",
        "layers_3.kernel": "readout",
    }
    text = str(report)
    assert "layers_0.kernel are not Gaussian (truncated normal)" in text
    assert "layers_1.scale is not trained: it is replaced by its initial value 1." in text
    assert "2 outputs; number 0 is traced" in text


@pytest.mark.parametrize("name", ["NormalizedMLP", "RunningBatchNorm", "batchnorm", full("NnxMLP"), full("hk_mlp")])
def test_trained_scales_agree_with_the_model(name):
    """The scales of LayerNorm, GroupNorm, RMSNorm and BatchNorm, of running and of batch statistics."""
    make, x = MODELS[name]
    t = nv.trace(make, norm_scale="trained")
    assert t.check(x, width=16).ntk < 1e-11
    assert not any("is not trained" in note for note in t.fn.in_equal_blocks.latest.table.notes)


def test_trained_scale_adds_its_part_to_the_limit():
    """∂/∂γ vᵀrelu(γ ⊙ y)/√n = v ⊙ relu(y)/√n at γ = 1, so that the scale's part of the NTK is the NNGP; a batch
    normalisation of the batch itself is followed by the same."""
    layers = [nn.Dense(1, use_bias=False, kernel_init=NORMAL)]

    def make(n):
        return nn.Sequential([nn.Dense(n, kernel_init=NORMAL), nn.LayerNorm(use_bias=False), nn.relu, *layers])

    frozen, trained = (nv.infinite_ntk(nv.trace(make, norm_scale=s), VECTORS) for s in ("frozen", "trained"))
    assert trained.error < 0.01
    np.testing.assert_allclose(trained.ntk, frozen.ntk + frozen.nngp, rtol=4 * trained.error)


def test_std_replaces_the_law_of_vanishing_parameters():
    class GRU(eqx.Module):
        cell: eqx.nn.GRUCell
        out: eqx.nn.Linear

        def __init__(self, n):
            self.cell = eqx.nn.GRUCell(4, n, key=jax.random.key(0))
            self.out = eqx.nn.Linear(n, 1, key=jax.random.key(1))

        def __call__(self, xs):
            h, _ = jax.lax.scan(lambda h, x: (self.cell(x, h), None), jnp.zeros(self.cell.hidden_size), xs)
            return self.out(h)

    with pytest.raises(nv.TraceError, match="std"):
        nv.program(nv.trace(GRU), SEQUENCES)
    t = nv.trace(GRU, std={"cell.weight_ih": 0.5, "cell.bias": 0.2})
    found = t.check(SEQUENCES, width=16)
    assert max(found.outputs, found.ntk) < 1e-11
    with pytest.raises(nv.TraceError, match=r"std names bias.*cell.bias"):
        nv.program(nv.trace(GRU, std={"bias": 1.0}), SEQUENCES)


def test_scores_divided_by_root_d_are_read_on_request():
    t = nv.trace(lambda n: two_layers(n, lambda p, x, n: attention(p, x, n**0.5)), scores="1/d")
    with pytest.warns(nv.AssumptionWarning, match="does not converge"):
        nv.program(t, SEQUENCES)


def test_output_is_chosen():
    make, x = MODELS["several_outputs"]
    for k in (0, 2):
        assert nv.trace(make, output=k).check(x, width=16).outputs < 1e-11
    with pytest.raises(nv.TraceError, match="3 outputs, numbered from 0; there is no output=3"):
        nv.program(nv.trace(make, output=3), x)


def test_examples_stay_separate():
    """Kernels between batches need the program of one example."""
    for make, x in ((MLP, VECTORS), (CNN, IMAGES), (LanguageModel, TOKENS)):
        assert examples_are_separate(nv.trace(make), (np.asarray(x, float),))


def test_alike_blocks_of_a_model_are_folded_into_one_loop():
    class Residual(nn.Module):
        n: int

        @nn.compact
        def __call__(self, x):
            x = nn.Dense(self.n)(x)
            for _ in range(4):
                x = x + nn.Dense(self.n)(nn.relu(nn.LayerNorm()(x)))
            return nn.Dense(1)(x)

    program = nv.program(nv.trace(Residual), VECTORS)
    (layers,) = fold(program).parameters
    matrices = [[program.parameters[p].name for p in own if program.parameters[p].kind == "matrix"] for own in layers]
    assert matrices == [[f"Dense_{k}.kernel"] for k in (1, 2, 3, 4)]


def test_wrong_calls_are_refused_by_name():
    for wrong in (
        {"scores": "maybe"},
        {"lr": 1},
        {"widths": 64},
        {"widths": (64,)},
        {"widths": (64, 64)},
        {"std": 1.0},
        {"output": -1},
    ):
        with pytest.raises(nv.HyperparameterError):
            nv.trace(MLP, **wrong)
    with pytest.raises(nv.HyperparameterError, match="function from a width"):
        nv.trace(MLP(64))
    with pytest.raises(nv.TraceError, match=r"make\(n\) returned 192"):
        nv.program(nv.trace(lambda n: n), VECTORS)
    with pytest.raises(nv.HyperparameterError, match="not been traced"):
        _ = nv.trace(MLP).report
    with pytest.raises(nv.HyperparameterError, match="traced model"):
        nv.trace(MLP)(sigma_w=1.0)
    with pytest.raises(nv.TraceError, match="cannot be run on inputs of shape"):
        nv.program(nv.trace(CNN), VECTORS)


def test_pickled_by_the_name_of_its_module():
    t = pickle.loads(pickle.dumps(nv.trace(CNN)))
    assert nv.program(t, IMAGES) == nv.program(nv.trace(CNN), IMAGES)
