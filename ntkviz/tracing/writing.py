"""Writes a model as a program, in repeated attempts until the blocks of all width axes fit together."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from ..errors import TraceError
from ..language import instructions as ops
from ..language.axes import Shape
from ..language.gradients.gia import check_program
from ..language.handle import Value
from ..language.network import Network
from ..language.program import Instruction, Parameter, Program
from ..language.values import Output, Scalar
from .custom_derivatives import check_stops
from .expressions import Leaf
from .jaxprs import check_precision
from .laws import Law, laws_of, settled
from .models import Make, Model, Place, models_at, place_of
from .options import Options
from .parameters import Declared, Parameters, with_std
from .rules import convolutions, elementwise, indexing, joining, loops, moving, products, reductions
from .rules.outputs import check_output, note_order, written_outputs
from .values import (
    AsVectorsError,
    Findings,
    Numbers,
    Readouts,
    SmallerBlocksError,
    StartsAtZeroError,
    Vectors,
    Weighted,
)
from .walk import Walk

MOST_ATTEMPTS = 100
# These modules are imported because they fill the table of rules.
assert all((convolutions, elementwise, indexing, joining, loops, moving, products, reductions))


@dataclass(frozen=True)
class Written:
    """A model written as a program.

    Attributes:
        instructions: The recorded instructions.
        parameters: The recorded parameters.
        constants: The recorded constants.
        names: The names of the parameters.
        output: The index of the output.
        is_readout: Whether the output is a readout.
        table: The model's parameters, and how each was used.
        models: The model at the two widths.
        place: The place of the traced output among those of the model.
        order: The model's output is (n/n₁)^order times the program's.
    """

    instructions: tuple[Instruction, ...]
    parameters: tuple[Parameter, ...]
    constants: tuple[Any, ...]
    names: frozenset[str]
    output: int
    is_readout: bool
    table: Parameters
    models: tuple[Model, Model]
    place: Place
    order: Fraction

    @property
    def program(self) -> Program:
        """The program, without data."""
        return Program(self.instructions, self.parameters, self.output, self.constants)

    def replay(self, net: Network) -> Value:
        """Record the program into a network that has only the inputs, and return the output."""
        net.instructions[:] = self.instructions
        net.parameters[:] = self.parameters
        net.constants[:] = self.constants
        net.names |= self.names
        kind = Output if self.is_readout else Scalar
        return kind(net, self.output, self.instructions[self.output].shape)


def written(make: Make, shapes: tuple[Shape, ...], options: Options) -> Written:
    """A model as a program for inputs of these shapes; raises `TraceError` if it cannot be written as one."""
    first, second = models_at(make, options.widths, shapes)
    if first.names != second.names or list(map(len, first.shapes)) != list(map(len, second.shapes)):
        raise TraceError("The model has different parameters at the two widths; its structure must not depend on them.")
    check_precision([a.dtype for a in first.init.out_avals])
    declared = _declared(first, second, options)
    findings = Findings(blocks=_equal_blocks(declared) if options.one_block_size else {})
    for _ in range(MOST_ATTEMPTS):
        try:
            made = _attempt((first, second), declared, shapes, options, findings)
        except SmallerBlocksError as need:
            _take_smaller(findings, need, declared, options)
        except StartsAtZeroError as need:
            findings.zero |= need.leaves
        except AsVectorsError as need:
            findings.vectors.add(need.leaf)
        else:
            if options.one_block_size or check_program(made.program).passes:
                return made
            # At scale 1/n, the weight of gradients depends on the size of the vectors.
            return written(make, shapes, dataclasses.replace(options, one_block_size=True))
    raise TraceError(
        "The width axes of the model do not fit together: no division into blocks was found that fits all its parts."
    )


def _declared(first: Model, second: Model, options: Options) -> list[Declared]:
    unknown = set(options.std) - set(first.names)
    if unknown:
        raise TraceError(f"std names {', '.join(sorted(unknown))}, but the parameters are {', '.join(first.names)}.")
    laws = [_settled_laws(model) for model in (first, second)]
    declared = []
    for k, name in enumerate(first.names):
        one, two = laws[0][k], laws[1][k]
        pair = None if one is None or two is None else (one, two)
        shapes = first.shapes[k], second.shapes[k]
        declared.append(with_std(Declared(name, shapes, pair, first.trained[k]), options))
    return declared


def _settled_laws(model: Model) -> list[Law | None]:
    laws = laws_of(model.init)
    if all(law is None or law.is_known for law in laws):
        return laws
    drawn = model.draw(jax.random.key(0))
    return [law if law is None else settled(law, np.asarray(a)) for law, a in zip(laws, drawn, strict=True)]


def _equal_blocks(declared: list[Declared]) -> dict[tuple[int, int], tuple[int, int]]:
    """Blocks of one size for every width axis, so that the program describes the model at any width."""
    sizes = {
        (leaf, axis): a
        for leaf, one in enumerate(declared)
        for axis, (a, b) in enumerate(zip(*one.shapes, strict=True))
        if a != b
    }
    unit = math.gcd(*sizes.values())
    return dict.fromkeys(sizes, (unit, 1))


def _take_smaller(findings: Findings, need: SmallerBlocksError, declared: list[Declared], options: Options) -> None:
    changed = False
    for leaf, axis in need.sources:
        size = declared[leaf].shapes[0][axis]
        block, inner = findings.blocks.get((leaf, axis), (size, 1))
        new = math.gcd(block, need.block), max(inner, need.inner)
        if inner > 1 and need.inner > 1 and inner != need.inner:
            raise TraceError(f"The coordinates of {declared[leaf].name} are interleaved in two different ways.")
        if new != (block, inner):
            if new[0] < 4:
                raise TraceError(
                    f"A width axis of {declared[leaf].name} is split into {size // new[0]} blocks, whose size does not "
                    "grow with the width; the number of blocks must be fixed."
                )
            findings.blocks[leaf, axis] = new
            changed = True
    if options.one_block_size:
        unit = math.gcd(*(block for block, _ in findings.blocks.values()))
        findings.blocks.update({source: (unit, inner) for source, (_, inner) in findings.blocks.items()})
    if not changed:
        names = ", ".join(sorted({declared[leaf].name for leaf, _ in need.sources})) or "constants"
        raise TraceError(f"A width axis is split in a way that its parameters ({names}) do not allow.")


def _attempt(
    models: tuple[Model, Model],
    declared: list[Declared],
    shapes: tuple[Shape, ...],
    options: Options,
    findings: Findings,
) -> Written:
    net = Network("ntk4a")
    inputs = [net.record(ops.Data(k), (), Scalar, shape) for k, shape in enumerate(shapes)]
    table = Parameters(net, declared, options, findings)
    walk = Walk(net, table, options, findings)
    args: list[Any] = [table.given(k) for k in range(len(declared))]
    args += [Numbers(Leaf(h), h.shape) for h in inputs]
    place = place_of(models, shapes[0][0], options.output)
    check_output(walk, place)
    try:
        (out,) = walk.run(models[0].only(place.array), models[1].only(place.array), args)
        output, order = _finished(walk, out, shapes[0][0], place)
    except TraceError:
        _check_stops(table, models[0], place)  # a wrong replacement may be the reason
        raise
    made = Written(
        tuple(net.instructions),
        tuple(net.parameters),
        tuple(net.constants),
        frozenset(net.names),
        net.index(output),
        isinstance(output, Output),
        table,
        models,
        place,
        order,
    )
    _check_dependent(made)
    _check_stops(table, models[0], place)
    if table.reads_out_shared and check_program(made.program).passes:
        raise TraceError(
            "The readout is used only once, but in a way that nv.trace can write only for a readout used elsewhere too."
        )
    return made


def _check_stops(table: Parameters, model: Model, place: Place) -> None:
    if table.stopped:
        check_stops(model.only(place.array), model.draw(jax.random.key(0)), table.stopped)


def _check_dependent(made: Written) -> None:
    """Refuse orthogonal matrices unless gradients may be taken as independent: only then is their limit Gaussian."""
    table = made.table
    orthogonal = [k for k in table.uses if table.law(k).family == "orthogonal"]
    if not orthogonal:
        return
    transposed = [i for i in made.instructions if getattr(i.op, "transpose", False) and hasattr(i.op, "parameter")]
    names = ", ".join(table.name(k) for k in orthogonal)
    if transposed or not check_program(made.program).passes:
        raise TraceError(
            f"The matrices {names} are orthogonal, and the model uses a transpose or fails the Simple GIA Check, so "
            "that their limit is not that of Gaussian matrices; initialise them with independent entries."
        )
    table.note(
        f"{names}: orthogonal matrices, whose limit is that of Gaussian ones, since no transpose is used and the "
        "Simple GIA Check passes."
    )


def _finished(walk: Walk, out: Any, batch: int, place: Place) -> tuple[Output | Scalar, Fraction]:
    """The program's output, of shape `(batch,)`, and its order in n."""
    if isinstance(out, Vectors | Weighted):
        raise TraceError(
            "The model returns vectors that grow with the width; add a last dense layer that reads them out."
        )
    if isinstance(out, Numbers) and walk.parameters.uses:
        if out.order > 0 and out.order.denominator > 1:
            raise TraceError(
                f"The output is a sum over the width of order n^{out.order}, whose size is unknown if its terms have "
                "mean 0; end the model with a product with a random vector, x @ v, or with a mean."
            )
        if out.order:
            note_order(walk, out.order)
        return walk.scalar(out).reshape((batch, -1))[:, place.entry], out.order
    if isinstance(out, Readouts):
        return written_outputs(walk, out.moved(lambda a: a.reshape((batch, -1))[:, place.entry]))
    raise TraceError("The model's output does not depend on its data, or not on its parameters.")
