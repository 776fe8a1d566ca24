"""Each mutant has one change, which concerns the mathematics and nothing else."""

import ast
import tomllib
from pathlib import Path

from .mutants import mutants
from .run import TESTS

TEXT = '''
def φ(x: float = 1.0 / 2) -> tuple[int, 3]:
    """Half of x - 1."""
    if x < 0 or flag:
        raise ValueError(f"{x - 1} is below 0" + name)
    steps.append(min(x, 2))
    x += y
    return f(-x, y)


NODES = 384
'''


def test_the_changes_of_a_function():
    assert [m.now for m in mutants("some/module", TEXT)] == [
        "def φ(x: float = (1.0 * 2)) -> tuple[int, 3]:",
        "def φ(x: float = 2.0 / 2) -> tuple[int, 3]:",
        "def φ(x: float = 1.0 / 3) -> tuple[int, 3]:",
        "if (not (x < 0 or flag)):",
        "if (x < 0 and flag):",
        "if (x >= 0) or flag:",
        "if (x <= 0) or flag:",
        "if x < 1 or flag:",
        "pass",
        "steps.append(min(x, 3))",
        "x -= y",
        "pass",
        "return (f(y, -x))",
        "return f((x), y)",
    ]


def test_a_mutant_differs_in_the_line_it_names():
    before = TEXT.splitlines()
    for mutant in mutants("some/module", TEXT):
        after = mutant.text.splitlines()
        assert [k for k, (a, b) in enumerate(zip(before, after, strict=True), start=1) if a != b] == [mutant.line]
        ast.parse(mutant.text)


def test_modules_and_their_tests_exist(root):
    for module, files in TESTS.items():
        assert (root / "ntkviz" / f"{module}.py").is_file()
        assert all((root / "tests" / f"{file}.py").is_file() for file in files.split())
    package = root / "ntkviz"
    in_gaussian = (file.relative_to(package).with_suffix("") for file in (package / "gaussian").rglob("[!_]*.py"))
    assert set(map(str, in_gaussian)) <= set(TESTS)


def test_equivalent_mutants_still_exist(root):
    known = tomllib.loads((Path(__file__).parent / "equivalent.toml").read_text(encoding="utf-8"))["mutant"]
    for module in {m["module"] for m in known}:
        source = (root / "ntkviz" / f"{module}.py").read_text(encoding="utf-8")
        changes = {m.same_change() for m in mutants(module, source)}
        gone = [m["now"] for m in known if m["module"] == module and (module, m["was"], m["now"]) not in changes]
        assert not gone
