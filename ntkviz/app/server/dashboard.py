"""The application: Voilà with our settings (``CONFIG``), our addresses, and preheated kernels.

Pages load everything from this server, so they work offline. Access is restricted here (addresses), in
``page_channel.py`` (kernels) and in ``page_policy.py`` (browsers).
"""

import asyncio
import logging
import os
import signal
import subprocess
import sys
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

import platformdirs
from jupyter_events import EventLogger
from tornado.ioloop import IOLoop
from tornado.web import ErrorHandler
from traitlets import Bool, Instance, Int, List, Unicode, default
from traitlets.config import Config
from voila.app import Voila
from voila.static_file_handler import TemplateStaticFileHandler
from voila.tornado.handler import TornadoVoilaHandler

from ... import machine
from ...distant.requests import ENGINE
from .. import upstream
from ..course.chapter import chapters
from ..course.edition import editions
from .lesson import Lesson
from .page_channel import PageChannel
from .page_policy import guarded
from .printer import Printer, printer_of
from .routes import routes, template_resources
from .shelf import Shelf
from .translations import Start, Translations

HOME = "00_home.ipynb"

# Voilà looks for `voila/templates/<name>` below each of these folders, and finds ours in this one.
JUPYTER_PATH = Path(str(resources.files("ntkviz.app")))


def find_templates() -> None:
    """Let Voilà find our template, in this process and in those that it starts."""
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(JUPYTER_PATH), os.environ.get("JUPYTER_PATH")]))


CONFIG = Config(
    Voila={
        "ip": "127.0.0.1",
        "open_browser": False,
        "log_level": logging.ERROR,
        # A reader's own Jupyter settings are for their notebooks, not for this application.
        "config_file_paths": [],
        # Kernels communicate through sockets in this folder, whose whole path must stay below 104 characters (macOS).
        "connection_dir_root": "/tmp",
        "kernel_websocket_connection_class": PageChannel,
        "tornado_settings": {"websocket_max_message_size": 2**21},  # plotly's messages about a plot may reach 2¹⁸ bytes
    },
    VoilaConfiguration={
        "template": "ntkviz",
        "allow_template_override": "NO",
        "allow_theme_override": "NO",
        "strip_sources": True,
        "file_allowlist": [r".*\.(png|svg)"],
        # It draws plots that are not widgets, and would load plotly.js (5 MB) again.
        "extension_denylist": ["jupyterlab-plotly"],
        # A preheated kernel for the next reader of each chapter: a cold one takes seconds to import JAX.
        "preheat_kernel": True,
        "default_pool_size": 1,
    },
    # Anyone who has the token may read; nobody may set a password.
    PasswordIdentityProvider={"allow_password_change": False},
    # Voilà would start them all at once; `Dashboard.warm` does it one by one.
    VoilaKernelManager={"kernel_pools_config": {"default": {"pool_size": 0}}},
    # Sockets that only this user can open, instead of TCP ports, which everybody on a shared machine can.
    KernelManager={"transport": "ipc"},
    # A page shuts down its kernel when it is closed; the timeout is for pages that could not (a lost connection, say).
    AsyncMappingKernelManager={"cull_idle_timeout": 600, "cull_interval": 60},
)


