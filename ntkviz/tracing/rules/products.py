"""Contractions: chooses the instruction for a dot_general from its operands and the axes that it sums."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ...language.axes import Shape
from ...language.functions import concatenate, einsum, inner, moment
from ...language.values import Scalar, Vector
from .. import expressions as ex
from ..jaxprs import Contraction, Equation, width_axes
from ..values import Joined, Known, Numbers, Par, Readouts, SmallerBlocksError, Vectors
from .elementwise import is_frozen, scores
from .inputs import from_data
from .matrices import is_like_readout, multiplied, of_constants, read_out
from .outputs import summed_products
from .reductions import LETTERS
from .table import rule

if TYPE_CHECKING:
    from ..walk import Walk


@rule("dot_general")
def dot_general(walk: Walk, eq: Equation, a: Any, b: Any) -> Any:
    """A product summed over axes; the result has the batch axes, then those of the left, then those of the right."""
    (left, right), (batch_left, batch_right) = eq.params["dimension_numbers"]
    axes = Contraction((tuple(left), tuple(right)), (tuple(batch_left), tuple(batch_right)))
    if isinstance(a, Readouts):
        return summed_products(walk, axes, a, b)
    if isinstance(b, Readouts):
        made, batch = summed_products(walk, axes.turned, b, a), len(batch_left)
        free = batch + len(axes.free(1, len(b.shape)))
        order = (*range(batch), *range(free, len(made.shape)), *range(batch, free))
        return made.moved(lambda x: x.transpose(order))
    if isinstance(a, Joined) or isinstance(b, Joined):
        return _of_joined(walk, eq, axes, a, b)
    _refuse_linear(walk, a, b)
    a, b = _operand(walk, a), _operand(walk, b)
    if isinstance(a, Numbers) and isinstance(b, Numbers) and any(k in axes.summed[0] for k in width_axes(*eq.ins[0])):
        walk.refuse("Numbers that are equal in all coordinates are summed over the width{where}; multiply by n.")
    return contracted(walk, a, b, axes, eq.outs[0][0])


def _refuse_linear(walk: Walk, *operands: Any) -> None:
    """Refuse a product of data and a random parameter that does not grow with the width."""
    fixed = [a for a in operands if isinstance(a, Par) and not a.axes and walk.parameters.law(a.leaf).std]
    if fixed and any(isinstance(a, Known | Numbers) for a in operands):
        name = walk.parameters.name(fixed[0].leaf)
        walk.refuse(
            f"Parameter {name} is random and multiplies the data{{where}}, but has no axis that grows with the width, "
            "so that the product stays random in the limit; give it one, or if the product is a term ⟨a, x⟩ of the "
            "output, leave it out and add σ²⟨x, x̄⟩ to the NNGP and η⟨x, x̄⟩ to the NTK, where σ² is the variance of "
            "its entries and η their learning rate."
        )


def _operand(walk: Walk, a: Any) -> Numbers | Vectors | Par:
    if isinstance(a, Known) or (isinstance(a, Par) and (not a.axes or is_frozen(walk, a))):
        return walk.numbers(a)
    operand: Numbers | Vectors | Par = a
    return operand


def contracted(walk: Walk, a: Any, b: Any, axes: Contraction, shape: Shape) -> Numbers | Vectors | Readouts:
    """A product of numbers, vectors or parameters; `shape` is that of the result at the first width."""
    if isinstance(a, Par) and isinstance(b, Par):
        if len(a.axes) == len(b.axes) == 2:
            names = " and ".join(walk.parameters.name(p.leaf) for p in (a, b))
            walk.refuse(f"The model multiplies the matrices {names}{{where}}; apply them to vectors one by one.")
        a, b = (walk.vectors(a), b) if len(a.axes) == 1 else (a, walk.vectors(b))
    if isinstance(b, Par):
        return _with_parameter(walk, b, a, axes.turned, shape, False)
    if isinstance(a, Par):
        return _with_parameter(walk, a, b, axes, shape, True)
    if isinstance(a, Numbers) and isinstance(b, Numbers):
        return _of_numbers(walk, a, b, axes)
    if isinstance(a, Vectors) and isinstance(b, Vectors):
        return _inner(walk, a, b, axes)
    return _combined(walk, a, b, axes)


def _with_parameter(
    walk: Walk, par: Par, x: Numbers | Vectors, axes: Contraction, shape: Shape, parameter_first: bool
) -> Numbers | Vectors | Readouts:
    """A product of a parameter, the left operand in `axes`, with numbers or vectors."""
    (summed_of_par, summed), (batch_of_par, _) = axes.summed, axes.batch
    if len(par.axes) == 2:
        if isinstance(x, Numbers):
            constants = of_constants(walk, par, x, axes, parameter_first)
            if isinstance(constants, Numbers):
                return constants
            x = constants
        return multiplied(walk, par, x, axes, shape, parameter_first)
    (axis,) = par.axes
    name, fan_in = walk.parameters.name(par.leaf), math.prod(par.sizes[k] for k in summed_of_par)
    if isinstance(x, Numbers):
        if axis in summed_of_par:
            walk.refuse(f"Parameter {name} is summed over its coordinates{{where}}, and its sum stays random.")
        if batch_of_par:
            v = walk.vectors(par, fan_in=fan_in)
            first, second, turned = (v, x, axes) if parameter_first else (x, v, axes.turned)
            return _combined(walk, first, second, turned)
        return from_data(walk, par, x, summed, summed_of_par, shape, parameter_first=parameter_first)
    if axis not in (*summed_of_par, *batch_of_par):
        walk.refuse(
            f"Parameter {name} has one axis that grows with the width but is contracted with vectors over another "
            "one{where}, so that the result has two width axes, as in token mixing; a tensor program has only vectors."
        )
    if axis in summed_of_par and (not batch_of_par or is_like_readout(walk, par)):
        return read_out(walk, par, x, axes, parameter_first)
    v = walk.vectors(par, fan_in=1 if axis in summed_of_par else fan_in)
    return _inner(walk, *((v, x) if parameter_first else (x, v)), axes if parameter_first else axes.turned)


def _of_joined(walk: Walk, eq: Equation, axes: Contraction, a: Any, b: Any) -> Vectors | Numbers:
    """A product with parameters joined along an axis that is not summed, as the joined products with each."""
    if not isinstance(b, Joined) or isinstance(a, Joined) or b.axis in (*axes.summed[1], *axes.batch[1]):
        walk.refuse("Joined parameters are used in a way that nv.trace cannot write{where}.")
    x = _operand(walk, a)
    ndim = len(eq.ins[0][0])
    at = len(axes.batch[0]) + len(axes.free(0, ndim)) + axes.free(1, len(eq.ins[1][0])).index(b.axis)
    made = []
    for par in b.parts:
        shape = tuple(par.sizes[b.axis] if k == at else s for k, s in enumerate(eq.outs[0][0]))
        made.append(contracted(walk, x, par, axes, shape))
    vectors = [m for m in made if isinstance(m, Vectors)]
    if not vectors and all(isinstance(m, Numbers) and m.is_zero for m in made):
        first = made[0]
        assert isinstance(first, Numbers)
        return first
    if len(vectors) < len(made) or len({v.order for v in vectors}) > 1 or any(v.axis != at for v in vectors):
        walk.refuse("The products with joined parameters cannot be joined{where}.")
    block = math.gcd(*(v.block for v in vectors))
    for v in vectors:
        if v.block != block:
            raise SmallerBlocksError(v.sources, block)
    h = concatenate([walk.vector(v) for v in vectors], axis=at)
    sources = frozenset[tuple[int, int]]().union(*(v.sources for v in vectors))
    return Vectors(ex.Leaf(h), h.shape, at, eq.outs[0][0][at], sources, vectors[0].order)


# --- products without parameters -----------------------------------------------------------------------------


def _of_numbers(walk: Walk, a: Numbers, b: Numbers, axes: Contraction) -> Numbers:
    """A product of numbers, summed over axes, by broadcasting and a sum."""
    left, right = _side(walk.scalar(a), axes, 0), _side(walk.scalar(b), axes, 1)
    made = (left * right).sum(-1)
    if any(a.shape[i] != b.shape[j] for i, j in zip(axes.summed[0], axes.summed[1], strict=True)):
        walk.refuse("Numbers are summed over the width{where}.")
    sizes = [a.shape[k] for k in (*axes.batch[0], *axes.free(0, len(a.shape)))]
    target = (*sizes, *(b.shape[k] for k in axes.free(1, len(b.shape))))
    made = made.reshape(target)
    return Numbers(ex.Leaf(made), made.shape, scores(walk, a.order + b.order))


def _side(x: Any, axes: Contraction, side: int) -> Any:
    """One side of a product as `(*batch, left, right, summed)`."""
    free = axes.free(side, x.ndim)
    order = (*axes.batch[side], *free, *axes.summed[side])
    batch = tuple(x.shape[k] for k in axes.batch[side])
    count, summed = (math.prod(x.shape[k] for k in ks) for ks in (free, axes.summed[side]))
    x = x if order == tuple(range(x.ndim)) else x.transpose(order)
    return x.reshape((*batch, count, 1, summed) if side == 0 else (*batch, 1, count, summed))


def _inner(walk: Walk, a: Vectors, b: Vectors, axes: Contraction) -> Numbers | Vectors:
    """Σ_α x_α y_α, which is n times a Moment; if the width is a batch axis, the products of coordinates."""
    pairs = [*zip(*axes.summed, strict=True), *zip(*axes.batch, strict=True)]
    if (a.axis, b.axis) not in pairs:
        walk.refuse(
            "The model contracts vectors over an axis other than their width{where}, so that the result has two width "
            "axes, as in linear attention; a tensor program has only vectors."
        )
    if (a.block, a.inner) != (b.block, b.inner):
        block, turns = math.gcd(a.block, b.block), max(a.inner, b.inner)
        raise SmallerBlocksError((a if (a.block, a.inner) != (block, turns) else b).sources, block, turns)
    left, right = _side(walk.vector(a), axes, 0), _side(walk.vector(b), axes, 1)
    target = [a.shape[k] for k in (*axes.batch[0], *axes.free(0, len(a.shape)))]
    shape = (*target, *(b.shape[k] for k in axes.free(1, len(b.shape))))
    if a.axis in axes.batch[0]:
        h = (left * right).sum(-1).reshape(shape)
        place, sources = axes.batch[0].index(a.axis), a.sources | b.sources
        return Vectors(ex.Leaf(h), shape, place, a.size, sources, a.order + b.order, a.inner)
    m = inner(left, right).sum(-1).reshape(shape) * float(a.block)
    return Numbers(ex.Leaf(m), shape, scores(walk, a.order + b.order + 1))


def _combined(walk: Walk, a: Any, b: Any, axes: Contraction) -> Vectors | Numbers:
    """Σ θ x over axes of fixed size, or over the width, with numbers θ that are equal in all coordinates."""
    names: tuple[list[str], list[str]] = ([""] * len(a.shape), [""] * len(b.shape))
    letters = iter(LETTERS)
    for pairs in (axes.batch, axes.summed):
        for i, j in zip(pairs[0], pairs[1], strict=True):
            names[0][i] = names[1][j] = next(letters)
    for side in names:
        side[:] = [letter or next(letters) for letter in side]
    out = [names[0][k] for k in (*axes.batch[0], *axes.free(0, len(a.shape)))]
    out += [names[1][k] for k in axes.free(1, len(b.shape))]
    first = isinstance(a, Vectors)
    v, theta = (a, b) if first else (b, a)
    of_v, of_theta = ("".join(side) for side in (names if first else names[::-1]))
    result = "".join(out)
    h, factor = walk.vector(v), walk.scalar(theta)
    if of_v[v.axis] not in result:
        return _over_width(walk, v, theta, h, factor, (of_v, of_theta, result))
    made = einsum(f"{of_theta},{of_v}->{result}", factor, h)
    axis = result.index(of_v[v.axis])
    return Vectors(ex.Leaf(made), made.shape, axis, v.size, v.sources, v.order + theta.order, v.inner)


def _over_width(
    walk: Walk, v: Vectors, theta: Numbers, h: Vector, factor: Scalar, letters: tuple[str, str, str]
) -> Numbers:
    """Σ_α θ x_α with numbers θ that are equal in all coordinates, which is θ n times a Moment."""
    of_v, of_theta, result = letters
    m, every = moment(h) * float(v.block), of_theta + "".join(c for c in of_v if c not in of_theta)
    shape_v, shape_theta = dict(zip(of_v, v.shape, strict=True)), dict(zip(of_theta, theta.shape, strict=True))
    if shape_theta[of_v[v.axis]] not in (1, v.shape[v.axis]):
        walk.refuse("Numbers that differ from block to block are summed over the width{where}.")
    spread = []
    for x, own, sizes in ((m, of_v, shape_v), (factor, of_theta, shape_theta)):
        order = tuple(own.index(c) for c in every if c in own)
        spread.append(x.transpose(order).reshape(tuple(sizes.get(c, 1) for c in every)))
    total = (spread[0] * spread[1]).sum(tuple(k for k, c in enumerate(every) if c not in result))
    left = [c for c in every if c in result]
    made = total.transpose(tuple(left.index(c) for c in result)) if result else total
    return Numbers(ex.Leaf(made), made.shape, scores(walk, theta.order + v.order + 1))
