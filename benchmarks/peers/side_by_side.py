"""Several implementations on the same inputs, alternately: times, peak memory and results of each."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
TURN = 0.4
"""Least seconds of a turn, which has at most ten calls: the first ones find a processor slowed down by waiting."""


@dataclass(frozen=True)
class Side:
    """A script of this folder, and the Python that runs it (see `environment.py`).

    `settings` are added to those that all sides get. `platform` is what JAX runs on, such as `"cpu"`; by default, an
    accelerator if there is one.
    """

    python: Path
    script: str
    settings: Mapping[str, Any] | None = None
    platform: str | None = None


@dataclass
class Measured:
    """The measurements of one side.

    - `times`: seconds per call, from NumPy arrays to NumPy arrays, for each turn after the first call.
    - `first`: seconds of the first call, compilation included; nothing was compiled before or kept from other runs.
    - `started`, `peak_memory`: the peak memory of its process before the first call and in all, in MB.
    - `results`: the arrays that it returned.
    - `device`: the device that it ran on, as JAX names it.
    """

    times: list[float]
    first: float
    started: float
    peak_memory: float
    results: dict[str, np.ndarray]
    device: str

    @property
    def median(self) -> float:
        """Seconds of a call once compiled."""
        return float(np.median(self.times))

    @property
    def compilation(self) -> float:
        """How much longer the first call took, in seconds: tracing and compiling."""
        return self.first - self.median


def side_by_side(
    sides: Mapping[str, Side], inputs: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, repeats: int = 20
) -> dict[str, Measured]:
    """Run every side once and then for `repeats` turns, alternately, and return the measurements of each.

    All processes start before the first call; while one computes, the others wait for a line on stdin. `settings` must
    be writable as JSON. If a side fails, `CalledProcessError` is raised; its stderr is passed through.
    """
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        workers = {name: stack.enter_context(_Worker(folder, name, s, inputs, settings)) for name, s in sides.items()}
        times: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(1 + repeats):
            for name, worker in workers.items():
                times[name].append(worker.turn() if times[name] else worker.call())
        return {
            name: Measured(times[name][1:], times[name][0], worker.started, memory, worker.results(), device)
            for name, worker in workers.items()
            for memory, device in (worker.end(),)
        }


class _Worker:
    """The process of one side."""

    def __init__(self, folder: Path, name: str, side: Side, inputs: Mapping[str, Any], settings: Mapping[str, Any]):
        self.folder = folder / name
        self.folder.mkdir()
        np.savez(self.folder / "inputs.npz", **inputs)
        (self.folder / "settings.json").write_text(json.dumps({**settings, **(side.settings or {})}))
        environment = {key: value for key, value in os.environ.items() if not key.startswith("JAX_")}  # no cache
        environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # the sides share an accelerator's memory
        if side.platform:
            environment["JAX_PLATFORMS"] = side.platform
        command = [str(side.python), str(HERE / side.script), str(self.folder), "results.npz"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def __enter__(self) -> _Worker:
        self.started = self._answer()["memory"]
        return self

    def __exit__(self, *problem: object) -> None:
        self.process.kill()
        with self.process:  # closes its pipes and waits
            pass

    def call(self) -> float:
        assert self.process.stdin
        self.process.stdin.write("call\n")
        self.process.stdin.flush()
        return self._answer()["seconds"]

    def turn(self) -> float:
        """The median time of several calls, without the first unless it is the only one."""
        first = self.call()
        return float(np.median([self.call() for _ in range(min(9, int(TURN / first)))] or [first]))

    def end(self) -> tuple[float, str]:
        """Its peak memory in MB and its device."""
        assert self.process.stdin
        self.process.stdin.close()
        said = self._answer()
        return said["memory"], said["device"]

    def results(self) -> dict[str, np.ndarray]:
        self.process.wait()
        with np.load(self.folder / "results.npz") as file:
            return dict(file)

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise subprocess.CalledProcessError(self.process.wait() or 1, self.process.args)
        return json.loads(line)
