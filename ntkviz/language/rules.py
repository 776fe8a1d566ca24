"""A reading of programs as a table: for each class of instruction, the function that evaluates it.

JAX keeps such a registry for each of its interpreters. A rule is looked up by the instruction's class, then by its base
classes, so that one rule may serve all linear instructions, or all instructions. An instruction without a rule raises
an error that names it:

```python
value: Rules[Array] = Rules("a value")


@value.rule(ops.Shift)
def _(op, x, shift):
    return x + shift
```
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ..errors import ProgramError

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True)
class Refused:
    """Why a reading has no rule for an instruction."""

    why: str


class Rules(Generic[T]):
    """The rules of one reading; called with an instruction's operation and the other arguments of its rule.

    Attributes:
        what: What a rule returns, for error messages, such as "a gradient".
        entries: The rules and refusals, by class of operation.
    """

    def __init__(self, what: str):
        self.what = what
        self.entries: dict[type, Callable[..., T] | Refused] = {}
        self._found: dict[type, Callable[..., T] | Refused | None] = {}

    def rule(self, *classes: type) -> Callable[[F], F]:
        """Register the decorated function `(op, …)` for some classes of instructions."""

        def register(function: F) -> F:
            self._add(classes, function)
            return function

        return register

    def refuse(self, *classes: type, why: str) -> None:
        """Give the reason why some classes of instructions have no rule."""
        self._add(classes, Refused(why))

    def _add(self, classes: tuple[type, ...], entry: Callable[..., T] | Refused) -> None:
        self.entries.update(dict.fromkeys(classes, entry))
        self._found.clear()

    def entry(self, kind: type) -> Callable[..., T] | Refused | None:
        """The entry for a class of instructions: its own, or that of its nearest base class."""
        if kind not in self._found:
            self._found[kind] = next((self.entries[c] for c in kind.__mro__ if c in self.entries), None)
        return self._found[kind]

    def of(self, op: Any, index: int | None = None) -> Callable[..., T]:
        """The rule of an instruction; raises `ProgramError` with its name (and index) if there is none."""
        found = self.entry(type(op))
        if callable(found):
            return found
        name = type(op).__name__ if index is None else f"Instruction {index} ({type(op).__name__})"
        why = "" if found is None else f": {found.why}"
        raise ProgramError(f"{name} has no rule for {self.what}{why}.")

    def __call__(self, op: Any, *args: Any) -> T:
        return self.of(op)(op, *args)
