"""A remote engine within this process: a cluster of threads, to which the process sends requests as a kernel would."""

import contextlib
from collections.abc import Callable, Iterator

import distributed
import pytest

from ntkviz.distant import requests
from ntkviz.distant.result_cache import ResultCache

LIMIT = 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[distributed.LocalCluster]:
    """A scheduler with a result cache, and a worker of two threads, both within this process."""
    options = {"processes": False, "protocol": "tcp://", "dashboard_address": None}
    with distributed.LocalCluster(n_workers=1, threads_per_worker=2, **options) as running:
        running.sync(_add_cache, running.scheduler)
        yield running


async def _add_cache(scheduler: distributed.Scheduler) -> None:
    plugin = ResultCache(LIMIT)
    scheduler.add_plugin(plugin)
    await plugin.start(scheduler)


@pytest.fixture
def connect(cluster, monkeypatch) -> Iterator[Callable[[], None]]:
    """Send all further requests to the cluster; each call opens a new connection."""
    clients = []

    def anew() -> None:
        requests._connection.cache_clear()
        requests._lanes.cache_clear()
        clients.append(requests._connection())

    monkeypatch.setenv(requests.ENGINE, cluster.scheduler_address)
    anew()
    yield anew
    for client in clients:
        with contextlib.suppress(Exception):
            client.close()
    requests._connection.cache_clear()
    requests._lanes.cache_clear()
