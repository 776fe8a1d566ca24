"""A course on a server that has stored its chapters: its pages have no kernel until a reader leaves what is stored."""

import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dots import write_course
from pages import open_chapter, until
from playwright.sync_api import expect
from server_monitor import ServerMonitor, own_folder
from serving import BINDER, ask, on_binder

from ntkviz.app.site.chapter import run


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notebooks")
    write_course(folder)
    return folder


@pytest.fixture(scope="module")
def store(notebooks, tmp_path_factory):
    """A folder in which the chapter, not the home page, is kept."""
    folder = tmp_path_factory.mktemp("store")
    with ThreadPoolExecutor(1) as thread:  # Playwright has an event loop in that of the tests
        thread.submit(run, notebooks / "01_dots.ipynb", folder, 5.0).result()
    return folder


@pytest.fixture(scope="module")
def served(notebooks, store, serve):
    """The server, and the number of its kernels."""
    # pytest's own folders have names too long for the kernels' sockets; a kernel that is ending may still write
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as files:
        place, environment = own_folder(files)
        options = f"--Dashboard.stored={store}", "--preheat_kernel=False", "--Dashboard.most_pages=1", place
        with serve(notebooks, *options, environment=environment) as server:
            monitor = ServerMonitor(server.process.pid, Path(files))
            yield server, lambda: monitor.resources().kernels


def says(page, text):
    expect(page.locator(".nv-picture .nv-reading")).to_have_text(text)


def drawn(page):
    return page.evaluate("(({x, y}) => [...x, ...y])(document.querySelector('.nv-picture .js-plotly-plot').data[0])")


def test_it_goes_on_with_a_kernel_where_the_stored_states_end(served, page):
    server, kernels = served
    dots = open_chapter(page, server.chapter("01_dots.ipynb"))
    dots.get_by_role("link", name="Wide and high").click()
    says(dots, "width 8, height 50, good: sum 58")
    dots.evaluate("document.title = 'the same page'")
    asked, then = dots.locator(".nv-derivation .nv-exercise").all()
    number = int(asked.inner_text().split("What is ")[1].split(" ")[0])
    asked.get_by_role("textbox").fill(str(2 * number))
    asked.get_by_role("button", name="Check").click()
    expect(asked.get_by_role("status").first).to_have_text(f"Yes. It is {2 * number}.")
    dots.locator(".nv-item").get_by_role("button", name="yes").click()
    assert kernels() == 0

    dots.locator(".nv-control", has_text="height").locator(".noUi-handle").press("ArrowRight")
    says(dots, "width 8, height 51, good: sum 59")
    assert kernels() == 1
    assert drawn(dots) == [8, 51]
    until(dots, "location.hash === '#width=8&height=51&word=good&view=both' && location.search === ''")
    assert dots.title() == "the same page"
    expect(asked).to_contain_text(f"What is {number} + {number}?")
    expect(asked.get_by_role("status").first).to_have_text("Solved.")
    expect(dots.locator(".nv-item").get_by_role("status")).to_have_text("Now choose the reason.")

    then.get_by_role("textbox").fill("3")
    then.get_by_role("button", name="Measure").click()
    expect(then.get_by_role("status").first).to_have_text("Yes. Measured.")
    dots.locator(".nv-control", has_text="word").locator("select").select_option("bad")
    says(dots, "width 8, height 51, bad: sum 59")
    dots.get_by_role("button", name="Reset").click()
    says(dots, "width 1, height 0, good: sum 1")

    # The server has room for one kernel: the next reader can go on with what is stored.
    with dots.context.expect_page() as opened:
        dots.evaluate("open(location.pathname + '#width=2&height=3')")
    other = opened.value
    expect(other.locator(".nv-picture .nv-status")).to_contain_text("The server has no calculation to spare")
    other.get_by_role("link", name="nearest stored").click()
    says(other, "width 2, height 0, good: sum 2")

    other.close()
    dots.goto("about:blank")
    for _ in range(100):
        if kernels() == 0:
            break
        dots.wait_for_timeout(100)
    assert kernels() == 0, "leaving the page ends its kernel"


def test_what_only_a_kernel_can_do_is_done_when_it_is_there(served, page):
    server, _ = served
    dots = open_chapter(page, server.chapter("01_dots.ipynb"))
    with dots.expect_download() as saved:
        dots.get_by_role("button", name="CSV").click()
    assert "dot" in saved.value.suggested_filename


def test_a_page_that_does_not_belong_to_its_notebook_is_not_shown(served, notebooks):
    server, _ = served
    path = "/voila/render/01_dots.ipynb"
    notebook, (_, headers, page) = notebooks / "01_dots.ipynb", ask(server, path)
    assert '"kernelId": "stored"' in page
    nonce = re.search(r"'nonce-([^']+)'", headers["content-security-policy"])[1]
    assert page.count("<script>") == 0 < page.count(f'<script nonce="{nonce}">')
    data = re.search(r'data-stored="([^"]+)"', page)[1]
    assert [ask(server, f"{data}{end}")[0] for end in ("-start.gz", "-states.gz", "-notebook.ipynb", ".json")] == [
        *(200, 200, 404, 404)
    ]
    before = notebook.read_text()
    notebook.write_text(before.replace("sum {c.width", "total {c.width"))
    try:
        assert '"kernelId": "stored"' not in ask(server, path)[2]
    finally:
        notebook.write_text(before)
    assert '"kernelId": "stored"' in ask(server, path)[2]
    assert '"kernelId": "stored"' not in ask(server, "/voila/render/00_home.ipynb")[2]


def test_binder_shows_what_is_stored_and_goes_on_with_a_kernel(root, notebooks, store, tmp_path, page):
    (tmp_path / ".cache").mkdir()
    for place, what in (("notebooks", notebooks), ("binder", root / "binder"), (".cache/chapters", store)):
        (tmp_path / place).symlink_to(what)
    with on_binder(tmp_path, tmp_path / "workspaces"):
        dots = open_chapter(page, f"{BINDER}/voila/render/01_dots.ipynb")
        dots.get_by_role("link", name="Wide and high").click()
        says(dots, "width 8, height 50, good: sum 58")
        assert drawn(dots) == [8, 50]
        kernels = f"{BINDER}/api/kernels"
        assert dots.request.get(kernels).json() == []
        dots.locator(".nv-control", has_text="height").locator(".noUi-handle").press("ArrowRight")
        says(dots, "width 8, height 51, good: sum 59")
        assert drawn(dots) == [8, 51]
        assert len(dots.request.get(kernels).json()) == 1
        dots.goto("about:blank")
