"""Other implementations that benchmarks compare with, each in its own environment and process.

`environment.py` creates the environment, `side_by_side.py` runs the processes alternately, and `worker.py` is the loop
that each of these processes runs. A comparison needs two small scripts here, one for each side, and a benchmark beside
this folder that calls `side_by_side` and prints its results; `benchmarks/infinite_kernels.py` is an example:

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
