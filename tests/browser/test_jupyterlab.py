"""In JupyterLab, where plotly's own code draws the figures, a picture is what it is in the dashboard."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT

import nbformat.v4 as nb
import pytest
from playwright.sync_api import Page, expect

PICTURE = """
import numpy as np
from ntkviz import app

x = np.linspace(0, 4, 5)
line = app.CurvesPlot(x, "Line", "x", "y", name="line")
kernels = app.SideBySideKernels("One network", "Infinite width", np.ones((2, 8, 8)))  # empty cells are NaN
line.handles = [app.Handle("height", 2.0, "height")]
controls = app.Controls(height=app.Slider("height", 0.0, 4.0, start=1.0, step=0.5))
app.Picture(controls, [line, kernels], at_once=lambda c: line.restart(c.height + 0 * x, x, 0, f"Height {c.height:g}."))
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab whose only notebook, picture.ipynb, has one picture."""
    kernel = {"name": "python3", "display_name": "Python 3"}
    notebook = nb.new_notebook(cells=[nb.new_code_cell(PICTURE)], metadata={"kernelspec": kernel})
    (tmp_path / "picture.ipynb").write_text(json.dumps(notebook))
    options = ["--no-browser", "--allow-root", "--ServerApp.token=", "--ServerApp.ip=127.0.0.1"]
    own = ["--LabApp.news_url=", f"--LabApp.workspaces_dir={tmp_path / 'workspaces'}"]
    command = [sys.executable, "-m", "jupyterlab", *options, *own, str(tmp_path)]
    server = subprocess.Popen(command, env={**os.environ}, stdout=PIPE, stderr=STDOUT, text=True)
    try:
        address = next(found[1] for line in server.stdout if (found := re.search(r"(http://127.0.0.1:\d+)/", line)))
        threading.Thread(target=server.stdout.read, daemon=True).start()  # so that it does not block on a full log pipe
        yield address
    finally:
        server.kill()
        server.wait()


def test_a_handle_moves_its_slider_and_nothing_is_printed(lab: str, page: Page):
    page.goto(f"{lab}/lab/tree/picture.ipynb")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()
    page.locator(".jp-Notebook .cm-content").click()
    page.keyboard.press("Shift+Enter")
    grip = page.get_by_role("slider", name="height").and_(page.locator(".nv-grip"))
    expect(grip).to_have_attribute("aria-valuetext", "1")
    expect(page.locator(".nv-reading").first).to_contain_text("Height 1.")
    box = grip.bounding_box()
    page.mouse.move(box["x"] + 22, box["y"] + 22)
    page.mouse.down()
    page.mouse.move(box["x"] + 22, box["y"] - 300, steps=5)
    page.mouse.up()
    expect(page.locator(".nv-reading").first).to_contain_text("Height 4.")
    grip.press("ArrowDown")
    expect(page.locator(".nv-reading").first).to_contain_text("Height 3.5.")
    expect(page.locator(".nv-control .widget-readout")).to_have_text("3.50")
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    page.goto("about:blank")  # so that the page does not report the loss of its server
