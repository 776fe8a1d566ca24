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


def hold(share, pid=None):
    """The ID of this process; if it is `pid`, it then holds memory up to this share of its limit until it is killed."""
    import psutil

    if pid in (None, os.getpid()):
        free = int(share * host.SHARE * TOTAL) - psutil.Process().memory_info().rss
        psutil.__dict__.setdefault("held", []).append(b"x" * free)  # as compiled functions stay
    if pid == os.getpid():
        time.sleep(60)
    return os.getpid()


def test_a_worker_answers_up_to_its_limit_and_is_started_anew_beyond_it(client):
    first = client.submit(hold, 0.85).result(timeout=60)
    time.sleep(1)  # workers look at their memory several times a second
    assert client.submit(os.getpid, pure=False).result(timeout=20) == first
    assert client.submit(hold, 1.1, pid=first).result(timeout=60) != first
