"""What others need to cite the project agrees with the package, and the versions of its documentation are listed."""

import importlib.util
import json
import re
import tomllib

import pytest
import yaml


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def citation(root):
    return yaml.safe_load((root / "CITATION.cff").read_text())


def test_the_citation_file_is_complete_and_of_this_version(citation, project):
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "abstract", "type"} <= set(citation)
    assert {name: citation[name] for name in ("version", "license", "keywords")} == {
        name: project[name] for name in ("version", "license", "keywords")
    }
    for one in citation["references"]:
        [identifier] = one["identifiers"]
        assert one["url"] == f"https://arxiv.org/abs/{identifier['value'].removeprefix('arXiv:')}"
        assert {"type", "title", "authors", "year"} <= set(one)


def test_the_metadata_for_a_doi_say_the_same(root, citation):
    zenodo = json.loads((root / ".zenodo.json").read_text())
    assert {name: zenodo[name] for name in ("title", "license", "keywords")} == {
        name: citation[name] for name in ("title", "license", "keywords")
    }
    assert zenodo["upload_type"] == citation["type"]
    assert zenodo["description"] == " ".join(citation["abstract"].split())
    assert [one["name"] for one in zenodo["creators"]] == [one["name"] for one in citation["authors"]]
    cited = {identifier["value"] for one in citation["references"] for identifier in one["identifiers"]}
    assert {one["identifier"] for one in zenodo["related_identifiers"]} == cited


def test_the_changelog_begins_with_this_version(root, project):
    text = (root / "CHANGELOG.md").read_text()
    assert re.search(r"^## (\S+)", text, re.MULTILINE)[1] == project["version"]
    assert "### In short" in text


def test_every_file_that_backs_what_is_new_exists(root):
    text = (root / "docs/what_is_new_here.md").read_text()
    named = re.findall(r"`((?:benchmarks|tests)/[\w./]+)`", text)
    assert len(named) >= 5
    assert [name for name in named if not (root / name).exists()] == []


def test_the_entry_to_copy_is_of_this_version(root, project):
    assert f"version = {{{project['version']}}}" in (root / "docs/what_is_new_here.md").read_text()


@pytest.fixture(scope="module")
def versions(root):
    spec = importlib.util.spec_from_file_location("versions", root / "docs/versions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_newest_version_comes_first(versions, tmp_path):
    for name in ("0.9.0", "0.10.0", "site", "0.2.1"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text("")
    (tmp_path / "1.0.0").mkdir()  # without pages
    versions.main(tmp_path)
    listed = json.loads((tmp_path / "versions.json").read_text())
    assert [one["version"] for one in listed] == ["0.10.0", "0.9.0", "0.2.1"]
    assert [one["aliases"] for one in listed] == [["latest"], [], []]
    assert "url=0.10.0/index.html" in (tmp_path / "index.html").read_text()


def test_a_folder_without_versions_is_refused(versions, tmp_path):
    with pytest.raises(SystemExit, match="make docs-version"):
        versions.main(tmp_path)
