"""The table of instructions and readings in the documentation, made from the tables of rules.

python -m tests.instruction_table          # writes docs/instructions.md
"""

from __future__ import annotations

import inspect
from pathlib import Path

from ntkviz.calculus import gaussianity, sampled
from ntkviz.calculus.symbolic import exact
from ntkviz.execution import one_by_one
from ntkviz.kernels.forward import kernels as forward
from ntkviz.kernels.forward import views
from ntkviz.language import instructions
from ntkviz.language.gradients import backward
from ntkviz.language.gradients import instructions as gradient_instructions
from ntkviz.language.instructions import Op
from ntkviz.language.rewriting import shorthand, steps_axis
from ntkviz.language.rules import Refused, Rules
from ntkviz.language.text import notation
from ntkviz.networks import sampling as networks

assert forward.kernels_from  # which needs the rules that fill the tables of `views`
PAGE = Path(__file__).parents[1] / "docs" / "instructions.md"
READINGS: dict[str, tuple[Rules, ...]] = {
    "text": (notation.formula,),
    "gradient": (backward.pullback,),
    "loops": (steps_axis.over_steps,),
    "examples": (one_by_one.like,),
    "network": (networks.value,),
    "forward kernels": (shorthand.short_for, views.scalar, views.mean, views.one_side, views.two_sides),
    "sampled Z": (sampled.sampled,),
    "symbolic Z": (shorthand.short_for, exact.exact),
    "signs": (gaussianity.signs,),
}
"""Each with its tables, of which an instruction needs a rule in one."""
KINDS = {instructions.Linear, instructions.Product, instructions.Source, instructions.OfLayers}
KINDS |= {gradient_instructions.OfGradients}
"""Classes that other instructions extend, and no program has."""
HEAD = """# Instructions and readings

What each reading has for each instruction of the language: a *rule* of its own (or of the kind of instruction it is),
or the *default* of the reading, which is to `evaluate` it (text: to write its name; loops: to keep it; examples: to
look for the same instruction); *in full* means that it reads what the instruction is short for
(`language/rewriting/shorthand.py`); a number stands for a refusal, whose reason is below. The rules stand in tables
(`ntkviz.language.rules.Rules`): `formula` in `language/text/notation.py` (text), `pullback` in
`language/gradients/backward.py` (gradient), `over_steps` in `language/rewriting/steps_axis.py` (loops), `like` in
`execution/one_by_one.py` (examples), `value` in `networks/sampling.py` (network), those of `kernels/forward/views.py`,
filled by `rules.py` and `repeats.py` there (forward kernels), `sampled` in `calculus/sampled.py`, `exact` in
`calculus/symbolic/exact.py` (symbolic Z), `signs` in `calculus/gaussianity.py`.

This page is made by `python -m tests.instruction_table`; a test keeps it true.

"""


def kinds_of_instruction() -> list[type[Op]]:
    """Every class of instruction that a program may have, in the order of the files."""
    found = [c for m in (instructions, gradient_instructions) for c in vars(m).values() if inspect.isclass(c)]
    own = [c for c in dict.fromkeys(found) if issubclass(c, Op) and c is not Op and c not in KINDS]
    return own + [c for c in _extending(Op) if c not in own and c not in KINDS and c.__module__.startswith("ntkviz.")]


def _extending(kind: type[Op]) -> list[type[Op]]:
    return [c for sub in kind.__subclasses__() for c in (sub, *_extending(sub))]


def held(tables: tuple[Rules, ...], kind: type[Op]) -> str | Refused | None:
    """What a reading has for an instruction: "rule", "default", "in full", a refusal, or nothing."""
    entries = [(table, table.entry(kind)) for table in tables]
    for table, entry in entries:
        if callable(entry):
            if table is shorthand.short_for:
                return "in full"
            return "default" if entry is table.entries.get(Op) else "rule"
    return next((entry for _, entry in entries if entry is not None), None)


def page() -> str:
    """The page, in Markdown."""
    reasons: dict[str, int] = {}
    rows = []
    for kind in kinds_of_instruction():
        cells = []
        for tables in READINGS.values():
            cell = held(tables, kind)
            if isinstance(cell, Refused):
                cell = str(reasons.setdefault(cell.why, len(reasons) + 1))
            cells.append(cell or "")
        rows.append(f"| `{kind.__name__}` | {' | '.join(cells)} |")
    table = [f"| instruction | {' | '.join(READINGS)} |", "| --- |" + " --- |" * len(READINGS), *rows]
    notes = [f"{number}. {why[0].upper()}{why[1:]}." for why, number in reasons.items()]
    return HEAD + "\n".join(table) + "\n\n" + "\n".join(notes) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
