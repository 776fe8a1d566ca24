"""The check of a graph against its module finds a wrong operation, and a wrong derivative."""

import jax.numpy as jnp
import pytest
import torch
from torch import nn

import ntkviz as nv
from ntkviz.tracing.pytorch.graphs import OPERATIONS

from .zoo import VECTORS


def make(n):
    return nn.Sequential(nn.Linear(5, n), nn.Tanh(), nn.LayerNorm(n), nn.Linear(n, 1))


@pytest.mark.parametrize("wrong", [lambda x: jnp.tanh(x * (1 + 1e-6)), lambda x: jnp.tanh(x) + 1e-6 * x])
def test_wrong_results_are_found(wrong, monkeypatch):
    monkeypatch.setitem(OPERATIONS, "tanh", wrong)
    with pytest.raises(nv.TraceError, match="another result than PyTorch"):
        nv.program(nv.trace(make), VECTORS)


def test_wrong_derivatives_behind_a_closed_gate_are_found():
    class Gated(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.U, self.W, self.v = nn.Linear(5, n), nn.Linear(n, n), nn.Linear(n, 1)
            self.gate = nn.Parameter(torch.zeros(()))

        def forward(self, x):
            h = self.U(x)
            with torch.no_grad():
                hidden = torch.tanh(h)
            return self.v(h + self.gate * self.W(hidden))

    with pytest.raises(nv.TraceError, match="derivative is not that of its operations"):
        nv.program(nv.trace(Gated), VECTORS)
