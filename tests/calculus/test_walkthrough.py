"""A program line by line: kinds of line, and limits against values by hand."""

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.calculus.walkthrough import Walkthrough

X, SEQUENCE = [[1.0, -0.5]], [[[1.0, -0.5], [0.3, 1.2], [-1.0, 0.4]]]
SECOND_MOMENT = 0.625  # ‖ξ‖²/d of X


@pytest.fixture(scope="module")
def autoencoder():
    return Walkthrough(nv.architectures.tied_autoencoder(sigma_w=1.5), X)


@pytest.fixture(scope="module")
def mean_readout():
    return Walkthrough(nv.architectures.mean_readout_mlp(), X)


def step(program, name):
    return next((k, s) for k, s in enumerate(program.steps) if s.line.name == name)


def test_kinds_of_line():
    program = Walkthrough(nv.architectures.layernorm_mlp(depth=1), X)
    kinds = {line.name: program.kind(line) for line in program.lines}
    assert [kinds[name] for name in ("g1", "b1", "x1", "θ1", "v", "f", "df", "dx1")] == [
        *("given", "given", "Nonlin", "Moment", "given", "output", "given", "Nonlin")
    ]
    rnn = Walkthrough(nv.architectures.rnn(), SEQUENCE)
    assert [line.name for line in rnn.lines if rnn.kind(line) == "MatMul"] == ["g2", "g3", "dx4", "dx2"]
    assert "ξ" not in {line.name for line in rnn.lines}


def test_what_returns_in_the_autoencoder(autoencoder):
    number, decoder = step(autoencoder, "g3")

    # Ẑ has variance σ² E erf(g2)², Ż is σ² E[erf′(g2)] Z^x1 (Tensor Programs III); for z ~ N(0, s²),
    # E erf(z)² = (2/π) asin(2s²/(1 + 2s²)) and E erf′(z) = 2/√π /√(1 + 2s²).
    def square(s2):
        return 2 / np.pi * np.arcsin(2 * s2 / (1 + 2 * s2))

    sigma2, first = 1.5**2, 1.5**2 * SECOND_MOMENT
    second = sigma2 * square(first)
    returns = sigma2 * 2 / np.sqrt(np.pi) / np.sqrt(1 + 2 * second)
    assert decoder.returning == ("x1",)
    [(returned, factor)] = decoder.returns
    assert returned == step(autoencoder, "x1")[1].line.index
    assert factor == pytest.approx(returns, rel=2e-3)
    assert decoder.fresh**2 == pytest.approx(sigma2 * square(second), rel=1e-3)
    assert decoder.limit.std**2 == pytest.approx(sigma2 * square(second) + returns**2 * square(first), rel=2e-3)
    with_g1 = autoencoder.average(number, lambda h, g: h * g)
    assert with_g1.expected == pytest.approx(returns * first * 2 / np.sqrt(np.pi) / np.sqrt(1 + 2 * first), rel=5e-3)
    assert step(autoencoder, "dx2")[1].fresh is None


def test_mean_readout_by_hand(mean_readout):
    c = 1 + SECOND_MOMENT
    assert step(mean_readout, "f")[1].limit.mean == pytest.approx(c, rel=1e-3)
    dx = step(mean_readout, "dx1")[1]
    assert (dx.returning, float(dx.limit.mean)) == (("x1",), pytest.approx(2, rel=1e-3))
    assert dx.fresh == pytest.approx(2 * np.sqrt(c), rel=1e-3)
    assert [factor for _, factor in dx.returns] == [pytest.approx(2, rel=2e-3)]


def test_what_returns_of_two_vectors():
    """Of Wᵀ(y + We) with y = Wx and e = erf(Wᵀy), where the input is (1 + a) Ẑ^y + Ẑ^We with a = E erf′(Z^u), u = Wᵀy.

    Z^u = Ẑ^u + Z^x has variance 2 E (Z^x)². So (1 + a) x returns, and e.
    """

    @nv.architecture
    def there_and_back(net, xi):
        W, x = net.matrix("W"), net.input("U", xi)
        y = W @ x
        return net.readout("v", W.T @ (y + W @ nv.erf(W.T @ y)))

    program = Walkthrough(there_and_back, X)
    last = next(s for s in program.steps if len(s.returns) > 1)
    a = 2 / np.sqrt(np.pi) / np.sqrt(1 + 4 * SECOND_MOMENT)
    assert [factor for _, factor in last.returns] == [pytest.approx(1 + a, rel=0.01), pytest.approx(1, rel=0.01)]


@pytest.mark.parametrize(("name", "beside"), [("x2", "g2"), ("g2", "x1"), ("dg2", "g2"), ("dx1", "x1"), ("g1", "")])
def test_what_a_line_is_compared_with(mean_readout, name, beside):
    number, _ = step(mean_readout, name)
    network = mean_readout.network(64, 3)
    cloud = mean_readout.cloud(number, network)
    assert cloud.name == beside
    assert cloud.values == pytest.approx(mean_readout.value(number, network))
    if beside:
        assert cloud.beside == pytest.approx(mean_readout.value(step(mean_readout, beside)[0], network))


def test_a_recurrent_line_is_compared_with_the_token_that_it_reads():
    rnn = Walkthrough(nv.architectures.rnn(), SEQUENCE)
    number, _ = step(rnn, "x2")
    network = rnn.network(64, 0)
    first_token = network[next(line.index for line in rnn.lines if line.name == "x1")].reshape(3, 64)[0]
    assert rnn.cloud(number, network).beside == pytest.approx(first_token)


def test_terms_of_a_network_make_its_values(mean_readout, autoencoder):
    network = mean_readout.network(64, 3)
    number, f = step(mean_readout, "f")
    assert np.mean(mean_readout.terms(number, network, None)) == pytest.approx(mean_readout.value(number, network)[0])
    assert mean_readout.average(number, None).of == "Moment"
    assert mean_readout.average(step(mean_readout, "df")[0], None) is None
    assert f.kind == "output"

    number, f = step(autoencoder, "f")
    network = autoencoder.network(64, 3)
    terms = autoencoder.terms(number, network, None)
    assert autoencoder.value(number, network)[0] == pytest.approx(terms.sum() / 8)
    assert not autoencoder.average(number, None).settles
    nngp = nv.infinite_ntk(nv.architectures.tied_autoencoder(sigma_w=1.5), X).nngp.item()
    assert f.limit.std**2 == pytest.approx(nngp, rel=0.01)
