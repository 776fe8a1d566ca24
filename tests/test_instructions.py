"""Every instruction has a rule in every reading, or is refused with a reason; the documentation lists them."""

import re
from dataclasses import dataclass

import pytest
from instruction_table import PAGE, READINGS, held, kinds_of_instruction, page

from ntkviz.errors import ProgramError
from ntkviz.language import instructions as ops
from ntkviz.language.rules import Refused, Rules


@pytest.mark.parametrize("reading", READINGS)
def test_no_instruction_is_forgotten(reading):
    holes = [kind.__name__ for kind in kinds_of_instruction() if held(READINGS[reading], kind) is None]
    assert holes == []


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it again: python -m tests.instruction_table"


@dataclass(frozen=True)
class Unknown(ops.Op):
    """An instruction without any rules."""


def test_a_missing_rule_is_refused_by_name():
    table = Rules("a test")
    table.rule(ops.Linear)(lambda op: "linear")
    table.refuse(ops.Delayed, why="it comes later")
    assert table(ops.Add()) == "linear"
    with pytest.raises(ProgramError, match=re.escape("Instruction 7 (Unknown) has no rule for a test.")):
        table.of(Unknown(), index=7)
    with pytest.raises(ProgramError, match="Delayed has no rule for a test: it comes later"):
        table(ops.Delayed(3))
    assert held((table,), Unknown) is None
    assert held((table,), ops.Delayed) == Refused("it comes later")
