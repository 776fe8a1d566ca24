"""A tensor program as a value: instructions, parameters, and the numbers they use.

A `Program` does not depend on how it was written. Tracing an author's function makes one
(`ntkviz.language.architecture`), another front end could make the same one, and a reading sees only the `Program`.

Its structure is static and hashable; its numbers (hyper-parameters and data) are the leaves of a pytree. So a jitted
reading compiles once for each structure, and changing a hyper-parameter never recompiles.
"""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from ..distant.readings import read
from ..errors import ProgramError
from .axes import Shape
from .instructions import Constant, Delayed, Op, Readout, Repeat, Source
from .lazy_jax import jax
from .numbers import same_number

if TYPE_CHECKING:
    from .gradients.backward import BackwardProgram
    from .text.listing import Line

Kind = Literal["vector", "scalar", "output"]
F = TypeVar("F", bound=Callable[..., Any])

MOST_INSTRUCTIONS = 20_000
"""The largest number of instructions in a program. Readings compile every one; a thousand take about a minute."""


def check_length(instructions: int) -> None:
    """Raise `ProgramError` for a program that would take too long to compile."""
    if instructions > MOST_INSTRUCTIONS:
        raise ProgramError(
            f"The program has more than {MOST_INSTRUCTIONS:,} instructions; make it shallower or its inputs shorter."
        )


@dataclass(frozen=True)
class Parameter:
    """A parameter ω in abc-parametrization (Tensor Programs IV): ω ~ N(0, std²), used as multiplier·ω.

    `fan` is the factor of fan_in besides the width. The total factor of ω is `multiplier/√(fan·n)` for a matrix or a
    readout, `multiplier/√fan` with `fan` = d for an input matrix, and `multiplier` for any other vector. `shape` is
    that of an array of independent parameters (one matrix for each offset of a convolution); `()` is one parameter.
    `std`, `multiplier` and `lr` are the indices of the instructions that give these numbers. `zero_mean` is `False` for
    a vector to which the program adds a mean, which is not trained. `output_bias` is `True` for a vector c in vᵀ(x + c)
    that stands for a number added to the output: it has the NTK of that number in the limit, but only there.
    """

    name: str
    kind: Literal["matrix", "input", "vector"]
    fan: int
    shape: Shape
    std: int
    multiplier: int
    lr: int
    trainable: bool = True
    zero_mean: bool = True
    output_bias: bool = False


@dataclass(frozen=True)
class Instruction:
    """One instruction of a program: `op` applied to the values of the earlier instructions `args`.

    `shape` is the leading shape: the width axis of a vector is never part of it.
    """

    op: Op
    args: tuple[int, ...]
    kind: Kind
    shape: Shape


_methods: dict[str, Callable[..., Any]] = {}


def method(name: str) -> Callable[[F], F]:
    """Register the implementation of `Program`'s method `name`, for modules that import this one."""

    def register(function: F) -> F:
        _methods[name] = function
        return function

    return register


