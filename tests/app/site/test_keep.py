"""Chapters are stored for a dashboard one after the other, in each language that readers are led to; one that fails is
named, and the others are stored."""

import nbformat
import pytest

from ntkviz.app.site import keep


@pytest.fixture
def ran(monkeypatch, tmp_path):
    """The notebooks that were run; the first one fails, and the second is kept already."""
    found = []

    def run(notebook, folder, seconds, language):
        found.append((language, notebook.name))
        if notebook.name == "00_home.ipynb":
            raise RuntimeError("a cell fails")

    for name in ("00_home", "01_gaussian", "02_ntk"):
        nbformat.write(nbformat.v4.new_notebook(), tmp_path / f"{name}.ipynb")
    monkeypatch.setattr(keep, "run", run)
    monkeypatch.setattr(keep.os, "nice", lambda priority: None)
    monkeypatch.setattr(keep, "keep_compiled_code", lambda: None)
    monkeypatch.setattr(keep, "offered", lambda: ["en", "zh"])
    kept = {("en", "01_gaussian"), ("zh", "02_ntk")}
    monkeypatch.setattr(keep.Kept, "valid", lambda one: (one.language, one.notebook.stem) in kept or None)
    return found


def test_what_is_not_kept_is_run_and_a_failure_is_named(ran, tmp_path, capsys):
    keep.main([str(tmp_path), str(tmp_path / "store")])
    english, chinese = ["00_home.ipynb", "02_ntk.ipynb"], ["00_home.ipynb", "01_gaussian.ipynb"]
    assert ran == [*(("en", name) for name in english), *(("zh", name) for name in chinese)]
    failures = [f"00_home.ipynb could not be stored ({language}): a cell fails" for language in ("en", "zh")]
    assert capsys.readouterr().err.splitlines() == failures
