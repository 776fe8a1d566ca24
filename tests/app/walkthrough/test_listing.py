"""The listing of a program, with the verdict of the Simple GIA Check."""

import numpy as np

import ntkviz as nv
from ntkviz.app import Listing

from ..conftest import csv_records

X = np.ones((2, 2, 3))


def shown(**hyper):
    listing, arch = Listing("Its <program>"), nv.architectures.from_blocks(**hyper)
    program, report = nv.program(arch, X), nv.simple_gia_check(arch, X)
    listing.show(program, report)
    return listing, program, report


def test_every_line_is_shown_and_exported():
    listing, program, _ = shown(blocks=("A", "relu", "A.T"))
    rows = csv_records(listing)
    assert [row["name"] for row in rows] == [line.name for line in program.lines()]
    assert rows[2] == {"line": "8", "name": "g2", "formula": "1.5·A g1/√n,  A ~ N(0, 1)", "kind": "G-var"}
    for line in program.lines():
        assert f'<td>{line.index}</td><th scope="row">{line.name}</th><td>= {line.formula_text}</td>' in _html(listing)


def _html(listing):
    return listing.widget.children[0].children[1].value


def test_verdict_with_its_reasons():
    assert shown(blocks=("relu",))[0].reading.value == 'Simple GIA Check: <span class="nv-right">passes</span>.'
    listing, _, report = shown(blocks=("relu",), readout="tied")
    assert '<span class="nv-wrong">fails</span>' in listing.reading.value
    assert listing.reading.value.endswith(report.reasons[0])


def test_texts_in_a_program_are_escaped():
    @nv.architecture
    def odd(net, x):
        return net.readout("v<b>", net.input("U<i>", x).mean(1))

    listing = Listing("odd")
    listing.show(nv.program(odd, X), nv.simple_gia_check(odd, X))
    assert "= U&lt;i&gt; ξ" in _html(listing)
    assert "<i>" not in _html(listing)
