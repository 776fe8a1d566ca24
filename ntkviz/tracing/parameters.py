"""The parameters of a traced model: how each is used, and its declaration in the program."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple, NoReturn

import numpy as np

from ..errors import TraceError, phrase
from ..language.axes import Shape
from ..language.network import Network
from ..language.nonlinearities.quantiles import LAWS
from ..language.values import Matrix, Vector
from .laws import HEAVY_TAILS, Law
from .options import Options
from .values import ZERO, AsVectorsError, Findings, Known, Par, Random, Unfit


@dataclass(frozen=True)
class Declared:
    """A model's array, as it is known before it is used.

    Attributes:
        name: Its name.
        shapes: Its shapes at the two widths.
        laws: The laws of its entries at the two widths; `None` if it is a random key.
        trained: Whether it is a parameter.
    """

    name: str
    shapes: tuple[Shape, Shape]
    laws: tuple[Law, Law] | None
    trained: bool


@dataclass(frozen=True)
class Use:
    """How a parameter is used.

    Attributes:
        kind: "matrix", "input", "vectors", "readout", "number", or "output bias".
        fan_in: The number of entries that are summed in one entry of the result, at the first width.
        grows: Whether the fan-in grows with the width.
    """

    kind: str
    fan_in: int = 1
    grows: bool = False


class Head(NamedTuple):
    """A layer that reads out: its parameter, the blocks of the traced output, and the factor of its vectors."""

    leaf: int
    blocks: tuple[int, ...]
    scale: float


class Parameters:
    """All parameters while one program is written."""

    def __init__(self, net: Network, declared: Sequence[Declared], options: Options, findings: Findings):
        self.net, self.declared, self.options, self.findings = net, declared, options, findings
        self.uses: dict[int, Use] = {}
        self.notes: dict[str, None] = {}  # in order, without duplicates
        self.matrices: dict[int, tuple[Matrix, int]] = {}  # with the axis that the first use contracts
        self.vectors: dict[int, Vector] = {}
        # The program's parameter, by the model's parameter and the entries of one column.
        self.inputs: dict[tuple[int, tuple[int, ...]], int] = {}
        self.readout = ""  # the name of the program's readout
        self.heads: list[Head] = []  # the layers of which it consists
        self.output_biases: dict[str, float] = {}  # the rates of the vectors that stand for biases of the output
        self.stopped: dict[int, str] = {}  # the equations, by id, that stop gradients of vectors, with their lines
        self.reads_out_shared = False  # whether the readout is a parameter with other uses

    # --- in the model --------------------------------------------------------------------------------------

    def name(self, leaf: int) -> str:
        """A parameter's name."""
        return self.declared[leaf].name

    def law(self, leaf: int) -> Law:
        """The law of its entries at the first width."""
        laws = self.declared[leaf].laws
        assert laws is not None
        return laws[0]

    def order(self, leaf: int) -> Fraction:
        """The order in n of its entries: that of their standard deviation, or of their constant initial value."""
        first, second = self.declared[leaf].laws or (None, None)
        assert first is not None
        assert second is not None
        self._check_known(leaf)
        what = f"Parameter {self.name(leaf)}"
        orders = [
            self.options.order(np.array([abs(b / a)]), what, "")
            for a, b in ((first.std, second.std), (first.mean, second.mean))
            if a
        ]
        if len(set(orders)) > 1:
            raise TraceError(f"The mean and the standard deviation of {self.name(leaf)} are of different orders in n.")
        return orders[0] if orders else ZERO

    def width_axes(self, leaf: int) -> list[int]:
        """Its axes that grow with the width."""
        first, second = self.declared[leaf].shapes
        return [k for k, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]

    def blocks(self, leaf: int) -> Shape:
        """Its block shape."""
        first, _ = self.declared[leaf].shapes
        grows = self.width_axes(leaf)
        return tuple(
            size // self.findings.blocks.get((leaf, k), (size, 1))[0] if k in grows else size
            for k, size in enumerate(first)
        )

    def block(self, leaf: int) -> int:
        """The size of the blocks of its only width axis, at the first width."""
        (axis,) = self.width_axes(leaf)
        return int(self.declared[leaf].shapes[0][axis] // self.blocks(leaf)[axis])

    def given(self, leaf: int) -> Par | Known | Random | Unfit:
        """The traced value that the model's function gets for an array."""
        one = self.declared[leaf]
        if one.laws is None:
            return Random()
        first, second = one.shapes
        n1, n2 = self.options.widths
        grows = self.width_axes(leaf)
        for k in grows:
            if first[k] * n2 != second[k] * n1:
                why = phrase(
                    f"Axis {k} of parameter {one.name} has {first[k]} entries at width {n1} and {second[k]} at width "
                    f"{n2}, but the size of a width axis must be a multiple of the width"
                )
                return Unfit(why)
        if not one.trained and one.laws[0].values is not None:
            values = [law.values for law in one.laws]
            assert values[0] is not None
            assert values[1] is not None
            return Known(values[0], values[1])
        if len(grows) > 2:
            raise TraceError(
                f"Parameter {one.name} has {len(grows)} axes that grow with the width; a tensor program has only "
                "vectors and matrices."
            )
        shape = self.blocks(leaf)
        return Par(leaf, np.arange(math.prod(shape)).reshape(shape), {k: k for k in grows}, first)

    # --- their uses ----------------------------------------------------------------------------------------

    def use(self, leaf: int, kind: str, fan_in: int = 1, grows: bool = False) -> bool:
        """Record a use; returns whether it is the first. Raises `AsVectorsError` if it conflicts with earlier ones."""
        known = self.uses.get(leaf)
        if known is None:
            self._check_law(leaf, kind)
            self.uses[leaf] = Use(kind, fan_in, grows)
            return True
        if known.kind != kind:
            if not {known.kind, kind} <= {"vectors", "input", "readout"}:
                raise TraceError(
                    f"Parameter {self.name(leaf)} is used in two ways that a tensor program cannot combine, as "
                    f"{known.kind} and as {kind}."
                )
            self.must_be_vectors(leaf)
        return False

    def must_be_vectors(self, leaf: int) -> NoReturn:
        """Raise `AsVectorsError`, to start again with a parameter as an array of initial vectors."""
        if leaf in self.findings.vectors:
            raise TraceError(f"Parameter {self.name(leaf)} is used in ways that a tensor program cannot combine.")
        raise AsVectorsError(leaf)

    def _check_known(self, leaf: int) -> None:
        law, name = self.law(leaf), self.name(leaf)
        if law.family == HEAVY_TAILS:
            raise TraceError(
                f"The entries of {name} have such heavy tails that their variance is infinite or unknown, so their "
                "limit is not Gaussian; draw them from a law of finite variance."
            )
        if not law.is_known:
            raise TraceError(
                f"The entries of {name} are not drawn independently of each other {law.family}, so their limit is not "
                "known; draw them independently, or use an orthogonal initialisation."
            )

    def _check_law(self, leaf: int, kind: str) -> None:
        law, name = self.law(leaf), self.name(leaf)
        self._check_known(leaf)
        if law.family == "fixed":
            raise TraceError(
                f"Parameter {name} starts at fixed numbers that are not all equal; parameters of a tensor program must "
                "start random or constant."
            )
        for other in self.uses:
            if law.draws & self.law(other).draws:
                raise TraceError(
                    f"Parameters {self.name(other)} and {name} start at the same random numbers; draw them with "
                    "different keys, or use one parameter twice."
                )
        if law.mean and kind not in ("number", "vectors"):
            raise TraceError(
                f"The entries of {name} have mean {law.mean:.3g}; those of a matrix in a tensor program must have mean "
                "0."
            )

    def rate(self, leaf: int) -> float:
        """Its learning-rate factor in the program, in units of 1/fan_in."""
        use = self.uses[leaf]
        if not self.declared[leaf].trained:
            return 0.0
        match self.options.lr:
            case "variance":
                return 0.0 if self._vanishes(leaf) else self.law(leaf).std ** 2 * use.fan_in
            case "standard":
                return use.fan_in / self.options.widths[0] if use.grows else 0.0
        return 1.0

    def rate_at(self, leaf: int, width: int) -> float:
        """The learning rate of each of its entries in the model itself, at this width.

        At the first width of the trace it is the nominal one. It changes with the width so that the parameter's part of
        the NTK stays of order 1, whatever the order of its standard deviation.
        """
        use = self.uses.get(leaf)
        if use is None or use.kind == "number" or not self.declared[leaf].trained:
            return 0.0
        times = width / self.options.widths[0]
        scale = float(times ** (2 * self.own_order(leaf)))
        match self.options.lr:
            case "variance":
                return float(self.rate(leaf) / use.fan_in * scale / (times if use.grows else 1))
            case "standard":
                return scale / width if use.grows else 0.0
        return scale / (use.fan_in * times if use.grows else use.fan_in)

    def own_order(self, leaf: int) -> Fraction:
        """The order in n of the result of a parameter applied to values of order 1."""
        if self.uses[leaf].grows:
            return self.product_order(leaf)
        return ZERO if self._vanishes(leaf) else self.order(leaf)

    def product_order(self, leaf: int) -> Fraction:
        """The order in n of a sum over the width of a parameter times values of order 1; 0 for a parameter of zeros."""
        return self.order(leaf) + Fraction(1, 2) if self.law(leaf).std else ZERO

    def _vanishes(self, leaf: int) -> bool:
        """Whether it is a bias that starts at 0 in the limit, whatever its value at finite width."""
        return leaf in self.findings.zero or self.uses[leaf].kind == "output bias"

    # --- in the program ------------------------------------------------------------------------------------

    def initial_vectors(self, leaf: int, fan_in: int = 1) -> tuple[Vector, Fraction, float]:
        """A parameter with one width axis as vectors `(blocks,)`, or as one vector, with its order and mean.

        `fan_in` is the number of its entries that are summed in one entry of the result, as in a depthwise filter.
        """
        zero = leaf in self.findings.zero
        law = self.law(leaf)
        order = ZERO if zero else self.order(leaf)
        if self.use(leaf, "vectors", fan_in):
            count = math.prod(self.blocks(leaf))
            self.vectors[leaf] = self.net.vector(
                self.name(leaf),
                std=0.0 if zero else law.std,
                shape=() if count == 1 else (count,),
                lr=self.rate(leaf) / fan_in,
                trainable=self.declared[leaf].trained,
                law="normal" if zero else self.own_law(leaf),
            )
            if not zero:
                self.note_law(leaf, fan_in)
        return self.vectors[leaf], order, 0.0 if zero else law.mean

    def own_law(self, leaf: int) -> str:
        """The law with which the program draws a parameter whose fan-in does not grow with the width."""
        family = self.law(leaf).family
        return family if self.options.laws == "own" and family in LAWS else "normal"

    def matrix(self, leaf: int, contracted: int, fan_in: int, block: int) -> tuple[Matrix, Fraction, bool]:
        """An array of matrices `(blocks,)`, the order in n of its products, and whether this use is transposed."""
        if self.use(leaf, "matrix", fan_in, grows=True):
            W = self.net.matrix(
                self.name(leaf),
                std=self.law(leaf).std * math.sqrt(fan_in),
                shape=(math.prod(self.blocks(leaf)),),
                fan=fan_in // block,
                lr=self.rate(leaf),
                trainable=self.declared[leaf].trained,
            )
            self.matrices[leaf] = W, contracted
        W, first = self.matrices[leaf]
        return W, self.product_order(leaf), first != contracted

    def note(self, text: str) -> None:
        """Add a sentence to the report."""
        self.notes[text] = None

    def note_law(self, leaf: int, fan_in: int) -> None:
        """Note the error of the limit if entries are not Gaussian and are summed over a fixed fan-in."""
        law = self.law(leaf)
        if law.is_gaussian or self.own_law(leaf) == law.family:
            return
        excess = law.kurtosis - 3
        other = "; laws='own' gives that of the model's own entries" if law.family in LAWS else ""
        self.note(
            f"The entries of {self.name(leaf)} are not Gaussian ({law.family}), and a unit sums {fan_in} of them at "
            f"any width: the limit given is that of Gaussian entries; the excess kurtosis of the model's units is "
            f"{excess:+.2f} × Σξ⁴/(Σξ²)² for an input ξ, {excess / fan_in:+.2g} if its entries are equally "
            f"large{other}."
        )

    def frozen(self, leaf: int) -> None:
        """Note that a parameter is replaced by its initial value, a number."""
        if self.use(leaf, "number") and self.declared[leaf].trained:
            self.note(f"{self.name(leaf)} is not trained: it is replaced by its initial value {self.law(leaf).mean:g}.")

    def fixed(self, leaf: int) -> None:
        """Note that a parameter of fixed size is replaced by its initial values."""
        if leaf not in self.uses:
            self.uses[leaf] = Use("number")
            self.note(f"{self.name(leaf)} is not trained: it is replaced by its initial values.")

    def unused(self) -> list[str]:
        """The names of parameters that the model's function does not use."""
        return [d.name for k, d in enumerate(self.declared) if k not in self.uses and d.trained]


def with_std(one: Declared, options: Options) -> Declared:
    """A parameter with the requested standard deviation, if there is one."""
    wanted = [options.std_of(one.name, n) for n in options.widths]
    if one.laws is None or None in wanted:
        return one
    laws = [_with_std(law, std) for law, std in zip(one.laws, wanted, strict=True) if std is not None]
    return dataclasses.replace(one, laws=(laws[0], laws[1]))


def _with_std(law: Law, std: float) -> Law:
    if law.values is not None:  # a constant becomes Gaussian
        return Law(0.0, std, 3.0, "normal")
    return dataclasses.replace(law, mean=0.0, std=std)
