"""Sums, extremes, softmax and normalisations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from .table import axes_of, operation


@operation("sum", "sum.dim_IntList")
def _sum(x: Any, dims: Any = None, keepdim: bool = False, *, dtype: Any) -> Any:
    return jnp.sum(x, axes_of(dims, x.ndim), keepdims=keepdim, dtype=dtype)


@operation("mean", "mean.dim")
def _mean(x: Any, dims: Any = None, keepdim: bool = False, *, dtype: Any) -> Any:
    return jnp.mean(x, axes_of(dims, x.ndim), keepdims=keepdim, dtype=dtype)


@operation("prod", "prod.dim_int")
def _prod(x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any) -> Any:
    return jnp.prod(x, axes_of(dim, x.ndim), keepdims=keepdim, dtype=dtype)


@operation("cumsum")
def _cumsum(x: Any, dim: int, *, dtype: Any) -> Any:
    return jnp.cumsum(x, dim, dtype=dtype) if x.ndim else x


def _moments(x: Any, dims: Any, correction: Any, keepdim: bool) -> tuple[Array, Array]:
    """The variance, divided by the number of entries less `correction`, and the mean."""
    axes = axes_of(dims, x.ndim)
    count = math.prod(x.shape[k] for k in axes)
    mean = jnp.mean(x, axes, keepdims=True)
    total = jnp.sum((x - mean) ** 2, axes, keepdims=keepdim)
    centre = mean if keepdim else jnp.squeeze(mean, axes)
    return total / max(count - correction, 0), centre


def _register_moments(name: str, of: Callable[[Array, Array], Any]) -> None:
    """The overloads of an operation of the variance and the mean; Bessel's correction is the default of all."""

    def unbiased(x: Any, *given: Any) -> Any:
        dims, corrected, keepdim = {1: (None, given[0], False), 3: given}[len(given)]
        return of(*_moments(x, dims, 1 if corrected else 0, keepdim))

    def corrected(x: Any, dims: Any, *, correction: Any, keepdim: bool) -> Any:
        return of(*_moments(x, dims, 1 if correction is None else correction, keepdim))

    operation(name, f"{name}.dim")(unbiased)
    operation(f"{name}.correction")(corrected)


_register_moments("var", lambda variance, mean: variance)
_register_moments("std", lambda variance, mean: jnp.sqrt(variance))
_register_moments("var_mean", lambda variance, mean: (variance, mean))
_register_moments("std_mean", lambda variance, mean: (jnp.sqrt(variance), mean))


@operation("amax", "max")
def _amax(x: Any, dims: Any = None, keepdim: bool = False) -> Any:
    return jnp.max(x, axes_of(dims, x.ndim), keepdims=keepdim)


@operation("amin", "min")
def _amin(x: Any, dims: Any = None, keepdim: bool = False) -> Any:
    return jnp.min(x, axes_of(dims, x.ndim), keepdims=keepdim)


@operation("max.dim")
def _max_dim(x: Any, dim: int, keepdim: bool) -> Any:
    return jnp.max(x, dim, keepdims=keepdim), jnp.argmax(x, dim, keepdims=keepdim)


@operation("min.dim")
def _min_dim(x: Any, dim: int, keepdim: bool) -> Any:
    return jnp.min(x, dim, keepdims=keepdim), jnp.argmin(x, dim, keepdims=keepdim)


@operation("argmax")
def _argmax(x: Any, dim: Any, keepdim: bool) -> Any:
    return jnp.argmax(x, dim, keepdims=keepdim)


@operation("argmin")
def _argmin(x: Any, dim: Any, keepdim: bool) -> Any:
    return jnp.argmin(x, dim, keepdims=keepdim)


@operation("any", "any.dim", "any.dims")
def _any(x: Any, dims: Any = None, keepdim: bool = False) -> Any:
    return jnp.any(x, axes_of(dims, x.ndim), keepdims=keepdim)


@operation("all", "all.dim", "all.dims")
def _all(x: Any, dims: Any = None, keepdim: bool = False) -> Any:
    return jnp.all(x, axes_of(dims, x.ndim), keepdims=keepdim)


@operation("logsumexp")
def _logsumexp(x: Any, dims: Any, keepdim: bool) -> Any:
    return jax.scipy.special.logsumexp(x, axes_of(dims, x.ndim), keepdims=keepdim)


