"""Several readers, as websockets: each gets an answer, none sees another's numbers, and none leaves anything behind."""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from urllib.request import urlopen

import nbformat.v4 as nb
import numpy as np
import pytest
from reader import reading_over_websocket, run
from server_monitor import ServerMonitor, own_folder

import ntkviz as nv
from ntkviz import app

MOVES = {"sigma_w": [0.7, 2.2], "sigma_b": [0.4, 0.9], "depth": [1, 7]}  # one control for each reader
START = {"depth": 3, "sigma_w": 1.5, "sigma_b": 0.1}
LIMIT = 4, 5, "z"  # the heatmap of the limit is the sixth trace of the chapter's fifth plot


def test_readers_of_one_chapter_see_their_own_kernels(dashboard):
    async def reader(name):
        async with reading_over_websocket(dashboard.url, "02_ntk.ipynb") as page:
            await page.follow("view=every+pair")
            return [(await page.move(name, value)).numbers[LIMIT] for value in MOVES[name]]

    async def everybody():
        return await asyncio.gather(*map(reader, MOVES))

    x = app.digits(classes=(0, 1, 4, 6), each=4).x
    for (name, values), shown in zip(MOVES.items(), run(everybody()), strict=True):
        for value, kernel in zip(values, shown, strict=True):
            limit = nv.infinite_ntk(nv.architectures.mlp(**START | {name: value}), x).ntk
            np.testing.assert_allclose(kernel, limit, rtol=1e-12)


@pytest.fixture
def folder(tmp_path):
    """Two notebooks that need no engine; the second is slow."""
    notebooks = {"00_home": "import ipywidgets\nipywidgets.IntSlider()", "01_slow": "import time\ntime.sleep(6)"}
    for name, code in notebooks.items():
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(nb.new_notebook(cells=[nb.new_code_cell(code)])))
    return tmp_path


@pytest.fixture
def monitor(folder, serve):
    """The monitor of a server of that folder without kernels, and the server's address."""
    # pytest's own folders have names too long for the kernels' sockets; a kernel that is ending may still write
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as files:
        place, environment = own_folder(files)
        with serve(folder, place, "--preheat_kernel=False", environment=environment) as server:
            yield ServerMonitor(server.process.pid, Path(files)), server.url


def test_closed_pages_leave_nothing_behind(monitor):
    server, url = monitor

    async def open_and_close():
        async with reading_over_websocket(url, "00_home.ipynb") as page:
            assert page.kernel
            assert page.models

    run(open_and_close())  # opens files that stay open
    before = server.resources()
    for _ in range(10):
        run(open_and_close())
    server.rest()
    after = server.resources()
    assert after.kernels == before.kernels == 0
    assert after.files == before.files
    assert after.open_files <= before.open_files


def test_a_page_left_while_it_is_rendered_leaves_nothing_behind(monitor):
    server, url = monitor

    def wait_until(condition):
        deadline = time.monotonic() + 30
        while not condition(server.resources()):
            assert time.monotonic() < deadline, server.resources()
            time.sleep(0.2)

    with pytest.raises(TimeoutError), urlopen(f"{url}/voila/render/01_slow.ipynb", timeout=2) as page:
        page.read()
    wait_until(lambda used: used.kernels == 1)
    wait_until(lambda used: used.kernels == used.files == 0)
