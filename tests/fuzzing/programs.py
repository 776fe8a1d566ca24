"""Random programs of the language, written as an author would write them.

An example is Python source, so that failures can be read, run and stored. Choosing is separate from writing: hypothesis
chooses in the tests (`programs`), a random number in long runs (`program_number`). There are few sizes (2 or 5 inputs,
2 to 4 tokens, 2 features): programs differ in what they do, and compiled operations are reused.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import strategies as st

import ntkviz as nv

TAME = ("relu", "erf", "abs", "leaky_relu", "gelu", "sigmoid", "tanh", "sin", "cos", "erf_gate", "identity")
JUMPS = ("step", "sign")  # no NTK: refused by name, unless nothing below them is trained
HELPERS = {
    "nv": nv,
    "swish": nv.nonlinearity(lambda x: x * jax.nn.sigmoid(x)),
    "gate": nv.nonlinearity(lambda x, y: jax.nn.sigmoid(x) * jnp.tanh(y), arity=2),
    "slope": nv.nonlinearity(lambda x, theta: jnp.tanh(theta * x)),
}

MISTAKES = (  # one line that breaks a rule; {x} is a vector, {W} a matrix, {s} a scalar
    "bad = {x} / {x}",
    "bad = {x} ** 4",
    "bad = {x}[:, :, :, 0]",
    "bad = {x}[99]",
    "bad = {x}.mean(7)",
    "bad = {x}.reshape(7, 7)",
    "bad = {x}.transpose(1, 1)",
    "bad = {x}.pad(((0, 1),) * 5)",
    "bad = {x}.broadcast_to((3, 7))",
    "bad = {W} @ 3.0",
    "bad = {W} @ {s}",
    "bad = {W} @ {W}",
    "bad = {W} @ net.readout('v0', {x})",
    "bad = {x} + net.readout('v0', {x})",
    "bad = {x} + 'one'",
    "bad = {x} * None",
    "bad = {x} + float('nan')",
    "bad = {x} * float('inf')",
    "bad = {x} + {x}[:1][[0, 0, 0]]",
    "bad = nv.relu({s})",
    "bad = gate({x})",
    "bad = nv.moment({s})",
    "bad = nv.softmax({x})",
    "bad = nv.sqrt({x})",
    "bad = nv.stack([])",
    "bad = nv.stack([{x}, {s}])",
    "bad = nv.stack([{x}], 9)",
    "bad = nv.concatenate([{x}, {x}], 9)",
    "bad = nv.einsum('ij,j->i', np.ones((3, 3)), {x})",
    "bad = nv.einsum('nonsense', np.ones(2), {x})",
    "bad = nv.batchnorm({x}[:1])",
    "bad = nv.batchnorm({x}, axis=5)",
    "bad = nv.layernorm({s})",
    "bad = net.input('U1', x)",
    "bad = net.input('V', {x})",
    "bad = net.matrix('bad', std=-1.0)",
    "bad = net.matrix('bad', std=float('nan'))",
    "bad = net.matrix('bad', lr='fast')",
    "bad = net.repeat(-1, lambda net, h: h, {x})",
    "bad = net.repeat(2, lambda net, h: h[None], {x})",
    "bad = net.readout('v0', {s})",
    "bad = net.readout('v0', {x}, axes=9)",
    "bad = 1.0 if {x} else 0.0",
    "bad = len(nv.moment({x})[0, 0, 0])",
    "return {x}",
    "return None",
    "return 1.0",
)


@dataclass(frozen=True)
class Example:
    """A program's source, the data it reads, and whether it contains a deliberate mistake."""

    source: str
    parametrization: str
    shape: tuple[int, ...]
    inputs: str  # "random", or a special case: "equal", "opposite", "one is zero"
    broken: bool = False

    @property
    def arch(self) -> Any:
        """The architecture the source defines."""
        names: dict[str, Any] = {"np": np, **HELPERS}
        exec(self.source, names)
        return nv.architecture(names["network"])(parametrization=self.parametrization)

    @property
    def data(self) -> np.ndarray:
        """The inputs, the same in every run."""
        x = np.random.default_rng(0).standard_normal(self.shape)
        if self.inputs == "equal":
            x[1] = x[0]
        if self.inputs == "opposite":
            x[1] = -x[0]
        if self.inputs == "one is zero":
            x[1] = 0.0
        return x

    def __str__(self) -> str:
        return f"{self.source}# {self.parametrization}, {self.inputs} inputs {self.shape}\n"


