"""Products: by matrices and filters, between vectors, attention, and the cells of recurrent networks."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ....errors import TraceError
from .reductions import softmax
from .table import operation


@operation("linear")
def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x Wᵀ + b."""
    made = jnp.matmul(x, jnp.swapaxes(weight, -1, -2) if weight.ndim > 1 else weight)
    return made if bias is None else made + bias


@operation("mm", "bmm", "matmul", "mv", "dot")
def _matmul(a: Any, b: Any) -> Any:
    return jnp.matmul(a, b)


@operation("addmm", "baddbmm", "addmv")
def _addmm(x: Any, a: Any, b: Any, *, beta: Any, alpha: Any) -> Any:
    product = jnp.matmul(a, b)
    product = product if alpha == 1 else product * alpha
    return product if beta == 0 else product + (x if beta == 1 else x * beta)


@operation("linalg_qr")
def _qr(x: Any, mode: str) -> Any:
    """The orthogonal factor and the triangular one, with which matrices are initialised."""
    return jnp.linalg.qr(x, mode)


@operation("outer")
def _outer(a: Any, b: Any) -> Any:
    return a[:, None] * b[None]


@operation("einsum")
def _einsum(equation: str, operands: Any, *, path: Any) -> Any:
    return jnp.einsum(equation.replace(" ", ""), *operands)


@operation("bilinear")
def _bilinear(a: Any, b: Any, weight: Any, bias: Any) -> Any:
    made = jnp.einsum("...i,oij,...j->...o", a, weight, b)
    return made if bias is None else made + bias


@operation("scaled_dot_product_attention")
def _attention(
    query: Any, key: Any, value: Any, mask: Any, dropout: float, causal: bool, *, scale: Any, enable_gqa: bool
) -> Any:
    """softmax(⟨q, k⟩·scale + mask) v, with 1/√d for no scale; a mask of truth values says which pairs take part."""
    if dropout:
        raise TraceError("The model draws random numbers while it runs (dropout{where}); switch dropout off.")
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = jnp.repeat(key, groups, -3), jnp.repeat(value, groups, -3)
    scores = jnp.einsum("...qd,...kd->...qk", query, key) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        scores = jnp.where(np.tril(np.ones(scores.shape[-2:], bool)), scores, -jnp.inf)
    elif mask is not None:
        scores = jnp.where(mask, scores, -jnp.inf) if mask.dtype == bool else scores + mask
    return jnp.einsum("...qk,...kd->...qd", softmax(scores, -1), value)


# --- convolutions and pooling ---------------------------------------------------------------------------------


def _convolved(x: Array, weight: Array, bias: Any, stride: Any, pads: Any, dilation: Any, groups: int) -> Array:
    space = weight.ndim - 2
    one = x.ndim == weight.ndim - 1  # a single example
    made = jax.lax.conv_general_dilated(
        x[None] if one else x,
        weight,
        _each(stride, space),
        pads,
        rhs_dilation=_each(dilation, space),
        feature_group_count=groups,
    )
    made = made if bias is None else made + bias.reshape((1, -1) + (1,) * space)
    return made[0] if one else made


def _each(value: Any, space: int) -> tuple[int, ...]:
    """A setting for each axis of space; a single number, or a list of one, holds for all."""
    listed = tuple(value) if isinstance(value, list | tuple) else (value,)
    return listed if len(listed) == space else listed * space


