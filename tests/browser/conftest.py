"""A running dashboard, and a page of headless Chromium that fails the test when it errs or asks another host."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pages import PATIENCE, open_chapter, reading
from playwright.sync_api import Browser, Page, expect, sync_playwright

FLAGS = [
    "--no-sandbox",  # the tests run as root on some machines
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, so that `pytest -m "not browser"` is the quick run."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@dataclass
class Server:
    """A dashboard in a process of its own."""

    process: subprocess.Popen
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, as it announced it, without the slash at the end."""
        return next(word for word in self.lines[0].split() if word.startswith("http")).rstrip("/")

    def chapter(self, name: str) -> str:
        """The address of one notebook."""
        return f"{self.url}/voila/render/{name}"


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Server]:
    """Serve `folder` on a free port until the block ends; the server is interrupted as Ctrl-C does."""
    command = [sys.executable, "-m", "ntkviz.app.serve", str(folder), "--port=8900", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    server = Server(process)
    announced = threading.Event()

    def read() -> None:
        assert process.stdout
        for line in process.stdout:
            server.lines.append(line.rstrip())
            announced.set()
        announced.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        assert announced.wait(60), "the dashboard said nothing for a minute"
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join(10)


@pytest.fixture(scope="session")
def serve() -> Callable:
    """`serve(folder, *options)`: a dashboard of one's own, for tests that need other notebooks or settings."""
    return serving


@pytest.fixture(scope="package")
def dashboard(root: Path) -> Iterator[Server]:
    """The dashboard of the repository's notebooks, one for all tests of this folder."""
    # Kernels that wait for readers would take the machine from the tests; they have tests of their own.
    with serving(root / "notebooks", "--VoilaConfiguration.preheat_kernel=False") as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium if there is one, else the one Playwright brought."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page for one test."""
    with reading(chromium) as page:
        yield page


@pytest.fixture
def visit(page: Page, dashboard: Server) -> Callable[[str], Page]:
    """`visit("02_ntk.ipynb")` opens the page of a chapter."""
    return lambda name: open_chapter(page, dashboard.chapter(name))


@pytest.fixture
def assert_nothing_is_cut_off() -> Callable[[Page], None]:
    """A check that a page is no wider than its window and that no heading, formula or control loses its end."""

    def check(page: Page) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        cut = page.evaluate(
            "[...document.querySelectorAll('h1, mjx-container, .nv-control, .widget-label, .nv-button, .nv-reading')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 2 && e.clientWidth > 0).map(e => e.textContent)"
        )
        assert not cut

    return check
