"""The listing of a program, and a task about what the reader has built."""

import csv
import io
import time

import numpy as np
import pytest

import ntkviz as nv
from ntkviz.app import Listing, Task

X = np.ones((2, 2, 3))


def shown(**hyper):
    listing, arch = Listing("Its <program>"), nv.architectures.from_blocks(**hyper)
    program, report = nv.program(arch, X), nv.simple_gia_check(arch, X)
    listing.show(program, report)
    return listing, program, report


def test_every_line_is_shown_and_exported():
    listing, program, _ = shown(blocks=("A", "relu", "A.T"))
    rows = list(csv.DictReader(io.StringIO(listing.to_csv())))
    assert [row["name"] for row in rows] == [line.name for line in program.lines()]
    assert rows[2] == {"line": "8", "name": "g2", "formula": "1.5·A g1/√n,  A ~ N(0, 1)", "kind": "G-var"}
    for line in program.lines():
        assert f'<td>{line.place}</td><th scope="row">{line.name}</th><td>= {line.formula_text}</td>' in _html(listing)


def _html(listing):
    return listing.widget.children[0].children[1].value


def test_verdict_with_its_reasons():
    assert shown(blocks=("relu",))[0].reading.value == 'Simple GIA Check: <span class="nv-right">passes</span>. '
    listing, _, report = shown(blocks=("relu",), readout="tied")
    assert '<span class="nv-wrong">fails</span>' in listing.reading.value
    assert listing.reading.value.endswith(report.reasons[0])


def test_nothing_written_in_a_program_becomes_markup():
    @nv.architecture
    def odd(net, x):
        return net.readout("v<b>", net.input("U<i>", x).mean(1))

    listing = Listing("odd")
    listing.show(nv.program(odd, X), nv.simple_gia_check(odd, X))
    assert "= U&lt;i&gt; ξ" in _html(listing)
    assert "<i>" not in _html(listing)


@pytest.mark.parametrize(
    ("answer", "said"),
    [((True, "It is <so>."), "Yes.</span> It is &lt;so&gt;."), ((False, "It is not."), "Not yet.</span> It is not.")],
)
def test_task_asks_the_check_when_the_button_is_pressed(answer, said):
    asked = []
    task = Task("Do it.", lambda: asked.append(1) or answer)
    assert not asked
    task.widget.children[1].children[0].click()
    deadline = time.monotonic() + 10
    while said not in task._verdict.value and time.monotonic() < deadline:
        time.sleep(0.01)
    assert said in task._verdict.value
    assert len(asked) == 1
