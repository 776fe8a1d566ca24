"""Models with grouped, depthwise, transposed, local and known filters, and with padded pooling, in the zoo."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from .zoo import IMAGES, NORMAL, dense, model


def conv(width: int, size: tuple[int, int] = (2, 2), **options: Any) -> nn.Conv:
    return nn.Conv(width, size, kernel_init=NORMAL, **options)


@model(IMAGES)
class DepthwiseSeparable(nn.Module):
    """Strides and dilation, two outputs for each channel, and a matrix behind it."""

    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.relu(conv(self.n)(x))
        x = nn.relu(conv(self.n, feature_group_count=self.n, kernel_dilation=2)(x))
        x = nn.tanh(conv(2 * self.n, feature_group_count=self.n, strides=(1, 2), use_bias=False)(x))
        return dense(1)(nn.relu(conv(self.n, (1, 1))(x)).mean((1, 2)))


@model(IMAGES)
class Grouped(nn.Module):
    """Groups of the data's channels, of hidden ones, and depthwise behind these."""

    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.relu(conv(self.n, feature_group_count=2)(x))
        x = nn.tanh(conv(2 * self.n, feature_group_count=4)(x))
        return dense(1)(conv(2 * self.n, feature_group_count=2 * self.n)(x).mean((1, 2)))


@model(IMAGES)
class Transposed(nn.Module):
    n: int

    @nn.compact
    def __call__(self, x):
        for padding, kernel in (("SAME", False), ("VALID", False), ("CIRCULAR", True)):
            layer = nn.ConvTranspose(
                self.n, (2, 3), (2, 1), padding=padding, transpose_kernel=kernel and x.shape[-1] > 2, kernel_init=NORMAL
            )
            x = nn.relu(layer(x[:, :2, :3]))
        return dense(1)(x.mean((1, 2)))


@model(IMAGES)
class PaddedPooling(nn.Module):
    """Maxima of windows that reach over the border, and a blur by a known filter."""

    n: int

    @nn.compact
    def __call__(self, x):
        x = nn.max_pool(conv(self.n)(x), (3, 3), strides=(2, 1), padding="SAME")
        x = nn.max_pool(nn.relu(conv(self.n)(x)), (2, 2), padding=((1, 0), (0, 1)))
        blur = jnp.broadcast_to(jnp.array([0.25, 0.75]).reshape((2, 1, 1, 1)), (2, 1, 1, self.n))
        names = ("NHWC", "HWIO", "NHWC")
        return dense(1)(
            nn.relu(
                jax.lax.conv_general_dilated(
                    x, blur, (1, 1), "SAME", dimension_numbers=names, feature_group_count=self.n
                )
            ).mean((1, 2))
        )


@model(np.moveaxis(IMAGES, -1, 1))
class EqxFilters(eqx.Module):
    layers: list
    out: eqx.nn.Linear

    def __init__(self, n):
        keys = jax.random.split(jax.random.PRNGKey(1), 4)
        self.layers = [
            eqx.nn.Conv2d(2, n, 3, stride=2, padding=1, key=keys[0]),
            eqx.nn.ConvTranspose2d(n, n, 3, stride=2, padding=1, output_padding=1, key=keys[1]),
            jnp.tanh,
            eqx.nn.Conv2d(n, n, 3, padding=1, groups=n, key=keys[2]),
            eqx.nn.MaxPool2d(3, 2, padding=1),
        ]
        self.out = eqx.nn.Linear(n, 1, key=keys[3])

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return self.out(x.mean((1, 2)))


@model(IMAGES)
def hk_filters(n):
    def forward(x):
        x = jnp.tanh(hk.Conv2DTranspose(n, 2, stride=2)(x[:, ::2, ::2]))
        return hk.Linear(1)(
            jnp.tanh(hk.SeparableDepthwiseConv2D(1, 2)(jnp.tanh(hk.DepthwiseConv2D(1, 2)(x)))).mean((1, 2))
        )

    return hk.transform(forward)


@model(IMAGES)
class LocallyConnected(nn.Module):
    """Known filters of the data, and then a filter of its own at every position, of numbers and of vectors."""

    n: int

    @nn.compact
    def __call__(self, x):
        edges, names = np.arange(12.0).reshape(2, 3, 1, 2), ("NHWC", "HWIO", "NHWC")
        x = jax.lax.conv_general_dilated(x, edges, (1, 1), "SAME", dimension_numbers=names, feature_group_count=2)
        x = nn.relu(nn.ConvLocal(self.n, (2, 3), padding="VALID", kernel_init=NORMAL)(x))
        x = nn.tanh(nn.ConvLocal(self.n, (2, 1), strides=(2, 1), kernel_init=NORMAL)(x))
        return dense(1)(x.reshape(len(x), -1))
