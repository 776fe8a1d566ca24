"""Computations on a Dask cluster: many calls of one function, distributed over workers that may die.

`distributed` is imported only when a cluster is named (`pip install "ntkviz[cluster]"`).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from .errors import ClusterError, HyperparameterError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
TIMEOUT = 10  # seconds within which a scheduler must answer


def client_of(scheduler: str, **options: Any) -> Client:
    """A client of the scheduler at an address, to be closed by the caller; `options` are those of `distributed.Client`.

    Raises `ClusterError` if `distributed` is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as problem:
        raise ClusterError('A Dask cluster needs the package distributed: pip install "ntkviz[cluster]".') from problem
    try:
        get_address_host_port(scheduler, strict=True)
    except (TypeError, ValueError) as problem:
        raise HyperparameterError(
            f"The scheduler is {scheduler!r}; it must be an address such as 'tcp://host:8786' or a distributed.Client."
        ) from problem
    try:
        return Client(scheduler, timeout=TIMEOUT, set_as_default=False, **options)
    except OSError as problem:  # includes time-outs
        raise ClusterError(
            f"No Dask scheduler answers at {scheduler!r} within {TIMEOUT} seconds; check the address, and that one is "
            "running."
        ) from problem


@contextlib.contextmanager
def connected(scheduler: Any) -> Iterator[Client]:
    """A client of the scheduler at an address, closed on exit; a `distributed.Client` is passed through.

    Raises the errors of `client_of`.
    """
    distributed = sys.modules.get("distributed")
    if distributed and isinstance(scheduler, distributed.Client):
        yield scheduler
        return
    with client_of(scheduler) as client:
        yield client


def on_cluster(client: Client, call: Callable[[int], T], arguments: Sequence[int]) -> Iterator[tuple[int, T]]:
    """`(argument, call(argument))` in the order of completion.

    `call`, with the data it holds, is sent to the cluster once; each worker gets one copy and keeps it. Results do not
    accumulate there: only as many calls are in progress as keep every worker busy. The scheduler repeats the calls of
    a worker that died. Exceptions of `call` are raised here.

    Raises `ClusterError` if one call killed several workers, or if the scheduler died.
    """
    import dask
    from distributed import Future, KilledWorker, as_completed
    from distributed.comm import CommClosedError

    # Not `scatter`, whose data are lost with the workers that hold them, whereas a task's result is recomputed. Dask
    # would warn that the task is large.
    with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
        held = client.submit(_itself, call, pure=False)
    waiting = iter(arguments)
    under_way: dict[Future[T], int] = {}
    finished = as_completed(loop=client.loop)

    def fill() -> None:
        threads = sum(client.nthreads().values())  # queried each time: workers come and go
        for argument in islice(waiting, max(0, 2 * max(threads, 1) - len(under_way))):
            future = client.submit(_called, held, argument, pure=False)
            under_way[future] = argument
            finished.add(future)

    try:
        fill()
        for future in finished:
            result = future.result()
            argument = under_way.pop(future)
            future.release()
            fill()
            yield argument, result
    except (KilledWorker, CancelledError, CommClosedError) as problem:
        raise ClusterError(
            f"The Dask cluster failed ({type(problem).__name__}): its scheduler or too many of its workers died, "
            "possibly for lack of memory; use smaller blocks or larger workers."
        ) from problem
    finally:
        client.cancel([*under_way, held])


def _itself(call: Callable[[int], T]) -> Callable[[int], T]:
    return call


def _called(call: Callable[[int], T], argument: int) -> T:
    return call(argument)
