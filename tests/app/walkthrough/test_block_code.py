"""The Python of a stack of blocks has the very program of the stack."""

import random

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import python_of
from ntkviz.architectures.blocks import BLOCKS, MOST, READOUTS

X = np.random.default_rng(0).standard_normal((2, 2, 3))


def run(lines):
    """What the text defines, executed as it stands."""
    defined = {}
    exec("\n".join(text for text, _ in lines), defined)
    return defined["network"]


def stacks(count):
    chance = random.Random(0)
    for _ in range(count):
        yield tuple(chance.choices(sorted(BLOCKS), k=chance.randint(0, MOST))), chance.choice(sorted(READOUTS))


@pytest.mark.parametrize(
    ("blocks", "readout"),
    [
        *stacks(40),
        *(((), readout) for readout in READOUTS),
        (("skip", "W", "skip", "A.T", "skip", "A"), "tied"),
        (("A.T", "W", "A", "W"), "random"),
    ],
)
def test_the_text_executed_has_the_program_of_the_stack(blocks, readout):
    """Down to the names of its lines, so that its kernel is the same, too."""
    written = run(python_of(blocks, readout, 0.7))
    ours = nv.architectures.from_blocks(blocks=blocks, readout=readout, sigma_w=0.7)
    assert nv.program(written, X).to_text() == nv.program(ours, X).to_text()
    assert nv.simple_gia_check(written, X).passes == nv.simple_gia_check(ours, X).passes


def test_sigma_w_is_a_parameter_of_what_is_written():
    written = run(python_of(("W",), "random", 1.5))
    assert "1.5·W1" in nv.program(written, X).to_text()
    assert "0.5·W1" in nv.program(written(sigma_w=0.5), X).to_text()


def test_each_line_names_its_block():
    lines = python_of(("relu", "A", "skip"), "mean", 1.5)
    assert [(text.strip(), place) for text, place in lines[4:]] == [
        ('x = first = net.input("U", tokens)', -1),
        ("x = nv.relu(x)", 0),
        ('A = net.matrix("A", std=sigma_w)', 1),
        ("x = A @ x", 1),
        ("x = first + x", 2),
        ("return nv.moment(x.mean(1))", -1),
    ]
    assert all(len(text) <= 79 for text, _ in lines)
