"""Modules outside the language, and what their refusals must say: `REFUSED[name] = (make, data, sentence)`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

VECTORS, SEQUENCES = np.linspace(-1, 1, 10).reshape(2, 5), np.linspace(-1, 1, 30).reshape(2, 3, 5)
REFUSED: dict[str, tuple[Callable[[int], Any], np.ndarray, str]] = {}


def refused(sentence: str, data: np.ndarray = VECTORS) -> Callable[[Any], Any]:
    def register(make: Any) -> Any:
        REFUSED[make.__name__] = (make, data, sentence)
        return make

    return register


class TwoLayers(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.U, self.W, self.v = nn.Linear(5, n), nn.Linear(n, n), nn.Linear(n, 1)


# --- operations -----------------------------------------------------------------------------------------------


@refused(r"cannot write the operation aten.linalg_svd, at refusals.py:\d+ as instructions")
class Svd(TwoLayers):
    def forward(self, x):
        return self.v(torch.linalg.svd(self.U(x))[2])


@refused(r"cannot write the operation aten.sort, at refusals.py:\d+")
class Sorted(TwoLayers):
    def forward(self, x):
        return self.v(self.U(x).sort(-1)[0])


@refused(r"largest or smallest coordinate \(reduce_max, at refusals.py:\d+")
class LargestCoordinate(TwoLayers):
    def forward(self, x):
        return self.v(self.U(x)) + self.U(x).amax(-1, keepdim=True)


@refused(r"output of a readout is used further .*in 3 \(Tanh\)")
def used_readout(n):
    return nn.Sequential(nn.Linear(5, n), nn.ReLU(), nn.Linear(n, 1), nn.Tanh())


@refused(r"reach max, at refusals.py:\d+: .* trace with scores='1/d'", SEQUENCES)
class RootScores(TwoLayers):
    def forward(self, x):
        h = self.U(x)
        q = self.W(h)
        return self.v(F.scaled_dot_product_attention(q, q, h).mean(1))


@refused(r"at refusals.py:\d+ in attention \(MultiheadAttention\): .* scores='1/d'", SEQUENCES)
class MultiheadAttention(TwoLayers):
    def __init__(self, n):
        super().__init__(n)
        self.attention = nn.MultiheadAttention(n, 2, batch_first=True)

    def forward(self, x):
        h = self.U(x)
        return self.v((h + self.attention(h, h, h)[0]).mean(1))


@refused(r"draws random numbers while it runs \(aten.native_dropout, at refusals.py:\d+\); switch")
class ActiveDropout(TwoLayers):
    def forward(self, x):
        return self.v(F.dropout(self.U(x), 0.5))


@refused(r"draws random numbers while it runs \(aten.randn_like, at refusals.py:\d+\)")
class Noise(TwoLayers):
    def forward(self, x):
        h = self.U(x)
        return self.v(h + torch.randn_like(h))


@refused(r"torch.export cannot export the module at refusals.py:\d+: .*data-dependent")
class Branch(TwoLayers):
    def forward(self, x):
        h = self.U(x)
        return self.v(h if h.sum() > 0 else -h)


@refused(r"changes its buffer count when it runs")
class Counter(TwoLayers):
    def __init__(self, n):
        super().__init__(n)
        self.register_buffer("count", torch.zeros(()))

    def forward(self, x):
        self.count += 1
        return self.v(F.relu(self.U(x)))


@refused(r"computes in (bfloat16|torch.bfloat16), at refusals.py:\d+")
class HalfPrecision(TwoLayers):
    def forward(self, x):
        return self.v(F.relu(self.U(x).bfloat16()).to(x.dtype))


@refused(r"embedding with gradients of its own, at refusals.py:\d+", np.array([[0, 1], [2, 1]]))
class Padded(TwoLayers):
    def __init__(self, n):
        super().__init__(n)
        self.table = nn.Embedding(3, n)

    def forward(self, x):
        return self.v(F.relu(F.embedding(x, self.table.weight, padding_idx=0)).mean(1))


@refused(r"cannot be run on inputs of shape \(2, 5\): 'mat1 and mat")
def wrong_inputs(n):
    return nn.Sequential(nn.Linear(7, n), nn.Linear(n, 1))


# --- derivatives that an exported graph has lost --------------------------------------------------------------


@refused(r"stops gradients of vectors, at refusals.py:\d+")
class Detached(TwoLayers):
    def forward(self, x):
        h = self.U(x)
        return self.v(h * torch.sigmoid(h.detach()))


@refused(r"derivative is not that of its operations, as with detach, torch.no_grad or an autograd.Function")
class NoGrad(TwoLayers):
    def forward(self, x):
        with torch.no_grad():
            h = torch.tanh(self.U(x))
        return self.v(torch.tanh(self.W(h)))


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.sign(x)

    @staticmethod
    def backward(ctx, slope):
        return slope


@refused(r"derivative is not that of its operations")
class Binary(TwoLayers):
    def forward(self, x):
        return self.v(StraightThrough.apply(self.U(x)))


# --- parameters -----------------------------------------------------------------------------------------------


@refused(r"Parameter 0.weight is in torch.bfloat16")
def half(n):
    return nn.Sequential(nn.Linear(5, n), nn.Linear(n, 1)).bfloat16()


@refused(r"Parameter W.weight starts at fixed numbers that are not all equal")
class FromOutside(TwoLayers):
    def __init__(self, n):
        super().__init__(n)
        self.W.weight = nn.Parameter(torch.from_numpy(np.random.default_rng(n).normal(size=(n, n)).astype(np.float32)))

    def forward(self, x):
        return self.v(F.relu(self.W(self.U(x))))


@refused(r"Parameter W.weight is initialised by nothing")
class Empty(TwoLayers):
    def __init__(self, n):
        super().__init__(n)
        self.W.weight = nn.Parameter(torch.empty(n, n))

    def forward(self, x):
        return self.v(F.relu(self.W(self.U(x))))


@refused(r"Parameter W.weight is initialised by aten.cauchy_")
class Cauchy(Empty):
    def __init__(self, n):
        super().__init__(n)
        nn.init.zeros_(self.W.weight)
        self.W.weight.data.cauchy_()


@refused(r"Parameter W.weight is initialised by .*writing to a part of it")
class PartlyWritten(Empty):
    def __init__(self, n):
        super().__init__(n)
        nn.init.normal_(self.W.weight)
        self.W.weight.data[:, ::2].zero_()


@refused(r"reads a random number of a parameter")
class Rescaled(Empty):
    def __init__(self, n):
        super().__init__(n)
        nn.init.normal_(self.W.weight)
        self.W.weight.data /= self.W.weight.std().item()


@refused(r"W.weight and V.weight start at the same random numbers")
class Copied(Empty):
    """Two matrices that start with the same numbers."""

    def __init__(self, n):
        super().__init__(n)
        self.V = nn.Linear(n, n)
        nn.init.normal_(self.W.weight, std=n**-0.5)
        self.V.weight.data.copy_(self.W.weight)

    def forward(self, x):
        return self.v(F.relu(self.V(F.relu(self.W(self.U(x))))))


@refused(r"Parameters W.weight and V.weight share their memory")
class SharedMemory(Empty):
    def __init__(self, n):
        super().__init__(n)
        nn.init.normal_(self.W.weight, std=n**-0.5)
        self.V = nn.Linear(n, n)
        self.V.weight = nn.Parameter(self.W.weight.data.t())


@refused(r"term of order n\^-1/2 is added to one of order n\^0, at refusals.py:\d+ in cell \(GRU\)", SEQUENCES)
def vanishing_inputs(n):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.out = nn.GRU(5, n, batch_first=True), nn.Linear(n, 1)

        def forward(self, x):
            return self.out(self.cell(x)[0][:, -1])

    return Recurrent()


READY_MADE = {n: nn.Sequential(nn.Linear(5, n), nn.Linear(n, 1)) for n in (192, 320)}


@refused(r"Parameter 0.weight is not initialised within make\(n\)")
def ready_made(n):
    return READY_MADE[n]
