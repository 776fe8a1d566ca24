"""Pages in headless Chromium that fail the test if they log an error or ask another host."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, expect

from ntkviz.app import chapters
from ntkviz.app.translation.words import CODE, say

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
CHAPTERS = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
PICTURES = [chapter.name for chapter in chapters(NOTEBOOKS) if chapter.number]
"""The chapters with a picture: all but the home page."""

# A cold kernel imports JAX and compiles before its page is ready; the guide's takes a minute of a slow processor.
PATIENCE = 240_000  # ms
LAPTOP = {"width": 1366, "height": 768}
FLAGS = [
    "--no-sandbox",  # the tests run as root on some machines
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Leaving a page ends its kernel and interrupts its requests; nobody sees that, so it is not an error.
LEAVE_QUIETLY = """
    addEventListener("beforeunload", () => {
        console.error = () => {};
        for (const kind of ["error", "unhandledrejection"]) addEventListener(kind, event => event.preventDefault());
    });
"""


@dataclass
class Watch:
    """The errors of a page, and its requests to other hosts."""

    errors: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def note(self, url: str) -> None:
        """Record a request that leaves this machine (Chromium sends none for data: and blob: addresses)."""
        where = urlsplit(url)
        if where.scheme not in ("data", "blob", "file") and where.hostname != "127.0.0.1":
            self.foreign.append(url)

    def check(self, name: str = "the page") -> None:
        """Check that nothing was recorded since the last check."""
        errors, foreign = self.errors[:], self.foreign[:]
        self.errors.clear()
        self.foreign.clear()
        assert not foreign, f"{name} asked other hosts: {foreign}"
        assert not errors, f"{name} logged errors: {errors}"


@contextmanager
def watched(chromium: Browser) -> Iterator[tuple[Page, Watch]]:
    """A fresh page of a laptop's size, and what is recorded of it."""
    watch = Watch()
    context = chromium.new_context(viewport=LAPTOP)
    context.set_default_timeout(PATIENCE)
    page = context.new_page()
    page.add_init_script(LEAVE_QUIETLY)
    page.on("console", lambda message: watch.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: watch.errors.append(str(error)))
    page.on("request", lambda request: watch.note(request.url))
    page.on("websocket", lambda socket: watch.note(socket.url))
    try:
        yield page, watch
        page.goto("about:blank")  # leaving a page ends its kernel; closing the browser's window under it would not
    finally:
        context.close()


@contextmanager
def reading(chromium: Browser) -> Iterator[Page]:
    """A fresh page of a laptop's size; in the end it must have asked no other host and logged no error."""
    with watched(chromium) as (page, watch):
        yield page
    watch.check()


def until(page: Page, expression: str, arg: object = None) -> None:
    """Wait until a JavaScript expression, or a function of `arg`, is true.

    Playwright's own `wait_for_function` calls `eval` in the page, which the page's content security policy refuses.
    """
    deadline = time.monotonic() + PATIENCE / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < deadline, f"still not true: {expression}"
        page.wait_for_timeout(50)


def open_chapter(page: Page, address: str) -> Page:
    """The page of a chapter, once all its cells are on screen and its widgets have taken the preview's place."""
    page.goto(address)
    page.locator("#rendered_cells").wait_for(state="visible")
    page.locator(".nv-preview").wait_for(state="detached")
    return page


def solution(exercise: Locator) -> str:
    """Open all hints of an exercise and its solution; the number at which that arrives, the last in bold."""
    for _ in range(4):
        exercise.locator(".nv-hints button").click()
    expect(exercise.locator(".nv-hints")).to_contain_text("Solution.")
    return exercise.locator(".nv-hints p:last-child b").last.inner_text().replace("−", "-")


def reply(page: Page, item: int, choice: str, reason: str) -> Locator:
    """Answer an item of the page's quiz; its verdict."""
    asked = page.locator(".nv-item").nth(item)
    asked.get_by_role("button", name=choice, exact=True).click()
    asked.get_by_role("combobox").select_option(reason)
    return asked.get_by_role("status")


def cancel(page: Page) -> None:
    """Stop the sampling, if there is any."""
    button = page.get_by_role("button", name=in_its_language(page, "Cancel"))
    if button.count():
        button.evaluate("e => e.click()")  # Playwright's `click` would wait for an enabled one: it may just have ended
        expect(button).to_be_disabled()


def in_its_language(page: Page, text: str, part: str = CODE) -> str:
    """What a page says for an English text of the app, or of another catalogue."""
    return say(text, page.evaluate("document.documentElement.lang"), part)


def wait_for_pictures(page: Page) -> None:
    """Wait until there are plots, and each is drawn and has a line of text."""
    page.locator(".nv-plot:not(.nv-hidden)").first.wait_for()
    until(
        page,
        "[...document.querySelectorAll('.nv-plot:not(.nv-hidden)')].every(plot => plot.querySelector('.main-svg')"
        " && plot.querySelector('.nv-reading')?.textContent.trim())",
    )
