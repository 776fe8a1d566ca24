"""A running dashboard, and a page in headless Chromium that fails the test if it logs an error or asks another host."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pages import FLAGS, LAPTOP, NOTEBOOKS, PATIENCE, PICTURES, open_chapter, reading, wait_for_pictures
from playwright.sync_api import Browser, Page, expect, sync_playwright
from scripted import Scripted, scripted_dashboard
from serving import Server, serving

expect.set_options(timeout=PATIENCE)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, so that `pytest -m "not browser"` is the quick run."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def serve() -> Callable:
    """`serve(folder, *options)`: a separate dashboard, for tests that need other notebooks or settings."""
    return serving


@pytest.fixture(scope="package")
def dashboard(root: Path) -> Iterator[Server]:
    """The dashboard of the repository's notebooks, one for all tests of this folder."""
    # Preheated kernels would compete with the tests for the machine; they have tests of their own.
    with serving(root / "notebooks", "--VoilaConfiguration.preheat_kernel=False") as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium if there is one, else the one that Playwright installed."""
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


@pytest.fixture(scope="module")
def opened(request: pytest.FixtureRequest, chromium: Browser, dashboard: Server) -> Iterator[Page]:
    """The page of a file's `CHAPTER`, opened once for all its tests: opening a page takes ten seconds."""
    with reading(chromium) as page:
        open_chapter(page, dashboard.chapter(request.module.CHAPTER))
        page.get_by_role("button", name="Reset").wait_for()
        yield page


@pytest.fixture
def chapter(opened: Page) -> Callable[..., Page]:
    """`chapter("width=64")`: that page with the settings of a link, and initial values for all others."""

    def with_settings(link: str = "") -> Page:
        opened.keyboard.press("Escape")  # leaves the presentation
        opened.set_viewport_size(LAPTOP)
        if link:
            opened.evaluate("link => location.hash = link", link)
        else:
            opened.get_by_role("button", name="Reset").click()
        return opened

    return with_settings


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """A dashboard of the repository's notebooks whose pictures answer as a script says."""
    with scripted_dashboard(NOTEBOOKS, tmp_path_factory.mktemp("notebooks")) as scripted:
        yield scripted


@pytest.fixture(scope="session", params=sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")))
def chapter_name(request: pytest.FixtureRequest) -> str:
    """Each notebook in turn."""
    return request.param


@pytest.fixture(scope="session")
def chapter_page(chapter_name: str, chromium: Browser, scripted: Scripted) -> Iterator[Page]:
    """Its page, opened once for all tests of every page; its pictures answer as usual until the script changes."""
    scripted.answer("")
    with reading(chromium) as page:
        open_chapter(page, scripted.server.chapter(f"{chapter_name}.ipynb"))
        if chapter_name in PICTURES:
            wait_for_pictures(page)
        yield page


@pytest.fixture
def assert_nothing_is_cut_off() -> Callable[[Page], None]:
    """A check that a page is no wider than its window and that no heading, formula or control is cut off.

    In a narrow window a displayed formula may be wider than the page: it scrolls separately. A label of a single pixel
    is meant for screen readers.
    """

    def cut_off(page: Page) -> list[str]:
        return page.evaluate(
            "[...document.querySelectorAll('h1, mjx-container, .nv-control, .widget-label, .nv-button, .nv-reading')]"
            ".filter(e => !e.matches('.nv-on-focus') && e.scrollWidth > e.clientWidth + 2 && e.clientWidth > 1)"
            ".filter(e => innerWidth > 700 || getComputedStyle(e).overflowX !== 'auto').map(e => e.textContent)"
            ".concat(document.documentElement.scrollWidth > innerWidth ? ['the page'] : [])"
        )

    def check(page: Page) -> None:
        for _ in range(50):  # plots take a moment to follow the window
            if not (found := cut_off(page)):
                return
            page.wait_for_timeout(100)
        assert found == []

    return check
