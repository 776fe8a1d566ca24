"""Long computations in the background: one worker, the newest request wins, cancellation is immediate.

A request is a generator. The computation between two `yield`s runs in the worker; each yielded value is
a function without arguments that updates widgets, and runs where widgets live, on the kernel's event
loop. The worker waits until it has run, so the page is never flooded, and a request that has been
superseded meanwhile changes nothing. An error ends the request and becomes a sentence.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from ... import machine
from ...distant.requests import GivenUp, preparing, wanted_until
from ...errors import NtkvizError
from ..translation.refusals import refused
from ..translation.words import _

Update = Callable[[], object]
log = logging.getLogger(__name__)

HELD_UP = 0.7
"""Seconds after which a request that has not started yet says so: a compilation before it cannot be interrupted."""

SLOW = 0.7
"""Seconds after which a request announces its cost if its first step is not done."""

REST = 0.25
"""Seconds of pause between a request's first and second steps, so that a slider can be dragged smoothly."""

SWITCH = 0.0005
"""Seconds for which the worker may keep the interpreter from the event loop, which gives it away dozens of times while
it answers a move; with Python's 0.005 a move would take several times as long."""


def sentence(error: Exception) -> str:
    """The text shown for an error: its message if it is ours, otherwise its type alone: messages may contain paths."""
    if isinstance(error, NtkvizError):
        return refused(str(error))
    log.error("unexpected error in a picture", exc_info=error)
    said = _("This could not be computed because of an unexpected {error}.")
    return said.format(error=type(error).__name__)


@dataclass
class Request:
    """A long computation with its callbacks: `on_step` after each update, `on_end(error | None)` once.

    `on_wait(True)` is called if an earlier computation that cannot be interrupted delays it, and `on_wait(False)`
    when it then starts. `stepped` is set once its first step is done or will never be.
    """

    steps: Callable[[], Iterator[Update]]
    on_step: Update
    on_end: Callable[[str | None], object]
    on_wait: Callable[[bool], object]
    begun: bool = False
    waited: bool = False
    stepped: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)


class Background:
    """A worker thread that serves the newest request and, when there is none, prepares for later ones.

    Create it where the event loop runs (in a notebook's cell): updates are handed to that loop. Without a
    loop they run in the worker. With `watched=False` a request pauses after its first step until
    `watch` is called: a preheated kernel draws one picture and then leaves the machine to others.
    """

    def __init__(self, *, watched: bool = True) -> None:
        self._changed = threading.Condition()
        self._next: Request | None = None
        self._current: Request | None = None
        self._idle: deque[Update] = deque()
        self._watched = threading.Event()
        if watched:
            self._watched.set()
        try:
            self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            self._loop = None
        sys.setswitchinterval(SWITCH)
        threading.Thread(target=self._work, name="ntkviz", daemon=True).start()

    def run(
        self,
        steps: Callable[[], Iterator[Update]],
        on_step: Update = lambda: None,
        on_end: Callable[[str | None], object] = lambda error: None,
        on_wait: Callable[[bool], object] = lambda waiting: None,
        forecast: Callable[[], Update] | None = None,
    ) -> None:
        """Start `steps`, cancelling any running or waiting request.

        `forecast` is called in a separate thread if the first step takes long; the function that it returns runs on
        the event loop, unless the step is done by then.
        """
        self.cancel()
        request = Request(steps, on_step, on_end, on_wait)
        with self._changed:
            self._next = request
            self._changed.notify()
        if forecast:
            threading.Thread(target=self._announce_cost, args=[request, forecast], daemon=True).start()
        if self._loop is not None:
            self._loop.call_later(HELD_UP, self._say_if_waiting, request)

    def _say_if_waiting(self, request: Request) -> None:
        if not (request.begun or request.cancelled.is_set()):
            request.waited = True
            request.on_wait(True)

    def prepare(self, tasks: Iterable[Update]) -> None:
        """Do these tasks when idle (compiling ahead, say); requests take precedence between two tasks."""
        with self._changed:
            self._idle.extend(tasks)
            self._changed.notify()

    def leave_unprepared(self) -> None:
        """Drop all tasks that wait for an idle moment."""
        with self._changed:
            self._idle.clear()

    def cancel(self) -> None:
        """Cancel any running or waiting request: from now on it changes nothing on the page."""
        with self._changed:
            for request in (self._next, self._current):
                if request is not None:
                    request.cancelled.set()
                    request.stepped.set()
            self._next = None

    def watch(self) -> None:
        """Note that a reader has opened the page: from now on, requests run to their end."""
        self._watched.set()

    # --- in the worker -------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next or self._idle)
                request = self._current = self._next
                self._next = None
                task = None if request else self._idle.popleft()
            if request is not None:
                with wanted_until(request.cancelled.is_set):
                    self._serve(request)
                self._return_memory()
            elif task is not None:
                self._prepare(task)

    def _serve(self, request: Request) -> None:
        error: str | None = None
        request.begun = True
        if request.waited:
            self._hand_over(request, lambda: request.on_wait(False))
        try:
            for step, update in enumerate(request.steps()):
                request.stepped.set()
                self._hand_over(request, lambda update=update: (update(), request.on_step()))  # type: ignore[misc]
                if step == 0:
                    self._rest(request)
                if request.cancelled.is_set():
                    return
        except Exception as caught:
            error = sentence(caught)
        request.stepped.set()
        self._hand_over(request, lambda: request.on_end(error))

    def _announce_cost(self, request: Request, forecast: Callable[[], Update]) -> None:
        """If the first step takes long, estimate the total cost while it is running, and announce it."""
        if request.stepped.wait(SLOW):
            return
        try:
            with wanted_until(request.stepped.is_set):
                say = forecast()
        except GivenUp:
            return
        except Exception as error:  # if the computation is refused, the first step will say so
            log.info("no estimate: %s", error)
            return
        self._hand_over(request, lambda: None if request.stepped.is_set() else say())

    def _rest(self, request: Request) -> None:
        """After the first step, wait until the slider rests and a reader has opened the page; prepare meanwhile."""
        while not (self._watched.is_set() or request.cancelled.is_set()):
            with self._changed:
                task = self._idle.popleft() if self._idle else None
            if task is not None:
                self._prepare(task)
            else:
                self._watched.wait(0.1)
        request.cancelled.wait(REST)

    def _prepare(self, task: Update) -> None:
        """Do an idle task; if it waits for a cluster, the next request puts it back into the queue."""
        try:
            with preparing(), wanted_until(lambda: self._next is not None):
                task()
        except GivenUp:
            self._idle.appendleft(task)
        except Exception as error:  # preparation is optional: a failure will show when the result is needed
            log.info("preparing failed: %s", error)
        self._return_memory()

    def _return_memory(self) -> None:
        """Return freed memory to the system, unless there is more to do: most open pages are idle most of the time."""
        if not (self._next or self._idle):
            machine.return_freed_memory()

    def _hand_over(self, request: Request, update: Update) -> None:
        """Run `update` on the event loop and wait for it, unless the request has been superseded."""
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
