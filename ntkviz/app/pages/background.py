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

from ...distant.asking import GivenUp, preparing, wanted_until
from ...errors import NtkvizError

Update = Callable[[], object]
log = logging.getLogger(__name__)

HELD_UP = 0.7
"""Seconds after which a request that could not begin says so: what is being compiled cannot be interrupted."""

SLOW = 0.7
"""Seconds in which a first step should come; then its request says what it will cost."""

REST = 0.25
"""Seconds between a request's first step and its next: they leave the machine to a slider that is being dragged."""


def sentence(error: Exception) -> str:
    """What to show of an error: its message if it is ours, else only its type, as a message may contain paths."""
    if isinstance(error, NtkvizError):
        return str(error)
    log.error("unexpected error in a picture", exc_info=error)
    return f"This could not be computed because of an unexpected {type(error).__name__}."


@dataclass
class Request:
    """One piece of long work and what to tell whom: `on_step` after each update, `on_end(error | None)` once.

    `on_wait(True)` is told if earlier work that cannot be interrupted keeps it from beginning, and `on_wait(False)`
    when it begins after that. `stepped` is set when its first step has come, or will not.
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

    Make it where the event loop runs (a notebook's cell): updates are handed to that loop. Without a
    loop they run in the worker. With `watched=False` a request stops after its first step until
    `watch` is called: a kernel that waits for its reader draws one picture and then leaves the machine
    to others.
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
        threading.Thread(target=self._work, name="ntkviz", daemon=True).start()

    def run(
        self,
        steps: Callable[[], Iterator[Update]],
        on_step: Update = lambda: None,
        on_end: Callable[[str | None], object] = lambda error: None,
        on_wait: Callable[[bool], object] = lambda waiting: None,
        forecast: Callable[[], Update] | None = None,
    ) -> None:
        """Start `steps`, dropping whatever runs or waits.

        `forecast` is asked in a thread of its own if the first step is long in coming; what it returns runs on the
        event loop, unless the step has come meanwhile.
        """
        self.cancel()
        request = Request(steps, on_step, on_end, on_wait)
        with self._changed:
            self._next = request
            self._changed.notify()
        if forecast:
            threading.Thread(target=self._foresee, args=[request, forecast], daemon=True).start()
        if self._loop is not None:
            self._loop.call_later(HELD_UP, self._say_if_waiting, request)

    def _say_if_waiting(self, request: Request) -> None:
        if not (request.begun or request.cancelled.is_set()):
            request.waited = True
            request.on_wait(True)

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
                    request.stepped.set()
            self._next = None

    def watch(self) -> None:
        """A reader is looking: from now on requests run to their end."""
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

    def _foresee(self, request: Request, forecast: Callable[[], Update]) -> None:
        """Unless the first step comes soon, ask what it all will cost, while it is under way, and say so."""
        if request.stepped.wait(SLOW):
            return
        try:
            with wanted_until(request.stepped.is_set):
                say = forecast()
        except GivenUp:
            return
        except Exception as error:  # if what it is about is refused, the first step says so itself
            log.info("no estimate: %s", error)
            return
        self._hand_over(request, lambda: None if request.stepped.is_set() else say())

    def _rest(self, request: Request) -> None:
        """After a first step, wait for a slider to come to rest and for somebody to look; prepare meanwhile."""
        while not (self._watched.is_set() or request.cancelled.is_set()):
            if self._idle:
                self._prepare(self._idle.popleft())
            else:
                self._watched.wait(0.1)
        request.cancelled.wait(REST)

    def _prepare(self, task: Update) -> None:
        """Do a task for quiet moments; where it waits for a cluster, the next request sends it back into the queue."""
        try:
            with preparing(), wanted_until(lambda: self._next is not None):
                task()
        except GivenUp:
            self._idle.appendleft(task)
        except Exception as error:  # preparing is a courtesy: a failure shows when its turn really comes
            log.info("preparing failed: %s", error)

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
