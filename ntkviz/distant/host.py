"""The cluster that computes for a class: a scheduler with a result cache, and two worker processes.

    python -m ntkviz.distant.host

It prints one line of JSON, the environment variables for processes that should use it, and runs until its standard
input is closed, so it stops with the process that started it through a pipe. Everything binds to localhost.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import dask
from distributed import Nanny, Scheduler, Security, SpecCluster, Worker, WorkerPlugin

from .. import machine
from .requests import ENGINE
from .result_cache import ResultCache

CACHED = 256 * 2**20  # bytes of cached answers, shared by the class
SMALL = 4e9  # bytes of memory below which one worker does everything
SHARE = 0.5  # of the memory of a small machine, beyond which its worker is started anew
HERE = "127.0.0.1"
LOG = logging.CRITICAL  # lower levels report every page that is closed while it waits for an answer
NO_PAGES: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
MEMORY: dict[str, Any] = {f"distributed.worker.memory.{stage}": False for stage in ("target", "spill", "pause")} | {
    "distributed.scheduler.allowed-failures": 10
}
"""A worker near its memory limit is started anew, where its tasks begin again, at most ten times. By default it would
first pause until memory is freed; but what it holds are compiled functions, so that all pages would wait for ever.
"""
RETURN_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**16)}
"""Makes glibc return freed memory to the system, as Dask's own workers do: a class has many kernels, mostly idle."""


class Nice(WorkerPlugin):
    """Lowers the priority of a worker's process."""

    def setup(self, worker: Worker) -> None:
        """Called in the worker."""
        os.nice(10)


@contextlib.contextmanager
def hosted() -> Iterator[dict[str, str]]:
    """Run the cluster; yields the environment variables of processes that should use it."""
    secured = security()
    with tempfile.TemporaryDirectory(prefix="ntkviz-") as folder, dask.config.set(NO_PAGES | MEMORY):
        parts = scheduler(secured), workers(folder, secured)
        with SpecCluster(scheduler=parts[0], workers=parts[1], security=secured, silence_logs=LOG) as cluster:
            yield {ENGINE: cluster.scheduler_address, **_unless_set(RETURN_MEMORY), **credentials(secured)}


def _unless_set(defaults: dict[str, str]) -> dict[str, str]:
    """Environment variables by name, each with the value that it has already, or else with its default."""
    return {name: os.environ.get(name, default) for name, default in defaults.items()}


def scheduler(secured: Security | None) -> dict[str, Any]:
    """The specification of the scheduler, in the form that `SpecCluster` takes."""
    options = {"plugins": [ResultCache(CACHED)], "dashboard": False}
    return {"cls": Scheduler, "options": options | address(secured)}


def workers(folder: str, secured: Security | None) -> dict[str, dict[str, Any]]:
    """The specifications of the worker processes: one for requests that a page waits for, one of lower priority.

    The first has several threads, so that no user waits for another's compilation, and one more for `prepare`. A small
    machine has room for one process with JAX, which then serves both.
    """
    compiled = {"JAX_COMPILATION_CACHE_DIR": f"{folder}/compiled", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    shared: dict[str, Any] = {"env": _unless_set(compiled)}
    shared |= {"local_directory": folder, "silence_logs": LOG} | address(secured)
    cores, memory = machine.cores(), int(machine.memory_total())
    quick, background = max(2, cores), max(1, cores // 2)
    if memory < SMALL:
        resources = {"quick": quick, "prepare": 1, "background": background}
        own = {"nthreads": quick + 1 + background, "memory_limit": int(SHARE * memory), "resources": resources}
        return {"one": {"cls": Nanny, "options": {"name": "one"} | own | shared}}
    described = {
        "quick": {"nthreads": quick + 1, "memory_limit": memory, "resources": {"quick": quick, "prepare": 1}},
        "background": {
            "nthreads": background,
            "memory_limit": memory * background // cores,
            "resources": {"background": background},
            "plugins": [Nice()],
        },
    }
    return {name: {"cls": Nanny, "options": {"name": name} | own | shared} for name, own in described.items()}


def address(secured: Security | None) -> dict[str, Any]:
    """Settings that bind a server to localhost, and also its dashboard, which is not used."""
    protocol = "tls://" if secured else "tcp://"
    return {"host": HERE, "protocol": protocol, "security": secured, "dashboard_address": f"{HERE}:0"}


def security() -> Security | None:
    """A certificate for this run alone, required to connect; `None` where `cryptography` is not installed.

    A Dask scheduler executes any code it is sent, and other users of this machine can reach its port.
    """
    return Security.temporary() if importlib.util.find_spec("cryptography") else None


def credentials(secured: Any) -> dict[str, str]:
    """The certificate, as environment variables that Dask reads."""
    if secured is None:
        return {}
    tls = {
        "CA_FILE": secured.tls_ca_file,
        "CLIENT__CERT": secured.tls_client_cert,
        "CLIENT__KEY": secured.tls_client_key,
    }
    return {f"DASK_DISTRIBUTED__COMM__TLS__{name}": text for name, text in tls.items()} | {
        "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True"
    }


def main() -> None:
    """Run the cluster for a class until standard input is closed."""
    with hosted() as environment:
        print(json.dumps(environment), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
