"""The workers of the engine on a small machine: none keeps pages waiting for memory that it will not free."""

import os
import time

import distributed
import pytest

from ntkviz import machine
from ntkviz.distant import host

TOTAL = 700e6  # bytes of a small machine, of which its worker may take half


@pytest.fixture
def client(monkeypatch):
    monkeypatch.setattr(machine, "memory_total", lambda: TOTAL)
    monkeypatch.setattr(host, "security", lambda: None)
    with host.hosted() as environment, distributed.Client(environment[host.ENGINE]) as client:
        yield client


def held(share):
    """Submitted to a worker, it holds as much memory as takes the worker to this share of its limit."""

    def hold(limit):
        import psutil

        taken = psutil.Process().memory_info().rss
        psutil.held = b"x" * (limit - taken)  # as compiled functions stay
        return os.getpid()

    return hold, int(share * host.SHARE * TOTAL)


def test_a_worker_answers_up_to_its_limit_and_is_started_anew_beyond_it(client):
    first = client.submit(*held(0.85)).result(timeout=60)
    time.sleep(1)  # workers look at their memory several times a second
    assert client.submit(os.getpid, pure=False).result(timeout=20) == first
    beyond = client.submit(*held(1.1), retries=0)
    time.sleep(1)
    beyond.cancel()
    assert client.submit(os.getpid, pure=False).result(timeout=60) != first
