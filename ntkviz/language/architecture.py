"""`@nv.architecture`, and tracing an author's function into a program."""

from __future__ import annotations

import inspect
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..distant.readings import read
from ..errors import HyperparameterError, InputError, ProgramError, phrase, shown
from . import instructions as ops
from .axes import Shape
from .handle import Value
from .network import PARAMETRIZATIONS, Network
from .nonlinearities.nonlinearity import Nonlinearity
from .numbers import real_array
from .program import Program, register_with_jax
from .travelling import portable
from .values import Output, Scalar, with_free_numbers


@dataclass(frozen=True)
class Architecture:
    """An architecture with its hyper-parameters; calling it with new values for some of them returns a changed copy.

    ```python
    nv.architectures.rnn(sigma_w=1.4, parametrization="ntk4a")
    ```

    Frozen and printable. It can be pickled: by the name of its function or, if the function is not in an importable
    module, by value, which requires `cloudpickle`.

    Attributes:
        fn: The author's function `(net, inputs, *, …)`.
        hyper: Names and values of the hyper-parameters, in the order of the function's signature.
        parametrization: `"ntk"` (every ω ~ N(0, 1), and σ is in the multiplier) or `"ntk4a"` (ω ~ N(0, σ²)). The
            outputs have the same law, but the NTKs differ (Tensor Programs IV, §3).

    Raises:
        HyperparameterError: When called with a hyper-parameter that the function does not have, or with an unknown
            parametrization.
    """

    fn: Callable[..., Any]
    hyper: tuple[tuple[str, Any], ...]
    parametrization: str = "ntk"

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", self.fn.__doc__)
        object.__setattr__(self, "__name__", self.fn.__name__)

    def __call__(self, *, parametrization: str | None = None, **hyper: Any) -> Architecture:
        known = dict(self.hyper)
        for name in hyper:
            if name not in known:
                raise HyperparameterError(
                    f"{self.fn.__name__} has no hyper-parameter {name!r}; it has {', '.join(known)} and "
                    "parametrization."
                )
        chosen = self.parametrization if parametrization is None else parametrization
        one_of(chosen, "The parametrization", PARAMETRIZATIONS)
        return Architecture(self.fn, tuple((known | hyper).items()), chosen)

    def __reduce__(self) -> tuple[Any, ...]:
        hyper = tuple((name, portable(value, Nonlinearity)) for name, value in self.hyper)
        return Architecture, (portable(self.fn, Architecture), hyper, self.parametrization)

    def __copy__(self) -> Architecture:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Architecture:
        return self  # frozen

    def __repr__(self) -> str:
        settings = [f"{name}={value!r}" for name, value in self.hyper]
        return f"{self.fn.__name__}({', '.join([*settings, f'parametrization={self.parametrization!r}'])})"

    def in_training(self, data: tuple[np.ndarray, ...]) -> InTraining:
        """The architecture to train where features move: itself, unless it stands for a model of another form.

        Args:
            data: The inputs, arrays with a common batch axis, which comes first.

        Returns:
            The architecture, and the biases of the output that are trained as numbers.
        """
        return InTraining(self)

    def trace(self, data: tuple[np.ndarray, ...]) -> Program:
        """Run the author's function once on handles and return the program that they record.

        Args:
            data: The inputs, finite arrays with a common batch axis, which comes first.

        Returns:
            The program, its repeated layers written once.

        Raises:
            ProgramError: A rule of the language is broken; the message names the instruction.
            InputError: The architecture does not accept data of these shapes.
            HyperparameterError: A hyper-parameter has an invalid value.
        """
        traced: Program = read("recorded", self, tuple(d.shape for d in data))
        return traced.with_data(*data)


class InTraining(NamedTuple):
    """An architecture as it is trained.

    - `arch`: With a program that is the network at any width.
    - `output_biases`: By name, the vectors of its program that stand for numbers added to the output, and their rates.
    """

    arch: Architecture
    output_biases: Mapping[str, float] = MappingProxyType({})


def recorded(arch: Architecture, shapes: tuple[Shape, ...]) -> Program:
    """The program of an architecture for inputs of these shapes, without data; see `Architecture.trace`."""
    register_with_jax()
    net = Network(arch.parametrization)
    inputs = tuple(net.record(ops.Data(k), (), Scalar, shape) for k, shape in enumerate(shapes))
    hyper = with_free_numbers(net, arch.hyper)
    try:
        out = arch.fn(net, inputs[0] if len(inputs) == 1 else inputs, **hyper)
    except (ProgramError, InputError) as problem:
        said = phrase(f"Instruction {len(net.instructions)} of {arch.fn.__name__}: {problem}")
        raise type(problem)(said) from problem
    if not isinstance(out, Output | Scalar):
        raise ProgramError(
            f"{arch.fn.__name__} must return net.readout(…) or a scalar such as nv.moment(x), not {out!r}."
        )
    index = net.index(out)
    if out.shape != shapes[0][:1]:
        raise ProgramError(
            f"{arch.fn.__name__} returns shape {out.shape}; it must return one number for each of the "
            f"{shapes[0][0]} inputs of the batch."
        )
    return Program(tuple(net.instructions), tuple(net.parameters), index, tuple(net.constants))


