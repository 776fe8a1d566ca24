"""Binder's Jupyter server, which opens at the dashboard instead of the list of files."""

import atexit
import contextlib
import os
from pathlib import Path
from typing import Any

from jupyter_server.auth import PasswordIdentityProvider, User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError

from ntkviz import machine
from ntkviz.app.classroom import engine
from ntkviz.app.serve import keep_compiled_code
from ntkviz.app.server.dashboard import CONFIG, HOME, JUPYTER_PATH
from ntkviz.app.server.routes import template_resources
from ntkviz.app.style.theme import PAGE_HAS_PLOTLY

NOTEBOOKS = Path.cwd() / "notebooks"
SMALL = machine.memory_total() < 4e9  # as on mybinder.org, which allows 2 GB
MOST_KERNELS = 4 if SMALL else 20


class Visitors(PasswordIdentityProvider):
    """Gives each reader the cookie that Jupyter requires of a page that shuts down its kernel on leaving."""

    async def get_user(self, handler: JupyterHandler) -> User | None:
        """The current reader; JupyterHub replaces this method by its own, which sets such a cookie, too."""
        handler.current_user = user = await super().get_user(handler)
        _ = handler.xsrf_token  # accessing it sets the cookie
        return user


class FewKernels(AsyncMappingKernelManager):
    """Refuses a kernel for which there is no memory, instead of letting Binder kill all of them."""

    async def start_kernel(self, **options: Any) -> str:
        """Called for each page.

        Raises:
            HTTPError: As many kernels as fit are running.
        """
        if len(self) >= MOST_KERNELS:
            raise HTTPError(503, reason=f"{MOST_KERNELS} pages are open; close one, and try again in a minute.")
        if "VOILA_REQUEST_URL" in (environment := options.get("env") or {}):  # not one of JupyterLab's notebooks
            options["env"] = environment | {PAGE_HAS_PLOTLY: "yes"}
        return str(await super().start_kernel(**options))


if SMALL:  # no room for JAX in every kernel
    running = contextlib.ExitStack()
    os.environ.update(running.enter_context(engine()))
    atexit.register(running.close)
os.environ["JUPYTER_PATH"] = str(JUPYTER_PATH)  # where Voilà finds our template
keep_compiled_code()

c = get_config()  # noqa: F821 (Jupyter defines it)
c.merge(CONFIG)
c.ServerApp.identity_provider_class = Visitors
c.ServerApp.kernel_manager_class = FewKernels
c.ServerApp.root_dir = str(NOTEBOOKS)
# Binder starts either `jupyter lab` (mybinder.org) or `jupyter notebook` (an image of repo2docker).
c.ServerApp.default_url = c.LabApp.default_url = c.JupyterNotebookApp.default_url = f"/voila/render/{HOME}"
# repo2docker adds an extension that does not work in a Voilà page.
c.VoilaConfiguration.extension_denylist = [
    *CONFIG.VoilaConfiguration.extension_denylist,
    "@jupyter-server/resource-usage",
]
c.VoilaConfiguration.resources = template_resources(NOTEBOOKS)
c.ServerApp.jpserver_extensions = {"ntkviz.app.server.jupyter": True}
# Beside Jupyter, Voilà would load MathJax from another host. Without a URL it uses JupyterLab's, on this server.
c.ServerApp.tornado_settings = {"mathjax_url": None, "mathjax_config": None}
# JupyterLab, at ?urlpath=lab, would check for newer versions of itself.
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
