"""Limit kernels in tinygp."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from tinygp.kernels import Kernel

from ..kernels.function import KernelFunction
from ..language.architecture import one_of
from .limit import KINDS, between, check_separate


class LimitKernel(Kernel):
    """The NNGP or the NTK of an architecture as a kernel of tinygp.

    ```python
    import tinygp
    from ntkviz.adapters.tinygp import LimitKernel

    limit = nv.kernel_fn(nv.architectures.mlp(nonlinearity="erf"))
    process = tinygp.GaussianProcess(LimitKernel(limit, sigma_w=1.3), x, diag=0.01)
    print(process.log_probability(y))
    ```

    Hyper-parameters that are numbers may be traced by JAX. Equinox sees them as leaves of the kernel, so it can be
    differentiated and optimised itself.

    Attributes:
        function: A kernel function, made by `nv.kernel_fn`, whose architecture treats examples separately.
        kind: `"nngp"`, the covariance of the random network, or `"ntk"`.
        hyper: The values of hyper-parameters that differ from those of the architecture, by name.

    Raises:
        HyperparameterError: The kind is unknown; when used, whatever `kernel_fn` raises.
        InputError: When used, the architecture mixes the examples of a batch.
    """

    function: KernelFunction = eqx.field(static=True)
    kind: str = eqx.field(static=True)
    hyper: dict[str, Any]

    def __init__(self, function: KernelFunction, *, kind: str = "nngp", **hyper: Any):
        self.function, self.kind, self.hyper = function, one_of(kind, "kind", KINDS), hyper

    def evaluate(self, X1: Any, X2: Any) -> Array:
        """The kernel of two inputs.

        Args:
            X1: One input, of any shape that the architecture takes.
            X2: Another, of the same shape.

        Returns:
            A number, `()`.
        """
        one, other = jnp.asarray(X1), jnp.asarray(X2)
        check_separate(self.function.arch, one.shape)
        return between(self.function, self.kind, one[None], other[None], self.hyper)[0, 0]
