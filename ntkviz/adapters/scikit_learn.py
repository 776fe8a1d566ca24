"""Limit kernels in scikit-learn: for `GaussianProcessRegressor`, and as `kernel=` of `SVC` and others."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from sklearn.gaussian_process.kernels import Hyperparameter, Kernel

from ..errors import HyperparameterError, InputError, shown
from ..kernels.function import KernelFunction
from ..language.architecture import Architecture, check_architecture, one_of
from ..language.axes import Shape
from .limit import KINDS, Kind, between, check_separate


class LimitKernel(Kernel):
    """The NTK or the NNGP of an architecture as a kernel of scikit-learn.

    ```python
    from sklearn.gaussian_process import GaussianProcessRegressor
    from ntkviz.adapters.scikit_learn import LimitKernel

    arch = nv.architectures.mlp(nonlinearity="erf")
    kernel = LimitKernel(arch, bounds={"sigma_w": (0.1, 10.0), "sigma_b": (0.01, 1.0)})
    fitted = GaussianProcessRegressor(kernel, alpha=0.01).fit(x, y)
    print(fitted.kernel_.arch, fitted.predict(x, return_std=True))
    ```

    Hyper-parameters with bounds are fitted: `theta` holds their logarithms, as for every kernel of scikit-learn, and
    the gradient of the log marginal likelihood is exact. All parameters can be read by `get_params` and changed by
    `set_params`, also those of the architecture that have bounds.

    Args:
        arch: An architecture whose limit is given by the forward kernels, and which treats examples separately.
        kind: `"nngp"`, the covariance of the random network, which is what a Gaussian process needs; or `"ntk"`.
        bounds: The lower and the upper bound of each hyper-parameter to fit, by name; or `"fixed"`.
        input_shape: The shape of one input, to which the rows of X are reshaped; `None` if they are vectors.

    Raises:
        HyperparameterError: When used with an unknown kind, or with bounds of what is not a positive number.
        InputError: When used with an architecture that mixes the examples of a batch.
    """

    def __init__(
        self,
        arch: Architecture,
        kind: Kind = "nngp",
        bounds: Mapping[str, Any] | None = None,
        input_shape: Shape | None = None,
    ):
        self.arch, self.kind, self.bounds_of, self.input_shape = arch, kind, bounds, input_shape

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name.

        Args:
            deep: `True` includes the values of the hyper-parameters that have bounds.

        Returns:
            The arguments of the constructor, and those values.
        """
        own = {"arch": self.arch, "kind": self.kind, "bounds": self.bounds_of, "input_shape": self.input_shape}
        return own | self._values() if deep else own

    def set_params(self, **params: Any) -> LimitKernel:
        """Change parameters.

        Args:
            **params: Any of those in `get_params`.

        Returns:
            This kernel.

        Raises:
            HyperparameterError: A parameter is unknown.
        """
        attributes = {"arch": "arch", "kind": "kind", "bounds": "bounds_of", "input_shape": "input_shape"}
        for name in params.keys() & attributes.keys():
            setattr(self, attributes[name], params[name])
        hyper = {name: value for name, value in params.items() if name not in attributes}
        if hyper:
            self.arch = self.arch(**hyper)
        return self

    @property
    def hyperparameters(self) -> list[Hyperparameter]:
        """The hyper-parameters with bounds, in the order of their bounds."""
        self._values()
        return [Hyperparameter(name, "numeric", limits) for name, limits in (self.bounds_of or {}).items()]

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """The kernel matrix.

        Args:
            X: Inputs, `(n, d)`.
            Y: Other inputs, `(m, d)`; `None` means X.
            eval_gradient: `True` also gives the gradient with respect to `theta`, for Y = None.

        Returns:
            The matrix `(n, m)`; with the gradient `(n, n, |theta|)`.

        Raises:
            InputError: A gradient is requested between X and other inputs, or the inputs cannot be used.
        """
        if eval_gradient and Y is not None:
            raise InputError("The gradient with respect to theta is defined for Y=None only.")
        x = self._inputs(X)
        computed = self._computed("gradient" if eval_gradient else "matrix")
        found = computed(self._logarithms(), x, x if Y is None else self._inputs(Y))
        return tuple(map(np.array, found)) if eval_gradient else np.array(found)

    def diag(self, X: Any) -> np.ndarray:
        """The diagonal of the kernel matrix.

        Args:
            X: Inputs, `(n, d)`.

        Returns:
            The kernel of each input with itself, `(n,)`.
        """
        x = self._inputs(X)
        found: np.ndarray = np.array(self._computed("diagonal")(self._logarithms(), x, x))
        return found

    def is_stationary(self) -> bool:
        """Whether the kernel depends only on differences of inputs.

        Returns:
            `False`.
        """
        return False

    def __repr__(self) -> str:
        return f"LimitKernel({self.arch!r}, {self.kind!r})"

    def _values(self) -> dict[str, Any]:
        """The hyper-parameters with bounds, which must be positive numbers."""
        hyper = dict(check_architecture(self.arch).hyper)
        names = list(self.bounds_of or ())
        for name in names:
            self.arch(**{name: hyper.get(name)})  # refuses a name that the architecture does not have
            value = hyper[name]
            if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not value > 0:
                raise HyperparameterError(f"{name} is {shown(value)}; to be fitted, it must be a number > 0.")
        return {name: hyper[name] for name in names}

    def _logarithms(self) -> np.ndarray:
        return np.asarray(np.log(list(self._values().values())))

    def _computed(self, what: str) -> Callable[..., Any]:
        one_of(self.kind, "kind", KINDS)
        values = self._values()
        names, ones = tuple(values), {name: type(value)(1) for name, value in values.items()}
        apart = self.arch(**ones) if names else self.arch
        try:
            return _compiled(apart, names, self.kind, what)
        except TypeError:  # a hyper-parameter cannot be hashed
            return _compiled.__wrapped__(apart, names, self.kind, what)

    def _inputs(self, x: Any) -> np.ndarray:
        rows = np.asarray(x, dtype=float)
        if self.input_shape is not None:
            try:
                rows = rows.reshape(len(rows), *self.input_shape)
            except ValueError as problem:
                raise InputError(
                    f"Rows of {rows.shape[1:]} do not have the input_shape {self.input_shape}."
                ) from problem
        check_separate(check_architecture(self.arch), rows.shape[1:])
        return rows


@functools.lru_cache(maxsize=64)
def _compiled(arch: Architecture, names: tuple[str, ...], kind: Kind, what: str) -> Callable[..., Any]:
    """A compiled function of the logarithms of the named hyper-parameters and of two batches.

    scikit-learn clones a kernel for each value of theta; the clones share this function.
    """
    kernel = KernelFunction(arch)

    def matrix(logarithms: Array, x: Array, y: Array) -> Array:
        hyper = dict(zip(names, jnp.exp(logarithms), strict=True))
        return between(kernel, kind, x, y, hyper)

    def diagonal(logarithms: Array, x: Array, y: Array) -> Array:
        return jax.vmap(lambda one: matrix(logarithms, one[None], one[None])[0, 0])(x)

    def gradient(logarithms: Array, x: Array, y: Array) -> tuple[Array, Array]:
        return matrix(logarithms, x, x), jax.jacfwd(matrix)(logarithms, x, x)

    return jax.jit({"matrix": matrix, "diagonal": diagonal, "gradient": gradient}[what])
