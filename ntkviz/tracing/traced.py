"""`nv.trace`, and the architecture that it returns."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from ..errors import HyperparameterError
from ..language.architecture import Architecture, InTraining, check_data, whole_number
from ..language.axes import Shape
from ..language.network import Network
from ..language.travelling import portable
from ..networks.sampling import at_readout_scale, random_key
from .front_ends import is_model
from .models import Make, Model, models_at
from .options import Options
from .report import Report, report_of
from .same_parameters import Check, compared
from .writing import Written, written

OwnNTK = Callable[[Array, tuple[Any, ...]], Array]
"""The NTK of a model at one width, as a function of a random key and the data."""


class AssumptionWarning(UserWarning):
    """An assumption that `nv.trace` made when it wrote a model as a program; see `Traced.report`."""


class Writer:
    """The author of a traced model's program: called with a network and handles of the inputs, it records the program.

    The model is traced once for inputs of the same shapes; the program is then replayed.
    """

    def __init__(self, make: Make, options: Options):
        self.make, self.options = make, options
        self.__name__ = self.__qualname__ = getattr(make, "__name__", type(make).__name__)
        self.__doc__ = getattr(make, "__doc__", None)
        self._written: dict[tuple[Shape, ...], Written] = {}
        self._own_ntks: dict[tuple[tuple[Shape, ...], int], OwnNTK] = {}
        self.latest: Written | None = None

    def __call__(self, net: Network, inputs: Any) -> Any:
        handles = inputs if isinstance(inputs, tuple) else (inputs,)
        return self.written(tuple(h.shape for h in handles)).replay(net)

    def __reduce__(self) -> tuple[Any, ...]:
        return Writer, (portable(self.make, Architecture), self.options)

    def written(self, shapes: tuple[Shape, ...]) -> Written:
        """The program for inputs of these shapes, with the findings about the model."""
        if shapes not in self._written:
            made = self._written[shapes] = written(self.make, shapes, self.options)
            first, self.latest = self.latest is None, made
            for note in made.table.notes if first else ():
                warnings.warn(note, AssumptionWarning, stacklevel=2)
        return self._written[shapes]

    def own_ntk(self, shapes: tuple[Shape, ...], width: int) -> OwnNTK:
        """The NTK of the model itself at one width, for inputs of these shapes."""
        if (shapes, width) not in self._own_ntks:
            (model,) = models_at(self.make, (width,), shapes)
            self._own_ntks[shapes, width] = _own_ntk(self.written(shapes), model, width)
        return self._own_ntks[shapes, width]

    @functools.cached_property
    def in_equal_blocks(self) -> Writer:
        """The writer of a program in blocks of one size, which describes the model at any width."""
        return Writer(self.make, dataclasses.replace(self.options, one_block_size=True))


@dataclass(frozen=True, repr=False)
class Traced(Architecture):
    """A model as an architecture, for all readings; made by `nv.trace`.

    Attributes:
        fn: The writer of its program.
    """

    fn: Writer

    def __call__(self, **hyper: Any) -> NoReturn:
        raise HyperparameterError(
            f"{self.fn.__name__} is a traced model, which has no hyper-parameters here; change them in the model."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return Traced, (self.fn, (), self.parametrization)

    def __repr__(self) -> str:
        return f"<traced model {self.fn.__name__}>"

    def in_training(self, data: tuple[np.ndarray, ...]) -> InTraining:
        """The program that is the model at any width; biases of the output are numbers, which start at 0.

        The vector that stands for such a bias has its NTK, but its part of the readout's gradient is a product of two
        changes, which the model does not have.

        Args:
            data: The inputs, arrays with a common batch axis, which comes first.

        Returns:
            The program with blocks of equal size, and the learning rate of each bias of the output, by name.
        """
        exact = Traced(self.fn.in_equal_blocks, (), self.parametrization)
        table = exact.fn.written(tuple(d.shape for d in data)).table
        return InTraining(exact, table.output_biases)

    @property
    def report(self) -> Report:
        """Every parameter with its law, its use and its learning rate, and all assumptions; it can be printed.

        Returns:
            The report on the latest trace.

        Raises:
            HyperparameterError: The model has not been traced yet, because no data have been given.
        """
        return report_of(self._latest().table)

    def learning_rates(self, width: int) -> Any:
        """The learning rate of each parameter that the limit NTK assumes, for gradient descent at a unit rate.

        Args:
            width: The width of the model to be trained.

        Returns:
            A pytree of numbers with the structure of the model's parameters.

        Raises:
            HyperparameterError: The width is not a whole number ≥ 1, or the model has not been traced yet.
        """
        whole_number(width, "The width", at_least=1)
        made = self._latest()
        model, rates = made.models[0], [made.table.rate_at(k, width) for k in range(len(made.table.declared))]
        tree: Any = model.parameters(jax.tree.unflatten(model.tree, rates))
        return tree

    def model_ntk(self, x: Any, *, width: int, key: Any) -> Array:
        """The NTK of the model itself, with random parameters and the learning rates of `learning_rates`.

        Args:
            x: A batch of inputs, or a tuple of them.
            width: The model's width.
            key: A JAX random key, or an integer seed.

        Returns:
            An array `(batch, batch)`, in the units of the limit NTK.

        Raises:
            InputError: The data cannot be used.
            TraceError: The model cannot be traced.
        """
        whole_number(width, "The width", at_least=1)
        data = check_data(x)
        return self.fn.own_ntk(tuple(d.shape for d in data), width)(random_key(key), data)

    def check(self, x: Any, *, width: int = 64, key: Any = 0) -> Check:
        """Compare the model at a finite width with its program at the same parameters; they must agree up to rounding.

        This finds any part of the model that was traced wrongly. The bias of an output is left out of both NTKs.

        Args:
            x: A batch of inputs, or a tuple of them.
            width: The model's width.
            key: A JAX random key, or an integer seed.

        Returns:
            The largest relative differences, of the outputs and of the NTKs.

        Raises:
            HyperparameterError: The width is not a whole number ≥ 1, or does not divide into the blocks of the program.
            InputError: The data cannot be used.
            TraceError: The model cannot be traced.
        """
        whole_number(width, "The width", at_least=1)
        data = check_data(x)
        made = self.fn.in_equal_blocks.written(tuple(d.shape for d in data))
        (model,) = models_at(self.fn.make, (width,), tuple(d.shape for d in data))
        return compared(made, model, data, width, random_key(key))

    def _latest(self) -> Written:
        if self.fn.latest is None:
            raise HyperparameterError(
                f"{self.fn.__name__} has not been traced yet, since its program depends on the shape of the data; call "
                "nv.program(model, x) first."
            )
        return self.fn.latest


def _own_ntk(made: Written, model: Model, width: int) -> OwnNTK:
    """The NTK of a model at one width, as a function of a random key and the data, compiled once."""
    table, times = made.table, width / made.table.options.widths[0]
    rates = {k: rate for k in table.uses if (rate := table.rate_at(k, width))}
    scale = times ** -float(2 * made.order)
    if not at_readout_scale(made.program):
        block, _ = next(iter(table.findings.blocks.values()))  # all blocks have the same size
        scale *= block * times

    def ntk(key: Array, data: tuple[Array, ...]) -> Array:
        drawn = zip(model.draw(key), model.apply.jaxpr.invars, strict=False)
        arrays = [a.astype(v.aval.dtype) for a, v in drawn]
        arrays = [_rescaled(table.options, table.name(k), a, width) for k, a in enumerate(arrays)]

        def output(some: dict[int, Array]) -> Array:
            whole = [some.get(k, a) for k, a in enumerate(arrays)]
            return model.run(whole, data, made.place)

        jacobian = jax.jacrev(output)({k: arrays[k] for k in rates})
        total: Array = jnp.zeros((len(data[0]),) * 2)
        for k, j in jacobian.items():
            flat = j.reshape((len(total), -1))
            total = total + rates[k] * (flat @ flat.T)
        scaled: Array = scale * total
        return scaled

    compiled: OwnNTK = jax.jit(ntk)
    return compiled


def _rescaled(options: Options, name: str, array: Array, width: int) -> Array:
    """A parameter rescaled to the requested standard deviation, if there is one."""
    std = options.std_of(name, width)
    if std is None:
        return array
    drawn = jnp.std(array)
    return array * jnp.where(drawn > 0, std / drawn, 1.0)


def trace(
    make: Make,
    *,
    widths: Any = None,
    scores: str = "refuse",
    laws: str = "gaussian",
    norm_scale: str = "frozen",
    lr: str = "fan_in",
    std: Any = None,
    output: int = 0,
) -> Traced:
    """Turn an ordinary model into an architecture, by tracing it at two widths.

    ```python
    import flax.linen as nn

    t = nv.trace(lambda n: nn.Sequential([nn.Dense(n), nn.relu, nn.Dense(1)]))
    limit = nv.infinite_ntk(t, np.ones((2, 3)))
    ```

    An axis is a width axis if its size differs between the two widths. A model that is not a tensor program, or whose
    limit would be that of another model, is refused with a message that gives the line of the model. Assumptions are
    shown as an `AssumptionWarning`, and listed in the report.

    Source: Tensor Programs II (arXiv:2006.14548), on which models are tensor programs.

    Args:
        make: A function from a width n, any multiple of 64, to the model at that width: a Flax module (linen or nnx),
            an Equinox or PyTorch module, a Haiku transform, or two functions `(init, apply)` with `init(key, x)` and
            `apply(parameters, x)`. Equinox modules take one example.
        widths: The two widths of the trace, 192 and 320 by default; sizes that depend on the width must be multiples of
            it.
        scores: "refuse", or "1/d" to treat attention scores divided by √d as if they were divided by d; the limit is
            then that of a different model.
        laws: "gaussian" gives the limit of Gaussian entries, and notes how far each parameter's are from these;
            "own" gives that of the model's own uniform, truncated normal or ±σ entries where their fan-in does not
            grow with the width, as in the first layer. Such limits are computed on samples, with a standard error.
        norm_scale: "frozen" replaces vectors that multiply others and start at a constant, such as the scales of
            normalisations, by that constant; "trained" trains them.
        lr: The learning rate of each parameter: "fan_in" (η/fan_in, and η for biases), "variance" (η times the variance
            of its entries), or "standard" (η/n for all).
        std: Standard deviations for some parameters, by name, in place of those of the initialisation; each a number or
            a function of the width.
        output: The number of the output to use, from 0, if the model has several. If it returns several arrays, as a
            tuple or a dictionary, their outputs are counted one array after the other; arrays that grow with the width
            or have no batch axis are left out.

    Returns:
        The architecture. The model is traced when data are first given, since the program depends on their shapes.

    Raises:
        HyperparameterError: An option has an invalid value, or `make` is not a function.
    """
    if not callable(make) or (is_model(make) and not isinstance(make, type)):
        raise HyperparameterError("nv.trace takes a function from a width to a model, such as lambda n: MLP(width=n).")
    return Traced(Writer(make, Options.checked(widths, scores, laws, norm_scale, lr, std, output)), (), "ntk4a")
