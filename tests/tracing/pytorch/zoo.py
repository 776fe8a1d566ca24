"""Small modules as users write them, each with data: `MODULES[name] = (make, data, options)`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

rng = np.random.default_rng(0)
VECTORS = rng.normal(size=(3, 5))
SEQUENCES = rng.normal(size=(2, 3, 4))
IMAGES = rng.normal(size=(2, 2, 4, 4))
LINES = rng.normal(size=(2, 2, 6))
TOKENS = np.array([[0, 3, 1], [2, 3, 5]])
EDGES = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 1]], np.float32)

MODULES: dict[str, tuple[Callable[[int], Any], Any, dict[str, Any]]] = {}


def module(data: Any, **options: Any) -> Callable[[Any], Any]:
    """Put a module, a class or a function of the width, into the zoo, with options of `nv.trace`."""

    def register(make: Any) -> Any:
        MODULES[make.__name__] = (make, data, options)
        return make

    return register


def normal(layer: Any, gain: float = 1.0) -> Any:
    """A layer with Gaussian weights of variance gain²/fan_in."""
    nn.init.normal_(layer.weight, std=gain / math.sqrt(layer.weight[0].numel()))
    return layer


@module(VECTORS)
def mlp(n):
    return nn.Sequential(
        nn.Linear(5, n), nn.ReLU(), nn.LayerNorm(n), nn.Dropout(), nn.Linear(n, 2 * n), nn.GELU(), nn.Linear(2 * n, 1)
    )


@module(VECTORS)
class Activations(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first, self.out = nn.Linear(5, n), nn.Linear(n, 2)
        activations = [nn.Tanh, nn.Softplus, nn.SiLU, nn.ELU, nn.LeakyReLU, nn.Hardtanh, nn.Mish, nn.ReLU6, nn.Softsign]
        self.inner = nn.ModuleList([nn.Sequential(nn.Linear(n, n), kind()) for kind in activations])
        self.last = nn.GELU(approximate="tanh")

    def forward(self, x):
        x = torch.erf(self.first(x))
        for layer in self.inner:
            x = x + layer(x)
        return self.out(self.last(x) + F.relu(2 * x, inplace=True))


@module(IMAGES)
class CNN(nn.Module):
    """Strides, dilation, circular and "same" padding, and both kinds of pooling."""

    def __init__(self, n):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, n, 3, padding="same"),
            nn.ReLU(),
            nn.Conv2d(n, 2 * n, 2, padding=1, dilation=2, padding_mode="circular"),
            nn.Tanh(),
            nn.Conv2d(2 * n, n, 2, stride=2, bias=False),
            nn.GELU(),
            nn.MaxPool2d((2, 1)),
            nn.Flatten(),
        )
        self.out = nn.Linear(2 * n, 1)

    def forward(self, x):
        return self.out(self.layers(x))


@module(LINES)
class CNN1d(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.one, self.two = nn.Conv1d(2, n, 3, padding=1), nn.Conv1d(n, n, 2, stride=2)
        self.norm, self.out = nn.GroupNorm(4, n), nn.Linear(n, 1)

    def forward(self, x):
        x = F.avg_pool1d(F.relu(self.norm(self.one(x))), 3, 1, 1)
        return self.out(F.silu(self.two(x)).mean(-1))


@module(IMAGES)
class ResNet(nn.Module):
    """Running batch normalisation in a residual block, one block used twice, and in-place operations."""

    def __init__(self, n):
        super().__init__()
        self.stem = nn.Conv2d(2, n, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(self.stem.weight, nonlinearity="relu")
        self.block = nn.Sequential(
            nn.BatchNorm2d(n), nn.ReLU(inplace=True), nn.Conv2d(n, n, 3, padding=1, bias=False), nn.BatchNorm2d(n)
        )
        self.out = nn.Linear(n, 1)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(2):
            y = self.block(x)
            y += x
            x = F.relu(y)
        return self.out(F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1))


@module(IMAGES)
class SqueezeExcite(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.conv, self.depthwise = nn.Conv2d(2, n, 3, padding=1), nn.Conv2d(n, n, 3, padding=1, groups=n)
        self.down, self.up = nn.Linear(n, n // 4), nn.Linear(n // 4, n)
        self.out = nn.Linear(n, 1)

    def forward(self, x):
        x = torch.tanh(self.depthwise(torch.relu(self.conv(x))))
        gate = torch.sigmoid(self.up(torch.relu(self.down(x.mean((2, 3))))))
        return self.out((x * gate[:, :, None, None]).amax((-2, -1)))


@module(IMAGES)
class Depthwise(nn.Module):
    """Depthwise and grouped convolutions, and transposed ones."""

    def __init__(self, n):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, n, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(n, 2 * n, 2, groups=4),
            nn.Tanh(),
            nn.Conv2d(2 * n, 2 * n, 2, groups=2 * n, bias=False),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * n, n, 3, stride=2),
            nn.ReLU(),
        )
        self.out = nn.Linear(n, 1)

    def forward(self, x):
        return self.out(self.layers(x).mean((2, 3)))


@module(IMAGES)
class UNet(nn.Module):
    """Down, up by repetition, and a connection that is joined along the channels."""

    def __init__(self, n):
        super().__init__()
        self.left, self.low = nn.Conv2d(2, n, 3, padding=1), nn.Conv2d(n, 2 * n, 1)
        self.right, self.out = nn.Conv2d(3 * n, n, 1), nn.Linear(n, 1)

    def forward(self, x):
        left = F.relu(self.left(x))
        low = F.relu(self.low(F.avg_pool2d(left, 2)))
        up = F.interpolate(low, scale_factor=2)
        return self.out(F.relu(self.right(torch.cat([left, up], 1))).mean((2, 3)))


@module(VECTORS)
class DenseNet(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(5, n), nn.Linear(n, n), nn.Linear(2 * n, n)])
        self.out = nn.Linear(3 * n, 1)

    def forward(self, x):
        x = self.layers[0](x)
        for layer in self.layers[1:]:
            x = torch.cat([x, layer(F.relu(x))], -1)
        return self.out(F.relu(x))


def recurrent(kind: Any, **options: Any) -> Any:
    class Recurrent(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.cell, self.out = kind(4, n, batch_first=True), nn.Linear(n, 1)

        def forward(self, x):
            return self.out(self.cell(x)[0][:, -1])

    Recurrent.__name__ = f"Layer{kind.__name__}"
    return Recurrent


WIDE_INPUTS = {"std": {"cell.weight_ih_l0": 0.5}}
"""PyTorch's own input weights vanish as the layer grows."""
for _kind in (nn.RNN, nn.GRU, nn.LSTM):
    module(SEQUENCES, **WIDE_INPUTS)(recurrent(_kind))


