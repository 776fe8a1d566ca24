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
from ..language.values import Output, Scalar, Vector
from .expressions import Leaf
from .jaxprs import check_precision
from .laws import Law, laws_of, settled
from .models import Make, Model, models_at
from .options import Options
from .parameters import Declared, Parameters, with_std
from .rules import convolutions, elementwise, indexing, joining, loops, moving, products, reductions
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
_ORDER = (
    "The output is of order n^({order}): the limit given is that of the output divided by (n/n₁)^({order}), n₁ = {n1}."
)
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
    (out,) = walk.run(models[0].apply, models[1].apply, args)
    output, order = _finished(walk, out, shapes[0][0])
    made = Written(
        tuple(net.instructions),
        tuple(net.parameters),
        tuple(net.constants),
        frozenset(net.names),
        net.index(output),
        isinstance(output, Output),
        table,
        models,
        order,
    )
    _check_dependent(made)
    if table.reads_out_shared and check_program(made.program).passes:
        raise TraceError(
            "The readout is used only once, but in a way that nv.trace can write only for a readout used elsewhere too."
        )
    return made


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


def _finished(walk: Walk, out: Any, batch: int) -> tuple[Output | Scalar, Fraction]:
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
            walk.parameters.note(_ORDER.format(order=out.order, n1=walk.options.widths[0]))
        h = walk.scalar(out).reshape((batch, -1))
        _check_output(walk, h.shape[1])
        return h[:, walk.options.output], out.order
    if isinstance(out, Readouts):
        return _read_out(walk, out, batch)
    raise TraceError("The model's output does not depend on its data and on its parameters.")


def _check_output(walk: Walk, outputs: int) -> None:
    if walk.options.output >= outputs:
        raise TraceError(f"The model has {outputs} outputs, numbered from 0; there is no output={walk.options.output}.")
    if outputs > 1:
        walk.parameters.note(f"The model has {outputs} outputs; number {walk.options.output} is traced.")


def _read_out(walk: Walk, out: Readouts, batch: int) -> tuple[Output, Fraction]:
    table, k, leaf = walk.parameters, walk.options.output, out.leaf
    row, column = out.row.reshape((batch, -1)), out.column.reshape((batch, -1))
    _check_output(walk, row.shape[1])
    row, columns = row[:, k], set(column[:, k].tolist())
    if len(columns) != 1:
        raise TraceError("Each input of the batch has its own readout weights, but a program has one readout.")
    blocks = out.columns[columns.pop()]
    x = out.x if np.array_equal(row, np.arange(len(out.x))) else out.x[row]
    x = x if out.factor == 1 else x * out.factor
    order = out.order + table.product_order(leaf)
    if leaf in table.findings.vectors or leaf in table.uses:
        return _read_out_by_shared(walk, out, x, blocks, order)
    fan_in = len(blocks) * table.block(leaf)
    table.use(leaf, "readout", fan_in, grows=True)
    table.readout_blocks = blocks
    if order:
        table.note(_ORDER.format(order=order, n1=walk.options.widths[0]))
    v = walk.net.vector(
        table.name(leaf),
        std=table.law(leaf).std * math.sqrt(fan_in),
        shape=() if len(blocks) == 1 else (len(blocks),),
        fan=len(blocks),
        lr=table.rate(leaf),
        trainable=table.declared[leaf].trained,
    )
    x = _with_biases(walk, out, x, order)
    return walk.net.readout(v, x[:, 0] if len(blocks) == 1 else x), order


def _with_biases(walk: Walk, out: Readouts, x: Vector, order: Fraction) -> Vector:
    """Add biases of the output that start at 0, each as a vector c in vᵀ(x + c) with the same NTK in the limit.

    The squares of ∂f/∂c_α = v_α/√n sum to σ_v², so the bias's learning rate is divided by that.
    """
    table = walk.parameters
    for leaf in out.biases:
        rate, sigma = table.rate(leaf), table.law(out.leaf).std * math.sqrt(table.uses[out.leaf].fan_in)
        if rate and not sigma:
            raise TraceError(
                f"The readout {table.name(out.leaf)} starts at 0, and nv.trace cannot write the output's bias "
                f"{table.name(leaf)} together with it; leave out the bias, which would add its learning rate to every "
                "entry of the NTK."
            )
        if rate and order:
            raise TraceError(
                f"The bias {table.name(leaf)} of the output is not of the same order in n as the output itself, and "
                "would dominate its NTK or vanish from it; leave it out."
            )
        c = walk.net.bias(table.name(leaf), lr=rate / sigma**2 if rate else 0.0, trainable=bool(rate))
        x = x + c
    return x


def _read_out_by_shared(
    walk: Walk, out: Readouts, x: Vector, blocks: np.ndarray, order: Fraction
) -> tuple[Output, Fraction]:
    """Write a readout by vectors that the model uses elsewhere too; f is then read at scale 1/n."""
    table, leaf = walk.parameters, out.leaf
    if out.biases:
        raise TraceError(
            f"The output has a bias {table.name(out.biases[0])}, but its readout {table.name(leaf)} is used elsewhere, "
            "so that the two parts of its NTK have different orders in n; leave the bias out."
        )
    v, own, mean = table.initial_vectors(leaf)
    if mean or own != table.order(leaf):
        raise TraceError(f"The readout {table.name(leaf)} is also used as a bias, which a tensor program cannot have.")
    table.note(
        f"The readout {table.name(leaf)} is used elsewhere too: f is read at scale 1/n, and its NTK is n⟨∇f, ∇f⟩."
    )
    table.reads_out_shared = True
    x = x * float(table.block(leaf))
    every = v if v.ndim else v.reshape((1,))
    if len(blocks) == 1:
        return walk.net.readout(every[int(blocks[0])], x[:, 0]), order + Fraction(1, 2)
    return walk.net.readout(every[blocks], x), order + Fraction(1, 2)
