"""All lists of dependencies agree, the package is complete, and the README is correct."""

import builtins
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from plotly.offline import get_plotlyjs_version
from two_languages import differences

import ntkviz
from ntkviz.distant.readings import READINGS

ENTRY = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def pyproject(root) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def lock(root) -> str:
    return (root / "requirements.lock").read_text()


def declared(pyproject: dict) -> dict[str, SpecifierSet]:
    """The requirements of the package and its extras, by name, but for PyTorch, which is installed apart."""
    project = pyproject["project"]
    extras = {name: lines for name, lines in project["optional-dependencies"].items() if name != "torch"}
    lists = [project["dependencies"], *extras.values()]
    wanted = [Requirement(line) for lines in lists for line in lines]
    assert len({one.name for one in wanted}) == len(wanted), "a dependency is named twice"
    return {canonicalize_name(one.name): one.specifier for one in wanted}


def test_environment_yml_names_the_same_dependencies(root, pyproject):
    lines = re.findall(r"^ *- ([a-z][a-z0-9_-]*[<>=~!].*?) *(?:#.*)?$", (root / "environment.yml").read_text(), re.M)
    named = {canonicalize_name(one.name): one.specifier for one in map(Requirement, lines)}
    assert named.pop("python") == SpecifierSet(pyproject["project"]["requires-python"])
    assert named == declared(pyproject)


def test_lock_satisfies_pyproject(pyproject, lock):
    locked = {canonicalize_name(name): version for name, version in ENTRY.findall(lock)}
    tools = [*pyproject["dependency-groups"]["build"], *pyproject["build-system"]["requires"]]
    wanted = declared(pyproject) | {one.name: one.specifier for one in map(Requirement, tools)}
    assert {name: locked.get(name) for name, allowed in wanted.items() if locked.get(name) not in allowed} == {}


def test_lock_hashes_everything_and_names_no_machine(lock):
    for block in re.split(r"\n(?=\S)", lock.strip()):
        assert ENTRY.match(block), block
        assert "--hash=sha256:" in block
    assert not re.search(r"://|--(extra-)?index-url|--find-links|file:|^ +# via .*/", lock, re.MULTILINE)


def test_pytorch_is_locked_apart(root, pyproject, lock):
    lines = (root / "requirements-torch.txt").read_text().splitlines()
    apart = dict(line.split("==") for line in lines if not line.startswith("#"))
    (wanted,) = map(Requirement, pyproject["project"]["optional-dependencies"]["torch"])
    assert apart[wanted.name] in wanted.specifier
    assert not apart.keys() & {name for name, _ in ENTRY.findall(lock)}


def test_binder_installs_what_the_course_needs_of_the_lock(root, pyproject, lock):
    binder = (root / "binder/requirements.txt").read_text()
    needed, everything = (set(ENTRY.findall(text)) for text in (binder, lock))
    assert needed < everything
    assert binder.count("--hash=sha256:") >= len(needed)
    extras = ("app", "cluster", "flax", "equinox", "haiku")
    course = map(Requirement, [one for extra in extras for one in pyproject["project"]["optional-dependencies"][extra]])
    names = {name for name, _ in needed}
    assert {one.name.replace("_", "-").lower() for one in course} <= {name.replace("_", "-").lower() for name in names}
    assert names.isdisjoint({"pytest", "playwright", "mypy", "ruff"})
    version = (root / "binder/runtime.txt").read_text().strip().removeprefix("python-")
    assert version in SpecifierSet(pyproject["project"]["requires-python"])


def test_installed_version_is_the_declared_one(pyproject):
    assert metadata.version("ntkviz") == pyproject["project"]["version"]


def test_wheel_holds_the_dashboard_and_no_tests(root, tmp_path):
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path], cwd=root, check=True)
    names = set(zipfile.ZipFile(next(tmp_path.glob("*.whl"))).namelist())
    package = root / "ntkviz"
    made_here = {"__pycache__", ".ruff_cache", ".mypy_cache", ".pytest_cache"}
    files = [path for path in package.rglob("*") if path.is_file() and not made_here & set(path.parts)]
    assert {str(path.relative_to(root)) for path in files} <= names
    assert {Path(name).parts[0].split("-")[0] for name in names} == {"ntkviz"}