@module(SEQUENCES)
class LSTMCells(nn.Module):
    """A loop over a cell, with a bias of 1."""

    def __init__(self, n):
        super().__init__()
        self.cell, self.out = nn.LSTMCell(4, n), nn.Linear(n, 1)
        nn.init.normal_(self.cell.weight_ih, std=0.5)
        nn.init.normal_(self.cell.weight_hh, std=n**-0.5)
        nn.init.ones_(self.cell.bias_ih)
        nn.init.zeros_(self.cell.bias_hh)

    def forward(self, x):
        h = c = x.new_zeros(len(x), self.cell.hidden_size)
        for step in x.unbind(1):
            h, c = self.cell(step, (h, c))
        return self.out(h)


@module(SEQUENCES)
class ElmanCells(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.cell, self.out = nn.RNNCell(4, n, nonlinearity="relu"), nn.Linear(n, 1)
        nn.init.trunc_normal_(self.cell.weight_ih, std=0.5)
        nn.init.orthogonal_(self.cell.weight_hh)

    def forward(self, x):
        h = None
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.out(h)


class Attention(nn.Module):
    """Causal attention with two heads and scores ⟨q, k⟩/d."""

    def __init__(self, n, fused):
        super().__init__()
        self.fused, self.qkv, self.out = fused, nn.Linear(n, 3 * n, bias=False), nn.Linear(n, n)

    def forward(self, x):
        batch, time, n = x.shape
        q, k, v = (a.view(batch, time, 2, n // 2).transpose(1, 2) for a in self.qkv(x).chunk(3, -1))
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=2 / n)
        else:
            scores = (q @ k.transpose(-2, -1)) / (n // 2)
            mask = torch.tril(torch.ones(time, time)).bool()
            y = scores.masked_fill(~mask, float("-inf")).softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(batch, time, n))


def transformer(fused: bool) -> Any:
    class Transformer(nn.Module):
        """Pre-LN, with learned positions."""

        def __init__(self, n):
            super().__init__()
            self.embed = nn.Linear(4, n)
            self.position = nn.Parameter(torch.randn(1, 3, n) * 0.7)
            self.norms = nn.ModuleList([nn.LayerNorm(n) for _ in range(3)])
            self.attention = Attention(n, fused)
            self.mlp = nn.Sequential(nn.Linear(n, 4 * n), nn.GELU(), nn.Linear(4 * n, n))
            self.out = nn.Linear(n, 1)

        def forward(self, x):
            x = self.embed(x) + self.position
            x = x + self.attention(self.norms[0](x))
            x = x + self.mlp(self.norms[1](x))
            return self.out(self.norms[2](x).mean(1))

    Transformer.__name__ = "FusedTransformer" if fused else "Transformer"
    return Transformer


module(SEQUENCES)(transformer(True))
module(SEQUENCES)(transformer(False))


@module(TOKENS)
class LanguageModel(nn.Module):
    """Tied embeddings, positions from a second table, and a readout by the first."""

    def __init__(self, n):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(6, n), nn.Embedding(3, n)
        self.norm, self.layer, self.n = nn.RMSNorm(n), nn.Linear(n, n, bias=False), n

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))
        x = self.norm(x + self.layer(F.relu(x)))
        return F.linear(x.mean(1), self.tokens.weight) / self.n