@dataclass
class Vector:
    """A vector of the program being written: its name, its tokens (0: one vector for each input), its tails.

    `degree` is that of the polynomial it grows like in the Gaussians below it; products of high degree have
    averages that no affordable sample knows.
    """

    name: str
    tokens: int
    degree: int


@dataclass
class Writer:
    """Writes one program, line by line; `choose` takes one of several."""

    choose: Callable[[Sequence[Any]], Any]
    batch: int
    tokens: int
    lines: list[str] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    matrices: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)  # vectors that are parameters, which a readout may be tied to
    count: int = 0

    def pick(self, *options: Any) -> Any:
        return self.choose(options)

    def name(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    def add(self, expression: str, tokens: int, degree: int) -> Vector:
        vector = Vector(self.name("x"), tokens, degree)
        self.lines.append(f"{vector.name} = {expression}")
        self.vectors.append(vector)
        return vector

    def vector(self, **wanted: int) -> Vector | None:
        """One of the latest vectors of these `tokens`, and of at most that `degree`."""
        fits = [
            v
            for v in self.vectors
            if v.tokens == wanted.get("tokens", v.tokens) and v.degree <= wanted.get("degree", 3)
        ]
        return self.pick(*fits[-3:], *fits[-1:] * 2) if fits else None

    def parameter(self, letter: str) -> str:
        """The arguments that declare a parameter: mostly plain, sometimes frozen or with a separate factor."""
        name = self.name(letter)
        sigma = self.pick("sigma_w", "sigma_w", "sigma_u", "0.5", "1.0")
        return f'"{name}", std={sigma}{self.pick("", "", "", "", ", lr=0.5", ", trainable=False")}'

    def matrix(self) -> str:
        """A matrix: an existing one as often as a new one."""
        if not self.matrices or self.pick(True, False):
            name = f"M{len(self.matrices) + 1}"
            self.lines.append(f"{name} = net.matrix({self.parameter('W')})")
            self.matrices.append(name)
        return self.pick(*self.matrices) + self.pick("", "", ".T")

    # --- kinds of lines ------------------------------------------------------------------------------

    def embed(self) -> None:
        """The first layer; the tokens of a sequence stay separate or are read as one."""
        data = self.pick("x", "x", "x", "x.mean(1)") if self.tokens else "x"
        name, rest = self.parameter("U").split(", ", 1)
        self.add(f"net.input({name}, {data}, {rest})", self.tokens if data == "x" else 0, 1)

    def dense(self) -> None:
        x = self.vector()
        assert x is not None
        self.add(f"{self.matrix()} @ {x.name}", x.tokens, 1)

    def nonlinear(self) -> None:
        x = self.vector(degree=2)
        if x is None:
            return
        phi = self.pick(*TAME, *TAME, "square", "cube", "exp", *JUMPS)
        degree = {"square": 2 * x.degree, "cube": 3 * x.degree, "exp": 3, "erf": 0, "tanh": 0, "sin": 0, "cos": 0}
        if degree.get(phi, 1) > 3 or (phi == "exp" and x.degree > 1):
            phi = "erf"
        argument = f"0.3 * {x.name}" if phi == "exp" else x.name
        self.add(f"nv.{phi}({argument})", x.tokens, degree.get(phi, x.degree))

    def own_nonlinearity(self) -> None:
        x = self.vector(degree=2)
        if x is None:
            return
        y = self.vector(tokens=x.tokens, degree=2) or x
        written = self.pick("swish({x})", "gate({x}, {y})", "slope({x}, 0.7)", "nv.leaky_relu({x}, 0.1)")
        self.add(written.format(x=x.name, y=y.name), x.tokens, max(1, x.degree))

    def affine(self) -> None:
        x = self.vector()
        assert x is not None
        y = self.vector(tokens=x.tokens) or x
        written = self.pick("{x} + {y}", "{x} - 0.5 * {y}", "({x} + {y}) / 2", "-{x}", "{x} + 0.5", "1.0 - {x}")
        self.add(written.format(x=x.name, y=y.name), x.tokens, max(x.degree, y.degree))

    def bias(self) -> None:
        x = self.vector()
        assert x is not None
        if self.pick(True, True, False):
            self.add(f'{x.name} + net.bias("{self.name("b")}", std=sigma_b)', x.tokens, max(1, x.degree))
            return
        name = self.name("v")  # a vector that a readout may be tied to
        self.lines.append(f'{name} = net.vector("{name}", std=sigma_u)')
        self.shared.append(name)
        self.add(f"{x.name} + {name}", x.tokens, max(1, x.degree))

    def product(self) -> None:
        x = self.vector(degree=1)
        if x is None:
            return
        y = self.vector(tokens=x.tokens, degree=1) or x
        self.add(f"{x.name} * {y.name}", x.tokens, x.degree + y.degree)

    def statistics(self) -> None:
        """Moments: layernorm, centring, weights that are inner products."""
        x = self.vector(degree=1)
        if x is None:
            return
        y = self.vector(tokens=x.tokens, degree=1) or x
        written = self.pick(
            "nv.layernorm({x})",
            "nv.layernorm({x}, eps=0.1)",
            "{x} - nv.moment({x})",
            "nv.inner({x}, {y}) * {y}",
            "nv.sqrt(nv.inner({x}, {x}) + 0.5) * {y}",
            "{x} + nv.moment(nv.relu({y}))",
        )
        self.add(written.format(x=x.name, y=y.name), x.tokens, max(x.degree, y.degree, 1))

    def over_tokens(self) -> None:
        """Sequences: pooling, indexing, reordering, attention, a graph's edges, recurrence."""
        xs = [v for v in self.vectors if v.tokens]
        if not xs:
            self.dense()
            return
        x = self.pick(*xs[-3:])
        t, name = x.tokens, x.name
        flat = self.vector(tokens=0)
        rules = [
            (f"{name}.mean(1)", 0),
            (f"{name}.sum(1)", 0),
            (f"{name}[:, 0]", 0),
            (f"{name}[:, -1]", 0),
            (f"{name}[:, ::-1]", t),
            (f"{name}.reshape(-1, {t})", t),
            (f"{name}.transpose(1, 0).transpose(1, 0)", t),
            (f"nv.softmax(nv.inner({name}[:, :, None], {name}[:, None, :])) @ {name}", t),
            (f"nv.einsum('ts,bs->bt', np.tri({t}), {name})", t),
            (f"nv.stack([h for h in {name}.transpose(1, 0)], 1)", t),
        ]
        if t == 2:
            rules += [(f"nv.concatenate([{name}, {name}], 1)", 4), (f"{name}.pad(((0, 0), (1, 0)))", 3)]
            same = self.vector(tokens=2)
            rules += [(f"nv.concatenate([{name}, {same.name if same else name}], 1)", 4)]
        if flat is not None:
            rules += [(f"{name} + {flat.name}[:, None]", t)]
        expression, tokens = self.pick(*rules)
        self.add(expression, tokens, max(1, x.degree))

    def recurrent(self) -> None:
        """Two more steps of one matrix."""
        x = self.vector()
        assert x is not None
        W, phi = self.matrix(), self.pick("relu", "erf", "tanh")
        h = self.add(f"nv.{phi}({W} @ {x.name})", x.tokens, 1)
        self.add(f"nv.{phi}({W} @ {h.name} + {x.name})", x.tokens, max(1, x.degree))

    def repeated(self) -> None:
        x = self.vector()
        assert x is not None
        layer = self.pick(
            "nv.relu(net.matrix({W}) @ h)",
            "h + nv.erf(net.matrix({W}) @ h)",
            "net.matrix({W}) @ nv.relu(h) + net.bias({b}, std=sigma_b)",
            "nv.layernorm(h + net.matrix({W}) @ nv.relu(h))",
            f"nv.relu({self.matrices[0]} @ h)" if self.matrices else "nv.relu(net.matrix({W}) @ h)",
        )
        layer = layer.format(W=self.parameter("R"), b=f'"{self.name("b")}"')
        self.add(f"net.repeat({self.pick(1, 2, 3)}, lambda net, h: {layer}, {x.name})", x.tokens, max(1, x.degree))

    def normalised(self) -> None:
        """Batch normalisation, over the batch."""
        x = self.vector(degree=1)
        if x is None or self.batch < 4:
            self.dense()
            return
        self.add(self.pick("nv.relu(nv.batchnorm({x}))", "nv.batchnorm({x})").format(x=x.name), x.tokens, 1)

    def stack_of_two(self) -> None:
        x, y = self.vector(tokens=0), self.vector(tokens=0)
        if x is None or y is None:
            self.dense()
            return
        self.add(f"nv.stack([{x.name}, {y.name}], 1)", 2, max(x.degree, y.degree))

    def mistake(self) -> None:
        x = self.vector()
        assert x is not None
        self.lines.append(self.pick(*MISTAKES).format(x=x.name, W=self.matrix(), s=f"nv.moment({x.name})"))

    def readout(self) -> None:
        """The last lines: one number for each input."""
        x = self.vectors[-1]
        kind = self.pick("random", "random", "random", "random", "mean", "inner", "tied", "shifted")
        if x.tokens and kind == "random" and self.pick(True, False):
            self.lines.append(f'return net.readout("v", {x.name}, axes=1)')
            return
        if x.tokens:
            x = self.add(f"{x.name}.mean(1)", 0, x.degree)
        y = self.vector(tokens=0, degree=1) or x
        if kind == "tied" and self.shared:
            self.lines.append(f"return net.readout({self.shared[0]}, {x.name})")
        elif kind == "mean":
            self.lines.append(f"return nv.moment({x.name})")
        elif kind == "inner":
            self.lines.append(f"return nv.inner({x.name}, {y.name})")
        elif kind == "shifted":
            self.lines.append(f'return net.readout("v", {x.name}, mean=1.0)')
        else:
            std = self.pick("sigma_w", "1.0")
            self.lines.append(f'return net.readout("v", {x.name}, std={std})')


def write(choose: Callable[[Sequence[Any]], Any]) -> Example:
    """A program of three to ten instructions besides its parameters, one in twelve of them with a mistake."""
    tokens = choose((0, 0, 2))
    batch = 2 if tokens else choose((2, 2, 2, 2, 5))
    writer = Writer(choose, batch, tokens)
    steps = (
        *(writer.dense,) * 4,
        *(writer.nonlinear,) * 5,
        *(writer.affine,) * 2,
        *(writer.over_tokens,) * (4 if tokens else 0),
        *(writer.normalised,) * (3 if batch == 5 else 0),
        *(writer.bias,) * 2,
        writer.own_nonlinearity,
        writer.product,
        writer.statistics,
        writer.statistics,
        writer.recurrent,
        writer.repeated,
        writer.stack_of_two,
        writer.embed,
    )
    writer.embed()
    length = choose(range(1, 8))
    wrong = choose(range(length)) if choose(range(12)) == 11 else None
    for k in range(length):
        choose(steps)()
        if k == wrong:
            writer.mistake()
    writer.readout()
    sigmas = ", ".join(f"{name}={choose(values)}" for name, values in SIGMAS.items())
    source = f"def network(net, x, *, {sigmas}):\n" + "".join(f"    {line}\n" for line in writer.lines)
    # A batch to be normalised has features enough for its NTK to be finite: its rows must span three directions.
    shape = (batch, tokens, 2) if tokens else (batch, 2 if batch == 2 else 4)
    inputs = choose(("random",) * 6 + ("equal", "opposite", "one is zero"))
    return Example(source, choose(("ntk", "ntk4a")), shape, inputs, wrong is not None)


SIGMAS = {"sigma_w": (1.0, 1.3, 0.7), "sigma_u": (1.0, 1.5), "sigma_b": (0.0, 0.5)}


@st.composite
def programs(draw: Callable[[Any], Any]) -> Example:
    """Programs as hypothesis chooses them, which it makes shorter when one fails."""
    return write(lambda options: draw(st.sampled_from(options)))


def program_number(number: int, seed: int = 0) -> Example:
    """Program number `number`, the same in every run."""
    return write(random.Random(f"{seed}:{number}").choice)
