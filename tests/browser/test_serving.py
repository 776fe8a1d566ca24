"""The dashboard shows lessons, not files, and needs no network to do so."""

import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import nbformat.v4 as nb
import pytest
from psutil import Process
from serving import BINDER, on_binder


def status(url: str) -> int | None:
    """The HTTP status of a page, redirections followed; `None` while nobody listens."""
    try:
        with urlopen(url) as answer:
            return answer.status
    except HTTPError as error:
        return error.code
    except URLError:
        return None


def alive(process: int) -> bool:
    """Whether a process is running."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def folder(tmp_path):
    """A folder with a home notebook that prints its process id."""
    home = nb.new_notebook(cells=[nb.new_code_cell("import os\nprint('process', os.getpid())")])
    (tmp_path / "00_home.ipynb").write_text(json.dumps(home))
    return tmp_path


def test_root_opens_home(page, dashboard):
    answer = page.goto(dashboard.url)
    assert answer.status == 200
    assert page.url == dashboard.chapter("00_home.ipynb")
    page.locator("#rendered_cells").wait_for(state="visible")


@pytest.mark.parametrize(
    "path",
    [
        "voila/tree",
        "voila/tree/",
        "voila/api/contents",
        "voila/api/contents/00_home.ipynb",
        "voila/files/",
        "voila/files/00_home.ipynb",
        "voila/files/../pyproject.toml",
        "voila/render/",
        "voila/render/no_such_chapter.ipynb",
        "voila/render/../pyproject.toml",
        "files/00_home.ipynb",
        "api/contents",
        "tree",
        "lab",
    ],
)
def test_files_are_neither_listed_nor_downloaded(path, dashboard):
    assert status(f"{dashboard.url}/{path}") in (403, 404)


def test_it_prints_one_line_and_listens_on_this_machine_only(folder, serve):
    with serve(folder) as server:
        assert status(server.url) == 200
        assert status(f"{server.url}/no-such-page") == 404
    assert server.lines == [f"ntkviz is open at {server.url}/ (Ctrl-C stops it)"]
    assert server.url.startswith("http://127.0.0.1:")
    assert server.process.returncode == 0


@pytest.mark.alone
def test_kernels_of_lost_readers_end_and_preheated_ones_stay(folder, serve):
    def process(server) -> int:
        # No page follows this request, as if the reader's network broke.
        text = urlopen(server.chapter("00_home.ipynb")).read().decode()
        return int(re.search(r"process (\d+)", text)[1])

    manager = "--AsyncMappingKernelManager"
    with serve(folder, f"{manager}.cull_idle_timeout=2", f"{manager}.cull_interval=1") as server:
        lost = process(server)
        deadline = time.monotonic() + 30
        while alive(lost) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert not alive(lost)
        time.sleep(4)  # longer than the waiting kernel may be idle
        started = time.monotonic()
        assert alive(process(server))
        assert time.monotonic() - started < 1


def test_a_page_that_is_closed_ends_its_kernel(folder, serve, page):
    with serve(folder) as server:
        page.goto(server.chapter("00_home.ipynb"))
        page.locator("#rendered_cells").wait_for(state="visible")
        reader = int(re.search(r"process (\d+)", page.content())[1])
        assert alive(reader)
        page.wait_for_timeout(1000)  # Voilà's scripts register what to do on leaving shortly after the page is shown
        page.goto("about:blank")
        deadline = time.monotonic() + 20
        while alive(reader) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not alive(reader)


def test_a_full_server_asks_readers_to_wait_until_a_page_is_closed(folder, serve):
    options = "--Dashboard.most_pages=2", "--AsyncMappingKernelManager.cull_idle_timeout=3"
    with serve(folder, *options, "--AsyncMappingKernelManager.cull_interval=1") as server:
        home = server.chapter("00_home.ipynb")
        with ThreadPoolExecutor(6) as flood:
            answers = sorted(flood.map(status, [home] * 6))
        assert answers == [200, 200, 503, 503, 503, 503]
        with pytest.raises(HTTPError) as refused:
            urlopen(home)
        assert "The server is full; try again in a minute." in refused.value.read().decode()
        assert status(f"{server.url}/no-such-page") == 404  # what needs no kernel is answered
        deadline = time.monotonic() + 30
        while (answer := status(home)) == 503 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert answer == 200  # the first request admitted, in place of a page that was closed


def test_it_stops_cleanly_while_a_kernel_is_starting(root, serve):
    with serve(root / "notebooks") as server:
        deadline = time.monotonic() + 30
        while not Process(server.process.pid).children() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)  # its process runs, but does not answer yet
    assert server.lines[1:] == []
    assert server.process.returncode == 0


def test_a_folder_without_a_home_is_refused(tmp_path, serve):
    with serve(tmp_path) as server:
        server.process.wait(30)
    assert server.process.returncode == 1
    assert server.lines == [
        f"There is no 00_home.ipynb in {tmp_path}: name the folder of the notebooks, "
        "as in `python -m ntkviz.app.serve notebooks`."
    ]


def test_binder_opens_the_dashboard(root, tmp_path, page):
    """The Jupyter that Binder starts, with its configuration, opens a lesson with our navigation first. Formulas are
    drawn; neither lessons nor JupyterLab ask another host or log an error, which the fixture checks.
    """
    with on_binder(root, tmp_path):
        page.goto(BINDER)
        page.locator(".nv-header").wait_for()
        assert page.url.rstrip("?") == f"{BINDER}/voila/render/00_home.ipynb"
        for lesson in ("voila/render/01_gaussian.ipynb", "lab/tree/01_gaussian.ipynb"):
            page.goto(f"{BINDER}/{lesson}")
            page.locator("mjx-container").first.wait_for(state="attached")
            page.wait_for_timeout(500)  # for what is fetched late
        page.goto("about:blank")  # so that the page does not report the loss of its server
