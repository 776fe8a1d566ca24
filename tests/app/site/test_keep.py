"""Chapters are stored for a dashboard one after the other; one that fails is named, and the others are stored."""

import nbformat
import pytest

from ntkviz.app.site import keep


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """The notebooks that were run; the first one fails, and the second is kept already."""
    found = []

    def run(notebook, folder, seconds):
        found.append(notebook.name)
        if notebook.name == "00_home.ipynb":
            raise RuntimeError("a cell fails")

    for name in ("00_home", "01_gaussian", "02_ntk"):
        nbformat.write(nbformat.v4.new_notebook(), tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(keep, "run", run)
    monkeypatch.setattr(keep.os, "nice", lambda priority: None)
    monkeypatch.setattr(keep, "keep_compiled_code", lambda: None)
    monkeypatch.setattr(keep.Kept, "valid", lambda kept: kept.notebook.stem == "01_gaussian" or None)
    return found


def test_what_is_not_kept_is_run_and_a_failure_is_named(ran, tmp_path, capsys):
    keep.main([str(tmp_path), str(tmp_path / "store")])
    assert ran == ["00_home.ipynb", "02_ntk.ipynb"]
    assert capsys.readouterr().err == "00_home.ipynb could not be stored: a cell fails\n"
