"""One side of a comparison, in its own process: it computes on request, and reports how long that took.

A script beside this file passes `serve` a function that prepares the computation:

```python
from worker import serve

def prepare(inputs, settings):          # two dictionaries: the arrays, and everything else
    def calculate():                    # this is timed: from NumPy arrays to NumPy arrays
        return {"ntk": ...}
    return calculate

if __name__ == "__main__":
    serve(prepare)
```

It needs nothing but NumPy, of any version, so it runs in every environment. The other end is `side_by_side.py`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

Calculation = Callable[[], "dict[str, np.ndarray]"]


def serve(prepare: Callable[[dict[str, np.ndarray], dict], Calculation]) -> None:
    """Answer each line `call` on stdin with the seconds it took, and the end of stdin with peak memory and device.

    The command line names the folder with `inputs.npz` and `settings.json`, and the file for the last results.
    """
    folder, results = Path(sys.argv[1]), sys.argv[2]
    with np.load(folder / "inputs.npz") as file:
        inputs = dict(file)
    calculate = prepare(inputs, json.loads((folder / "settings.json").read_text()))
    found: dict[str, np.ndarray] = {}
    _answer(memory=peak_memory())
    for _ in sys.stdin:
        start = time.perf_counter()
        found = calculate()
        _answer(seconds=time.perf_counter() - start)
    np.savez(folder / results, **found)
    _answer(memory=peak_memory(), device=device())


def peak_memory() -> float:
    """The peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)


def device() -> str:
    """The device that this process ran on, as JAX names it: `cpu`, or the name of an accelerator."""
    jax = sys.modules.get("jax")
    return jax.devices()[0].device_kind if jax else "cpu"


def _answer(**said: float | str) -> None:
    print(json.dumps(said), flush=True)
