"""Notebooks run in a kernel that never imports JAX, beside one engine for all of them."""

import json
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from selection import full_except

from ntkviz.app.classroom import engine

# The notebooks that use the engine in different ways; benchmarks/light_kernels.py runs every chapter.
CHAPTERS = ("00_home", "01_gaussian", "07_gradient_independence", "05_figure_1", "03_training")
NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BEFORE = """
from ntkviz import app
all_pictures, picture_made = [], app.Picture.__init__
def remembered(self, *args, **kwargs):
    all_pictures.append(self)
    picture_made(self, *args, **kwargs)
app.Picture.__init__ = remembered
"""
# The finite-width side runs as far as its first step; refusals and errors are shown on the page.
AFTER = """
import asyncio, json, sys
for _ in range(600):
    if all(picture._progress.value or picture._error.value for picture in all_pictures):
        break
    await asyncio.sleep(0.1)
pss = [int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")]
heavy = sorted({"jax", "scipy", "sklearn"} & set(sys.modules))
print(json.dumps({"heavy": heavy, "memory": sum(pss) / 1024, "errors": [p._error.value for p in all_pictures],
                  "drawn": all(p._progress.value for p in all_pictures)}))
"""


def ran(name: str, environment: dict[str, str]) -> dict:
    """The output of the last cell."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)
    last = nbformat.v4.new_code_cell(AFTER)
    notebook.cells = [nbformat.v4.new_code_cell(BEFORE), *notebook.cells, last]
    folder = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=200, resources=folder).execute(env=os.environ | environment)
    return json.loads(last.outputs[-1]["text"].splitlines()[-1])


@pytest.fixture(scope="module")
def runs(request):
    """The notebooks that are to be tested, two at a time."""
    chosen = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]
    with engine() as environment, ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(ran, name, environment) for name in chosen}


@pytest.mark.parametrize("name", full_except(CHAPTERS, "07_gradient_independence"))
def test_a_notebook_runs_without_the_engine(runs: dict[str, Future], name):
    found = runs[name].result()
    assert found["heavy"] == []
    assert 50 < found["memory"] < 130  # MB; memory shared with other processes counts proportionally
    assert not any(found["errors"])
    assert found["drawn"]
