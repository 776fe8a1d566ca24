"""The network's outputs, sums of vᵀx, which may be moved, joined and added like arrays, but not used further."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from ...errors import TraceError
from ...language.functions import concatenate
from ...language.values import Output, Vector
from ..expressions import Literal
from ..jaxprs import Contraction, Equation
from ..models import Place
from ..parameters import Head
from ..values import BiasPart, Known, Numbers, Par, ReadoutPart, Readouts, SmallerBlocksError

if TYPE_CHECKING:
    from ..walk import Walk

Join = Callable[[list[np.ndarray]], np.ndarray]
_ORDER = (
    "The output is of order n^({order}): the limit given is that of the output divided by (n/n₁)^({order}), n₁ = {n1}."
)


def moved_outputs(eq: Equation, a: Readouts) -> Readouts:
    """Outputs moved by a primitive, which acts on the arrays of their numbers."""
    return a.moved(lambda x: np.asarray(eq.first.primitive.bind(jnp.asarray(x), **eq.first.params)))


def split_outputs(eq: Equation, a: Readouts) -> list[Readouts]:
    """Outputs divided into parts along an axis."""
    at, axis = np.cumsum(eq.params["sizes"])[:-1], eq.params["axis"]
    return [a.moved(lambda x, k=k: np.split(x, at, axis)[k]) for k in range(len(at) + 1)]  # type: ignore[misc]


def joined_outputs(walk: Walk, args: tuple[Any, ...], join: Join) -> Readouts:
    """Outputs joined by a function of arrays."""
    if not all(isinstance(a, Readouts) for a in args):
        walk.refuse("An output and something else are joined{where}; return one of them, or both in a tuple.")
    shapes = [a.shape for a in args]
    parts: list[ReadoutPart] = []
    biases: list[BiasPart] = []
    for k, a in enumerate(args):

        def among_others(x: np.ndarray, k: int = k) -> np.ndarray:
            return join([x if j == k else np.zeros(s, x.dtype) for j, s in enumerate(shapes)])

        parts += [p.moved(among_others) for p in a.parts]
        biases += [b.moved(among_others) for b in a.biases]
    return Readouts(join([np.zeros(s) for s in shapes]).shape, tuple(parts), tuple(biases))


def summed_outputs(a: Readouts, axes: tuple[int, ...]) -> Readouts:
    """The sum of outputs over axes."""
    keep = tuple(k for k in range(len(a.shape)) if k not in axes)
    shape = tuple(a.shape[k] for k in keep)
    turned = a.moved(lambda x: x.transpose((*axes, *keep)).reshape((-1, *shape)))
    terms = [turned.moved(lambda x, k=k: x[k]) for k in range(turned.shape[0])]  # type: ignore[misc]
    parts, biases = (
        tuple(itertools.chain(*found)) for found in zip(*((t.parts, t.biases) for t in terms), strict=True)
    )
    return Readouts(shape, parts, biases)


def on_outputs(walk: Walk, eq: Equation, args: tuple[Any, ...]) -> Readouts:
    """An elementwise primitive of outputs: sums, differences, biases and factors."""
    name = eq.name
    if name in ("copy", "copy_p", "convert_element_type", "reduce_precision"):
        same: Readouts = args[0]
        return same
    if name == "neg":
        return _times(args[0], np.float64(-1.0))
    if name in ("add", "sub", "add_any"):
        first, second = (_term(walk, eq, a) for a in args)
        second = _times(second, np.float64(-1.0)) if name == "sub" else second
        return Readouts(eq.outs[0][0], first.parts + second.parts, first.biases + second.biases)
    if name == "mul" or (name == "div" and isinstance(args[0], Readouts)):
        out, other = args if isinstance(args[0], Readouts) else args[::-1]
        if isinstance(other, Known | Numbers) or (isinstance(other, Par) and not other.axes):
            return _multiplied(walk, out, walk.numbers(other), divides=name == "div")
    if name == "select_n" and isinstance(args[0], Known):
        return _chosen(walk, eq, args[0].first, args[1:])
    walk.refuse(
        f"The output of a readout is used further ({name}{{where}}), but a readout of random weights does not converge "
        "to a number; make it the last operation, without a softmax or a loss."
    )


def summed_products(walk: Walk, axes: Contraction, a: Readouts, w: Any) -> Readouts:
    """Outputs times known numbers, summed over axes; the outputs are the left operand in `axes`."""
    if isinstance(w, Par) and w.axes:
        walk.refuse(
            f"The model applies {walk.parameters.name(w.leaf)}{{where}}, to a layer of fixed size, whose units are "
            "readouts of random weights and stay random in the limit; let that layer grow with the width."
        )
    number = walk.numbers(w) if isinstance(w, Known | Numbers) else None
    if number is None or not isinstance(number.e, Literal):
        walk.refuse(
            "The output of a readout is used further (dot_general{where}), but a readout of random weights does not "
            "converge to a number; make it the last operation."
        )
    values = np.broadcast_to(np.asarray(number.e.value, float), number.shape)
    free, free_w = axes.free(0, len(a.shape)), axes.free(1, values.ndim)
    batch = tuple(a.shape[k] for k in axes.batch[0])
    sizes = tuple(a.shape[k] for k in free), tuple(values.shape[k] for k in free_w)
    count, count_w = map(math.prod, sizes)
    values = values.transpose((*axes.batch[1], *free_w, *axes.summed[1])).reshape((*batch, 1, count_w, -1))

    def spread(x: np.ndarray) -> np.ndarray:
        turned = x.transpose((*axes.batch[0], *free, *axes.summed[0])).reshape((*batch, count, 1, values.shape[-1]))
        return np.broadcast_to(turned, (*batch, count, *values.shape[-2:]))

    total = summed_outputs(_scaled(walk, a.moved(spread), values, number.order), (len(batch) + 2,))
    return total.moved(lambda x: x.reshape((*batch, *sizes[0], *sizes[1])))


def _multiplied(walk: Walk, a: Readouts, number: Numbers, divides: bool) -> Readouts:
    if isinstance(number.e, Literal):
        values = np.broadcast_to(np.asarray(number.e.value, float), a.shape)
        return _scaled(walk, a, *((1 / values, -number.order) if divides else (values, number.order)))
    if a.biases:
        walk.refuse("An output with a bias is multiplied by numbers of the data{where}; leave out its bias.")
    factor: Any = walk.scalar(number)
    factor = (1.0 / factor if divides else factor).broadcast_to(a.shape).reshape((-1, 1))
    order, places = (-number.order if divides else number.order), np.arange(math.prod(a.shape)).reshape(a.shape)
    parts = [replace(p, x=p.x[p.row.ravel()] * factor, row=places, order=p.order + order) for p in a.parts]
    return replace(a, parts=tuple(parts))


def _chosen(walk: Walk, eq: Equation, which: np.ndarray, cases: tuple[Any, ...]) -> Readouts:
    """A choice by a known mask, as a sum."""
    terms = [_times(_term(walk, eq, case), which.astype(int) == k) for k, case in enumerate(cases)]
    parts, biases = (
        tuple(itertools.chain(*found)) for found in zip(*((t.parts, t.biases) for t in terms), strict=True)
    )
    return Readouts(eq.outs[0][0], parts, biases)


def _times(a: Readouts, values: Any) -> Readouts:
    parts = tuple(replace(p, factor=p.factor * values) for p in a.parts)
    return replace(a, parts=parts, biases=tuple(replace(b, factor=b.factor * values) for b in a.biases))


def _scaled(walk: Walk, a: Readouts, values: np.ndarray, order: Fraction) -> Readouts:
    if order and a.biases:
        walk.refuse("The output is multiplied by a power of the width after a bias was added{where}; multiply before.")
    if not np.all(np.isfinite(values)):
        walk.refuse("An output is multiplied by a number that is not finite{where}.")
    made = _times(a, values)
    return replace(made, parts=tuple(replace(p, order=p.order + order) for p in made.parts))


def _term(walk: Walk, eq: Equation, a: Any) -> Readouts:
    """A term of a sum of outputs: outputs, a bias that starts at 0, or zero."""
    if isinstance(a, Par) and not a.axes:
        a = _bias(walk, a)
    if isinstance(a, Readouts):
        return a.moved(lambda x: np.broadcast_to(x, eq.outs[0][0]))
    if isinstance(a, Known | Numbers) and walk.numbers(a).is_zero:
        return Readouts(eq.outs[0][0], ())
    walk.refuse(
        f"The output of a readout is used further ({eq.name}{{where}}), but a readout of random weights does not "
        "converge to a number; add nothing to it but other outputs, and biases that start at 0."
    )


def _bias(walk: Walk, par: Par) -> Readouts:
    table, leaf = walk.parameters, par.leaf
    law = table.law(leaf)
    starts_at_zero = law.is_known and not law.mean and law.family != "fixed"
    if par.order or not starts_at_zero or (law.std and table.order(leaf) >= 0):
        walk.refuse(
            f"The output has a bias {table.name(leaf)}{{where}} that neither starts at 0 nor vanishes as the width "
            "grows; start it at 0."
        )
    table.use(leaf, "output bias")
    return Readouts(par.entries.shape, (), (BiasPart(leaf, par.entries, np.full(par.entries.shape, par.factor)),))


# --- the end of the walk ------------------------------------------------------------------------------------------


def check_output(walk: Walk, place: Place) -> None:
    """Raise `TraceError` if there is no such output, and note that there are others."""
    k = walk.options.output
    if k >= place.outputs:
        raise TraceError(f"The model has {place.outputs} outputs, numbered from 0; there is no output={k}.")
    if place.outputs > 1:
        walk.parameters.note(f"The model has {place.outputs} outputs; number {k} is traced.")


def note_order(walk: Walk, order: Fraction) -> None:
    """Note the order in n of the output."""
    walk.parameters.note(_ORDER.format(order=order, n1=walk.options.widths[0]))


def written_outputs(walk: Walk, out: Readouts) -> tuple[Output, Fraction]:
    """One output for each input, `(batch,)`, as the program's output, and its order in n.

    Several layers are read out by one vector, v = (v₁, v₂, …), with xₚ multiplied by σₚ/σ₁.
    """
    table = walk.parameters
    vectors = {head: _vectors(walk, parts) for head, parts in _heads(out).items()}
    if not vectors:
        raise TraceError("The traced output depends on no parameter but its bias; return another one.")
    orders = {h: o + table.product_order(h[0]) for h, (_, o) in vectors.items()}
    (leaf, blocks), order = next(iter(orders.items()))
    if len(vectors) == 1 and (leaf in table.findings.vectors or leaf in table.uses):
        return _by_shared(walk, out, leaf, vectors[leaf, blocks][0], np.asarray(blocks), order)
    _check_heads(walk, orders)
    count, block = sum(len(b) for _, b in vectors), table.block(leaf)
    fan_in = {h: len(h[1]) * block for h in vectors}
    for (k, _), size in zip(vectors, fan_in.values(), strict=True):
        table.use(k, "readout", size, grows=True)
    scales = _scales(walk, fan_in)
    table.heads = [Head(k, b, scales[k, b]) for k, b in vectors]
    table.readout = " + ".join(dict.fromkeys(table.name(k) for k, _ in vectors))
    if order:
        note_order(walk, order)
    std = table.law(leaf).std * math.sqrt(count * block)
    v = walk.net.vector(
        table.readout,
        std=std,
        shape=() if count == 1 else (count,),
        fan=count,
        lr=table.rate(leaf) * count * block / fan_in[leaf, blocks],
        trainable=table.declared[leaf].trained,
    )
    scaled = [x if scales[h] == 1 else x * scales[h] for h, (x, _) in vectors.items()]
    x = scaled[0] if len(scaled) == 1 else concatenate(scaled, axis=1)
    x = _with_biases(walk, out, x, std, order)
    return walk.net.readout(v, x[:, 0] if count == 1 else x), order


HeadKey = tuple[int, tuple[int, ...]]


def _heads(out: Readouts) -> dict[HeadKey, list[ReadoutPart]]:
    """The terms of the output by the parameter, and the blocks of it, that reads them out."""
    found: dict[HeadKey, list[ReadoutPart]] = {}
    for part in out.parts:
        if not np.any(part.factor):
            continue
        columns = set(part.column[part.factor != 0].tolist())
        if len(columns) != 1:
            raise TraceError("Each input of the batch has its own readout weights, but a program has one readout.")
        blocks = tuple(int(b) for b in part.columns[columns.pop()])
        found.setdefault((part.leaf, blocks), []).append(part)
    return found


def _vectors(walk: Walk, parts: list[ReadoutPart]) -> tuple[Vector, Fraction]:
    """The sum of the vectors that are read out by the same blocks, `(batch, blocks)`, and their order in n."""
    if len({p.order for p in parts}) > 1:
        _refuse_orders(walk, {p.leaf for p in parts})
    by_vectors: dict[int, list[ReadoutPart]] = {}
    for p in parts:
        by_vectors.setdefault(p.x._index, []).append(p)
    total: Vector | None = None
    for same in by_vectors.values():
        h = _rows(same[0].x, np.stack([p.row for p in same], 1), np.stack([p.factor for p in same], 1))
        total = h if total is None else total + h
    assert total is not None
    return total, parts[0].order


def _rows(x: Vector, rows: np.ndarray, factors: np.ndarray) -> Vector:
    """Σₜ factorₜ xₜ of some rows, `(batch, terms)`."""
    h: Any
    if rows.shape[1] == 1:
        h = x if np.array_equal(rows[:, 0], np.arange(len(x))) else x[rows[:, 0]]
        factors = factors[:, 0]
    else:
        h = x[rows]
    if np.any(factors != factors.flat[0]):
        h = h * factors[..., None]
    elif factors.flat[0] != 1:
        h = h * float(factors.flat[0])
    made: Vector = h if rows.shape[1] == 1 else h.sum(1)
    return made


def _check_heads(walk: Walk, orders: dict[HeadKey, Fraction]) -> None:
    """Check that several layers can be read out by one vector: equal orders, and blocks of one size."""
    table = walk.parameters
    leaves = {k for k, _ in orders}
    if len(set(orders.values())) > 1:
        _refuse_orders(walk, leaves)
    if len(orders) > 1 and any(k in table.findings.vectors or k in table.uses for k in leaves):
        names = ", ".join(sorted(map(table.name, leaves)))
        raise TraceError(
            f"The output adds those of {names}, one of which is used elsewhere too; nv.trace cannot write their sum."
        )
    block = math.gcd(*(table.block(k) for k in leaves))
    for k in leaves:
        if table.block(k) != block:
            (axis,) = table.width_axes(k)
            raise SmallerBlocksError(frozenset([(k, axis)]), block)
    for (one, b), (other, c) in itertools.combinations(orders, 2):
        if one == other and set(b) & set(c):
            raise TraceError(f"The output adds products with overlapping parts of {table.name(one)}.")


def _refuse_orders(walk: Walk, leaves: set[int]) -> None:
    names = ", ".join(sorted(map(walk.parameters.name, leaves)))
    raise TraceError(
        f"The output adds terms of different orders in n, read out by {names}, and the smaller ones would be dropped "
        "in the limit; draw the readouts with standard deviations of one order."
    )


def _scales(walk: Walk, fan_in: dict[HeadKey, int]) -> dict[HeadKey, float]:
    """The factors σₚ/σ₁ of the vectors; the learning rates must be in proportion to σₚ², as those of v are."""
    table = walk.parameters
    if len(fan_in) == 1:
        return dict.fromkeys(fan_in, 1.0)
    std = {h: table.law(h[0]).std for h in fan_in}
    rates = {h: table.rate(h[0]) / size for h, size in fan_in.items()}
    first = next(iter(fan_in))
    if not all(std.values()) or any(
        not math.isclose(rates[h] * std[first] ** 2, rates[first] * std[h] ** 2, rel_tol=1e-5) for h in fan_in
    ):
        names = ", ".join(dict.fromkeys(table.name(k) for k, _ in fan_in))
        raise TraceError(
            f"The output adds those of {names}, whose learning rates are not in proportion to the variances of their "
            "entries; draw them with variances of one factor times 1/fan_in, or trace with lr='variance'."
        )
    return {h: s / std[first] for h, s in std.items()}


def _biases(out: Readouts) -> Iterator[tuple[int, int, float]]:
    """The biases of the output, each as its parameter, the entry of it, and its factor."""
    found: dict[tuple[int, int], np.ndarray] = {}
    for b in out.biases:
        for entry in set(b.entry[b.factor != 0].tolist()):
            factor = np.where(b.entry == entry, b.factor, 0.0)
            found[b.leaf, entry] = found.get((b.leaf, entry), 0.0) + factor
    for (leaf, entry), factor in found.items():
        if np.any(factor != factor[0]):
            raise TraceError("Each input of the batch has its own bias of the output, but a program has one.")
        if factor[0]:
            yield leaf, entry, float(factor[0])


def _with_biases(walk: Walk, out: Readouts, x: Vector, sigma: float, order: Fraction) -> Vector:
    """Add biases of the output that start at 0, each as a vector c in vᵀ(x + c) with the same NTK in the limit.

    The squares of ∂f/∂c_α = v_α/√n sum to σ_v², so the bias's learning rate is divided by that.
    """
    table = walk.parameters
    for leaf, entry, factor in _biases(out):
        rate = table.rate(leaf) * factor**2
        if rate and not sigma:
            raise TraceError(
                f"The readout {table.readout} starts at 0, and nv.trace cannot write the output's bias "
                f"{table.name(leaf)} together with it; leave out the bias, which would add its learning rate to every "
                "entry of the NTK."
            )
        if rate and order:
            raise TraceError(
                f"The bias {table.name(leaf)} of the output is not of the same order in n as the output itself, and "
                "would dominate its NTK or vanish from it; leave it out."
            )
        name = table.name(leaf) if table.name(leaf) not in table.output_biases else f"{table.name(leaf)}[{entry}]"
        x = x + walk.net.bias(name, lr=rate / sigma**2 if rate else 0.0, trainable=bool(rate))
        walk.net.parameters[-1] = replace(walk.net.parameters[-1], output_bias=True)
        table.output_biases[name] = rate
    return x


def _by_shared(
    walk: Walk, out: Readouts, leaf: int, x: Vector, blocks: np.ndarray, order: Fraction
) -> tuple[Output, Fraction]:
    """Write a readout by vectors that the model uses elsewhere too; f is then read at scale 1/n."""
    table = walk.parameters
    if out.biases:
        raise TraceError(
            f"The output has a bias {table.name(out.biases[0].leaf)}, but its readout {table.name(leaf)} is used "
            "elsewhere, so that the two parts of its NTK have different orders in n; leave the bias out."
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