@dataclass(frozen=True)
class Program:
    """Instructions in order, the parameters they use, and the numbers they refer to.

    Source: NETSOR⊤ with moments, Tensor Programs II (arXiv:2006.14548).

    Attributes:
        instructions: Each refers to earlier ones by their index in this tuple.
        parameters: The parameters, in the order of the index by which instructions refer to them.
        output: The index of the network's output f, of shape `(batch,)`.
        constants: Numbers and hyper-parameters, in the order in which `Constant` instructions refer to them.
        data: The inputs, in the order in which `Data` instructions refer to them.
        gradients: For each value that has a gradient, its index and that of the gradient; empty unless the program was
            made by `backward`.
    """

    instructions: tuple[Instruction, ...]
    parameters: tuple[Parameter, ...]
    output: int
    constants: tuple[Any, ...] = ()
    data: tuple[Any, ...] = ()
    gradients: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.instructions)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Program):
            return NotImplemented
        return self._structure() == other._structure() and all(
            len(mine) == len(theirs) and all(map(same_number, mine, theirs))
            for mine, theirs in ((self.constants, other.constants), (self.data, other.data))
        )

    def __hash__(self) -> int:
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:
        """The hash of the structure, cached, since one kernel looks up compiled code and other caches many times."""
        return hash(self._structure())

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickles the fields without the cached hash, which differs between processes."""
        return Program, tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def _structure(self) -> tuple[Any, ...]:
        return self.instructions, self.parameters, self.output, self.gradients

    @functools.cached_property
    def structure(self) -> Program:
        """The program without its numbers: the key to compiled code and other caches.

        Programs of equal structure usually share one object, which makes comparing and hashing it cheap.
        """
        return _shared(dataclasses.replace(self, constants=(), data=()))

    def with_data(self, *data: Any) -> Program:
        """The same program for other data.

        Args:
            *data: As many arrays as before, of the same shapes (except that a reading may add a leading axis).

        Returns:
            The program.
        """
        return self.with_numbers(self.constants, data)

    def with_numbers(self, constants: tuple[Any, ...], data: tuple[Any, ...]) -> Program:
        """The same structure with other numbers.

        Args:
            constants: The new constants.
            data: The new data.

        Returns:
            The program.
        """
        made = dataclasses.replace(self, constants=constants, data=data)
        if "structure" in self.__dict__:
            made.__dict__["structure"] = self.structure
        return made

    def written_again(
        self, instructions: Sequence[Instruction], index: Callable[[int], int], **changes: Any
    ) -> Program:
        """The same program with other instructions.

        Args:
            instructions: The new instructions; `index` may append to them.
            index: Maps the index of an old instruction to that of the new one with the same value.
            **changes: Other attributes to change, by name.

        Returns:
            The program; its output and parameters refer to the new indices.
        """
        parameters = tuple(
            dataclasses.replace(p, std=index(p.std), multiplier=index(p.multiplier), lr=index(p.lr))
            for p in changes.pop("parameters", self.parameters)
        )
        output = index(self.output)  # before `instructions` is read, since it may append to them
        return dataclasses.replace(
            self, instructions=tuple(instructions), parameters=parameters, output=output, **changes
        )

    @property
    def output_is_readout(self) -> bool:
        """Whether f is a readout vᵀx/√n; otherwise it is a scalar of the program, such as 1ᵀx/n."""
        return isinstance(self.instructions[self.output].op, Readout)

    def uses(self, parameter: int) -> Iterator[int]:
        """The instructions that use a parameter, readouts of a vector included.

        Args:
            parameter: Its index in `parameters`.

        Returns:
            Their indices, ascending.
        """
        for index, instruction in enumerate(self.instructions):
            if isinstance(instruction.op, Source) and instruction.op.parameter == parameter:
                yield index

    def users(self, index: int) -> Iterator[int]:
        """The instructions that use the value of the instruction at `index`.

        Args:
            index: The index of an instruction.

        Returns:
            Their indices, ascending.
        """
        return (later for later, i in enumerate(self.instructions) if index in i.args)

    def number(self, index: int) -> Any:
        """A scalar computed from constants alone: a parameter's std, multiplier or lr.

        Args:
            index: The index of its instruction.

        Returns:
            Its value, a number or an array.
        """
        instruction = self.instructions[index]
        if isinstance(instruction.op, Constant):
            return self.constants[instruction.op.index]
        return instruction.op.evaluate(*(self.number(a) for a in instruction.args))

    def variance(self, parameter: Parameter) -> Any:
        """σ²: the variance that a MatMul by the parameter gives to a vector of unit second moment.

        Args:
            parameter: A parameter of this program.

        Returns:
            (multiplier · std)²/fan, dimensionless.
        """
        return (self.number(parameter.multiplier) * self.number(parameter.std)) ** 2 / parameter.fan

    def parameter_of(self, index: int) -> Parameter:
        """The parameter that an instruction uses.

        Args:
            index: The index of the instruction, which must use one.

        Returns:
            The parameter.
        """
        op = self.instructions[index].op
        assert isinstance(op, Source)
        return self.parameters[op.parameter]

    def delayed(self, index: int) -> tuple[int, int]:
        """Where a `Delayed` instruction takes its values from.

        Args:
            index: The index of a `Delayed` instruction.

        Returns:
            The index of the instruction whose previous value it takes, and the index of its value at the first step.
        """
        instruction = self.instructions[index]
        assert isinstance(instruction.op, Delayed)
        return instruction.op.source, instruction.args[0]

    @property
    def outputs(self) -> int:
        """The number of entries of the output f."""
        return self.instructions[self.output].shape[0]

    def vectors(self, index: int) -> list[int]:
        """The arguments of an instruction that are vectors.

        Args:
            index: The index of the instruction.

        Returns:
            Their indices, in the order of the arguments.
        """
        return [a for a in self.instructions[index].args if self.instructions[a].kind == "vector"]

    @property
    def has_repeats(self) -> bool:
        """Whether the program has repeated layers, which are written once."""
        return any(isinstance(i.op, Repeat) for i in self.instructions)

    def unrolled(self) -> Program:
        """The same program with each repeated block written out, its parameters numbered.

        Returns:
            The program; itself if nothing is repeated.

        Raises:
            ProgramError: The unrolled program is too long to be compiled, or two parameters get the same name.
        """
        return _methods["unrolled"](self) if self.has_repeats else self

    @property
    def forward(self) -> Program:
        """The program without its gradients."""
        if not self.gradients:
            return self
        length = min(gradient for _, gradient in self.gradients)
        return dataclasses.replace(self, instructions=self.instructions[:length], gradients=())

    def backward(self, *, assume_gia: bool = False) -> Program:
        """The program followed by its gradients, which are a tensor program too.

        Each gradient has an additional first axis, which runs over the outputs that are differentiated. The gradient of
        a vector is dx = √n ∂f/∂x for a readout f = vᵀx/√n, and n ∂f/∂x for an output of scale 1/n.

        Source: Tensor Programs II (arXiv:2006.14548), §"Backprop".

        Args:
            assume_gia: `True` makes the gradients use independent copies W′ of the matrices, as in the gradient
                independence assumption.

        Returns:
            The program with `gradients`, its repeated layers written out.

        Raises:
            ProgramError: A derivative is not a function, as for a step function.
        """
        found: BackwardProgram = read("backward", self.unrolled().with_data(), independent_copy=assume_gia)
        return found.program.with_data(*self.data)

    def lines(self) -> tuple[Line, ...]:
        """The lines of the listing, from which text, LaTeX and graph are made.

        Returns:
            The lines in order, with repeated layers written out and without lines of no interest to a reader.
        """
        return tuple(_methods["lines"](self))

    def to_text(self) -> str:
        """The instructions as numbered lines of text.

        Returns:
            Lines `indices  name : type shape = formula`, in columns.
        """
        return str(_methods["to_text"](self))

    def to_latex(self) -> str:
        """The instructions as LaTeX.

        Returns:
            An `aligned` environment, for display mode.
        """
        return str(_methods["to_latex"](self))

    def to_graph(self) -> dict[str, list[dict[str, Any]]]:
        """A graph with instructions as nodes and their values as edges, in the format of `networkx.node_link_graph`.

        Returns:
            Dictionaries `{id, label, type, shape, formula}` under `"nodes"`, and `{source, target}` under `"edges"`.
        """
        return dict(_methods["to_graph"](self))

    def __str__(self) -> str:
        return self.to_text()


@functools.lru_cache(maxsize=512)
def _shared(structure: Program) -> Program:
    """The first of several equal structures, as long as it is in this cache."""
    return structure


def register_with_jax() -> None:
    """Register `Program` as a pytree, once: its numbers are the leaves, everything else is static."""
    with _registering:  # JAX raises an error if a class is registered twice
        _register()


_registering = threading.Lock()


@functools.cache
def _register() -> None:
    jax.tree_util.register_dataclass(
        Program, data_fields=["constants", "data"], meta_fields=["instructions", "parameters", "output", "gradients"]
    )
