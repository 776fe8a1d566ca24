"""The chapters of a scripted dashboard, of which one is open at a time: its tests share its page, and so its kernel."""

from contextlib import ExitStack, suppress

from pages import LAPTOP, PICTURES, open_chapter, wait_for_pictures, watched
from playwright.sync_api import Browser, Error, Page
from scripted import Scripted


class OpenBook:
    """Opening a page takes ten seconds of a processor, half of them in its kernel, so many tests share a page."""

    def __init__(self, chromium: Browser, scripted: Scripted):
        self._chromium, self._scripted = chromium, scripted
        self._opened = ExitStack()
        self._name = ""
        self._unreadable: dict[str, Exception] = {}

    def page(self, name: str) -> Page:
        """The page of a chapter on a laptop, answering as usual; its controls may be anywhere.

        A chapter that could not be opened is not tried again: each of its tests would wait for minutes.
        """
        if name in self._unreadable:
            raise AssertionError(f"{name} could not be opened") from self._unreadable[name]
        self._scripted.answer("")
        if name != self._name:
            try:
                self._open(name)
            except Exception as error:
                self._unreadable[name] = error
                raise
        self._page.keyboard.press("Escape")  # leaves the presentation
        self._page.emulate_media(media="screen", color_scheme="light", reduced_motion="no-preference")
        self._page.set_viewport_size(LAPTOP)
        return self._page

    def _open(self, name: str) -> None:
        """Open a chapter in the same window, in which its scripts need not be compiled again."""
        if self._name:
            self._page.evaluate("localStorage.clear()")
            self._page.goto("about:blank")
        else:
            self._page, self._watch = self._opened.enter_context(watched(self._chromium))
        self._name = name
        open_chapter(self._page, self._scripted.server.chapter(f"{name}.ipynb"))
        if name.rpartition("/")[2] in PICTURES:
            wait_for_pictures(self._page)

    def check(self) -> None:
        """Check that the page has logged no error and asked no other host since the last check."""
        self._watch.check(self._name or "the page")

    def close(self) -> None:
        """Close the window, whatever state it is in."""
        self._name = ""
        with suppress(Error):
            self._opened.close()
