"""The command `ntkviz`, from a wheel and from a source distribution, in an empty folder."""

import json
import os
import socket
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import jax
import pytest

from ntkviz import __main__ as command
from ntkviz import doctor, machine
from ntkviz.app.site.page import Addresses


def built(kind: str, root: Path, folder: Path) -> Path:
    """The package, built by the project's own backend, without a network."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder], cwd=root, check=True)
    [file] = folder.iterdir()
    return file


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory) -> Path:
    return built("wheel", root, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> dict[str, str]:
    """The environment of a Python that finds the wheel instead of the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    offline = ["--no-deps", "--no-index", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "install", *offline, "--target", folder, wheel], check=True)
    return os.environ | {"PYTHONPATH": str(folder)}


def test_source_distribution_makes_the_same_wheel(root, wheel, tmp_path):
    source = built("sdist", root, tmp_path / "source")
    with tarfile.open(source) as archive:
        archive.extractall(tmp_path, filter="data")
    again = built("wheel", tmp_path / source.name.removesuffix(".tar.gz"), tmp_path / "wheel")
    contents = [{(f.filename, f.CRC) for f in zipfile.ZipFile(file).infolist()} for file in (wheel, again)]
    assert contents[0] == contents[1]


@contextmanager
def running(arguments: list[str], folder: Path, environment: dict[str, str]):
    """The command in a folder; yields the first line that it prints."""
    options = {"cwd": folder, "env": environment, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-m", "ntkviz", *arguments], **options) as process:
        try:
            yield process.stdout.readline()
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_command_opens_the_course_in_an_empty_folder(installed, tmp_path):
    options = ["--no-browser", f"--port={free_port()}", "--VoilaConfiguration.preheat_kernel=False"]
    with running(options, tmp_path, installed) as line:
        [address] = [word for word in line.split() if word.startswith("http")]
        with urllib.request.urlopen(address) as home:
            page = home.read().decode()
    assert "02_ntk.ipynb" in page
    assert list(tmp_path.iterdir()) == []


def test_installed_package_holds_the_notebooks(root, installed, tmp_path):
    code = "from ntkviz.__main__ import notebooks; print(*(f.name for f in notebooks().iterdir()), notebooks())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=installed, capture_output=True, text=True, check=True
    )
    *names, folder = done.stdout.split()
    assert Path(folder).is_relative_to(installed["PYTHONPATH"])
    assert {name for name in names if name.endswith(".ipynb")} == {f.name for f in (root / "notebooks").glob("*.ipynb")}


def test_checkout_uses_its_own_notebooks(root):
    assert command.notebooks() == root / "notebooks"


def test_lab_opens_copies_and_keeps_what_is_there(root, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("jupyterlab.labapp.LabApp.launch_instance", opened.append)
    mine = tmp_path / "mine" / "02_ntk.ipynb"
    mine.parent.mkdir()
    mine.write_text("my own")
    command.main(["lab", str(mine.parent), "--port=9000"])
    assert opened[0][0] == str(mine.parent)
    assert opened[0][-1] == "--port=9000"
    assert mine.read_text() == "my own"
    assert {f.name for f in mine.parent.iterdir()} == {f.name for f in (root / "notebooks").glob("*.ipynb")}
    assert json.loads((mine.parent / "03_training.ipynb").read_text())["cells"]


@pytest.mark.parametrize("name", ["app", "classroom"])
def test_other_options_go_to_voila(name, monkeypatch):
    given = []
    module = "serve" if name == "app" else name
    monkeypatch.setattr(f"ntkviz.app.{module}.main", given.append)
    command.main([name, "--port=9000", "--no-browser"])
    assert given[0][0] == str(command.notebooks())
    assert given[0][-2:] == ["--port=9000", "--no-browser"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["curse"], "invalid choice: 'curse'"), (["doctor", "x"], "doctor takes no folder: x")],
)
def test_wrong_arguments_are_refused(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_without_the_course_it_says_how_to_install_it():
    code = "import sys; sys.modules['voila'] = None; from ntkviz.__main__ import main; main([])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr == 'The course is not installed (voila is missing): pip install "ntkviz[app]"\n'


def test_doctor_reports_what_there_is(capsys, monkeypatch, tmp_path):
    (tmp_path / "compiled").write_bytes(bytes(2_000_000))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    command.main(["doctor"])
    said = capsys.readouterr().out
    assert f"ntkviz {metadata.version('ntkviz')}" in said
    assert f"JAX {jax.__version__} computes on: cpu" in said
    assert f"2 MB in {tmp_path}" in said
    assert "the course: installed" in said
    assert f"processors: {machine.cores()}" in said


def test_doctor_names_what_is_missing(monkeypatch):
    monkeypatch.setattr(doctor, "_installed", lambda name: name not in ("flax", "voila", "plotly"))
    monkeypatch.setattr(machine, "memory_available", lambda: 1e9)
    monkeypatch.setattr("shutil.which", lambda program: program)
    said = "\n".join(doctor.report())
    assert '! the course: plotly, voila missing: pip install "ntkviz[app]"' in said
    assert '! models in Flax: flax missing: pip install "ntkviz[flax]"' in said
    assert "! less than 2 GB" in said
    assert "! there is an NVIDIA GPU that JAX does not use" in said
    assert "models in Equinox: installed" in said


def test_doctor_knows_every_optional_part():
    assert {*doctor._FOR} == {*metadata.metadata("ntkviz").get_all("Provides-Extra")} - {"test"}


def test_site_takes_a_folder_and_options_of_its_own(monkeypatch, tmp_path, capsys):
    given = []

    def build(notebooks, folder, cache, *options):
        given.append((notebooks, folder, cache, *options))
        (folder / "index.html").write_bytes(bytes(2_000_000))
        yield "1 · One"

    monkeypatch.setattr("ntkviz.app.site.command.build", build)
    site, cache = tmp_path / "site", tmp_path / "cache"
    options = ["--address=https://example.org/", "--live=http://live.org", "--seconds=3", "--languages=zh"]
    command.main(["site", str(site), *options, f"--cache={cache}"])
    addresses = Addresses("https://example.org", "http://live.org")
    assert given == [(command.notebooks(), site, cache, addresses, 3.0, ["zh"])]
    assert capsys.readouterr().out.startswith("1 · One\n2 MB. Open ")


def test_site_refuses_a_folder_that_cannot_be_written(capsys, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        command.main(["site", str(tmp_path / "file" / "site")])
    assert "cannot be written (Not a directory); name another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "said"),
    [("--live=example.org", "it must start with https:// or http://"), ("--languages=en,xx", "there is no xx among")],
)
def test_site_refuses_an_option(capsys, tmp_path, option, said):
    with pytest.raises(SystemExit):
        command.main(["site", str(tmp_path), option])
    assert said in capsys.readouterr().err


def test_lab_has_copies_of_the_notebooks_in_a_language(root, tmp_path):
    for language, title in (("en", "MLP: order and chaos"), ("zh", "MLP：有序与混沌")):
        copy = command.copied(tmp_path / language, language) / "09_mlp.ipynb"
        assert json.loads(copy.read_text())["metadata"]["title"] == title
    for notebook in (root / "notebooks").glob("*.ipynb"):
        assert (tmp_path / "en" / notebook.name).read_bytes() == notebook.read_bytes()
