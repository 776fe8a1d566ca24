"""Links to the lessons on Binder and on a JupyterHub."""

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from ntkviz.app.course import links
from ntkviz.app.course.chapter import chapters


def test_binder_gets_a_repository_of_github_by_its_name_and_any_other_by_its_address():
    one, other = (links.on_binder(f"https://{host}/ann/course", "main", "voila/render/a.ipynb") for host in HOSTS)
    assert one == "https://mybinder.org/v2/gh/ann/course/main?urlpath=voila%2Frender%2Fa.ipynb"
    assert (
        other
        == "https://mybinder.org/v2/git/https%3A%2F%2Fgit.example.org%2Fann%2Fcourse/main?urlpath=voila%2Frender%2Fa.ipynb"
    )


HOSTS = "github.com", "git.example.org"


def test_nbgitpuller_opens_the_notebook_in_the_folder_that_git_makes():
    link = links.on_hub("https://hub.example.org/", "https://github.com/ann/course.git", "main", "a.ipynb")
    asked = parse_qs(urlsplit(link).query)
    assert link.startswith("https://hub.example.org/hub/user-redirect/git-pull?")
    assert asked["urlpath"] == ["lab/tree/course/notebooks/a.ipynb"]
    assert asked["repo"] == ["https://github.com/ann/course.git"]


def test_every_page_has_its_links(root, capsys):
    links.main(root / "notebooks", ["https://github.com/ann/course", "--hub=https://hub.example.org"])
    badge, _, *rows = capsys.readouterr().out.splitlines()
    assert badge.startswith("[![Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/ann/course/")
    pages = chapters(root / "notebooks")
    assert len(rows) == len(pages)
    for row, page in zip(rows, pages, strict=True):
        assert unquote(row).count(page.file) == 2


def test_links_to_another_language_lead_to_its_folder_on_binder_and_to_no_hub(root, capsys):
    links.main(root / "notebooks", ["https://github.com/ann/course", "--language=zh"])
    badge, _, *rows = capsys.readouterr().out.splitlines()
    assert "voila/render/zh/00_home.ipynb" in unquote(badge)
    assert "MLP：" in next(row for row in rows if "voila/render/zh/09_mlp.ipynb" in unquote(row))
    with pytest.raises(SystemExit):
        links.main(
            root / "notebooks", ["https://github.com/ann/course", "--language=zh", "--hub=https://hub.example.org"]
        )
    assert "leave out --hub" in capsys.readouterr().err


def test_something_else_than_an_address_is_refused_by_one_sentence(root, capsys):
    with pytest.raises(SystemExit):
        links.main(root / "notebooks", ["course"])
    assert "course is not the address of a repository, such as https://" in capsys.readouterr().err
