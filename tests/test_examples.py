"""Every Python example of a docstring, of docs/ and of CONTRIBUTING.md runs as printed.

An example may use `nv`, `np` and `jax` without importing them, as the rest of the documentation does. All other names
that it does not define, such as `x`, are in `STAND_INS`.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from selection import full

import ntkviz as nv
from ntkviz import app
from ntkviz.language import instructions
from ntkviz.language.network import Network
from ntkviz.language.rules import Rules
from ntkviz.language.text import listing, notation
from ntkviz.language.values import Scalar

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def vectors(count: int) -> np.ndarray:
    """Inputs of dimension 3."""
    return np.random.default_rng(count).standard_normal((count, 3))


def inside_an_architecture() -> dict[str, Any]:
    """A matrix and vectors of a program that is being written."""
    net = Network("ntk")
    data = net.record(instructions.Data(0), (), Scalar, (2, 3))
    return {"W": net.matrix("W"), "x": net.input("U", data)}


def picture() -> dict[str, Any]:
    """A plot, and two computations that do nothing."""
    pair = app.SideBySideKernels("left", "right", np.zeros((2, 8, 8)))
    return {"plot": pair, "infinite_side": lambda c: None, "finite_side": lambda c: iter(())}


STAND_INS: dict[str, Callable[[], dict[str, Any]]] = {
    "ntkviz.app": picture,
    "ntkviz.app.pages.controls.Controls": lambda: {name: getattr(app, name) for name in app.__all__},
    "ntkviz.language.text.notation": lambda: vars(listing) | vars(notation) | {"MyOp": type("MyOp", (), {})},
    "ntkviz.language.rules": lambda: {"ops": instructions, "Rules": Rules, "Array": jax.Array},
    "ntkviz.language.nonlinearities.nonlinearity.nonlinearity": inside_an_architecture,
    "ntkviz.kernels.gram.gram": lambda: {"x": vectors(3)},
    "ntkviz.kernels.sweep.sweep": lambda: {"x": vectors(2)},
    "ntkviz.adapters.scikit_learn.LimitKernel": lambda: {"x": vectors(4), "y": np.arange(4.0)},
    "ntkviz.adapters.tinygp.LimitKernel": lambda: {"x": vectors(4), "y": np.arange(4.0)},
    "ntkviz.regression.fit": lambda: {"x_train": vectors(4), "y_train": np.arange(4.0) - 1.5, "x_test": vectors(2)},
}


def documented() -> Iterator[tuple[str, str]]:
    """Every text that may contain examples, with the name of what it documents."""
    for path in [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "CONTRIBUTING.md"]:
        yield str(path.relative_to(ROOT)), path.read_text()
    for path in sorted((ROOT / "ntkviz").rglob("*.py")):
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        yield from docstrings(module, ast.parse(path.read_text()))


def docstrings(name: str, node: ast.Module | ast.ClassDef | ast.FunctionDef) -> Iterator[tuple[str, str]]:
    """The docstring of a module, class or function, and those of what it contains."""
    yield name, ast.get_docstring(node) or ""
    for child in node.body:
        if isinstance(child, ast.ClassDef | ast.FunctionDef):
            yield from docstrings(f"{name}.{child.name}", child)


EXAMPLES = [(name, code) for name, text in documented() for code in FENCED.findall(text)]
ALWAYS = {"docs/guides/features_that_move.md": 1, "docs/guides/your_own_model.md": 1}
"""Of each text `make test` runs one example, the first but for these; the others are full."""


def selected() -> Iterator[Any]:
    """The examples, marked."""
    seen: Counter[str] = Counter()
    for name, code in EXAMPLES:
        yield (name, code) if seen[name] == ALWAYS.get(name, 0) else full((name, code))
        seen[name] += 1


@pytest.mark.parametrize(("name", "code"), list(selected()), ids=[name for name, _ in EXAMPLES])
def test_example_runs_as_printed(name, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # some write files
    stand_ins = STAND_INS.get(name, dict)()
    exec(compile(code, name, "exec"), {"nv": nv, "np": np, "jax": jax} | stand_ins)


def test_every_stand_in_is_used():
    assert set(STAND_INS) <= {name for name, _ in EXAMPLES}
    assert {"CONTRIBUTING.md", *ALWAYS} <= {name for name, _ in EXAMPLES}