def architecture(fn: Callable[..., Any]) -> Architecture:
    """Turn a function `(net, inputs, *, hyper=default, …)` into an `Architecture`.

    The function declares parameters with `net`, computes with them as with NumPy arrays, and
    returns `net.readout(…)`, of shape `(batch,)`. Every hyper-parameter needs a default.

    Args:
        fn: The function. It is given a `Network` and the inputs as a `Scalar`, or a tuple of them.

    Returns:
        The architecture, with the default of every hyper-parameter.

    Raises:
        ProgramError: `fn` is not a function, or a hyper-parameter has no default.
    """
    if not inspect.isroutine(fn):
        raise ProgramError(f"nv.architecture takes a function (net, inputs, *, …), not {shown(fn)}.")
    hyper = []
    for parameter in list(inspect.signature(fn).parameters.values())[2:]:
        if parameter.default is inspect.Parameter.empty:
            raise ProgramError(f"Hyper-parameter {parameter.name!r} of {fn.__name__} needs a default.")
        hyper.append((parameter.name, parameter.default))
    return Architecture(fn, tuple(hyper))


def check_data(x: Any, what: str = "x") -> tuple[np.ndarray, ...]:
    """The inputs as a tuple of finite float arrays with a common batch axis.

    Raises `InputError` for data that are not numbers, not finite, empty, or without a batch axis. `what` is the name of
    the argument in messages.
    """
    entries = x if isinstance(x, tuple) else (x,)
    if not entries:
        raise InputError(f"{what} is an empty tuple; give a NumPy array, batch first.")
    arrays = []
    for entry in entries:
        array = real_array(entry, what, f"{what} is not an array of numbers; give a NumPy array, batch first.")
        if array.ndim < 1 or array.size == 0:
            raise InputError(f"{what} has shape {array.shape}; it needs a batch axis and at least one entry.")
        if not np.all(np.isfinite(array)):
            raise InputError(f"{what} contains NaN or infinity; every input must be a finite number.")
        arrays.append(array)
    if len({len(a) for a in arrays}) > 1:
        raise InputError(f"The parts of {what} have different batch sizes {[len(a) for a in arrays]}.")
    return tuple(arrays)


def program(arch: Architecture, x: Any) -> Program:
    """The tensor program of an architecture on inputs `x`, repeated layers written out.

    Source: Yang, Tensor Programs II (arXiv:2006.14548), for the language.

    Args:
        arch: An architecture.
        x: Its inputs, batch first: `(batch, d)`, `(batch, time, d)`, or a tuple of such arrays.

    Returns:
        The instructions with their types; print them by `.to_text()`, `.to_latex()`, `.to_graph()`.

    Raises:
        InputError: The data cannot be used.
        HyperparameterError: `arch` is not an architecture, or a hyper-parameter has an invalid value.
        ProgramError: A rule of the language is broken.
    """
    return check_architecture(arch).trace(check_data(x)).unrolled()


def check_architecture(arch: Any) -> Architecture:
    """Return an `Architecture` unchanged; raises `HyperparameterError` for anything else."""
    if not isinstance(arch, Architecture):
        raise HyperparameterError(
            f"Expected an architecture, such as nv.architectures.mlp(), not {type(arch).__name__}."
        )
    return arch


def whole_number(value: Any, name: str, *, at_least: int) -> int:
    """A hyper-parameter that is a whole number, as an `int`; raises `HyperparameterError` otherwise."""
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if isinstance(value, bool) or count is None or count < at_least:
        raise HyperparameterError(f"{name} is {shown(value)}; it must be a whole number ≥ {at_least}.")
    return count


def truth(value: Any, name: str) -> bool:
    """An option that is on or off; raises `HyperparameterError` for anything else."""
    if not isinstance(value, bool | np.bool_):
        raise HyperparameterError(f"{name} is {shown(value)}; it must be True or False.")
    return bool(value)


def number(value: Any, name: str, *, at_least: float = -np.inf, above: float = -np.inf) -> Any:
    """A hyper-parameter that is a finite number in a range; raises `HyperparameterError` otherwise.

    A value of a program, whose number is given later, is returned unchanged.
    """
    if isinstance(value, Value):
        return value
    try:
        ok = not isinstance(value, bool | complex) and math.isfinite(value) and np.ndim(value) == 0
    except (TypeError, ValueError, OverflowError):
        ok = False
    if not ok or value < at_least or value <= above:
        bound = f" > {above}" if above > -np.inf else f" ≥ {at_least}" if at_least > -np.inf else ""
        raise HyperparameterError(f"{name} is {shown(value)}; it must be a finite number{bound}.")
    return value


def one_of(value: Any, name: str, choices: tuple[str, ...]) -> str:
    """A hyper-parameter that is one of a few words; raises `HyperparameterError` otherwise."""
    if not isinstance(value, str) or value not in choices:
        raise HyperparameterError(f"{name} is {shown(value)}; it must be {' or '.join(map(repr, choices))}.")
    return value


def listed(values: Any, name: str, *, of: str) -> Sequence[Any]:
    """The entries of an iterable; raises `HyperparameterError`, which names their kind `of`, for anything else."""
    if isinstance(values, range):  # returned as it is, since it may be long
        return values
    try:
        return list(values)
    except TypeError as problem:
        raise HyperparameterError(f"{name} is {shown(values)}; it must be a list of {of}.") from problem