@operation("conv1d", "conv2d", "conv3d")
def _conv(x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    pads = [(p, p) for p in _each(padding, weight.ndim - 2)]
    return _convolved(x, weight, bias, stride, pads, dilation, groups)


@operation("conv1d.padding", "conv2d.padding", "conv3d.padding")
def _conv_named(x: Any, weight: Any, bias: Any, stride: Any, padding: str, dilation: Any, groups: int) -> Any:
    """ "same" adds d(k − 1) positions, the odd one at the end."""
    pads = [(0, 0)] * (weight.ndim - 2)
    if padding == "same":
        totals = [d * (k - 1) for d, k in zip(_each(dilation, weight.ndim - 2), weight.shape[2:], strict=True)]
        pads = [(total // 2, total - total // 2) for total in totals]
    return _convolved(x, weight, bias, stride, pads, dilation, groups)


@operation("conv_transpose1d", "conv_transpose2d.input", "conv_transpose3d.input")
def _conv_transpose(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, output_padding: Any, groups: int, dilation: Any
) -> Any:
    """The transpose of a convolution: positions are spread by the stride, and the filter is reversed in space."""
    space = weight.ndim - 2
    inputs, outputs = weight.shape[0], weight.shape[1]
    kernel = jnp.flip(weight, tuple(range(2, weight.ndim)))
    if groups > 1:
        kernel = kernel.reshape((groups, inputs // groups, outputs, *weight.shape[2:]))
        kernel = jnp.swapaxes(kernel, 1, 2).reshape((groups * outputs, inputs // groups, *weight.shape[2:]))
    else:
        kernel = jnp.swapaxes(kernel, 0, 1)
    reach = [d * (k - 1) for d, k in zip(_each(dilation, space), weight.shape[2:], strict=True)]
    sides = zip(reach, _each(padding, space), _each(output_padding, space), strict=True)
    made = jax.lax.conv_general_dilated(
        x,
        kernel,
        (1,) * space,
        [(r - p, r - p + o) for r, p, o in sides],
        lhs_dilation=_each(stride, space),
        rhs_dilation=_each(dilation, space),
        feature_group_count=groups,
    )
    return made if bias is None else made + bias.reshape((1, -1) + (1,) * space)


def _windows(x: Any, start: Any, pick: Any, size: Any, stride: Any, padding: Any, dilation: Any) -> Array:
    """A sum or extreme over windows of the last axes."""
    before = (1,) * (x.ndim - len(size))
    pads = [(0, 0)] * len(before) + [(p, p) for p in padding]
    made: Array = jax.lax.reduce_window(
        x, start, pick, (*before, *size), (*before, *stride), pads, window_dilation=(*before, *dilation)
    )
    return made


def _exact(ceil_mode: bool) -> None:
    if ceil_mode:
        raise TraceError("The model pools over windows that reach over the end (ceil_mode{where}); pad it instead.")


@operation("avg_pool1d", "avg_pool2d", "avg_pool3d")
def _avg_pool(
    x: Any, size: Any, stride: Any, padding: Any, ceil_mode: bool, with_padding: bool, divisor: Any = None
) -> Any:
    _exact(ceil_mode)
    space = x.ndim - 2
    size, padding = _each(size, space), _each(padding, space)
    stride = _each(stride, space) if stride else size
    given = size, stride, padding, (1,) * space
    total = _windows(x, 0.0, jax.lax.add, *given)
    if divisor is not None or with_padding or not any(padding):
        return total / (math.prod(size) if divisor is None else divisor)
    return total / np.asarray(_windows(np.ones((1, 1, *x.shape[2:])), 0.0, jax.lax.add, *given))


@operation("max_pool1d", "max_pool2d", "max_pool3d")
def _max_pool(x: Any, size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool) -> Any:
    _exact(ceil_mode)
    space = x.ndim - 2
    size = _each(size, space)
    stride = _each(stride, space) if stride else size
    return _windows(x, -jnp.inf, jax.lax.max, size, stride, _each(padding, space), _each(dilation, space))


@operation("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d")
def _adaptive_avg_pool(x: Any, sizes: Any) -> Any:
    """Means over windows that divide the axes evenly."""
    space = len(sizes)
    if all(s == 1 for s in sizes):
        return jnp.mean(x, tuple(range(x.ndim - space, x.ndim)), keepdims=True)
    lengths = x.shape[x.ndim - space :]
    if any(length % s for length, s in zip(lengths, sizes, strict=True)):
        raise TraceError("The model pools adaptively over windows of different sizes{where}; choose sizes that divide.")
    window = tuple(length // s for length, s in zip(lengths, sizes, strict=True))
    return _windows(x, 0.0, jax.lax.add, window, window, (0,) * space, (1,) * space) / math.prod(window)


@operation("upsample_nearest1d.vec", "upsample_nearest2d.vec", "upsample_nearest3d.vec")
def _upsample(x: Any, sizes: Any, factors: Any) -> Any:
    """Each position repeated a whole number of times."""
    lengths = x.shape[2:]
    times = [s / length for s, length in zip(sizes, lengths, strict=True)] if sizes else list(factors)
    for k, t in enumerate(times):
        if t != int(t):
            raise TraceError("The model repeats positions unevenly{where}; choose whole factors for upsampling.")
        x = jnp.repeat(x, int(t), k + 2)
    return x


# --- cells of recurrent networks ------------------------------------------------------------------------------


@operation("rnn_tanh_cell")
def _rnn_tanh(x: Any, h: Any, of_x: Any, of_h: Any, bias_x: Any, bias_h: Any) -> Any:
    return jnp.tanh(linear(x, of_x, bias_x) + linear(h, of_h, bias_h))


@operation("rnn_relu_cell")
def _rnn_relu(x: Any, h: Any, of_x: Any, of_h: Any, bias_x: Any, bias_h: Any) -> Any:
    return jax.nn.relu(linear(x, of_x, bias_x) + linear(h, of_h, bias_h))


@operation("gru_cell")
def _gru(x: Any, h: Any, of_x: Any, of_h: Any, bias_x: Any, bias_h: Any) -> Any:
    """h′ = (1 − z) n + z h with the gates in the order r, z, n."""
    a = jnp.split(linear(x, of_x, bias_x), 3, -1)
    b = jnp.split(linear(h, of_h, bias_h), 3, -1)
    reset, keep = jax.nn.sigmoid(a[0] + b[0]), jax.nn.sigmoid(a[1] + b[1])
    new = jnp.tanh(a[2] + reset * b[2])
    return (1 - keep) * new + keep * h


@operation("lstm_cell")
def _lstm(x: Any, state: Any, of_x: Any, of_h: Any, bias_x: Any, bias_h: Any) -> Any:
    """c′ = f c + i g and h′ = o tanh(c′), with the gates in the order i, f, g, o."""
    h, c = state
    i, f, g, o = jnp.split(linear(x, of_x, bias_x) + linear(h, of_h, bias_h), 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c