@module(VECTORS)
class TiedAutoencoder(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.U, self.W = normal(nn.Linear(5, n, bias=False)), normal(nn.Linear(n, n, bias=False))
        self.decoder = nn.Linear(n, n, bias=False)
        self.decoder.weight = self.W.weight
        self.v = normal(nn.Linear(n, 1, bias=False))

    def forward(self, x):
        h = torch.tanh(self.W(torch.tanh(self.U(x))))
        return self.v(torch.erf(h @ self.W.weight) + self.decoder(h))


@module(SEQUENCES)
class GCN(nn.Module):
    """A fixed graph, in a buffer."""

    def __init__(self, n):
        super().__init__()
        a = torch.from_numpy(EDGES) + torch.eye(3)
        self.register_buffer("a", a / a.sum(-1, keepdim=True), persistent=False)
        self.layers = nn.ModuleList([nn.Linear(4, n), nn.Linear(n, n)])
        self.out = nn.Linear(n, 1)

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(torch.einsum("ij,bjd->bid", self.a, layer(x)))
        return self.out(x.mean(1))


@module(VECTORS)
class SwiGLU(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.first = nn.Linear(5, n, bias=False)
        self.up, self.down = nn.Linear(n, 4 * n, bias=False), nn.Linear(2 * n, n, bias=False)
        self.out = nn.Linear(n, 2)

    def forward(self, x):
        x = self.first(x)
        gate, up = self.up(x).split(self.down.in_features, -1)
        return self.out(x + self.down(F.silu(gate) * up))


@module((VECTORS, SEQUENCES[:, 0].repeat(2, 0)[:3]))
class TwoInputs(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(5, n), nn.Linear(4, n), nn.Linear(n, 1)

    def forward(self, x, z):
        return self.out(F.glu(torch.cat([self.a(x), self.b(z)], 1)) + (self.a(x) * self.b(z)).clamp(-1, 2))


@module(SEQUENCES)
class Rearranged(nn.Module):
    """Rearranged positions, parts that are written, a running sum, and an unbiased variance."""

    def __init__(self, n):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(4, n), nn.Linear(n, n), nn.Linear(n, 1)

    def forward(self, x):
        x = torch.tanh(self.first(x))[:, [2, 0, 1]].flip(1).roll(1, 1)
        x[:, 0] = 2 * x[:, 1]
        x[:, 1:] += 1
        x = self.second(x.cumsum(1).permute(1, 0, 2).unflatten(1, (-1, 1)).squeeze(2).transpose(0, 1))
        x = torch.where(torch.tensor([True, False, True])[:, None], x, 0.5 * x)
        x = x + (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 0.1).sqrt()
        return self.out(x.reshape(len(x), 3, -1).sum(1))


@module(VECTORS)
class ActorCritic(nn.Module):
    """A dictionary of two heads, and the hidden state."""

    def __init__(self, n):
        super().__init__()
        self.hidden, self.policy, self.value = nn.Linear(5, n), nn.Linear(n, 2), nn.Linear(n, 1)

    def forward(self, x):
        h = F.silu(self.hidden(x))
        return {"policy": self.policy(h), "value": self.value(torch.tanh(h)), "hidden": h}
