"""How a process asks the cluster: which of its workers, how urgently, and for how long an answer is wanted.

There are three lanes, each a Dask resource of the workers that serve it, so that a slider never waits for somebody
else's wide networks:

- `quick`: what is asked in the main thread, where a page waits for it.
- `background`: what is asked in other threads.
- `prepare`: what nobody waits for. It goes where `quick` goes, so that the code compiled for it is there.
"""

from __future__ import annotations

import functools
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from ..cluster import client_of
from ..errors import ClusterError, NtkvizError

if TYPE_CHECKING:
    from distributed import Client, Future

ENGINE = "NTKVIZ_ENGINE"
"""The environment variable that names the cluster which calculates for this process."""

PRIORITY = {"quick": 10, "background": 0, "prepare": -10}
LOOK = 0.1  # seconds between two looks whether an answer is still wanted

_lane: ContextVar[str | None] = ContextVar("lane", default=None)
_given_up: ContextVar[Callable[[], bool] | None] = ContextVar("given_up", default=None)
_connecting = threading.Lock()


class GivenUp(NtkvizError):
    """Nobody wants the answer any more."""


@contextmanager
def preparing() -> Iterator[None]:
    """What is asked inside is work for quiet moments."""
    token = _lane.set("prepare")
    try:
        yield
    finally:
        _lane.reset(token)


@contextmanager
def wanted_until(given_up: Callable[[], bool]) -> Iterator[None]:
    """What is asked inside is dropped once `given_up()`: at once if no worker has begun it, and raises `GivenUp`."""
    token = _given_up.set(given_up)
    try:
        yield
    finally:
        _given_up.reset(token)


def ask(answer: Callable[[str, bytes], bytes], name: str, arguments: bytes) -> bytes:
    """`answer(name, arguments)` from the cluster.

    Equal requests, of whatever process, have one key, under which the cluster calculates once.

    Raises what the engine raises, `GivenUp`, and `ClusterError` if the cluster cannot be reached or gives up.
    """
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    lane = _lane.get() or ("quick" if threading.current_thread() is threading.main_thread() else "background")
    try:
        future = _submitted(answer, name, arguments, lane)
        try:
            return _awaited(future)
        finally:
            future.release()
    except (KilledWorker, CancelledError, CommClosedError) as problem:
        raise ClusterError(
            f"The cluster that calculates for this page gave up ({type(problem).__name__}); open the page anew, or ask "
            "whoever runs the class."
        ) from problem


def _submitted(answer: Callable[[str, bytes], bytes], name: str, arguments: bytes, lane: str) -> Future[bytes]:
    client = _client()
    return client.submit(
        answer,
        name,
        arguments,
        key=f"{lane}-{name}-{hashlib.sha256(arguments).hexdigest()}",
        resources={lane: 1} if lane in _lanes() else None,
        priority=PRIORITY[lane],
    )


def _awaited(future: Future[bytes]) -> bytes:
    given_up, done = _given_up.get(), threading.Event()
    if given_up is None:
        return future.result()
    # Not `result(timeout=…)`, which breaks off also while the answer is being fetched.
    future.add_done_callback(lambda _: done.set())
    while not done.wait(LOOK):
        if given_up():
            raise GivenUp("This is not wanted any more.")
    return future.result()


def _client() -> Client:
    """The connection of this process, made when it is first needed and again if it was lost."""
    with _connecting:
        client = _connection()
        if client.status != "running":
            _connection.cache_clear()
            _lanes.cache_clear()
            client = _connection()
        return client


@functools.cache
def _connection() -> Client:
    return client_of(os.environ[ENGINE], direct_to_workers=True)


@functools.cache
def _lanes() -> frozenset[str]:
    """The lanes that the cluster's workers know; on other clusters everything may run anywhere."""
    workers = _connection().scheduler_info(n_workers=-1)["workers"].values()
    return frozenset(lane for worker in workers for lane in worker["resources"])
