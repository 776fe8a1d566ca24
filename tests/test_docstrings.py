"""Public docstrings follow Google's style: they document every parameter, the result, and the errors raised directly.

Public objects are those that `ntkviz/__init__.pyi` names, those that the errors, the regression and the architectures
define, and what these return: the handles of a program that is being written, and the results of readings, with their
methods.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import griffe
import pytest

from ntkviz import errors

PACKAGE = Path(__file__).parents[1] / "ntkviz"
HANDED_OUT = {
    "language.handle": ["Value"],
    "language.text.listing": ["Line"],
    "language.network": ["Network"],
    "language.recording": ["Recorder"],
    "language.values": ["Matrix", "Output", "Scalar", "Vector"],
    "execution.cost": ["Cost"],
    "kernels.results": ["DeviationTable"],
    "calculus.results": ["Estimate", "Law", "Limit", "Recurrence"],
    "calculus.walkthrough": ["Average", "Step"],
}
RECORDS = ("dataclass", "dataclasses.dataclass")
OLD_DIALECT = re.compile(r"\*\*(Arguments|Parameters|Returns|Raises|Fields)\*\*|^Raises `", re.MULTILINE)
ERRORS = {name for name, value in vars(errors).items() if inspect.isclass(value) and name.endswith("Error")}


def named() -> Iterator[str]:
    """Where every public function and class is defined, below `ntkviz`."""
    for node in ast.parse((PACKAGE / "__init__.pyi").read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for path in [PACKAGE / "errors.py", PACKAGE / "regression.py", *(PACKAGE / "architectures").glob("[!_]*.py")]:
        module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        definitions = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
        yield from (f"{module}.{node.name}" for node in definitions)
    for module, names in HANDED_OUT.items():
        yield from (f"{module}.{name}" for name in names)


def found(package: griffe.Object, path: str) -> Iterator[griffe.Object]:
    """The object at a path, and the public methods and properties of a class."""
    thing = package[path]
    if thing.name.startswith("_") or not (thing.is_class or thing.is_function):
        return  # a nonlinearity is a value; the reference lists them in a table
    yield thing
    if thing.is_class:
        for member in thing.members.values():
            method = member.is_function or "property" in member.labels
            if method and not member.name.startswith("_"):
                yield member


@cache
def public() -> dict[str, griffe.Object]:
    package = griffe.load("ntkviz", search_paths=[str(PACKAGE.parent)], docstring_parser="google")
    return {thing.path: thing for path in dict.fromkeys(named()) for thing in found(package, path)}


def text(thing: griffe.Object) -> str:
    return inspect.cleandoc(thing.docstring.value) if thing.docstring else ""


def entries(docstring: str, section: str) -> list[str]:
    """The names that a section of a docstring explains; the empty string stands for one that explains something else.

    >>> entries("What it does.\\n\\nArgs:\\n    x: A number.\\n        Small.", "Args")
    ['x']
    """
    parts = re.findall(rf"^{section}:\n((?: .*\n|\n)*)", docstring + "\n", re.MULTILINE)
    lines = [line for part in parts for line in textwrap.dedent(part).split("\n") if line and line[0] != " "]
    return [match[1] if (match := re.match(r"(\*{0,2}\w+): \S", line)) else "" for line in lines]


def raised(thing: griffe.Object) -> set[str]:
    """The errors of ntkviz that a function raises directly, or a class on creation."""
    [node] = ast.parse(textwrap.dedent(thing.source)).body
    if isinstance(node, ast.ClassDef):
        made = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name in ("__init__", "__post_init__")]
    else:
        made = [node]
    calls = [e.exc for n in made for e in ast.walk(n) if isinstance(e, ast.Raise) and isinstance(e.exc, ast.Call)]
    return {call.func.id for call in calls if isinstance(call.func, ast.Name)} & ERRORS


def is_architecture(function: griffe.Function) -> bool:
    return any(str(decorator.value) == "architecture" for decorator in function.decorators)


def fields(thing: griffe.Class) -> list[str]:
    """The fields of a dataclass or a NamedTuple."""
    record = any(str(d.value).split("(")[0] in RECORDS for d in thing.decorators)
    if not record and "NamedTuple" not in map(str, thing.bases):
        return []
    return [
        name
        for name, member in thing.members.items()
        if member.is_attribute and member.annotation and not ("property" in member.labels or name.startswith("_"))
    ]


def parameters(function: griffe.Function) -> list[str]:
    """The parameters that a caller passes; for an architecture, its hyper-parameters."""
    chosen = [p for p in function.parameters if p.name not in ("self", "cls")]
    if is_architecture(function):
        chosen = [p for p in chosen if p.kind is griffe.ParameterKind.keyword_only]
    stars = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
    return [stars.get(p.kind, "") + p.name for p in chosen]


def faults(thing: griffe.Object) -> list[str]:
    """What is wrong with the docstring of one object."""
    docstring = text(thing)
    if not docstring:
        return ["has no docstring"]
    wrong = ["is in another dialect"] if OLD_DIALECT.search(docstring) else []
    if thing.is_class and entries(docstring, "Attributes")[: len(fields(thing))] != fields(thing):
        wrong.append(f"has not {fields(thing)} under Attributes")
    if thing.is_function:
        if entries(docstring, "Args") != parameters(thing):
            wrong.append(f"has not {parameters(thing)} under Args")
        returns = not is_architecture(thing) and str(thing.returns) not in ("None", "NoReturn")
        if returns != bool(entries(docstring, "Returns")):
            wrong.append("says what it returns, or returns nothing" if not returns else "has no Returns")
    if thing.is_function or thing.is_class:
        told = entries(docstring, "Raises")
        wrong += [f"raises {name} and does not say so" for name in sorted(raised(thing) - set(told))]
        wrong += ["has an entry of Raises without a name"] * ("" in told)
    return wrong


@pytest.mark.parametrize("path", public())
def test_docstring_is_complete(path):
    assert faults(public()[path]) == []


def test_everything_public_is_checked():
    assert {
        "ntkviz.architectures.cnn.cnn",
        "ntkviz.language.program.Program.backward",
        "ntkviz.language.handle.Value.sum",
        "ntkviz.kernels.infinite.infinite_ntk",
        "ntkviz.regression.Regression.gradient_flow",
    } <= public().keys()
    assert len(public()) > 140


COMPLETE = '''
class NoSuchError(ValueError): ...
class HyperparameterError(ValueError): ...

def f(x: int, *more: int, **options: int) -> int:
    """What it does.

    Args:
        x: A number.
        *more: Others.
        **options: By name.

    Returns:
        Their sum.

    Raises:
        HyperparameterError: It is negative.
    """
    if x < 0:
        raise HyperparameterError("…")
    return x
'''


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("x: A number", "y: A number", "under Args"),
        ("        *more: Others.\n", "", "under Args"),
        ("**options: By name", "options: By name", "under Args"),
        ("Returns:\n        Their sum.", "", "no Returns"),
        ("HyperparameterError: It", "NoSuchError: It", "raises HyperparameterError"),
        ("Args:", "**Arguments**", "dialect"),
        ("Raises:\n        HyperparameterError: It", "Raises `HyperparameterError` if it", "dialect"),
    ],
)
def test_a_missing_entry_is_found(before, after, fault):
    with griffe.temporary_visited_module(COMPLETE) as module:
        assert faults(module["f"]) == []
    with griffe.temporary_visited_module(COMPLETE.replace(before, after)) as module:
        assert any(fault in wrong for wrong in faults(module["f"]))
