"""The documentation is complete, builds without a warning, and can be read without a network."""

import ast
import os
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from selection import full
from two_languages import differences

import ntkviz
from ntkviz.language import Nonlinearity
from ntkviz.language.nonlinearities import nonlinearity as nonlinearities

ROOT = Path(__file__).parents[1]
NONLINEARITIES = {name for name, value in vars(nonlinearities).items() if isinstance(value, Nonlinearity)} & {
    *ntkviz.__all__,
    "abs",
}
"""Values, not functions: `api/nonlinearities.md` has a table of them."""


@pytest.fixture(scope="module", params=["02_ntk 14_transformer", full("all")])
def site(request, root, tmp_path_factory) -> Path:
    """The site, built in a separate process; a warning is an error. Most of its time would go into the solutions."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "NTKVIZ_SOLUTIONS": request.param}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder


def described(page: str) -> list[str]:
    """The names that a page of the reference describes."""
    return re.findall(r"^::: (\S+)$", page, re.MULTILINE)


def defined(path: Path) -> set[str]:
    """The public functions and classes of a file."""
    body = ast.parse(path.read_text()).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return {name for name in names if name[0] != "_"}


def imported(path: Path) -> set[str]:
    """The public names that a package imports from its modules."""
    body = ast.parse(path.read_text()).body
    imports = [node for node in body if isinstance(node, ast.ImportFrom) and node.module and node.level]
    names = {alias.asname or alias.name for node in imports for alias in node.names}
    return {name for name in names if name[0] != "_"}


def test_every_public_name_is_described_once(root):
    names = [name for page in (root / "docs/api").glob("*.md") for name in described(page.read_text())]
    assert len(names) == len(set(names))
    package = root / "ntkviz"
    offered = {
        "app": imported(package / "app/__init__.pyi"),
        "architectures": imported(package / "architectures/__init__.py"),
        "regression": defined(package / "regression.py"),
        "errors": {name for name in defined(package / "errors.py") if name.endswith("Error")},
    }
    for part, expected in offered.items():
        assert {name.split(".")[-1] for name in names if name.startswith(f"ntkviz.{part}.")} == expected
    top = {name.removeprefix("ntkviz.") for name in names if name.count(".") == 1}
    elsewhere = NONLINEARITIES | offered["errors"] | {"architectures", "regression"}
    assert top | elsewhere == {*ntkviz.__all__, "abs"}


def test_the_table_of_nonlinearities_is_complete(root):
    table = (root / "docs/api/nonlinearities.md").read_text()
    assert set(re.findall(r"`nv\.(\w+)`", table)) - {"nonlinearity"} == NONLINEARITIES


def foreign(html: str) -> list[str]:
    """The addresses on other hosts that a browser loads with a page; links do not count."""
    loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']([^\"']*)", html)
    loaded += re.findall(r"<link\b(?![^>]*canonical)[^>]*?\bhref=[\"']([^\"']*)", html)
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
def test_an_address_on_another_host_is_found(html):
    assert len(foreign(html)) == 1


def test_pages_load_nothing_from_other_hosts(site):
    found = {path.name: foreign(path.read_text()) for path in site.rglob("*.html")}
    assert len(found) > 10
    assert not any(found.values()), found


def broken(page: Path, site: Path) -> list[str]:
    """The links of a page that lead to no page, no section and no chapter; those to other hosts are not followed."""
    html, found = page.read_text(), []
    for link in {unescape(link) for link in re.findall(r'<a\b[^>]*? href="([^"]*)"', html)}:
        address, _, section = link.partition("#")
        target = (page.parent / address).resolve() if address else page
        if re.match(r"[a-z]+:", link):
            continue
        if target.parent in {(site / folder).resolve() for folder in ("../site", "../site/zh")}:
            known = target.name == "index.html" or (ROOT / "notebooks" / f"{target.stem}.ipynb").is_file()
        else:
            known = target.exists() and (not section or f'id="{section}"' in target.read_text())
        found += [] if known else [link]
    return found


def test_every_link_leads_somewhere(site):
    pages = [page for page in site.rglob("*.html") if page.name != "404.html"]
    assert (
        sum('href="../../site/' in page.read_text() for page in pages) == 6
    )  # the plans and the notes, in two languages
    assert {page.name: links for page in pages if (links := broken(page, site))} == {}


def test_teachers_find_notes_solutions_and_homework(site):
    notes, solved = ((site / "teaching" / f"{name}.html").read_text() for name in ("notes", "solutions"))
    assert '<a href="../../site/02_ntk.html#other=5">A one instead of a zero</a>' in notes
    assert "Most will say no. This is the whole argument" in notes
    assert "40,401" in solved  # a number that one reader in three is asked for
    assert "because " in solved
    assert "$" not in notes + re.sub(r"<(script|style).*?</\1>", "", solved, flags=re.DOTALL).replace("${", "")
    assert len(list((site / "teaching/homework").glob("*.ipynb"))) == 3


def test_chinese_notes_and_homework_lead_to_the_chinese_course(site):
    notes = (site / "teaching/notes.zh.html").read_text()
    assert '<a href="../../site/zh/02_ntk.html#other=5">把“零”换成“一”</a>' in notes
    assert 'href="../../site/0' not in notes
    assert "*" not in re.sub(r"<(script|style).*?</\1>|<[^>]*>", "", notes.split("<article")[1], flags=re.DOTALL)
    books = sorted((site / "teaching/homework/zh").glob("*.ipynb"))
    assert [re.search("作业 [1-3]", book.read_text()) is not None for book in books] == [True] * 3


@pytest.mark.parametrize("name", ["index", "lecture_90_minutes", "three_weeks", "homework"])
def test_chinese_pages_for_teachers_are_those_in_english(root, name):
    english, chinese = ((root / f"docs/teaching/{name}{part}.md").read_text() for part in ("", ".zh"))
    english = english.replace(f"({name}.zh.md)", f"({name}.md)")  # they link to each other
    chinese = chinese.replace("(homework/zh/", "(homework/")
    ours = re.compile(r"\((\w+)(?:\.zh)?\.md(?:#[\w-]+)?\)")  # a section's address depends on its words
    assert differences(*(ours.sub(r"(\1.md)", text) for text in (english, chinese))) == []


def test_pages_contain_the_text_of_their_sources(site):
    html = (site / "api/limits.html").read_text()
    assert 'id="ntkviz.infinite_ntk"' in html
    assert "Tensor Programs II, main theorem" in html


def test_an_architecture_is_shown_as_it_is_called(site):
    html = (site / "api/architectures.html").read_text()
    section = html.split('id="ntkviz.architectures.mlp.mlp"')[1].split('class="doc doc-contents')[0]
    signature = re.sub(r"<[^>]+>|\s", "", section)
    assert "depth:int=2" in signature
    assert 'parametrization="ntk"' in signature
    assert "net" not in signature


def test_every_file_that_the_glossary_names_exists(root):
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", (root / "docs/glossary.md").read_text())
    assert len(named) > 10
    assert [name for name in named if not (root / "ntkviz" / name).exists()] == []
