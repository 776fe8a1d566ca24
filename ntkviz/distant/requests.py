"""How a process sends requests to the cluster: to which workers, with which priority, and how they are abandoned.

There are three lanes, each a Dask resource of the workers that serve it, so that a slider never waits for another
user's wide networks:

- `quick`: requests from the main thread, where a page waits for the answer.
- `background`: requests from other threads.
- `prepare`: requests made in advance. They go to the workers of `quick`, which then have the compiled code.
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
"""The environment variable with the address of the cluster that computes for this process."""

PRIORITY = {"quick": 10, "background": 0, "prepare": -10}
POLLING = 0.1  # seconds between two checks of whether an answer is still needed

_lane: ContextVar[str | None] = ContextVar("lane", default=None)
_given_up: ContextVar[Callable[[], bool] | None] = ContextVar("given_up", default=None)
_connecting = threading.Lock()


class GivenUp(NtkvizError):
    """The answer is no longer needed."""


@contextmanager
def preparing() -> Iterator[None]:
    """A context whose requests have the lowest priority."""
    token = _lane.set("prepare")
    try:
        yield
    finally:
        _lane.reset(token)


@contextmanager
def wanted_until(given_up: Callable[[], bool]) -> Iterator[None]:
    """A context whose requests raise `GivenUp` once `given_up()` returns true.

    A cluster still finishes a computation that it has begun; one in this process stops at its next `check_wanted`.
    """
    token = _given_up.set(given_up)
    try:
        yield
    finally:
        _given_up.reset(token)


def check_wanted() -> None:
    """Raise `GivenUp` if the result is no longer needed. Long computations call this between their parts."""
    given_up = _given_up.get()
    if given_up is not None and given_up():
        raise GivenUp("This result is no longer needed.")


def ask(answer: Callable[[str, bytes], bytes], name: str, arguments: bytes) -> bytes:
    """`answer(name, arguments)` from the cluster.

    Identical requests, from whichever process, have the same key and are computed once.

    Raises what the engine raises, `GivenUp`, and `ClusterError` if the cluster cannot be reached or fails.
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
            f"The cluster that computes for this page failed ({type(problem).__name__}); reload the page, or tell the "
            "person who runs the class."
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
    # `result(timeout=…)` would also interrupt the transfer of an answer.
    future.add_done_callback(lambda _: done.set())
    while not done.wait(POLLING):
        if given_up():
            raise GivenUp("This result is no longer needed.")
    return future.result()


def _client() -> Client:
    """The connection of this process, opened on first use and reopened if it was lost."""
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
    """The lanes that the cluster's workers declare; on a cluster without any, every worker takes every request."""
    workers = _connection().scheduler_info(n_workers=-1)["workers"].values()
    return frozenset(lane for worker in workers for lane in worker["resources"])
