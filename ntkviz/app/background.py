"""Long work beside the page: one worker, the newest request wins, cancelled at once, errors become a sentence.

A request is a generator. What it computes between two `yield`s runs in the worker; what it yields is
a function without arguments that touches widgets, and runs where widgets live, on the kernel's event
loop. The worker waits until it has run, so the page is never flooded, and a request that was
overtaken meanwhile changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import NtkvizError

Update = Callable[[], object]
log = logging.getLogger(__name__)

REST = 0.25
"""Seconds between a request's first step and its next: while a slider is being dragged, the machine is its own."""


def sentence(error: Exception) -> str:
    """What to show of an error: the message of ours, or that it was unexpected."""
    if isinstance(error, NtkvizError):
        return str(error)
    log.error("unexpected error in a picture", exc_info=error)
    return f"This could not be computed ({type(error).__name__}: {error}); the last picture is kept."


@dataclass
class Request:
    """One piece of long work and what to tell whom: `on_step` after each update, `on_end(error | None)` once."""

    steps: Callable[[], Iterator[Update]]
    on_step: Update
    on_end: Callable[[str | None], object]
    cancelled: threading.Event = field(default_factory=threading.Event)


class Background:
    """A worker thread that serves the newest request and, when there is none, prepares for later ones.

    Make it where the event loop runs (a notebook's cell): updates are handed to that loop. Without a
    loop they run in the worker.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._next: Request | None = None
        self._current: Request | None = None
        self._idle: deque[Update] = deque()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        threading.Thread(target=self._work, name="ntkviz", daemon=True).start()

    def run(
        self,
        steps: Callable[[], Iterator[Update]],
        on_step: Update = lambda: None,
        on_end: Callable[[str | None], object] = lambda error: None,
    ) -> None:
        """Start `steps`, dropping whatever runs or waits."""
        self.cancel()
        with self._changed:
            self._next = Request(steps, on_step, on_end)
            self._changed.notify()

    def prepare(self, tasks: Iterable[Update]) -> None:
        """Work for quiet moments (compiling ahead, say); it yields to every request between two tasks."""
        with self._changed:
            self._idle.extend(tasks)
            self._changed.notify()

    def cancel(self) -> None:
        """Drop what runs or waits: from now on it changes nothing on the page."""
        with self._changed:
            for request in (self._next, self._current):
                if request is not None:
                    request.cancelled.set()
            self._next = None

    # --- in the worker -------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next or self._idle)
                request = self._current = self._next
                self._next = None
                task = None if request else self._idle.popleft()
            if request is not None:
                self._serve(request)
            elif task is not None:
                try:
                    task()
                except Exception as error:  # preparing is a courtesy: a failure shows when its turn really comes
                    log.info("preparing failed: %s", error)

    def _serve(self, request: Request) -> None:
        error: str | None = None
        try:
            pause = REST
            for update in request.steps():
                self._hand_over(request, lambda update=update: (update(), request.on_step()))  # type: ignore[misc]
                if request.cancelled.wait(pause):
                    return
                pause = 0.0
        except Exception as caught:
            error = sentence(caught)
        self._hand_over(request, lambda: request.on_end(error))

    def _hand_over(self, request: Request, update: Update) -> None:
        """Run `update` on the event loop and wait for it, unless the request was overtaken."""
        done = threading.Event()

        def guarded() -> None:
            try:
                if not request.cancelled.is_set():
                    update()
            except Exception:
                log.exception("a picture could not be updated")
            finally:
                done.set()

        if self._loop is None:
            guarded()
            return
        self._loop.call_soon_threadsafe(guarded)
        while not done.wait(0.1) and not request.cancelled.is_set():
            pass
