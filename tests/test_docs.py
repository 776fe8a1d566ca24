"""The API reference: complete, made without a warning, and readable without a network."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = {
    "ntkviz.html": "ntkviz/__init__.py",
    "ntkviz/architectures.html": "ntkviz/architectures/__init__.py",
    "ntkviz/regression.html": "ntkviz/regression.py",
    "ntkviz/app.html": "ntkviz/app/__init__.py",
}


@pytest.fixture(scope="module")
def pages(root, tmp_path_factory) -> Path:
    """The reference, made in a process of its own: making it runs what the modules import for types only."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-W", "error::UserWarning", root / "docs/api.py", folder]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"JAX_PLATFORMS": "cpu"})
    assert (done.returncode, done.stderr) == (0, "")
    return folder


def offered(path: Path) -> set[str]:
    """The names a package imports from its modules, or those a file defines."""
    body = ast.parse(path.read_text()).body
    if path.name == "__init__.py":
        imports = [node for node in body if isinstance(node, ast.ImportFrom) and node.module]
        names = {alias.asname or alias.name for node in imports for alias in node.names if node.level}
        return {name for name in names if name[0] != "_"}
    names = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return {name for name in names if name[0] != "_"}


@pytest.mark.parametrize("page", PAGES)
def test_every_public_name_is_on_its_page(root, pages, page):
    html = (pages / page).read_text()
    sections = html.split('<section id="')[1:]
    described = {section.split('"')[0]: '<div class="docstring">' in section for section in sections}
    names = offered(root / PAGES[page])
    assert {name for name in described if "." not in name} == names
    # A nonlinearity is a value, not a function: its name says what it is.
    assert {name for name in names if not described[name]} == (
        offered_nonlinearities(root) if page == "ntkviz.html" else set()
    )


def offered_nonlinearities(root: Path) -> set[str]:
    """The names that `ntkviz` takes from the table of nonlinearities."""
    body = ast.parse((root / "ntkviz/__init__.py").read_text()).body
    imports = [node for node in body if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports for alias in node.names if node.module == "language.nonlinearities"}


def foreign(html: str) -> list[str]:
    """The addresses on other hosts that a browser loads with a page; links are not followed."""
    loaded = re.findall(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']([^\"']*)", html)
    loaded += re.findall(r"(?:@import\s+|url\()[\"']?([^\"')]*)", html)
    return [address for address in loaded if re.match(r"(https?:)?//", address)]


@pytest.mark.parametrize(
    "html",
    [
        '<script id="m" async src="https://cdn.example/m.js"></script>',
        '<link rel="stylesheet" href="//cdn.example/s.css">',
        '<style>@import "http://cdn.example/s.css"; a {}</style>',
        "<style>@font-face {src: url(https://cdn.example/f.woff)}</style>",
    ],
)
def test_a_foreign_address_is_seen(html):
    assert len(foreign(html)) == 1


def test_pages_ask_no_host(pages):
    found = {path.name: foreign(path.read_text()) for path in pages.rglob("*.html")}
    assert len(found) == len(PAGES) + 1
    assert not any(found.values()), found


def test_the_way_from_page_to_page(pages):
    assert "./ntkviz.html" in (pages / "index.html").read_text()
    first = (pages / "ntkviz.html").read_text()
    assert all(f'href="{page}"' in first or f'href="./{page}"' in first for page in PAGES if "/" in page)
    assert "MathJax" not in first


def test_an_architecture_is_shown_as_it_is_called(pages):
    html = (pages / "ntkviz/architectures.html").read_text()
    shown = re.sub(r"<[^>]+>", "", html.split('<section id="mlp">')[1].split('<div class="docstring">')[0])
    signature, source = shown.split("View Source", 1)
    assert "depth" in signature
    assert "parametrization" in signature
    assert "net.readout" in source
