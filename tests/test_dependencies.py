"""Dependencies point one way, as listed in docs/architecture.md and required by the contracts in pyproject.toml."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import grimp
import pytest

LONGEST = 400  # lines of a module
MOST = 16  # modules of a folder
OF_MANY = ("architectures/library.py", "architectures/oracles.py", "architectures/translation.py")
"""Files that test all architectures together, by the names of the modules that they stand for."""
LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"


def lint(folder: Path) -> subprocess.CompletedProcess:
    """Check the contracts in `folder` on the package beside them."""
    return subprocess.run([sys.executable, "-c", LINT], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def copy(root, tmp_path) -> Path:
    """A copy of the package and its contracts, in which to break them."""
    shutil.copy(root / "pyproject.toml", tmp_path)
    shutil.copytree(root / "ntkviz", tmp_path / "ntkviz", ignore=shutil.ignore_patterns("__pycache__", "static"))
    return tmp_path


def test_contracts_hold(root):
    done = lint(root)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("file", "line", "contract"),
    [
        ("networks/finite.py", "from ..app.style import theme", "Dependencies point one way"),
        ("language/values.py", "def late():\n    from ..gaussian import sobol", "Dependencies point one way"),
        ("errors.py", "from .regression import fit", "Dependencies point one way"),
        ("new.py", "", "Dependencies point one way"),
        ("architectures/rnn.py", "from ..gaussian import sobol", "An architecture needs nothing but the language"),
        ("regression.py", "import plotly.graph_objects", "Only the app depends on widgets and plots"),
        ("language/values.py", "def late():\n    import jax", "Modules that a light kernel imports need no JAX"),
        ("kernels/results.py", "from .infinite import explain", "Modules that a light kernel imports need no JAX"),
        ("app/plots/panel.py", "from ..pages import controls", "Dependencies between folders of the app point one way"),
        ("calculus/limit_kernels.py", "from .symbolic import exact", "There are no import cycles"),
    ],
)
def test_a_wrong_import_breaks_its_contract(copy, file, line, contract):
    with (copy / "ntkviz" / file).open("a") as source:
        source.write(f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1, done.stdout
    assert re.search(rf"{contract}.* BROKEN", done.stdout), done.stdout


def test_no_module_is_too_long(root):
    lengths = {file: len(file.read_text().splitlines()) for file in (root / "ntkviz").rglob("*.py")}
    assert len(lengths) > 100
    assert {str(file.relative_to(root)): n for file, n in lengths.items() if n > LONGEST} == {}


def test_no_folder_has_too_many_files(root):
    counts = Counter(file.parent for file in (root / "ntkviz").rglob("*.py"))
    assert {str(folder.relative_to(root)): n for folder, n in counts.items() if n > MOST} == {}


def test_tests_mirror_the_package(root):
    """A test file in a folder named like one of the package tests the module with the corresponding name."""
    tests, package = root / "tests", root / "ntkviz"
    rooms = {folder.name for folder in package.iterdir()}
    files = [file.relative_to(tests) for file in tests.rglob("test_*.py")]
    mirrors = [file for file in files if file.parts[0] in rooms and file.parts[0] not in ("app", "distant")]
    assert len(mirrors) > 30
    modules = {file.parent / f"{file.stem.removeprefix('test_')}.py" for file in mirrors}
    assert {str(module) for module in modules if not (package / module).is_file()} == set(OF_MANY)


def test_the_map_names_every_folder_and_what_it_imports(root):
    page = (root / "docs/architecture.md").read_text()
    rows = re.findall(r"^\| `ntkviz/(\w+)[/.].*\|([^|]*)\|$", page, re.MULTILINE)
    drawn = {folder: set(re.findall(r"`(\w+)`", imports)) for folder, imports in rows}
    assert drawn == imported()


def imported() -> dict[str, set[str]]:
    """For each folder or file directly under `ntkviz/`, the others that its modules import."""
    graph = grimp.build_graph("ntkviz", cache_dir=None, exclude_type_checking_imports=True)
    found: dict[str, set[str]] = {child.split(".")[1]: set() for child in graph.find_children("ntkviz")}
    for module in graph.modules - {"ntkviz"}:
        for needed in graph.find_modules_directly_imported_by(module):
            found[module.split(".")[1]].add(needed.split(".")[1])
    return {folder: needed - {folder} for folder, needed in found.items()}