def test_pages_draw_with_the_plotly_js_of_the_installed_plotly(root):
    with (root / "ntkviz/app/static/vendor/plotly-cartesian.min.js").open() as file:
        head = file.read(200)
    assert f"plotly.js (cartesian - minified) v{get_plotlyjs_version()}\n" in head, "`make plotly` renews it"


def loaded_with(module: str) -> set[str]:
    """All modules loaded in a fresh Python after the import of one."""
    check = f"import sys, {module}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True).stdout.split())


def test_importing_loads_nothing_that_computes():
    assert {"jax", "jaxlib", "scipy"}.isdisjoint(loaded_with("ntkviz"))


@pytest.mark.parametrize(
    "imports",
    [
        "ntkviz.language, jax",
        "jax, ntkviz.language",
        "ntkviz, jax.numpy, ntkviz.kernels.infinite",
        "ntkviz.networks.finite",
    ],
)
def test_jax_calculates_in_float64_whichever_is_imported_first(imports):
    check = f"import {imports}; import jax; print(jax.numpy.ones(1).dtype)"
    done = subprocess.run(
        [sys.executable, "-c", check],
        env=os.environ | {"JAX_ENABLE_X64": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "float64"


def test_the_namespace_holds_the_public_names_and_nothing_else():
    check = "import ntkviz; print(*dir(ntkviz)); [getattr(ntkviz, name) for name in dir(ntkviz)]"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert {*done.stdout.split()} == {*ntkviz.__all__, "abs"}


def test_import_star_shadows_no_builtin():
    namespace: dict = {}
    exec("from ntkviz import *", namespace)
    assert {name for name in namespace if hasattr(builtins, name) and name[0] != "_"} == set()
    assert namespace["infinite_ntk"] is ntkviz.infinite_ntk


def test_the_engine_does_not_depend_on_the_app():
    loaded = loaded_with("ntkviz.kernels.infinite")
    assert "jax" in loaded
    assert {"IPython", "anywidget", "dask", "distributed", "ipywidgets", "plotly", "sklearn", "voila"}.isdisjoint(
        loaded
    )


def test_readings_load_scipy_only_when_they_need_it():
    assert "scipy" not in loaded_with(", ".join({*READINGS.values()})), "it takes as long to load as a limit to compute"


def test_the_app_does_not_import_slow_packages_that_it_does_not_need():
    loaded = loaded_with("ntkviz.app.plots.panel")
    assert "jsonschema" in loaded  # through plotly's widget, and with it what it would load
    assert {"lark", "scipy.stats"}.isdisjoint(loaded)


def test_a_page_loads_only_the_plots_that_it_shows():
    assert {name for name in loaded_with("ntkviz.app") if name.startswith("ntkviz.app.")} == set()
    check = "import sys; from ntkviz import app; app.PhaseDiagram; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    plots = {name for name in done.stdout.split() if name.startswith("ntkviz.app.plots.")}
    assert plots == {"ntkviz.app.plots.panel", "ntkviz.app.plots.phase"}


def test_readme_example_works_as_printed(root):
    example = re.search(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)[1]
    assert len(example.splitlines()) == 5
    check = "import numpy; assert limit.nngp.shape == limit.ntk.shape == (4, 4); assert numpy.isfinite(limit.ntk).all()"
    done = subprocess.run([sys.executable, "-c", f"{example}\n{check}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("[") == 5  # a matrix of four rows


def test_the_chinese_readme_is_that_of_the_english_one(root):
    english, chinese = ((root / name).read_text() for name in ("README.md", "README.zh.md"))
    for name in ("README", "docs/teaching/index"):  # they link to each other, and to pages in their own language
        chinese = chinese.replace(f"({name}.md)", f"({name}.zh.md)")
    assert differences(english.replace("(docs/teaching/index.md)", "(docs/teaching/index.zh.md)"), chinese) == []
