"""Identical requests of several kernels are computed once; abandoned requests are not started."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import distributed
import pytest

import ntkviz as nv
from ntkviz import cluster as connecting
from ntkviz.distant import readings, requests
from ntkviz.distant.pickling import pickled
from ntkviz.distant.readings import READINGS, read

LIMIT = 2**20  # bytes, as in conftest.py
calls: list[object] = []
go_on = threading.Event()


def slow(argument):
    """Counts its calls, and waits for a signal to continue."""
    calls.append(argument)
    go_on.wait(10)
    return argument


def large(number):
    """Half of what the result cache may hold."""
    calls.append(number)
    return bytes(LIMIT // 2)


@pytest.fixture
def listed(monkeypatch):
    """This module's functions are readings."""
    for function in (slow, large, where):
        monkeypatch.setitem(READINGS, function.__name__, __name__)
    calls.clear()
    go_on.clear()


@pytest.fixture
def asked(connect, listed):
    """Requests these readings."""
    return lambda function, *args: read(function.__name__, *args)


def test_running_computations_are_shared(asked):
    with ThreadPoolExecutor(2) as students:
        answers = [students.submit(asked, slow, "the same") for _ in range(2)]
        time.sleep(0.3)
        go_on.set()
        assert [answer.result(10) for answer in answers] == ["the same", "the same"]
    assert calls == ["the same"]


def test_finished_results_are_kept_for_the_next_reader(asked, connect):
    go_on.set()
    assert asked(slow, "again") == "again"
    connect()  # another kernel
    assert asked(slow, "again") == "again"
    assert calls == ["again"]


def test_the_oldest_answers_are_dropped_first(asked):
    for number in (1, 2, 3, 4, 4, 1):
        asked(large, number)
        time.sleep(0.05)
    assert calls == [1, 2, 3, 4, 1]


def test_abandoned_requests_are_not_started(asked):
    with ThreadPoolExecutor(2) as others:
        busy = [others.submit(asked, slow, k) for k in ("a", "b")]  # both threads of the worker
        time.sleep(0.3)
        with pytest.raises(requests.GivenUp), requests.wanted_until(lambda: True):
            asked(slow, "unwanted")
        time.sleep(0.3)
        go_on.set()
        assert {answer.result(10) for answer in busy} == {"a", "b"}
    time.sleep(0.3)
    assert set(calls) == {"a", "b"}


def test_lanes_have_separate_workers_until_the_cluster_dies(monkeypatch, listed):
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
        monkeypatch.setenv(requests.ENGINE, running.scheduler_address)
        requests._connection.cache_clear()
        requests._lanes.cache_clear()
        try:
            assert read("where", 1) == "quick"
            with requests.preparing():
                assert read("where", 2) == "quick"
            with ThreadPoolExecutor(1) as beside:
                assert beside.submit(read, "where", 3).result(10) == "background"
            monkeypatch.setattr(connecting, "TIMEOUT", 1)
            running.close()
            with pytest.raises(nv.ClusterError):
                read("where", 4)
        finally:
            requests._connection.cache_clear()
            requests._lanes.cache_clear()


def where(_):
    """The name of the worker that runs this."""
    return distributed.get_worker().name


def test_a_cluster_that_does_not_answer_is_one_sentence(monkeypatch):
    requests._connection.cache_clear()
    monkeypatch.setenv(requests.ENGINE, "tcp://127.0.0.1:9")
    monkeypatch.setattr(connecting, "TIMEOUT", 1)
    with pytest.raises(nv.ClusterError, match="No Dask scheduler answers"):
        read("explain")


def test_only_listed_readings_are_answered(connect):
    with pytest.raises(KeyError):
        read("system", "echo")


KERNEL = """
import hashlib, os, sys
import numpy as np
import ntkviz as nv
from ntkviz.distant import readings
from ntkviz.distant.pickling import pickled
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
os.environ["NTKVIZ_ENGINE"] = "tcp://127.0.0.1:9"
asked = []
def ask(answer, name, arguments):
    asked.append(hashlib.sha256(arguments).hexdigest())
    return answered.get(name) or pickled(None)
readings.ask, answered = ask, {}
nv.infinite_ntk(network(sigma_w=1.0), np.eye(2))
nv.empirical_ntk(nv.architectures.mlp(depth=2)(nonlinearity="erf"), np.eye(2), width=64, key=0)
nv.sweep(network, np.eye(2), sigma_w=np.linspace(1, 2, 3))
nv.cost(nv.empirical_ntk, network, np.eye(2), width=64, key=0)
answered["recorded"] = bytes.fromhex(sys.stdin.read())
nv.coordinates(nv.program(network, np.eye(2)), width=64, key=0)
nv.limit_law(nv.program(network, np.eye(2)))
print(*asked, sorted({"jax", "scipy", "sklearn"} & set(sys.modules)))
"""


def test_two_kernels_write_the_same_request_and_neither_imports_jax():
    traced = readings.answer("recorded", pickled(((nv.architectures.rnn, ((2, 3, 2),)), {})))
    said = [
        subprocess.run(
            [sys.executable, "-c", KERNEL],
            input=traced.hex(),
            env={"PATH": "", "PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(nv.__file__).parents[1])},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split(maxsplit=8)
        for seed in ("1", "2")
    ]
    assert said[0] == said[1]
    infinite, empirical, sweep, cost, trace, coordinates, again, limit_law, heavy = said[0]
    assert trace == again
    assert len({infinite, empirical, sweep, cost, trace, coordinates, limit_law}) == 7
    assert heavy.strip() == "[]"
