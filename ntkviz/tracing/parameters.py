"""The parameters of a traced model: what each is used as, and its declaration in the program."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NoReturn

import numpy as np

from ..errors import TraceError
from ..language.axes import Shape
from ..language.network import Network
from ..language.values import Matrix, Vector
from .laws import Law
from .options import Options
from .values import ZERO, AsVectorsError, Findings, Known, Par, Random


@dataclass(frozen=True)
class Declared:
    """What the tracer knows of a model's array before it is used.

    Attributes:
        name: Its name.
        shapes: Its shape, at both widths.
        laws: The law of its entries, at both widths; `None` if it is a random key.
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
        fan_in: How many entries are summed for one number of the result, at the first width.
        grows: Whether that grows with the width.
    """

    kind: str
    fan_in: int = 1
    grows: bool = False


class Parameters:
    """All parameters while one program is written."""

    def __init__(self, net: Network, declared: Sequence[Declared], options: Options, findings: Findings):
        self.net, self.declared, self.options, self.findings = net, declared, options, findings
        self.uses: dict[int, Use] = {}
        self.notes: dict[str, None] = {}  # in order, each once
        self.matrices: dict[int, tuple[Matrix, int]] = {}  # with the axis that the first use contracts
        self.vectors: dict[int, Vector] = {}
        self.inputs: dict[
            tuple[int, tuple[int, ...]], int
        ] = {}  # by the entries of one column: the program's parameter
        self.readout_blocks = np.zeros(0, int)  # of the readout's blocks, those of the traced output
        self.reads_out_shared = False  # whether the readout is a parameter with other uses

    # --- as they are ---------------------------------------------------------------------------------------

    def name(self, leaf: int) -> str:
        """A parameter's name."""
        return self.declared[leaf].name

    def law(self, leaf: int) -> Law:
        """The law of its entries at the first width."""
        laws = self.declared[leaf].laws
        assert laws is not None
        return laws[0]

    def order(self, leaf: int) -> Fraction:
        """The order in n of its entries: of their standard deviation, or of the constant at which they start."""
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

    def given(self, leaf: int) -> Par | Known | Random:
        """What the model's function is given for an array."""
        one = self.declared[leaf]
        if one.laws is None:
            return Random()
        first, second = one.shapes
        n1, n2 = self.options.widths
        grows = self.width_axes(leaf)
        for k in grows:
            if first[k] * n2 != second[k] * n1:
                raise TraceError(
                    f"Axis {k} of parameter {one.name} has {first[k]} entries at width {n1} and {second[k]} at width "
                    f"{n2}, but the size of a width axis is a multiple of the width."
                )
        if not one.trained and one.laws[0].values is not None:
            values = [law.values for law in one.laws]
            assert values[0] is not None
            assert values[1] is not None
            return Known(values[0], values[1])
        if len(grows) > 2:
            raise TraceError(
                f"Parameter {one.name} has {len(grows)} axes that grow with the width; a tensor program has vectors "
                "and matrices."
            )
        shape = self.blocks(leaf)
        return Par(leaf, np.arange(math.prod(shape)).reshape(shape), {k: k for k in grows}, first)

    # --- as what they are used -----------------------------------------------------------------------------

    def use(self, leaf: int, kind: str, fan_in: int = 1, grows: bool = False) -> bool:
        """Note a use; whether it is the first one. Raises `AsVectorsError` for one that does not go with another."""
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
        """Start again, with a parameter as an array of initial vectors."""
        if leaf in self.findings.vectors:
            raise TraceError(f"Parameter {self.name(leaf)} is used in ways that a tensor program cannot combine.")
        raise AsVectorsError(leaf)

    def _check_known(self, leaf: int) -> None:
        law, name = self.law(leaf), self.name(leaf)
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
                f"Parameter {name} starts at fixed numbers that are not all the same; those of a tensor program are "
                "random or constant."
            )
        for other in self.uses:
            if law.draws & self.law(other).draws:
                raise TraceError(
                    f"Parameters {self.name(other)} and {name} start at the same random numbers; draw them with "
                    "different keys, or use one parameter twice."
                )
        if law.mean and kind not in ("number", "vectors"):
            raise TraceError(
                f"The entries of {name} have mean {law.mean:.3g}; those of a matrix of a tensor program have mean 0."
            )

    def rate(self, leaf: int) -> float:
        """The factor of its learning rate in the program: 1 stands for 1/fan_in."""
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
        """The learning rate of each of its entries in the model itself at some width.

        It is nominal at the first width of the trace, and changes with the width so that the parameter's part of the
        NTK stays of order 1, whatever the order of its standard deviation.
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
        """The order in n of what a parameter makes of values of order 1."""
        if self.uses[leaf].grows:
            return self.product_order(leaf)
        return ZERO if self._vanishes(leaf) else self.order(leaf)

    def product_order(self, leaf: int) -> Fraction:
        """The order in n of a sum over the width, of a parameter times values of order 1; zeros have none."""
        return self.order(leaf) + Fraction(1, 2) if self.law(leaf).std else ZERO

    def _vanishes(self, leaf: int) -> bool:
        """Whether it is a bias that starts at 0 in the limit, whatever it starts at."""
        return leaf in self.findings.zero or self.uses[leaf].kind == "output bias"

    # --- in the program ------------------------------------------------------------------------------------

    def initial_vectors(self, leaf: int) -> tuple[Vector, Fraction, float]:
        """A parameter with one width axis as an array of vectors `(blocks,)` or as one vector; its order and mean."""
        zero = leaf in self.findings.zero
        law = self.law(leaf)
        order = ZERO if zero else self.order(leaf)
        if self.use(leaf, "vectors"):
            count = math.prod(self.blocks(leaf))
            self.vectors[leaf] = self.net.vector(
                self.name(leaf),
                std=0.0 if zero else law.std,
                shape=() if count == 1 else (count,),
                lr=self.rate(leaf),
                trainable=self.declared[leaf].trained,
            )
            if not zero:
                self.note_law(leaf, 1)
        return self.vectors[leaf], order, 0.0 if zero else law.mean

    def matrix(self, leaf: int, contracted: int, fan_in: int, block: int) -> tuple[Matrix, Fraction, bool]:
        """An array of matrices `(blocks,)`, the order of its products, and whether this use is of the transposes."""
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
        """Keep a sentence for the report."""
        self.notes[text] = None

    def note_law(self, leaf: int, fan_in: int) -> None:
        """Say by how much entries that are not Gaussian make the limit wrong, where their sum does not become so."""
        law = self.law(leaf)
        if law.is_gaussian:
            return
        excess = law.kurtosis - 3
        self.note(
            f"The entries of {self.name(leaf)} are not Gaussian ({law.family}), and a unit adds up {fan_in} of them at "
            f"any width: the limit given is that of Gaussian entries; the excess kurtosis of the model's units is "
            f"{excess:+.2f} × Σξ⁴/(Σξ²)² for an input ξ, {excess / fan_in:+.2g} where its entries are of one size."
        )

    def frozen(self, leaf: int) -> None:
        """Note that a parameter is taken as the number at which it starts."""
        if self.use(leaf, "number") and self.declared[leaf].trained:
            self.note(
                f"{self.name(leaf)} is taken as the number {self.law(leaf).mean:g} at which it starts, not trained."
            )

    def fixed(self, leaf: int) -> None:
        """Note that a parameter of fixed size is taken as the numbers at which it starts."""
        if leaf not in self.uses:
            self.uses[leaf] = Use("number")
            self.note(f"{self.name(leaf)} is taken as the fixed numbers at which it starts, not trained.")

    def unused(self) -> list[str]:
        """The names of parameters that the model's function does not use."""
        return [d.name for k, d in enumerate(self.declared) if k not in self.uses and d.trained]


def with_std(one: Declared, options: Options) -> Declared:
    """A parameter with the standard deviation that was asked for."""
    wanted = [options.std_of(one.name, n) for n in options.widths]
    if one.laws is None or None in wanted:
        return one
    laws = [_with_std(law, std) for law, std in zip(one.laws, wanted, strict=True) if std is not None]
    return dataclasses.replace(one, laws=(laws[0], laws[1]))


def _with_std(law: Law, std: float) -> Law:
    if law.values is not None:  # a constant becomes Gaussian
        return Law(0.0, std, 3.0, "normal")
    return dataclasses.replace(law, mean=0.0, std=std)
