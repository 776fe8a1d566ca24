"""A running dashboard, and a page in headless Chromium that fails the test if it logs an error or asks another host."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from open_book import OpenBook
from pages import CHAPTERS, FLAGS, NOTEBOOKS, PATIENCE, open_chapter, reading
from playwright.sync_api import Browser, Page, expect, sync_playwright
from scripted import Scripted, scripted_dashboard
from selection import full_except
from serving import Server, serving
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

expect.set_options(timeout=PATIENCE)


ONE_OF_A_KIND = (
    "00_home",
    "02_ntk",  # images, and handles in the picture
    "05_figure_1",  # curves, and computations whose cost is announced
    "06_tensor_programs",  # a program line by line
    "15_playground",  # blocks
    "guide_write_your_own",
)


IN_CHINESE = [f"zh/{chapter}" for chapter in CHAPTERS]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test of a chapter's page is for its file's `CHAPTER`, or for every notebook, if it says so in Chinese, too."""
    if "chapter_name" in metafunc.fixturenames:
        own = getattr(metafunc.module, "CHAPTER", None)
        names = [own.removesuffix(".ipynb")] if own else full_except(CHAPTERS, *ONE_OF_A_KIND)
        if getattr(metafunc.module, "IN_CHINESE_TOO", False):
            names += full_except(IN_CHINESE, "zh/02_ntk")
        metafunc.parametrize("chapter_name", names)


def group(test: str) -> str:
    """The chapter whose page a test shares with others, or its file, whose server it shares."""
    path, _, parameters = test.partition("[")
    chapters = [part for part in parameters.rstrip("]").split("-") if part in (*CHAPTERS, *IN_CHINESE)]
    return chapters[0] if chapters else path.partition("::")[0]


class ByGroup(LoadScopeScheduling):
    """A group runs in one process, which opens its page or server once."""

    _split_scope = staticmethod(group)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByGroup | None:
    """Let `--dist=loadscope` keep groups together: `loadgroup` of pytest-xdist 3.8 does not with pytest 9.2."""
    return ByGroup(config, log) if config.getvalue("dist") == "loadscope" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, so that `pytest -m "not browser"` is the quick run, and put groups together.

    A page as it was opened is left to the tests of every page; what only this page shows comes after them.
    """
    places = [place for place, item in enumerate(items) if Path(__file__).parent in item.path.parents]
    order = sorted((items[k] for k in places), key=lambda item: (group(item.nodeid), hasattr(item.module, "CHAPTER")))
    for place, item in zip(places, order, strict=True):
        items[place] = item
        item.add_marker("browser")


def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> None:
    """A test that fails may leave anything on a shared page, so the next test opens another."""
    if call.excinfo and "book" in getattr(item, "funcargs", {}):
        item.funcargs["book"].close()


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


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripted]:
    """A dashboard of the repository's notebooks whose pictures answer as a script says."""
    with scripted_dashboard(NOTEBOOKS, tmp_path_factory.mktemp("notebooks")) as scripted:
        yield scripted


@pytest.fixture(scope="session")
def book(chromium: Browser, scripted: Scripted) -> Iterator[OpenBook]:
    """The chapters of that dashboard, of which one is open at a time."""
    with closing(OpenBook(chromium, scripted)) as book:
        yield book


@pytest.fixture
def chapter_page(chapter_name: str, book: OpenBook) -> Iterator[Page]:
    """The page of a chapter, shared by all tests of that chapter; it fails the test in which it logs an error."""
    yield book.page(chapter_name)
    book.check()


FOLLOW = """link => {
    if (location.hash.slice(1) === link) dispatchEvent(new HashChangeEvent('hashchange'));
    else location.hash = link;
}"""
"""Follow a link; the address may still be that of the same link if a control has been moved a moment ago."""

FOLLOWED = """link => new Promise(resolve => {
    const latest = performance.now() + 1500;
    const look = () =>
        location.hash.slice(1) !== link || performance.now() > latest ? resolve() : setTimeout(look, 20);
    look();
})"""
"""Wait until the page has put its own address in place of a link, unless they are the same: what it shows then belongs
to the link, and not to the settings that the test before has left."""


@pytest.fixture
def chapter(chapter_page: Page) -> Callable[..., Page]:
    """`chapter("width=64")`: that page with the settings of a link, and initial values for all others."""

    def with_settings(link: str = "") -> Page:
        if link:
            chapter_page.evaluate(FOLLOW, link)
            chapter_page.evaluate(FOLLOWED, link)
        else:
            chapter_page.get_by_role("button", name="Reset").click()
        return chapter_page

    return with_settings


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
