"""A page that loses its kernel says so, and a reload loses nothing."""

import json
import os
import signal
import subprocess
from pathlib import Path

import nbformat.v4 as nb
import pytest
from pages import open_chapter, reading, until
from playwright.sync_api import Route, expect

REMEMBER_SOCKETS = """
    window.sockets = [];
    window.WebSocket = class extends WebSocket {
        constructor(...args) { super(...args); sockets.push(this); }
    };
"""

DROP_REQUEST_STATES = """
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (message) {
        if (!new TextDecoder("latin1").decode(message).includes("request_states")) send.call(this, message);
    };
"""

LESSON = """
import numpy as np
from ntkviz import app

x = np.linspace(0, 1, 5)
line = app.CurvesPlot(x, "Line", "x", "y", name="line")
controls = app.Controls(draw=app.Slider("random draw", 1, 9, start=1))
app.Picture(controls, [line], at_once=lambda c: line.restart(c.draw * x, c.draw * x, 0, f"Draw {c.draw}."))
"""

ONE_CHANGE = """
import time
from pathlib import Path
import numpy as np
from ntkviz import app

x = np.linspace(0, 1, 5)
line = app.CurvesPlot(x, "Line", "x", "y", name="line")

def as_it_comes(c):
    while not Path("{now}").exists():
        time.sleep(0.001)
    yield lambda: line.restart(x, x, 0, "Changed.")

app.Picture(
    app.Controls(draw=app.Slider("random draw", 1, 9, start=1)),
    [line],
    at_once=lambda c: line.restart(x, x, 0, "Unchanged."),
    as_it_comes=as_it_comes,
)
"""


def lessons(folder: Path, source: str) -> None:
    """Write a home page, and a lesson of one cell."""
    for name, cells in (("00_home", []), ("01_line", [nb.new_code_cell(source)])):
        (folder / f"{name}.ipynb").write_text(json.dumps(nb.new_notebook(cells=cells, metadata={"title": name})))


@pytest.fixture
def own(tmp_path, serve):
    """A dashboard whose only kernel is that of the test's page, which computes nothing."""
    lessons(tmp_path, LESSON)
    with serve(tmp_path, "--VoilaConfiguration.preheat_kernel=False") as server:
        yield server


def kernels(server) -> list[int]:
    found = subprocess.run(["pgrep", "-f", "ipykernel", "-P", str(server.process.pid)], capture_output=True, text=True)
    return [int(process) for process in found.stdout.split()]


def move(page) -> None:
    """One step of the slider for the random draw, and wait for its answer."""
    before = page.url
    page.locator(".nv-control", has_text="random draw").locator(".noUi-handle").press("ArrowRight")
    until(page, "before => location.href !== before", arg=before)


def test_a_lost_kernel_is_announced_and_a_reload_keeps_the_settings(own, chromium):
    with reading(chromium) as page:
        page.add_init_script(REMEMBER_SOCKETS)
        open_chapter(page, own.chapter("01_line.ipynb"))
        message = page.get_by_role("alert").filter(has_text="settings")
        move(page)

        page.evaluate("sockets.at(-1).close()")  # a brief interruption: repaired without a message
        until(page, "sockets.length > 1 && sockets.at(-1).readyState === WebSocket.OPEN")
        move(page)
        assert message.count() == 0

        [kernel] = kernels(own)
        os.kill(kernel, signal.SIGKILL)
        expect(message).to_contain_text("lost its kernel")
        settings = page.url.split("#")[1]
        assert "draw=3" in settings
        message.get_by_role("button", name="Reload").click()
        page.locator("#rendered_cells").wait_for(state="visible")
        expect(page.locator(".nv-control", has_text="random draw").locator(".widget-readout")).to_have_text("3")
        assert page.url.split("#")[1] == settings
        assert message.count() == 0


def test_widgets_appear_even_if_their_kernel_was_too_busy_to_list_them_at_first(own, page):
    page.add_init_script(DROP_REQUEST_STATES)
    open_chapter(page, own.chapter("01_line.ipynb"))
    expect(page.locator(".nv-reading").first).to_contain_text("Draw 1.")
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    move(page)


def test_a_change_while_the_page_makes_its_widgets_is_not_lost(tmp_path, serve, chromium):
    now, held = tmp_path / "now", []
    lessons(tmp_path, ONE_CHANGE.replace("{now}", str(now)))

    def received(message: str | bytes) -> None:
        if isinstance(message, bytes) and b"update_states" in message:
            now.touch()

    def hold_or_fetch(route: Route) -> None:
        """Keep the page from making widgets whose states it has, by code that it still has to fetch."""
        if now.exists():
            held.append(route)
        else:
            route.continue_()

    with serve(tmp_path, "--VoilaConfiguration.preheat_kernel=False") as server, reading(chromium) as page:
        page.on("websocket", lambda socket: socket.on("framereceived", received))
        page.route("**/jupyterlab-manager/static/*.js*", hold_or_fetch)
        page.goto(server.chapter("01_line.ipynb"))
        while not held:
            page.wait_for_timeout(50)
        page.wait_for_timeout(500)  # the kernel changes a widget meanwhile
        for route in held:
            route.continue_()
        page.locator(".nv-preview").wait_for(state="detached")
        expect(page.locator(".nv-picture .nv-reading")).to_contain_text("Changed.")
