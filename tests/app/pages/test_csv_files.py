"""CSV files say what their numbers are, and CSV readers that skip comments can read them."""

import csv
import itertools
import re

import ipywidgets as widgets
import pytest

from ntkviz.app import Choice, Controls, Slider
from ntkviz.app.pages.csv_files import csv_file
from ntkviz.app.plots.panel import Panel, Part

PSI = ["h", "h²", "h³", "deviation × √n"]


class Numbers(Panel):
    """A panel of two numbers."""

    def table(self):
        yield "depth", "name"
        yield 3, 'a, "b"'


@pytest.fixture
def controls():
    return Controls(
        depth=Slider("depth", 1, 10, start=3),
        sigma=Slider("σ", -2.5, 2.5, start=1.5, step=0.05),
        psi=Choice("ψ", PSI, start="h"),
    )


@pytest.fixture
def panel():
    return Numbers("kernels", widgets.HTML())


def test_a_file_describes_its_numbers(controls, panel):
    controls.set(depth=7, sigma=-0.3)
    link = f"http://127.0.0.1:8866/voila/render/02_ntk.ipynb#{controls.to_link()}"
    file = csv_file(panel, controls, "02_ntk", link)
    assert file["name"] == "ntkviz-02_ntk-kernels-depth=7-sigma=-0.3.csv"
    comments = [line for line in file["text"].splitlines() if line.startswith("#")]
    assert re.fullmatch(r"# ntkviz \d+\.\d+\.\d+", comments[0])
    assert comments[1:] == [
        "# page: 02_ntk",
        "# plot: kernels",
        "# settings: depth=7; sigma=-0.3; psi=h",
        f"# link: {link}",
        '# read it with: pandas.read_csv(file, comment="#")',
    ]
    rows = list(csv.reader(line for line in file["text"].splitlines() if not line.startswith("#")))
    assert rows == [["depth", "name"], ["3", 'a, "b"']]


def test_a_file_lists_what_is_left_out(controls, panel):
    panel.parts = [Part("“a network”", drawn=True), Part("“infinite width”", drawn=True, current=True)]
    assert "# left out, because not computed for these settings: “a network”\n" in csv_file(panel, controls)["text"]


def test_in_jupyterlab_there_is_no_page_and_no_link(controls, panel):
    file = csv_file(panel, controls)
    assert file["name"] == "ntkviz-kernels-start.csv"
    assert "page:" not in file["text"]
    assert "link:" not in file["text"]


def test_each_state_has_its_own_name_in_safe_characters(controls, panel):
    names = []
    for depth, sigma, psi in itertools.product(range(1, 11), (-0.05, 1.5, 2.0), PSI):
        controls.set(depth=depth, sigma=sigma, psi=psi)
        names.append(csv_file(panel, controls, "02_ntk")["name"])
    assert len(set(names)) == len(names) == 120
    assert all(re.fullmatch(r"[\w.=-]{1,110}", name, re.ASCII) for name in names)


def test_a_page_cannot_add_lines(controls, panel):
    file = csv_file(panel, controls, "../../x\ny", "http://evil\n1,2\r3")
    assert [line for line in file["text"].splitlines() if not line.startswith("#")] == ["depth,name", '3,"a, ""b"""']
    assert file["name"] == "ntkviz-.._.._x_y-kernels-start.csv"