@operation("softmax.int")
def softmax(x: Any, dim: int, dtype: Any = None) -> Any:
    """exp(x)/Σ exp(x) along an axis."""
    return jax.nn.softmax(x if dtype is None else x.astype(dtype), dim)


@operation("log_softmax.int")
def _log_softmax(x: Any, dim: int, dtype: Any) -> Any:
    return jax.nn.log_softmax(x if dtype is None else x.astype(dtype), dim)


@operation("linalg_vector_norm")
def _vector_norm(x: Any, order: float, dims: Any, keepdim: bool, *, dtype: Any) -> Any:
    x, axes = x if dtype is None else x.astype(dtype), axes_of(dims, x.ndim)
    if order == 2:
        return jnp.sqrt(jnp.sum(x * x, axes, keepdims=keepdim))
    if order == 1:
        return jnp.sum(jnp.abs(x), axes, keepdims=keepdim)
    if order in (math.inf, -math.inf):
        return (jnp.max if order > 0 else jnp.min)(jnp.abs(x), axes, keepdims=keepdim)
    return jnp.sum(jnp.abs(x) ** order, axes, keepdims=keepdim) ** (1 / order)


# --- normalisations -------------------------------------------------------------------------------------------


def _normalised(x: Array, axes: tuple[int, ...], eps: float) -> Array:
    mean = jnp.mean(x, axes, keepdims=True)
    variance = jnp.mean((x - mean) ** 2, axes, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + eps)


def _scaled(x: Array, weight: Any, bias: Any) -> Array:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _of_channels(a: Any, ndim: int) -> Any:
    """A vector with an entry for each channel, in the shape of an array whose second axis is that of channels."""
    return None if a is None else a.reshape((1, -1) + (1,) * (ndim - 2))


@operation("layer_norm")
def _layer_norm(x: Any, shape: Any, weight: Any, bias: Any, eps: float, cudnn: bool) -> Any:
    return _scaled(_normalised(x, tuple(range(x.ndim - len(shape), x.ndim)), eps), weight, bias)


@operation("rms_norm")
def _rms_norm(x: Any, shape: Any, weight: Any, eps: float | None) -> Any:
    """Without ε, PyTorch adds the distance from 1 to the next number."""
    axes = tuple(range(x.ndim - len(shape), x.ndim))
    small = jnp.finfo(x.dtype).eps if eps is None else eps
    return _scaled(x * lax.rsqrt(jnp.mean(x * x, axes, keepdims=True) + small), weight, None)


@operation("group_norm")
def _group_norm(x: Any, groups: int, weight: Any, bias: Any, eps: float, cudnn: bool) -> Any:
    split = x.reshape((x.shape[0], groups, x.shape[1] // groups, *x.shape[2:]))
    made = _normalised(split, tuple(range(2, split.ndim)), eps).reshape(x.shape)
    return _scaled(made, _of_channels(weight, x.ndim), _of_channels(bias, x.ndim))


@operation("instance_norm")
def _instance_norm(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, own: bool, momentum: float, eps: float, cudnn: bool
) -> Any:
    if own:
        made = _normalised(x, tuple(range(2, x.ndim)), eps)
    else:
        made = (x - _of_channels(mean, x.ndim)) * lax.rsqrt(_of_channels(variance, x.ndim) + eps)
    return _scaled(made, _of_channels(weight, x.ndim), _of_channels(bias, x.ndim))


@operation("_native_batch_norm_legit_no_training")
def _running_batch_norm(x: Any, weight: Any, bias: Any, mean: Any, variance: Any, momentum: float, eps: float) -> Any:
    made = (x - _of_channels(mean, x.ndim)) * lax.rsqrt(_of_channels(variance, x.ndim) + eps)
    nothing = jnp.zeros((0,), x.dtype)
    return _scaled(made, _of_channels(weight, x.ndim), _of_channels(bias, x.ndim)), nothing, nothing


@operation("_native_batch_norm_legit.no_stats")
def _batch_norm(x: Any, weight: Any, bias: Any, training: bool, momentum: float, eps: float) -> Any:
    """Normalised over the batch, without running averages; the statistics are those that PyTorch saves."""
    axes = (0, *range(2, x.ndim))
    mean = jnp.mean(x, axes)
    inverse = lax.rsqrt(jnp.mean((x - _of_channels(mean, x.ndim)) ** 2, axes) + eps)
    made = _normalised(x, axes, eps)
    return _scaled(made, _of_channels(weight, x.ndim), _of_channels(bias, x.ndim)), mean, inverse
