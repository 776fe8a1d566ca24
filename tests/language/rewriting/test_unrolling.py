"""Repeated layers are written out as an author would write them."""

import pytest

import ntkviz as nv

mlp = nv.architectures.mlp


def by_hand(depth):
    """The mlp, its layers written out by its author."""

    @nv.architecture
    def written_out(net, x, *, sigma_w=1.5, sigma_b=0.1, sigma_v=1.0):
        h = net.input("W1", x, std=sigma_w) + net.bias("b1", std=sigma_b)
        for k in range(1, depth):
            h = net.matrix(f"W[{k}]", std=sigma_w) @ nv.relu(h) + net.bias(f"b[{k}]", std=sigma_b)
        return net.readout("v", nv.relu(h), std=sigma_v)

    return written_out


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_an_unrolled_program_is_the_one_unrolled_by_hand(rng, depth):
    x = rng.normal(size=(2, 3))
    unrolled, hand = nv.program(mlp(depth=depth), x), nv.program(by_hand(depth), x)
    assert not unrolled.has_repeats
    without_numbers = [
        [(line.name, line.type, line.formula_text, line.shape) for line in program.lines()]
        for program in (unrolled, hand)
    ]
    assert without_numbers[0] == without_numbers[1]
    assert [p.name for p in unrolled.parameters] == [p.name for p in hand.parameters]
