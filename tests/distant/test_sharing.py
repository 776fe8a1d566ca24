"""What several kernels ask is calculated once; what nobody wants any more is not begun."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import distributed
import pytest

import ntkviz as nv
from ntkviz import cluster as connecting
from ntkviz.distant import asking
from ntkviz.distant.engine import _found
from ntkviz.distant.remote import Remote

LIMIT = 2**20  # bytes, as in conftest.py
calls: list[object] = []
go_on = threading.Event()


def slow(argument):
    """Counts its calls, and waits to be let go on."""
    calls.append(argument)
    go_on.wait(10)
    return argument


def large(number):
    """Half of what the cluster may remember."""
    calls.append(number)
    return bytes(LIMIT // 2)


@pytest.fixture
def asked(connect, monkeypatch):
    """Asks this module's functions by name."""
    calls.clear()
    go_on.clear()

    def ask(function, *args):
        _found.cache_clear()  # the worker's own memory is not what is tested
        return Remote((function, args, {}), answers=True)._value()

    return ask


def test_what_is_under_way_is_shared(asked):
    with ThreadPoolExecutor(2) as students:
        answers = [students.submit(asked, slow, "the same") for _ in range(2)]
        time.sleep(0.3)
        go_on.set()
        assert [answer.result(10) for answer in answers] == ["the same", "the same"]
    assert calls == ["the same"]


def test_what_is_finished_is_kept_for_the_next_student(asked, connect):
    go_on.set()
    assert asked(slow, "again") == "again"
    connect()  # another kernel
    assert asked(slow, "again") == "again"
    assert calls == ["again"]


def test_the_oldest_answers_make_room(asked):
    for number in (1, 2, 3, 4, 4, 1):
        asked(large, number)
        time.sleep(0.05)
    assert calls == [1, 2, 3, 4, 1]


def test_given_up_work_is_not_begun(asked):
    with ThreadPoolExecutor(2) as others:
        busy = [others.submit(asked, slow, k) for k in ("a", "b")]  # both threads of the worker
        time.sleep(0.3)
        with pytest.raises(asking.GivenUp), asking.wanted_until(lambda: True):
            asked(slow, "unwanted")
        time.sleep(0.3)
        go_on.set()
        assert {answer.result(10) for answer in busy} == {"a", "b"}
    time.sleep(0.3)
    assert set(calls) == {"a", "b"}


def test_lanes_lead_to_workers_of_their_own_until_the_cluster_dies(monkeypatch):
    workers = [
        {"name": "quick", "resources": {"quick": 1, "prepare": 1}},
        {"name": "background", "resources": {"background": 1}},
    ]
    spec = {
        w["name"]: {"cls": distributed.Worker, "options": {**w, "nthreads": 2, "dashboard_address": "127.0.0.1:0"}}
        for w in workers
    }
    scheduler = {"cls": distributed.Scheduler, "options": {"dashboard_address": "127.0.0.1:0"}}
    with distributed.SpecCluster(scheduler=scheduler, workers=spec) as running:
        monkeypatch.setenv(asking.ENGINE, running.scheduler_address)
        asking._connection.cache_clear()
        asking._lanes.cache_clear()
        try:
            assert Remote((where, (1,), {}), answers=True)._value() == "quick"
            with asking.preparing():
                assert Remote((where, (2,), {}), answers=True)._value() == "quick"
            with ThreadPoolExecutor(1) as beside:
                assert beside.submit(Remote((where, (3,), {}), answers=True)._value).result(10) == "background"
            monkeypatch.setattr(connecting, "TIMEOUT", 1)
            running.close()
            with pytest.raises(nv.ClusterError):
                Remote((where, (4,), {}), answers=True)._value()
        finally:
            asking._connection.cache_clear()
            asking._lanes.cache_clear()


def where(_):
    """The name of the worker that runs this."""
    return distributed.get_worker().name


def test_a_cluster_that_does_not_answer_is_one_sentence(monkeypatch):
    asking._connection.cache_clear()
    monkeypatch.setenv(asking.ENGINE, "tcp://127.0.0.1:9")
    monkeypatch.setattr(connecting, "TIMEOUT", 1)
    with pytest.raises(nv.ClusterError, match="No Dask scheduler answers"):
        asking.ask(b"")


KERNEL = """
import hashlib, os, sys
import numpy as np
import ntkviz as nv
cell = '''
width = 3
def helper(x):
    return [nv.relu(x) for _ in range(width)][0]

@nv.architecture
def network(net, xi, *, sigma_w=1.5, nonlinearity="erf"):
    phi = getattr(nv, nonlinearity)
    return net.readout("v", helper(phi(net.matrix("W", std=sigma_w) @ net.input("U", xi))))
'''
exec(compile(cell, f"/tmp/ipykernel_{os.getpid()}/1.py", "exec"), globals())
asked = []
from ntkviz.distant import remote
remote.ask = lambda request: asked.append(hashlib.sha256(request).hexdigest())
nv.infinite_ntk(network(sigma_w=1.0), np.eye(2))
nv.empirical_ntk(nv.architectures.mlp(depth=2)(nonlinearity="erf"), np.eye(2), width=64, key=0)
nv.sweep(network, np.eye(2), sigma_w=np.linspace(1, 2, 3))
print(*asked, sorted({"jax", "scipy", "sklearn"} & set(sys.modules)))
"""


def test_two_kernels_write_the_same_request_and_neither_imports_jax():
    environment = {"NTKVIZ_ENGINE": "tcp://127.0.0.1:9", "PATH": ""}
    said = [
        subprocess.run(
            [sys.executable, "-c", KERNEL],
            env=environment | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split(maxsplit=3)
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(set(said[0][:3])) == 3
    assert said[0][3].strip() == "[]"
