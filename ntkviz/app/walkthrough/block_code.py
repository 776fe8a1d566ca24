"""The Python for a stack of blocks: the function that one would write for it in the language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

ATTENTION = "a = nv.inner(x[:, :, None], x[:, None, :])", "x = nv.softmax(a) @ x"
FUNCTIONS = "relu", "gelu", "erf", "layernorm"
MATRICES = "W", "A", "A.T"
READOUTS = {
    "random": 'net.readout("v", x.mean(1))',
    "shifted": 'net.readout("v", x.mean(1), mean=1.0)',
    "mean": "nv.moment(x.mean(1))",
    "tied": "nv.inner(first, x).mean(1)",
}


def python_of(blocks: Sequence[str], readout: str, sigma_w: float) -> list[tuple[str, int]]:
    """The lines of a module that defines `network`, each with the number of its block, or -1.

    The function has the same program as `nv.architectures.from_blocks` with these arguments.

    Args:
        blocks: The names of blocks, as `from_blocks` takes them.
        readout: The name of the readout, as `from_blocks` takes it.
        sigma_w: The standard deviation of the matrices.
    """
    hyper = f", *, sigma_w={sigma_w:g}" if set(MATRICES) & set(blocks) else ""
    first = "first = " if readout == "tied" or "skip" in blocks else ""
    before = [
        "import ntkviz as nv",
        "",
        "@nv.architecture",
        f"def network(net, tokens{hyper}):",
        f'    x = {first}net.input("U", tokens)',
    ]
    body = [(f"    {line}", place) for place in range(len(blocks)) for line in _lines(blocks, place)]
    return [*((line, -1) for line in before), *body, (f"    return {READOUTS[readout]}", -1)]


def _lines(blocks: Sequence[str], place: int) -> Iterator[str]:
    """The lines of one block."""
    name, earlier, later = blocks[place], blocks[:place], blocks[place + 1 :]
    if name in FUNCTIONS:
        yield f"x = nv.{name}(x)"
    elif name == "attention":
        yield from ATTENTION
    elif name == "skip":
        kept = "kept" if "skip" in earlier else "first"
        yield f"x = {'kept = ' if 'skip' in later else ''}{kept} + x"
    elif name == "W":
        yield f'x = net.matrix("W{1 + earlier.count("W")}", std=sigma_w) @ x'
    else:
        if not {"A", "A.T"} & set(earlier):
            yield 'A = net.matrix("A", std=sigma_w)'
        yield f"x = {name} @ x"
