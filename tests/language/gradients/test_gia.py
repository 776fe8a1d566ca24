"""The Simple GIA Check finds and names every broken rule, and W with Wᵀ raises no false alarm."""

import re

import pytest

import ntkviz as nv


def report(rng, fn, **hyper):
    return nv.simple_gia_check(nv.architecture(fn)(**hyper), rng.normal(size=(2, 3)))


def plain(net, x):
    return net.readout("v", nv.relu(net.input("U", x) + net.bias("b", std=0.1)))


def both(net, x):
    W = net.matrix("W")
    return net.readout("v", W.T @ nv.relu(W @ nv.relu(net.input("U", x))))


def positions(net, x):
    return net.readout("v", nv.stack([nv.relu(net.input("U", x))] * 3, 1), axes=1)


def twice_in_one_sum(net, x):
    h = net.input("U", x)
    return net.readout(net.vector("v"), nv.relu(h) + nv.erf(h))


@pytest.mark.parametrize("fn", [plain, both, positions, twice_in_one_sum])
def test_it_passes(rng, fn):
    result = report(rng, fn)
    assert result.passes
    assert result.reasons == ()
    assert str(result).startswith("The Simple GIA Check passes")


def test_it_passes_for_the_library_mlp(rng):
    for depth in (1, 2, 5):
        assert nv.simple_gia_check(nv.architectures.mlp(depth=depth), rng.normal(size=(2, 3))).passes


def mean_readout(net, x):
    return nv.moment(nv.square(net.input("U", x)))


def scaled_mean_readout(net, x):
    return 1.0 - 2.0 * nv.moment(nv.square(net.input("U", x)))


def nonzero_mean(net, x):
    return net.readout("v", nv.relu(net.input("U", x)), mean=1.0)


def nonzero_mean_added_by_hand(net, x):
    return net.readout(net.vector("v") + 0.5, nv.relu(net.input("U", x)))


def tied_to_embedding(net, x):
    v = net.vector("v")
    return net.readout(v, nv.relu(net.matrix("W") @ (x[:, 0] * v)))


def tied_to_interior(net, x):
    h = nv.relu(net.input("U", x))
    return nv.inner(h, nv.relu(net.matrix("W") @ h))


def interior_as_readout(net, x):
    h = nv.relu(net.input("U", x))
    return net.readout(h[0], net.matrix("W") @ h)


def used_in_interior(net, x):
    v = net.vector("v")
    h = net.input("U", x)
    return net.readout(v, net.matrix("W") @ nv.relu(h + v))


def used_twice_in_interior(net, x):
    v = net.vector("v")
    return net.readout(v, nv.relu(net.input("U", x) + v) + net.matrix("W") @ v)


def read_out_of_itself(net, x):
    v = net.vector("v", shape=(2,))
    return net.readout(v, nv.stack([v, v]))


def no_network(net, x):
    return x.sum(1)


@pytest.mark.parametrize(
    ("fn", "reason"),
    [
        (mean_readout, "is the mean readout 1ᵀx/n"),
        (scaled_mean_readout, "is the mean readout 1ᵀx/n"),
        (nonzero_mean, r"The readout v \(instruction {v}\) has a nonzero mean"),
        (nonzero_mean_added_by_hand, r"The readout v \(instruction {v}\) has a nonzero mean"),
        (tied_to_embedding, "The readout v is used again in the interior, at instruction"),
        (tied_to_interior, "is the inner product ⟨x, y⟩/n of the vectors of instructions"),
        (interior_as_readout, "is the interior vector of instruction"),
        (used_in_interior, "The readout v is used again in the interior, at instruction"),
        (read_out_of_itself, "The readout v is used again in the interior"),
        (no_network, "is a plain number, without a readout"),
    ],
)
def test_it_fails_for_the_right_reason(rng, fn, reason):
    result = report(rng, fn)
    index = next((line.index for line in _lines(rng, fn) if line.name == "v"), None)
    assert not result.passes
    assert len(result.reasons) == 1
    assert str(result).startswith("The Simple GIA Check fails. ")
    assert re.search(reason.format(v=index), result.reasons[0])


def _lines(rng, fn):
    return nv.program(nv.architecture(fn), rng.normal(size=(2, 3))).lines()


def test_every_use_in_the_interior_is_named_and_can_be_found(rng):
    reasons = report(rng, used_twice_in_interior).reasons
    assert len(reasons) == 2
    listing = _lines(rng, used_twice_in_interior)
    for reason in reasons:
        number = int(reason.rstrip(".").split()[-1])
        line = next(line for line in listing if number in (line.index, *line.written_inside))
        assert re.search(r"\bv\b", line.formula_text)


def test_the_check_reads_no_numbers(rng):
    def zero_mean_by_accident(net, x, *, mean=1.0):
        return net.readout("v", nv.relu(net.input("U", x)), mean=mean)

    assert not report(rng, zero_mean_by_accident, mean=1e-300).passes
    assert report(rng, zero_mean_by_accident, mean=0.0).passes
