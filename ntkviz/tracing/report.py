"""The report on a trace: every parameter, and every assumption."""

from __future__ import annotations

from dataclasses import dataclass

from ..language.axes import Shape
from .parameters import Parameters


@dataclass(frozen=True)
class TracedParameter:
    """A parameter of a traced model.

    Attributes:
        name: Its path in the model.
        shape: Its shape at the first width of the trace.
        kind: How the program uses it: "matrix", "input" (on data), "vectors", "readout", "output bias", "number" (fixed
            at its initial value), or "unused".
        law: The law of its entries at initialisation.
        std: Their standard deviation at the first width of the trace.
        fan_in: The number of entries that are summed in one entry of the result, at that width.
        learning_rate: The learning rate of each entry, at that width.
    """

    name: str
    shape: Shape
    kind: str
    law: str
    std: float
    fan_in: int
    learning_rate: float


@dataclass(frozen=True)
class Report:
    """The report on a trace, which can be printed.

    Attributes:
        parameters: All parameters of the model.
        notes: The assumptions, and the ways in which the limit may differ from the model's, one sentence each.
        width: The first width of the trace.
    """

    parameters: tuple[TracedParameter, ...]
    notes: tuple[str, ...]
    width: int

    def __str__(self) -> str:
        header = (f"parameter at n = {self.width}", "shape", "used as", "law", "std", "fan_in", "learning rate")
        rows = [
            (
                p.name,
                "×".join(map(str, p.shape)),
                p.kind,
                p.law,
                f"{p.std:.4g}",
                str(p.fan_in),
                f"{p.learning_rate:.4g}",
            )
            for p in self.parameters
        ]
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        lines = ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in (header, *rows)]
        return "\n".join([*lines, *self.notes])


_RATES = {
    "fan_in": "The NTK is that for training each weight at the rate η/fan_in and each bias at the rate η.",
    "variance": "The NTK is that for training each parameter at the rate η times the variance of its entries.",
    "standard": (
        "The NTK is that for training all parameters at the same rate η/n, at which parameters of fixed fan_in (the "
        "first layer, embeddings, biases) do not move in the limit."
    ),
}


def report_of(table: Parameters) -> Report:
    """The report on a model's parameters."""
    width, found = table.options.widths[0], []
    for leaf, one in enumerate(table.declared):
        if one.laws is None or not one.trained:
            continue
        use, law = table.uses.get(leaf), one.laws[0]
        kind = "unused" if use is None else use.kind
        fan_in = 0 if use is None else use.fan_in
        rate = table.rate_at(leaf, width)
        family = "starts at 0 in the limit" if leaf in table.findings.zero else law.family
        family = f"{family} {law.mean:g}" if law.family == "constant" else family
        found.append(TracedParameter(one.name, one.shapes[0], kind, family, law.std, fan_in, rate))
    notes = [_RATES[table.options.lr], *table.notes]
    if unused := table.unused():
        notes.append(f"The traced output does not depend on {', '.join(unused)}.")
    return Report(tuple(found), tuple(notes), width)
