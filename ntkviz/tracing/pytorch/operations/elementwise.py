"""Operations on each entry, by the formulas in PyTorch's documentation."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from ....errors import TraceError
from .table import Operation, operation

_UNARY: dict[str, Operation] = {
    "abs": jnp.abs,
    "acos": jnp.arccos,
    "acosh": jnp.arccosh,
    "asin": jnp.arcsin,
    "asinh": jnp.arcsinh,
    "atan": jnp.arctan,
    "atanh": jnp.arctanh,
    "bitwise_not": lambda x: ~x,
    "ceil": jnp.ceil,
    "cos": jnp.cos,
    "cosh": jnp.cosh,
    "erf": jax.scipy.special.erf,
    "erfc": jax.scipy.special.erfc,
    "erfinv": jax.scipy.special.erfinv,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "floor": jnp.floor,
    "hardsigmoid": jax.nn.hard_sigmoid,
    "hardswish": jax.nn.hard_swish,
    "isnan": jnp.isnan,
    "log": jnp.log,
    "log10": jnp.log10,
    "log1p": jnp.log1p,
    "log2": jnp.log2,
    "log_sigmoid": jax.nn.log_sigmoid,
    "logical_not": jnp.logical_not,
    "mish": lambda x: x * jnp.tanh(jax.nn.softplus(x)),
    "neg": lambda x: -x,
    "reciprocal": lambda x: 1 / x,
    "relu": jax.nn.relu,
    "relu6": jax.nn.relu6,
    "round": jnp.round,
    "rsqrt": lambda x: lax.rsqrt(_floating(x)),
    "selu": jax.nn.selu,
    "sigmoid": lambda x: jax.nn.sigmoid(_floating(x)),
    "sign": jnp.sign,
    "silu": jax.nn.silu,
    "sin": jnp.sin,
    "sinh": jnp.sinh,
    "sqrt": jnp.sqrt,
    "square": lambda x: x * x,
    "tan": jnp.tan,
    "tanh": jnp.tanh,
    "trunc": jnp.trunc,
}
_OF_TENSORS: dict[str, Operation] = {
    "atan2": jnp.arctan2,
    "logical_and": jnp.logical_and,
    "logical_or": jnp.logical_or,
    "logical_xor": jnp.logical_xor,
    "maximum": jnp.maximum,
    "max.other": jnp.maximum,
    "minimum": jnp.minimum,
    "min.other": jnp.minimum,
    "floor_divide": jnp.floor_divide,
    "pow.Tensor_Tensor": lambda a, b: _power(a, b),
    "pow.Tensor_Scalar": lambda a, b: _power(a, b),
    "pow.Scalar": lambda a, b: jnp.power(a, b),
}
_OF_BOTH: dict[str, Operation] = {
    "bitwise_and": lambda a, b: a & b,
    "bitwise_or": lambda a, b: a | b,
    "bitwise_xor": lambda a, b: a ^ b,
    "eq": lambda a, b: a == b,
    "fmod": jnp.fmod,
    "ge": lambda a, b: a >= b,
    "gt": lambda a, b: a > b,
    "le": lambda a, b: a <= b,
    "lt": lambda a, b: a < b,
    "mul": lambda a, b: a * b,
    "ne": lambda a, b: a != b,
    "remainder": jnp.remainder,
}
for _name, _function in (*_UNARY.items(), *_OF_TENSORS.items()):
    operation(_name)(_function)
for _name, _function in _OF_BOTH.items():
    operation(f"{_name}.Tensor", f"{_name}.Scalar")(_function)


def _floating(x: Any) -> Any:
    """Whole numbers and truth values as floating-point numbers, as functions of `lax` need them."""
    x = jnp.asarray(x)
    return x if jnp.issubdtype(x.dtype, jnp.floating) else x.astype(float)


def _power(x: Any, p: Any) -> Any:
    """A power by a whole number is a monomial, which has derivatives at 0 and a closed form."""
    if isinstance(p, int | float) and p == int(p) and abs(p) < 64:
        return x ** int(p)
    if isinstance(p, float) and p == 0.5:
        return jnp.sqrt(x)
    return jnp.power(x, p)


@operation("add.Tensor")
def _add(a: Any, b: Any, *, alpha: Any) -> Any:
    if _is_bool(a) and _is_bool(b):
        return a | b
    return a + (b if alpha == 1 else b * alpha)


@operation("add.Scalar")
def _add_scalar(a: Any, b: Any, alpha: Any) -> Any:
    return _add(a, b, alpha=alpha)


@operation("sub.Tensor")
def _sub(a: Any, b: Any, *, alpha: Any) -> Any:
    return a - (b if alpha == 1 else b * alpha)


@operation("sub.Scalar")
def _sub_scalar(a: Any, b: Any, alpha: Any) -> Any:
    return _sub(a, b, alpha=alpha)


@operation("rsub.Scalar")
def _rsub_scalar(a: Any, b: Any, alpha: Any) -> Any:
    return _sub(b, a, alpha=alpha)


@operation("rsub.Tensor")
def _rsub(a: Any, b: Any, *, alpha: Any) -> Any:
    return _sub(b, a, alpha=alpha)


def _is_bool(a: Any) -> bool:
    return bool(jnp.asarray(a).dtype == bool)


@operation("div.Tensor", "div.Scalar", "true_divide.Tensor")
def _div(a: Any, b: Any) -> Any:
    return a / b


@operation("div.Tensor_mode", "div.Scalar_mode")
def _div_mode(a: Any, b: Any, *, rounding_mode: str | None) -> Any:
    if rounding_mode is None:
        return a / b
    return jnp.floor_divide(a, b) if rounding_mode == "floor" else jnp.trunc(a / b)


@operation("where.self", "where.ScalarOther", "where.ScalarSelf", "where.Scalar")
def _where(condition: Any, a: Any, b: Any) -> Any:
    return jnp.where(condition, a, b)


@operation("masked_fill.Scalar", "masked_fill.Tensor")
def _masked_fill(x: Any, mask: Any, value: Any) -> Any:
    return jnp.where(mask, jnp.asarray(value, x.dtype), x)


@operation("clamp", "clamp.Tensor", "hardtanh")
def _clamp(x: Any, low: Any, high: Any) -> Any:
    x = x if low is None else jnp.maximum(x, low)
    return x if high is None else jnp.minimum(x, high)


@operation("clamp_min", "clamp_min.Tensor")
def _clamp_min(x: Any, low: Any) -> Any:
    return jnp.maximum(x, low)


@operation("clamp_max", "clamp_max.Tensor")
def _clamp_max(x: Any, high: Any) -> Any:
    return jnp.minimum(x, high)


@operation("gelu")
def _gelu(x: Any, *, approximate: str) -> Any:
    return jax.nn.gelu(x, approximate=approximate == "tanh")


@operation("softplus")
def _softplus(x: Any, beta: float, threshold: float) -> Any:
    """PyTorch returns x where βx exceeds the threshold.

    At the default threshold of 20 that is the rounding of float32, at most 2.1e-9/β, and the smooth function is meant.
    """
    smooth = jax.nn.softplus(x * beta) / beta if beta != 1 else jax.nn.softplus(x)
    return smooth if threshold >= 20 else jnp.where(x * beta > threshold, x, smooth)


@operation("elu")
def _elu(x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    if scale == 1 and input_scale == 1:
        return jax.nn.elu(x, alpha)
    low = jnp.where(x > 0, 0.0, x)
    return scale * jnp.where(x > 0, x, alpha * jnp.expm1(low * input_scale))


@operation("celu")
def _celu(x: Any, alpha: float) -> Any:
    return jax.nn.celu(x, alpha)


@operation("leaky_relu")
def _leaky_relu(x: Any, slope: float) -> Any:
    return jax.nn.leaky_relu(x, slope)


@operation("threshold")
def _threshold(x: Any, threshold: float, value: float) -> Any:
    return jnp.where(x > threshold, x, value)


@operation("hardshrink")
def _hardshrink(x: Any, at: float) -> Any:
    return jnp.where(jnp.abs(x) > at, x, 0.0)


@operation("softshrink")
def _softshrink(x: Any, at: float) -> Any:
    return jnp.where(x > at, x - at, jnp.where(x < -at, x + at, 0.0))


@operation("prelu")
def _prelu(x: Any, weight: Any) -> Any:
    if weight.ndim and x.ndim > 1:
        weight = weight.reshape((1, -1) + (1,) * (x.ndim - 2))
    return jnp.where(x > 0, x, weight * x)


@operation("glu")
def _glu(x: Any, dim: int) -> Any:
    a, b = jnp.split(x, 2, dim)
    return a * jax.nn.sigmoid(b)


@operation("lerp.Scalar", "lerp.Tensor")
def _lerp(a: Any, b: Any, weight: Any) -> Any:
    return a + weight * (b - a)


@operation("addcmul")
def _addcmul(x: Any, a: Any, b: Any, *, value: Any) -> Any:
    return x + value * a * b


@operation("addcdiv")
def _addcdiv(x: Any, a: Any, b: Any, *, value: Any) -> Any:
    return x + value * a / b


@operation("detach")
def _detach(x: Any) -> Any:
    return lax.stop_gradient(x)


@operation("clone", "contiguous", "alias", "lift_fresh_copy", "lift_fresh")
def _same(x: Any, **_: Any) -> Any:
    return x


@operation("to.dtype", "to.device", "to.other", "_to_copy", "type_as")
def _converted(x: Any, *_: Any, **__: Any) -> Any:
    """The caller converts it."""
    return x


@operation("copy")
def _copy(x: Any, source: Any, non_blocking: bool) -> Any:
    return jnp.broadcast_to(jnp.asarray(source).astype(x.dtype), x.shape)


@operation("fill.Scalar", "fill.Tensor")
def _fill(x: Any, value: Any) -> Any:
    return jnp.broadcast_to(jnp.asarray(value).astype(x.dtype), x.shape)


@operation("dropout", "feature_dropout", "alpha_dropout")
def _dropout(x: Any, p: float, train: bool) -> Any:
    if train and p:
        raise TraceError("The model draws random numbers while it runs (dropout{where}); switch dropout off.")
    return x
