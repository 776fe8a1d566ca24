"""Other implementations that benchmarks compare with, each in an environment and a process of its own.

`environment.py` makes the environment, `side_by_side.py` runs the processes in turns, and `worker.py` is what each of
these processes serves. A comparison needs two small scripts here, one for either side, and a benchmark beside this
folder that calls `side_by_side` and prints what it gives; `benchmarks/infinite_kernels.py` is an example:

```python
from peers.environment import neural_tangents, ourselves
from peers.side_by_side import Side, side_by_side

sides = {
    "ntkviz": Side(ourselves(), "infinite_kernels_ntkviz.py"),
    "neural-tangents": Side(neural_tangents(), "infinite_kernels_neural_tangents.py"),
}
measured = side_by_side(sides, {"x": x}, {"network": "mlp", "nonlinearity": "relu"}, repeats=20)
measured["ntkviz"].median / measured["neural-tangents"].median  # also .first, .compilation, .peak_memory, .results
```
"""
