"""Private parts of other packages still do what they are needed for, and are used in one file only."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plotly.graph_objects import FigureWidget

from ntkviz import app
from ntkviz.app import SideBySideKernels, upstream

APP = Path(app.__file__).parent


def private_parts(tree: ast.AST) -> set[str]:
    """Private attributes of other objects that the code reads or sets: `other._part`, but not IPython's `_repr_…_`."""
    return {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr[0] == "_" and node.attr[:2] != "__"
        if ast.unparse(node.value) not in ("self", "super()") and not node.attr.startswith("_repr_")
    }


def test_the_search_finds_private_parts():
    tree = ast.parse("self._own, super()._own, widget._config, self.figure._config, widget._repr_mimebundle_()")
    assert private_parts(tree) == {"widget._config", "self.figure._config"}


@pytest.mark.parametrize("file", sorted(APP.rglob("*.py")), ids=lambda file: str(file.relative_to(APP)))
def test_one_file_uses_private_parts(file):
    found = private_parts(ast.parse(file.read_text()))
    assert bool(found) == (file.name == "upstream.py"), found


def test_a_page_opened_later_gets_the_current_figure():
    pair = SideBySideKernels("sample", "limit", np.zeros((3, 8, 8)))
    pair.show(left=np.eye(3), right=np.eye(3))
    state = pair.figure.get_state()
    assert len(state["_widget_data"]) == len(pair.figure.data)
    assert state["_widget_layout"]["coloraxis"]["cmax"] == pytest.approx(1.25)


def test_a_plot_is_exported_under_its_name():
    options = upstream.configuration(SideBySideKernels("sample", "limit", np.zeros((1, 8, 8)), name="kernels").figure)
    assert options["toImageButtonOptions"]["filename"] == "ntkviz-kernels"
    assert options["modeBarButtons"] == [["toImage"]]


def test_plotlys_code_for_figures_becomes_a_part_of_a_module():
    code = upstream.figure_code(FigureWidget, "plotlysWidget")
    assert code.count("const plotlysWidget = ") == 1
    assert not re.search(r"export\s*\{[^}]*as FigureView", code)


def test_a_package_is_hidden_only_temporarily(monkeypatch):
    monkeypatch.delitem(sys.modules, "rfc3987_syntax", raising=False)
    with upstream.without_iri_grammar(), pytest.raises(ModuleNotFoundError):
        importlib.import_module("rfc3987_syntax")
    assert "rfc3987_syntax" not in sys.modules


@pytest.mark.parametrize("module", ["ntkviz.app.serve", "ntkviz.app.style.theme"])
def test_neither_the_dashboard_nor_a_page_builds_the_grammar(module):
    check = f"import {module}, sys; assert 'jsonschema' in sys.modules and 'rfc3987_syntax' not in sys.modules"
    subprocess.run([sys.executable, "-c", check], check=True)
