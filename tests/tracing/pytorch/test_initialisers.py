"""Laws of PyTorch's initialisers, as recorded, against known moments and PyTorch's own samples."""

import math

import jax
import numpy as np
import pytest
import torch
from torch import nn

from ntkviz.tracing.laws import laws_of, settled
from ntkviz.tracing.pytorch.modules import recorded

KEY = jax.random.key(0)
init = nn.init


class Holder(nn.Module):
    def __init__(self, *tensors):
        super().__init__()
        self.weights = nn.ParameterList(tensors)


def drawn(fill, shape=(50, 30)):
    """The law of a parameter that `fill` initialises in place, a sample of it by JAX, and one by PyTorch."""

    def make():
        weight = nn.Parameter(torch.empty(shape))
        with torch.no_grad():
            made = fill(weight)
        return Holder(weight if made is None or made is weight else nn.Parameter(made))

    end = recorded(make)
    (law,) = laws_of(jax.make_jaxpr(end.init)(KEY))
    return settled(law, np.asarray(end.init(KEY)["weights.0"])), end.init(KEY)["weights.0"], make().weights[0]


@pytest.mark.parametrize(
    ("fill", "family", "std"),
    [
        (init.uniform_, "uniform", 12**-0.5),
        (lambda w: init.uniform_(w, -0.3, 0.3), "uniform", 0.6 / 12**0.5),
        (lambda w: init.normal_(w, std=0.3), "normal", 0.3),
        (lambda w: init.kaiming_uniform_(w, a=math.sqrt(5)), "uniform", 90**-0.5),
        (init.kaiming_normal_, "normal", (2 / 30) ** 0.5),
        (lambda w: init.kaiming_normal_(w, mode="fan_out"), "normal", (2 / 50) ** 0.5),
        (init.xavier_uniform_, "uniform", (2 / 80) ** 0.5),
        (lambda w: init.xavier_normal_(w, gain=3), "normal", 3 * (2 / 80) ** 0.5),
        (init.trunc_normal_, "truncated normal", 0.8796),
        (lambda w: init.trunc_normal_(w, std=0.1, a=-0.2, b=0.2), "truncated normal", 0.08796),
        (lambda w: w.normal_().mul_(0.5).add_(1).sub_(1), "normal", 0.5),
        (lambda w: w.uniform_(-1, 1).erfinv_().mul_(math.sqrt(2)), "normal", 1.0),
        (lambda w: torch.randn(50, 30) * 0.02, "normal", 0.02),
        (lambda w: 0.1 * torch.randn_like(w), "normal", 0.1),
        (lambda w: torch.randn(30, 50).t() / 3, "normal", 1 / 3),
        (lambda w: torch.normal(0.0, 2.0, (50, 30)), "normal", 2.0),
        (lambda w: 2 * torch.rand(50, 30) - 1, "uniform", 2 / 12**0.5),
        (lambda w: w.bernoulli_(0.5).mul_(2).sub_(1), "sign", 1.0),
        (lambda w: torch.cat([torch.randn(25, 30), torch.randn(25, 30)]), "normal", 1.0),
        (lambda w: [init.normal_(part) for part in w.chunk(5)] and None, "normal", 1.0),
        (lambda w: init.orthogonal_(w, gain=1.5), "orthogonal", 1.5 / 50**0.5),
        (init.zeros_, "constant", 0.0),
        (lambda w: init.constant_(w, 0.2), "constant", 0.0),
        (lambda w: w.normal_().fill_(1.0), "constant", 0.0),
        (init.eye_, "fixed", 0.0),
    ],
)
def test_laws_of_initialisers(fill, family, std):
    law, ours, theirs = drawn(fill)
    assert law.family == family
    assert law.std == pytest.approx(std, rel=3e-4)
    assert ours.shape == tuple(theirs.shape)
    theirs = theirs.detach().numpy()
    # 1500 numbers of a law have its standard deviation up to 1/√3000 = 2 %.
    assert np.std(theirs) == pytest.approx(float(np.std(ours)), rel=0.1, abs=1e-5)
    assert np.mean(theirs) == pytest.approx(float(np.mean(ours)), abs=0.15 * float(np.std(theirs)) + 1e-5)


@pytest.mark.parametrize(
    "fill",
    [
        lambda w: torch.cat([w.normal_()[:30] + w[:30].t(), w[30:]]),
        lambda w: torch.randn(50, 2) @ torch.randn(2, 30),
        lambda w: torch.randn(50, 1).repeat(1, 30),
        lambda w: torch.randn(50, 30) * torch.arange(30.0),
        lambda w: w.normal_() - w.mean(0),
    ],
)
def test_dependent_entries_have_no_law(fill):
    law, _, _ = drawn(fill)
    assert not law.is_known


def test_default_initialisations():
    """Linear layers, convolutions and embeddings have the laws that PyTorch documents."""

    def make():
        torch.manual_seed(0)
        return nn.ModuleDict({"linear": nn.Linear(20, 30), "conv": nn.Conv1d(4, 8, 5), "table": nn.Embedding(7, 9)})

    end = recorded(make)
    names = end.init(KEY)
    laws = dict(zip(sorted(names), laws_of(jax.make_jaxpr(end.init)(KEY)), strict=True))
    for name, fan_in in (("linear.weight", 20), ("linear.bias", 20), ("conv.weight", 20), ("conv.bias", 20)):
        assert (laws[name].family, laws[name].std) == ("uniform", pytest.approx((3 * fan_in) ** -0.5, rel=1e-4))
    assert (laws["table.weight"].family, laws["table.weight"].std) == ("normal", pytest.approx(1, rel=1e-4))


def test_copies_share_their_draws():
    def make():
        a = nn.Parameter(torch.randn(4, 3))
        b = nn.Parameter(torch.randn(4, 3))
        return Holder(a, b, nn.Parameter(2 * a.detach()))

    one, two, copy = laws_of(jax.make_jaxpr(recorded(make).init)(KEY))
    assert not one.draws & two.draws
    assert one.draws & copy.draws


def test_memory_that_is_used_again_is_not_mistaken_for_the_draw_before():
    def make():
        for _ in range(20):
            torch.randn(64, 64)  # freed at once
        return Holder(nn.Parameter(torch.full((64, 64), 0.5)))

    (law,) = laws_of(jax.make_jaxpr(recorded(make).init)(KEY))
    assert (law.family, law.mean) == ("constant", 0.5)
