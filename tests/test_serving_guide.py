"""The guide to serving, its example files and the program agree with each other. Nothing is served here."""

import asyncio
import configparser
import importlib.util
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_server.auth import PasswordIdentityProvider
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from jupyterlab.labapp import LabApp
from tornado.web import HTTPError
from traitlets import Container, TraitType
from traitlets.config import Config
from voila.voila_kernel_manager import voila_kernel_manager_factory

from ntkviz.app import classroom, serve, thumbnails, translation
from ntkviz.app.server.dashboard import CONFIG, Dashboard

# Nginx's words: a string, the end of a directive, the begin or end of a block, or anything else.
WORD = re.compile(r'"[^"]*"|[;{}]|[^\s;{}"]+')
HEADERS = {("Host", "$http_host"), ("Upgrade", "$http_upgrade"), ("Connection", "$connection_upgrade")}
# Voilà makes the latter class when it starts.
KNOWN_LATE = PasswordIdentityProvider, voila_kernel_manager_factory(AsyncMappingKernelManager, True, 1)
ELSEWHERE = {"JupyterNotebookApp"}  # of a package that is on Binder, but not here


@pytest.fixture(scope="module")
def guide(root) -> str:
    return (root / "docs/serving.md").read_text()


@pytest.fixture(scope="module")
def unit(root) -> configparser.SectionProxy:
    """The settings of the service in the systemd unit."""
    parser = configparser.ConfigParser(delimiters="=", interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(root / "docs/serving/ntkviz.service")
    return parser["Service"]


@pytest.fixture(scope="module")
def nginx(root) -> list[tuple[str, ...]]:
    """The directives of the nginx site, each preceded by the names of its enclosing blocks."""
    blocks: list[str] = []
    words: list[str] = []
    found = []
    text = re.sub(r"#.*", "", (root / "docs/serving/nginx.conf").read_text())
    for word in WORD.findall(text):
        if word == ";":
            found.append((*blocks, *words))
        elif word == "{":
            blocks.append(" ".join(words))
        elif word == "}":
            blocks.pop()
        else:
            words.append(word)
            continue
        words = []
    assert not blocks
    return found


@pytest.fixture
def configured(root, monkeypatch):
    """`configured(file, **environment)`: the settings made by a configuration file of Jupyter or JupyterHub."""

    def read(path: str, **environment: str) -> Config:
        config = Config()
        monkeypatch.chdir(root)
        monkeypatch.setattr(os, "environ", dict(os.environ) | environment)
        exec(compile((root / path).read_text(), path, "exec"), {"get_config": lambda: config})
        return config

    return read


def spans(text: str) -> list[str]:
    """Every text between backticks, one per line, and the lines of the command blocks."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))
    return [" ".join(span.split()) for span in [*inline, *"".join(blocks).splitlines()]]


def commands(root: Path) -> Iterator[str]:
    """Every command line and option of the dashboard that the texts and the unit contain."""
    texts = [root / name for name in ("README.md", "docs/serving.md", "docs/serving/ntkviz.service", "Makefile")]
    for text in map(Path.read_text, texts[:2]):
        yield from (span for span in spans(text) if "ntkviz.app." in span or span.startswith("--"))
    for text in map(Path.read_text, texts[2:]):
        yield from re.findall(r"^.*-m ntkviz\.app\..*$", text, re.MULTILINE)


def traits(*apps: type) -> dict[str, dict]:
    """The names of all settings of some applications, by class."""
    classes = {*apps, *KNOWN_LATE, *(cls for app in apps for cls in app().classes)}
    family = {parent for cls in classes for parent in cls.__mro__ if hasattr(parent, "class_traits")}
    return {cls.__name__: cls.class_traits(config=True) for cls in family}


def readable(trait: TraitType, value: str) -> None:
    """Raises an error if a command line may not set a trait to this value."""
    if isinstance(trait, Container):
        trait.from_string_list([value])
    else:
        trait.from_string(value)


def test_every_option_of_the_dashboard_exists(root):
    known, given = traits(Dashboard), []
    for line in commands(root):
        for name, value in re.findall(r"--([\w.]+)(?:=(\S+))?(?![\w.-])", line):
            owner, trait = Dashboard.aliases.get(name, name).split(".")
            assert trait in known.get(owner, {}), f"--{name}"
            if value and not value.startswith("$"):  # a variable of make
                readable(known[owner][trait], value)
            given.append(name)
    assert {"port", "Voila.ip", "Voila.token", "Dashboard.hosts", "Dashboard.most_pages", "pool_size"} <= set(given)


def test_every_module_that_is_started_exists(root):
    modules = {module for line in commands(root) for module in re.findall(r"ntkviz\.app\.\w+", line)}
    assert {one.__name__ for one in (serve, classroom, thumbnails, translation)} == modules
    assert all(importlib.util.find_spec(module) for module in modules)


def test_nginx_passes_to_the_port_and_the_name_that_the_unit_serves(unit, nginx):
    options = dict(re.findall(r"--([\w.]+)=(\S+)", unit["ExecStart"]))
    backends = {words[-1] for words in nginx if "proxy_pass" in words}
    assert backends == {f"http://127.0.0.1:{options['port']}"}
    assert ("server", "server_name", options["Dashboard.hosts"]) in nginx
    assert options["Voila.port_retries"] == "0"  # or it would take another port, where nginx does not look
    assert CONFIG.Voila.ip == "127.0.0.1"


def test_nginx_passes_websockets_and_limits_pages(nginx):
    outer, pages = ("server", "location /"), ("server", "location /", "location /voila/render/")
    headers = {tuple(words[3:]) for words in nginx if words[:3] == (*outer, "proxy_set_header")}
    assert headers == HEADERS
    assert (*outer, "proxy_http_version", "1.1") in nginx
    assert ("map $http_upgrade $connection_upgrade", "default", "upgrade") in nginx
    inner = {words[3]: words[4:] for words in nginx if words[:3] == pages}
    assert set(inner) == {"limit_req", "proxy_pass"}  # one header set here, and those above would not be passed
    zone = next(words for words in nginx if words[0] == "limit_req_zone")
    assert inner["limit_req"][0] == zone[2].split(":")[0]


def test_unit_hub_and_guide_name_the_same_places(root, unit, guide, configured):
    folder, user = unit["WorkingDirectory"], unit["User"]
    steps = spans(guide)
    assert any(step.startswith("git clone") and step.endswith(f" {folder}") for step in steps)
    assert any(step.startswith("useradd") and step.endswith(f" {user}") for step in steps)
    assert f"cd {folder}" in steps
    assert "/usr/bin/python3 -m venv .venv" in steps
    assert unit["ExecStart"].startswith(f"{folder}/.venv/bin/python -m ntkviz.app.")
    assert unit["Environment"] == f"HOME=/var/cache/{unit['CacheDirectory']}"
    assert unit["EnvironmentFile"].removeprefix("-") in guide
    hub = configured("docs/serving/jupyterhub_config.py", HUB_PASSWORD="sesame", NTKVIZ="")
    assert hub.Spawner.cmd[2].startswith("cd  && exec binder/start ")  # the folder that was named
    assert f'"NTKVIZ", "{folder}"' in (root / "docs/serving/jupyterhub_config.py").read_text()
    assert f"PATH={folder}/.venv/bin:$PATH HUB_PASSWORD=… jupyterhub -f {folder}/docs/serving/" in guide


def test_files_are_copied_to_the_paths_in_their_first_lines(root, guide):
    copies = dict(re.findall(r"^cp (docs/serving/\S+) (\S+)$", guide, re.MULTILINE))
    assert len(copies) == 2
    for file, place in copies.items():
        target = place + Path(file).name if place.endswith("/") else place
        assert (root / file).read_text().splitlines()[0] == f"# {target}"


def test_every_file_that_the_guide_names_exists(root, guide):
    named = re.findall(r"(?<![\w/.…])(?:docs|binder|ntkviz|tests)/[\w./]*", " ".join(spans(guide)))
    linked = [f"docs/{link}" for link in re.findall(r"\]\((?!https?:)([^)]+)\)", guide)]
    in_binder = re.findall(r"`(\w+(?:\.\w+)?)`", guide.split("## Binder")[1])
    assert len(named) > 5
    assert len(in_binder) == 4
    missing = [
        name for name in [*named, *linked, *(f"binder/{name}" for name in in_binder)] if not (root / name).exists()
    ]
    assert not missing


def test_every_page_that_an_address_opens_exists(root, guide, configured):
    asked = re.findall(r"urlpath=([\w./]+)", guide + (root / "README.md").read_text())
    hub = configured("docs/serving/jupyterhub_config.py", HUB_PASSWORD="sesame")
    binder = configured("binder/jupyter_server_config.py")
    first = {binder[app].default_url for app in ("ServerApp", "LabApp", "JupyterNotebookApp")}
    assert first == {hub.Spawner.default_url}
    pages = [page.lstrip("/") for page in [*asked, *first] if page != "lab"]
    assert len(pages) > 1
    for page in pages:
        assert (root / "notebooks" / page.removeprefix("voila/render/")).is_file(), page


def test_every_setting_of_binder_exists(configured):
    known = traits(Dashboard, ServerApp, LabApp)
    config = configured("binder/jupyter_server_config.py")
    unknown = {f"{owner}.{name}" for owner in config for name in config[owner] if name not in known.get(owner, {})}
    assert {name for name in unknown if name.split(".")[0] not in ELSEWHERE} == set()


@pytest.mark.parametrize("script", ["start", "postBuild"])
def test_binders_scripts_can_be_run(root, script):
    assert os.access(root / "binder" / script, os.X_OK)
    subprocess.run(["bash", "-n", root / "binder" / script], check=True)


def test_binder_starts_the_given_command_with_its_configuration(root):
    command = [root / "binder/start", "sh", "-c", 'echo "$JUPYTER_CONFIG_PATH" "$1"', "sh", "--ip=0.0.0.0"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    folder, option = shlex.split(done.stdout)
    assert option == "--ip=0.0.0.0"
    assert Path(folder, "jupyter_server_config.py").is_file()


@pytest.mark.parametrize(("own", "expected"), [({}, "0.5"), ({"NTKVIZ_MEMORY_GB": "1"}, "1")])
def test_binder_limits_a_computation_to_a_quarter_of_its_memory(root, tmp_path, own, expected):
    environment = {"PATH": os.environ["PATH"], "REPO_DIR": str(root), "MEM_LIMIT": "2000000000"} | own
    command = [root / "binder/start", "sh", "-c", 'echo "$PWD" "$NTKVIZ_MEMORY_GB"']
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(root), expected]


def test_binder_refuses_a_kernel_for_which_there_is_no_memory(configured):
    manager = configured("binder/jupyter_server_config.py").ServerApp.kernel_manager_class()
    manager.__class__.__len__ = lambda self: 20
    with pytest.raises(HTTPError, match="20 pages are open; close one"):
        asyncio.run(manager.start_kernel())
