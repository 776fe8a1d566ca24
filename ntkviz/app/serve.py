"""The dashboard: Voilà with our template, warm kernels and nothing to download.

    python -m ntkviz.app.serve notebooks --port=8866

Every option of Voilà works here, too (``--help-all`` lists them); ``CONFIG`` holds the values we choose instead of
Voilà's own. The page asks no host but this server, so it works with no network at all.
"""

import asyncio
import json
import logging
import os
import signal
from functools import partial
from importlib import metadata, resources
from pathlib import Path

from tornado.ioloop import IOLoop
from tornado.web import RedirectHandler, StaticFileHandler
from traitlets.config import Config
from voila.app import Voila
from voila.tornado.handler import TornadoVoilaHandler

from .theme import PAGE_HAS_PLOTLY

HOME = "00_home.ipynb"

# Voilà looks for `voila/templates/<name>` below each of these folders, and finds ours in this one.
JUPYTER_PATH = Path(__file__).parent

CONFIG = Config(
    Voila={
        "ip": "127.0.0.1",
        "open_browser": False,
        "log_level": logging.ERROR,
        # A reader's own Jupyter settings are for their notebooks, not for this application.
        "config_file_paths": [],
        # Kernels talk through sockets in here, whose whole path must stay below 104 characters (macOS).
        "connection_dir_root": "/tmp",
    },
    VoilaConfiguration={
        "template": "ntkviz",
        "allow_template_override": "NO",
        "allow_theme_override": "NO",
        "strip_sources": True,
        "file_allowlist": [r".*\.(png|svg)"],
        # It draws plots that are no widgets, and would load plotly.js (5 MB) once more.
        "extension_denylist": ["jupyterlab-plotly"],
        # A kernel waits for the next reader of each chapter: a cold one takes seconds to import JAX.
        "preheat_kernel": True,
        "default_pool_size": 1,
    },
    # Voilà would start them all at once; `Dashboard.warm` does it one by one.
    VoilaKernelManager={"kernel_pools_config": {"default": {"pool_size": 0}}},
    # Sockets that only this user can open, instead of TCP ports that everybody on a shared machine can.
    KernelManager={"transport": "ipc"},
    # A page that is closed ends its kernel; these seconds are for pages that could not say so (lost network).
    AsyncMappingKernelManager={"cull_idle_timeout": 600, "cull_interval": 60},
)


def chapters(folder: str | Path) -> list[dict]:
    """The lessons of a folder in reading order, for the template's navigation (``resources.chapters``).

    Each has its ``name`` (``02_ntk``), its ``number`` (2) and the ``title`` of its notebook's metadata.
    """
    return [
        {
            "name": path.stem,
            "number": int(path.stem.split("_")[0]),
            "title": json.loads(path.read_text("utf-8"))["metadata"].get("title", path.stem),
        }
        for path in sorted(Path(folder).glob("[0-9][0-9]_*.ipynb"))
    ]


class Lesson(TornadoVoilaHandler):
    """A chapter's page, with the cookie that lets it end its kernel when it is closed.

    Voilà's pages say so by a POST, which Jupyter's server refuses without this cookie.
    """

    async def get(self, path: str | None = None) -> None:
        """Answer with the page."""
        _ = self.xsrf_token  # asking for it sets the cookie
        await super().get(path)


class Dashboard(Voila):
    """Serve a folder of notebooks as one application that starts at its ``00_home.ipynb``."""

    warming: asyncio.Task | None = None

    def initialize(self, argv: list[str] | None = None) -> None:
        """Read the command line.

        Raises:
            SystemExit: the folder to serve has no home notebook.
        """
        super().initialize(argv)
        if not Path(self.root_dir, HOME).is_file():
            raise SystemExit(
                f"There is no {HOME} in {self.root_dir}: name the folder of the notebooks, "
                "as in `python -m ntkviz.app.serve notebooks`."
            )
        plotly = f"voila/plotly/widgetbundle.js?v={metadata.version('plotly')}"  # below the base URL
        for_template = {"chapters": chapters(self.root_dir), "plotly": plotly}
        self.voila_configuration.update_config(Config(VoilaConfiguration={"resources": for_template}))

    def init_handlers(self) -> list:
        """Voilà's pages without its list of files: the root leads to the home notebook."""
        home = f"{self.base_url}voila/render/{HOME}"
        hidden = (f"{self.server_url}voila/tree", f"{self.server_url}voila/api/contents")
        kept = [
            (rule[0], Lesson, *rule[2:]) if rule[1] is TornadoVoilaHandler else rule
            for rule in super().init_handlers()
            if rule[0] != self.server_url and not rule[0].startswith(hidden)
        ]
        plotly = {"path": str(resources.files("plotly") / "package_data")}
        return [
            (self.server_url, RedirectHandler, {"url": home, "permanent": False}),
            (f"{self.server_url}voila/plotly/(widgetbundle[.]js)", StaticFileHandler, plotly),
            *kept,
        ]

    def listen(self) -> None:
        """Listen until interrupted, and say where, once the port is known."""
        IOLoop.current().add_callback(self.announce)
        if self.voila_configuration.preheat_kernel:
            IOLoop.current().add_callback(self.start_warming)
        super().listen()

    def start_warming(self) -> None:
        """Begin to `warm` the chapters."""
        self.warming = asyncio.create_task(self.warm())

    async def warm(self) -> None:
        """Start a waiting kernel for each chapter, in reading order and one by one, so that the first is ready soon.

        A reader who is ahead of this gets a kernel of their own, as if none were ever started beforehand.
        """
        manager, size = self.kernel_manager, self.voila_configuration.default_pool_size
        for chapter in chapters(self.root_dir):
            name = f"{chapter['name']}.ipynb"
            manager.kernel_pools_config = {**manager.kernel_pools_config, name: {"pool_size": size}}
            manager.fill_if_needed(delay=0, notebook_name=name)
            try:
                for kernel in list(manager._pools[name]):
                    await (await kernel)["task"]
            except Exception:
                self.log.exception("no kernel could be started beforehand for %s", name)

    def announce(self) -> None:
        """Print the address of the dashboard, which Ctrl-C ends from now on."""
        signal.signal(signal.SIGINT, self._handle_signal_stop)
        print(f"ntkviz is open at {self.connection_url} (Ctrl-C ends it)", flush=True)

    def stop(self) -> None:
        """End at once: a reader's kernel holds nothing to save. Voilà trips over kernels that are still starting."""
        self.log.setLevel(logging.CRITICAL)  # a kernel that ends while it starts is no news
        if self.warming:
            self.warming.cancel()
        if starting := [task for pool in getattr(self.kernel_manager, "_pools", {}).values() for task in pool]:
            self.ioloop.run_sync(partial(asyncio.wait, starting))
        self.ioloop.run_sync(partial(self.kernel_manager.shutdown_all, now=True))
        super().stop()


def main(argv: list[str] | None = None) -> None:
    """Serve the dashboard until interrupted."""
    os.environ[PAGE_HAS_PLOTLY] = "yes"  # for the kernels, which need not send it then
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(JUPYTER_PATH), os.environ.get("JUPYTER_PATH")]))
    # Tornado would report every page that does not exist or is refused.
    logging.getLogger("tornado").setLevel(logging.ERROR)
    Dashboard.launch_instance(argv, config=CONFIG)


if __name__ == "__main__":
    main()