class Dashboard(Voila):
    """Serve a folder of notebooks as one application that starts at its ``00_home.ipynb``."""

    hosts = List(
        Unicode(),
        config=True,
        help="Names under which readers know this server, such as lessons.example.org behind a reverse proxy. Requests "
        "for other names except localhost are refused; if no name is given, all are allowed once --Voila.ip is set.",
    )
    embedded_in = List(
        Unicode(),
        config=True,
        help="Origins whose pages may show the lessons in a frame, such as https://moodle.example.org (default: none).",
    )
    most_pages = Int(
        min=1,
        config=True,
        help="How many pages may be open at once, which is how many kernels readers can start; the next reader is "
        "asked to wait. By default as many as fit into the memory of this machine, or of the container it runs in.",
    )
    stored = Unicode(
        str(platformdirs.user_cache_path("ntkviz") / "site"),
        config=True,
        help="The folder in which `ntkviz site` has kept the chapters that it ran. Readers see their stored states at "
        "once, and get a kernel when they leave what is stored. A chapter that has changed since starts with a kernel.",
    )
    storing = Bool(
        False,
        config=True,
        help="Run chapters that are not in that folder, or have changed, in the background, with the lowest priority.",
    )
    # Shared by all kernels: otherwise each would create its own, which `logging` never releases.
    event_logger = Instance(EventLogger, args=())
    warming: asyncio.Task[None] | None = None
    recording: subprocess.Popen[bytes] | None = None

    @default("most_pages")
    def _as_memory_allows(self) -> int:
        # Light kernels leave JAX to their engine, whose two workers take 4 GB.
        engine, page = (4e9, 120e6) if ENGINE in os.environ else (0, 550e6)
        return max(1, int((machine.memory_total() - engine) / page))

    def initialize(self, argv: list[str] | None = None) -> None:
        """Read the command line.

        Raises:
            SystemExit: The folder to serve has no home notebook.
        """
        super().initialize(argv)
        self.token = self.token or os.environ.get("JUPYTER_TOKEN")  # type: ignore[has-type]  # Jupyter's own way to keep it out of `ps`
        if not Path(self.root_dir, HOME).is_file():
            raise SystemExit(
                f"There is no {HOME} in {self.root_dir}: name the folder of the notebooks, "
                "as in `python -m ntkviz.app.serve notebooks`."
            )
        for_template = template_resources(self.root_dir)
        self.voila_configuration.update_config(Config(VoilaConfiguration={"resources": for_template}))

    def init_settings(self) -> dict[str, Any]:
        """Voilà's settings, and the host names that it accepts (otherwise other sites could pose as this one)."""
        at_home = self.ip in ("localhost", "127.0.0.1", "::1")
        settings = dict(super().init_settings())
        self.contents_manager = Translations(parent=self)
        return settings | {
            "contents_manager": self.contents_manager,
            "allow_remote_access": not at_home and not self.hosts,
            "local_hostnames": ["localhost", *self.hosts],
            "embedded_in": self.embedded_in,
            "most_pages": self.most_pages,
            "shelf": Shelf(Path(self.root_dir), Path(self.stored), self._printer, self.base_url)
            if self.stored
            else None,
            "default_handler_class": guarded(ErrorHandler),
            "default_handler_args": {"status_code": 404},
        }

    def init_handlers(self) -> list[Any]:
        """Voilà's handlers without its file listing and unused routes; the root redirects to the home notebook."""
        home = {"pages": f"{self.base_url}voila/render/", "home": HOME}
        unasked = ("tree", "api/contents", "api/themes", "query", "execution")
        hidden = (r"/logout", *(f"{self.server_url}voila/{name}" for name in unasked))
        ours = {
            TornadoVoilaHandler: (f"{self.server_url}voila/render/(.*)", Lesson),
            # Voilà's own route serves any template, and fails with an internal error if the address names none.
            TemplateStaticFileHandler: (
                f"{self.server_url}voila/templates/(ntkviz/static/.+)",
                TemplateStaticFileHandler,
            ),
        }
        kept = [
            (*ours.get(rule[1], rule[:2]), *rule[2:])
            for rule in super().init_handlers()
            if rule[0] != self.server_url and not rule[0].startswith(hidden)
        ]
        added = [(self.server_url, Start, home), *routes(self.root_dir, self.server_url, self.stored)]
        return [(path, guarded(handler), *options) for path, handler, *options in [*added, *kept]]

    def _printer(self) -> Printer:
        return printer_of(self.root_dir, self.base_url, self.app.settings, self.log, self.voila_configuration)

    def listen(self) -> None:
        """Listen until interrupted, and announce the address once the port is known."""
        IOLoop.current().add_callback(self.announce)
        if self.voila_configuration.preheat_kernel:
            IOLoop.current().add_callback(self.start_warming)
        if self.stored:
            IOLoop.current().add_callback(self.print_stored)
        if self.storing:
            self.start_recording()
        super().listen()

    async def print_stored(self) -> None:
        """Print the stored pages before readers come."""
        for edition in editions(self.root_dir).values():
            for chapter in edition.chapters:
                await self.app.settings["shelf"].page(f"{edition.folder}{chapter.file}")

    def start_recording(self) -> None:
        """Run what is not stored, in another process, which ends by itself."""
        command = [sys.executable, "-m", "ntkviz.app.site.keep", self.root_dir, self.stored]
        self.recording = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def start_warming(self) -> None:
        """Start to `warm` the chapters."""
        self.warming = asyncio.create_task(self.warm())

    async def warm(self) -> None:
        """Keep preheated kernels for each chapter, started one by one in reading order while no page is being opened.

        When a class arrives, the machine first serves the readers who are waiting. A reader for whom no kernel is ready
        gets a new one, as without preheating.
        """
        manager, size = self.kernel_manager, self.voila_configuration.default_pool_size
        names = [chapter.file for chapter in chapters(self.root_dir) if chapter.number is not None]  # a guide is read
        while True:
            rest = manager.fill_delay
            name = min(names, key=manager.get_pool_size)
            if manager.get_pool_size(name) < size and not Lesson.awaited:
                try:
                    await self.start_waiting_kernel(name)
                    rest = 0
                except Exception:
                    self.log.exception("no kernel could be preheated for %s", name)
                    rest = 60
            await asyncio.sleep(rest)

    async def start_waiting_kernel(self, name: str) -> None:
        """Start one more kernel for the next readers of a notebook, and run the notebook in it.

        Raises:
            Exception: Whatever prevented it from starting; then no kernel is added.
        """
        manager = self.kernel_manager
        config, size = manager.kernel_pools_config, manager.get_pool_size(name) + 1
        manager.kernel_pools_config = {**config, name: {"pool_size": size}}
        manager.fill_if_needed(delay=0, notebook_name=name)
        manager.kernel_pools_config = config  # with which no pool fills itself
        waiting = upstream.waiting_kernels(manager, name)
        newest = waiting[-1]
        try:
            # Cancelling this coroutine only stops the waiting: Voilà fails on a start that is cancelled half-way.
            await asyncio.shield((await asyncio.shield(newest))["task"])
        except Exception:
            if newest in waiting:
                waiting.remove(newest)
            raise

    def announce(self) -> None:
        """Print the address of the dashboard; from now on Ctrl-C stops it."""
        signal.signal(signal.SIGINT, lambda *_: self.ioloop.add_callback_from_signal(self.ioloop.stop))
        made = self.identity_provider.token_generated
        token = f"?token={self.identity_provider.token}" if made else ""  # the user knows a token of their own
        print(f"ntkviz is open at {self.connection_url}{token} (Ctrl-C stops it)", flush=True)

    def stop(self) -> None:
        """Stop immediately: a reader's kernel holds nothing to save. Voilà fails on kernels that are still starting."""
        self.log.setLevel(logging.CRITICAL)  # kernels that die while starting are expected
        if self.warming:
            self.warming.cancel()
        if self.recording:
            self.recording.kill()  # nbclient would take a request to end for one that concerns a single chapter
        if starting := upstream.all_waiting_kernels(self.kernel_manager):
            self.ioloop.run_sync(partial(asyncio.wait, starting))
        self.ioloop.run_sync(partial(self.kernel_manager.shutdown_all, now=True))
        super().stop()
