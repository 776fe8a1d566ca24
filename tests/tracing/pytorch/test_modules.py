"""PyTorch modules as architectures: programs that agree with them, their reports, rates and NTKs, and refusals."""

import warnings

import numpy as np
import pytest
import torch
from fuzzing.agreement import is_sentence
from torch import nn

import ntkviz as nv
from ntkviz.gallery import MODELS
from ntkviz.gallery.traced import make_of

from .refusals import REFUSED
from .zoo import MODULES, SEQUENCES, VECTORS, normal

PLAIN = {"sigma_w": 1.0, "sigma_b": 0.0, "sigma_v": 1.0, "parametrization": "ntk4a"}


@pytest.fixture(autouse=True)
def quiet():
    """Silence warnings about assumptions, which have their own tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nv.AssumptionWarning)
        yield


@pytest.mark.parametrize("name", MODULES)
def test_module_and_program_agree_to_rounding(name):
    make, x, options = MODULES[name]
    found = nv.trace(make, **options).check(x, width=16)
    assert max(found.outputs, found.ntk) < 1e-11


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_a_sentence(name):
    make, x, sentence = REFUSED[name]
    with pytest.raises(nv.TraceError, match=sentence) as refusal:
        nv.program(nv.trace(make), x)
    assert is_sentence(str(refusal.value).split(": ", 1)[1])


def plain(n):
    layers = [normal(nn.Linear(a, b, bias=b > 1)) for a, b in ((5, n), (n, n), (n, 1))]
    for layer in layers[:2]:
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU(), layers[2])


def test_limit_is_that_of_the_language():
    found = nv.infinite_ntk(nv.trace(plain), VECTORS)
    expected = nv.infinite_ntk(nv.architectures.mlp(depth=2, **PLAIN), VECTORS)
    # JAX draws in float32, whose normal numbers have a standard deviation of 1 up to 1e-7.
    np.testing.assert_allclose(found.nngp, expected.nngp, rtol=2e-6)
    np.testing.assert_allclose(found.ntk, expected.ntk, rtol=2e-6)


def ntk_of_torch(module, x, rates):
    """The NTK of a module by PyTorch alone, at its own parameters."""
    parameters = {name: p.detach() for name, p in module.named_parameters()}
    jacobian = torch.func.jacrev(lambda p: torch.func.functional_call(module, p, x)[:, 0])(parameters)
    return sum(rates[name] * j.flatten(1) @ j.flatten(1).T for name, j in jacobian.items())


def test_ntk_of_pytorch_approaches_the_limit():
    make, x, _ = MODULES["mlp"]
    t = nv.trace(make)
    torch.manual_seed(0)
    limit = nv.infinite_ntk(t, x).ntk
    rates = t.learning_rates(512)
    data = torch.as_tensor(x)
    mean = np.mean([ntk_of_torch(make(512).eval().double(), data, rates).numpy() for _ in range(12)], 0)
    own = np.mean([t.model_ntk(x, width=512, key=k) for k in range(12)], 0)
    # Twelve networks of width 512 are 2 % away from the limit, and so are the modules' uniform first layers; each lost
    # term is 10 % or more.
    assert np.linalg.norm(mean - limit) < 0.06 * np.linalg.norm(limit)
    assert np.linalg.norm(own - limit) < 0.06 * np.linalg.norm(limit)


def test_learning_rates_are_named_like_the_parameters():
    make, x, _ = MODULES["mlp"]
    t = nv.trace(make)
    nv.program(t, x)
    module = make(64)
    rates = t.learning_rates(64)
    assert rates.keys() == dict(module.named_parameters()).keys()
    assert rates["0.weight"] == 1 / 5
    assert rates["4.weight"] == pytest.approx(1 / 64)
    torch.optim.SGD([{"params": [p], "lr": rates[name]} for name, p in module.named_parameters()])


def test_report_names_every_parameter_and_assumption():
    make, x, _ = MODULES["mlp"]
    with pytest.warns(nv.AssumptionWarning, match="not Gaussian"):
        nv.program(t := nv.trace(make), x)
    assert {p.name: p.kind for p in t.report.parameters} == {
        "0.weight": "input",
        "0.bias": "vectors",
        "2.weight": "number",
        "2.bias": "vectors",
        "4.weight": "matrix",
        "4.bias": "vectors",
        "6.weight": "readout",
        "6.bias": "output bias",
    }
    assert "2.weight is not trained: it is replaced by its initial value 1." in str(t.report)


def test_tied_weights_are_one_parameter():
    make, x, _ = MODULES["TiedAutoencoder"]
    t = nv.trace(make)
    nv.program(t, x)
    assert {p.name for p in t.report.parameters} == {"U.weight", "W.weight", "v.weight"}


def test_frozen_parameters_are_not_trained():
    def make(n):
        module = plain(n)
        module[2].weight.requires_grad_(False)
        return module

    t = nv.trace(make)
    found = t.check(VECTORS, width=16)
    assert max(found.outputs, found.ntk) < 1e-11
    nv.program(t, VECTORS)
    assert t.learning_rates(16).keys() == {"0.weight", "0.bias", "2.bias", "4.weight"}


def test_random_buffers_are_drawn_and_not_trained():
    class Features(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.register_buffer("U", torch.randn(5, n) / 5**0.5)
            self.out = normal(nn.Linear(n, 1, bias=False))

        def forward(self, x):
            return self.out(torch.cos(x @ self.U))

    t = nv.trace(Features)
    found = t.check(VECTORS, width=16)
    assert max(found.outputs, found.ntk) < 1e-11
    nv.program(t, VECTORS)
    assert t.learning_rates(16).keys() == {"out.weight"}
    limit = nv.infinite_ntk(t, VECTORS)
    np.testing.assert_allclose(limit.ntk, limit.nngp, rtol=1e-6)  # only the readout moves, at the rate of its variance


def test_attention_is_read_on_request():
    make, x, _ = REFUSED["MultiheadAttention"]
    t = nv.trace(make, scores="1/d")
    with pytest.warns(nv.AssumptionWarning, match="does not converge"):
        nv.program(t, x)


def test_only_a_function_of_the_width_is_taken():
    with pytest.raises(nv.HyperparameterError, match="function from a width"):
        nv.trace(plain(64))


def test_modules_are_left_as_they_were():
    made = []

    def make(n):
        made.append(plain(n))
        return made[-1]

    nv.program(nv.trace(make), VECTORS)
    assert all(p.dtype == torch.float32 for module in made for p in module.parameters())


def test_model_in_float32_alone():
    """Numbers of the module's own in float32 do not meet float64 inputs."""

    class Recurrent(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.cell, self.out = nn.RNNCell(4, n), nn.Linear(n, 1)
            nn.init.normal_(self.cell.weight_ih, std=0.5)

        def forward(self, x):
            h = torch.zeros(len(x), self.cell.hidden_size, dtype=torch.float32)
            for step in x.unbind(1):
                h = self.cell(step, h)
            return self.out(h)

    found = nv.trace(Recurrent).check(SEQUENCES, width=16)
    assert max(found.outputs, found.ntk) < 1e-4


def test_the_gallery_may_compute_its_module_by_the_same_model_in_equinox():
    model, x = MODELS["PyTorch MLP"], np.random.default_rng(0).normal(size=(3, 64))
    own, twin = (nv.trace(make_of(source)) for source in (model.source, model.twin))
    found, expected = nv.infinite_ntk(own, x), nv.infinite_ntk(twin, x)
    np.testing.assert_allclose(found.nngp, expected.nngp, rtol=1e-5)  # both draw in float32
    np.testing.assert_allclose(found.ntk, expected.ntk, rtol=1e-5)
    assert nv.fluctuation(own, x).c == pytest.approx(nv.fluctuation(twin, x).c, rel=0.01)  # four standard errors
    own_laws, twin_laws = (
        sorted((p.law, p.fan_in, p.learning_rate) for p in one.report.parameters if p.kind != "number")
        for one in (own, twin)
    )
    assert own_laws == twin_laws
