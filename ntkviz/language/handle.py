"""The base class of all handles: the leading shape, and the rearrangements of its axes.

A handle stands for a value of the program being written. Its `shape` is the *leading* shape;
the width axis is never visible, so nothing an author writes can depend on the width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from ..errors import ProgramError
from . import instructions as ops
from .axes import AxesMap, BroadcastTo, Index, Pad, Permute, Reshape, Shape, Sum, freeze, rearranged_shape
from .nonlinearities.nonlinearity import Nonlinearity

if TYPE_CHECKING:
    from .recording import Recorder


class Value:
    """A value of the program being written, identified by its index, with its leading shape.

    Attributes:
        shape: The leading shape; the width axis is never part of it.
        ndim: The number of leading axes.
    """

    __array_ufunc__ = None  # so that NumPy arrays defer to the handle's operators
    kind: str = ""

    def __init__(self, net: Recorder, index: int, shape: Shape):
        self._net, self._index, self.shape = net, index, tuple(shape)

    @property
    def ndim(self) -> int:
        """The number of leading axes."""
        return len(self.shape)

    def __len__(self) -> int:
        if not self.shape:
            raise ProgramError(
                f"{self!r} has no leading axis to iterate over; the width axis is not visible, "
                "use nv.moment to average over coordinates."
            )
        return self.shape[0]

    def __iter__(self) -> Iterator[Self]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(leading shape {self.shape})"

    def apply_nonlinearity(self, phi: Nonlinearity, args: tuple[Any, ...]) -> Any:
        """Refuse a nonlinearity: it acts on coordinates, which only vectors have.

        Args:
            phi: The nonlinearity.
            args: Its vectors, then its parameters θ.

        Returns:
            Vectors, in the override of `Vector`; here it always raises.

        Raises:
            ProgramError: The value is not a vector.
        """
        raise ProgramError(f"{phi.name} is for vectors of a program, such as W @ x, not for {self!r}.")

    def __bool__(self) -> bool:
        raise ProgramError(f"{self!r} has no truth value: a program cannot branch on its own values.")

    # All methods below rearrange leading axes by `_rearranged`, for vectors and scalars alike.

    def _rearranged(self, how: AxesMap) -> Self:
        try:
            shape = rearranged_shape(how, self.shape)
        except ValueError as problem:
            raise ProgramError(
                f"{type(how).__name__.lower()} does not fit the leading shape {self.shape} "
                f"(the width axis is not visible; average over it with nv.moment): {clause(problem)}."
            ) from problem
        op = ops.Rearrange(how, self.shape, shape)
        return self._net.record(op, (self,), type(self), shape)

    def _axes(self, axis: int | Sequence[int] | None) -> Shape:
        given = range(self.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        for a in given:
            if not -self.ndim <= a < self.ndim:
                raise ProgramError(
                    f"Axis {a} does not exist in the leading shape {self.shape}; the width axis is not visible, "
                    "use nv.moment to average over coordinates."
                )
        return tuple(sorted(a % self.ndim for a in given))

    def __getitem__(self, key: Any) -> Self:
        keys = key if isinstance(key, tuple) else (key,)
        used = sum(1 for k in keys if k is not None and k is not Ellipsis)
        if used > self.ndim:
            raise ProgramError(
                f"An index with {used} entries does not fit the leading shape {self.shape}; "
                "the width axis is not visible and cannot be indexed."
            )
        if any(isinstance(k, Value) for k in keys):
            raise ProgramError("A program cannot be indexed by its own values; index with plain whole numbers.")
        rule = Index(tuple(freeze(k) for k in keys))
        try:
            rule.check(self.shape)
        except IndexError as problem:
            raise ProgramError(f"An index does not fit the leading shape {self.shape}: {clause(problem)}.") from problem
        return self._rearranged(rule)

    def reshape(self, *shape: Any) -> Self:
        """Reshape the leading axes, as `numpy.reshape` does.

        Args:
            *shape: The new leading shape, as whole numbers or one tuple; a single −1 is inferred.

        Returns:
            A value of the same kind.

        Raises:
            ProgramError: The new shape has a different number of entries.
        """
        target = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
        if -1 in target:
            known = int(np.prod([s for s in target if s != -1]))
            target = tuple(int(np.prod(self.shape)) // max(known, 1) if s == -1 else s for s in target)
        return self if tuple(target) == self.shape else self._rearranged(Reshape(target))

    def transpose(self, *axes: Any) -> Self:
        """Permute the leading axes, as `numpy.transpose` does.

        Args:
            *axes: The new order, as whole numbers or one tuple; the reverse by default.

        Returns:
            A value of the same kind.

        Raises:
            ProgramError: `axes` is not a permutation of the leading axes.
        """
        order = tuple(axes[0]) if len(axes) == 1 and not isinstance(axes[0], int) else axes
        order = order or tuple(reversed(range(self.ndim)))
        return self if order == tuple(range(self.ndim)) else self._rearranged(Permute(order))

    def broadcast_to(self, shape: Shape) -> Self:
        """Repeat along new or length-one leading axes, as `numpy.broadcast_to` does.

        Args:
            shape: The new leading shape.

        Returns:
            A value of the same kind.

        Raises:
            ProgramError: The leading shape does not broadcast to it.
        """
        return self if tuple(shape) == self.shape else self._rearranged(BroadcastTo(tuple(shape)))

    def pad(self, widths: Sequence[tuple[int, int]]) -> Self:
        """Pad each leading axis with zeros, as `numpy.pad` does.

        Args:
            widths: The numbers of zeros before and after, for each leading axis.

        Returns:
            A value of the same kind.

        Raises:
            ProgramError: `widths` does not have one pair for each leading axis.
        """
        if len(widths) != self.ndim:
            raise ProgramError(f"pad takes a pair of numbers for each of the {self.ndim} leading axes, not {widths!r}.")
        return self._rearranged(Pad(tuple((int(a), int(b)) for a, b in widths)))

    def sum(self, axis: int | Sequence[int] | None = None) -> Self:
        """Sum over leading axes.

        Args:
            axis: One leading axis or several; all of them by default.

        Returns:
            A value of the same kind, without these axes.

        Raises:
            ProgramError: An axis does not exist.
        """
        return self._rearranged(Sum(self._axes(axis)))

    def mean(self, axis: int | Sequence[int] | None = None) -> Self:
        """Average over leading axes; never over the width (`nv.moment` does that).

        Args:
            axis: One leading axis or several; all of them by default.

        Returns:
            A value of the same kind, without these axes.

        Raises:
            ProgramError: An axis does not exist.
        """
        return self._rearranged(Sum(self._axes(axis), average=True))


V = TypeVar("V", bound=Value)


def clause(problem: Exception) -> str:
    """The first sentence of a message by NumPy or JAX, without its full stop, to end a message of ours."""
    first, *_ = str(problem).split("\n")
    return first.split(". ")[0].rstrip(".")
