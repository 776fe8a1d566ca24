"""A chapter's page: stored or rendered, with a nonce on its scripts; its kernel is shut down if no page connects."""

import contextvars
import re
import secrets
from functools import partial
from typing import ClassVar
from urllib.parse import quote

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.ioloop import IOLoop
from tornado.web import HTTPError, authenticated
from voila.tornado.handler import TornadoVoilaHandler

from .. import upstream
from ..translation.words import _
from .page_policy import policy

ARRIVAL = 120  # seconds within which a page, with its scripts, must have arrived
DRAWING = 4  # seconds for a browser to draw a page; on a small machine, starting a kernel would delay it
KERNEL = re.compile(r'"kernelId": "([^"]+)"')  # in a page
LIVE = "live"  # in the query of an address, by which a stored page asks for a kernel (static/stored/live.js)
FULL = _("The server is full; try again in a minute.")  # told in the reader's language by `page_policy.py`


class StoredLesson(TornadoVoilaHandler):
    """A chapter's page: as it is stored if it is, and without a query for a `live` one; otherwise with a kernel."""

    @authenticated
    async def get(self, path: str | None = None) -> None:
        """Called by Tornado: send the page to a reader who may see it."""
        await self.send(path or "")

    async def send(self, path: str) -> None:
        """Send the page."""
        shelf = self.settings["shelf"]
        stored = await shelf.page(path) if shelf and LIVE not in self.request.arguments else None
        if stored is None:
            await self.get_live(path)
        else:
            self.set_header("Cache-Control", "no-cache, no-store, must-revalidate")
            self.write(stored)

    async def get_live(self, path: str) -> None:
        """Send it with a kernel."""
        await super().get(path)


class Lesson(StoredLesson):
    """A chapter's page, with a nonce on its scripts and with the cookie that lets it shut down its kernel when closed.

    Voilà's pages shut down their kernel by a POST, which Jupyter's server refuses without this cookie.
    """

    awaited: ClassVar[int] = 0  # pages that are being rendered, or drawn by the reader's browser
    made: ClassVar[int] = 0  # pages that are being rendered
    kernels: ClassVar[set[str]] = set()  # of rendered pages
    nonce = kernel = ""
    abandoned = False

    async def send(self, path: str) -> None:
        """Let browsers run the scripts in this page, and no others, and send it."""
        self.nonce = secrets.token_urlsafe(16)
        self.set_header("Content-Security-Policy", policy(self.settings["embedded_in"], self.nonce))
        await super().send(path)

    async def get_live(self, path: str) -> None:
        """Send it with a kernel, which is shut down if the reader leaves before it arrives, or never connects to it.

        Raises:
            HTTPError: The largest number of pages is open already.
        """
        Lesson.kernels = {kernel for kernel in Lesson.kernels if kernel in self.kernel_manager}
        if Lesson.made + len(Lesson.kernels) >= self.settings["most_pages"]:
            raise HTTPError(503, reason=FULL)
        Lesson.awaited += 1
        Lesson.made += 1
        try:
            await self.make(path)
        finally:
            Lesson.made -= 1
            IOLoop.current().call_later(DRAWING, Lesson.drawn)
            if self.kernel:
                Lesson.kernels.add(self.kernel)
                patience = 0 if self.abandoned else ARRIVAL
                # In a separate context: that of this request would keep the whole request in memory until then.
                later = partial(IOLoop.current().call_later, patience, end_unless_read)
                contextvars.Context().run(later, self.kernel_manager, self.kernel)

    def redirect_to_file(self, path: str) -> None:
        """Redirect to a picture of a lesson, which the lesson refers to by a relative address."""
        super().redirect_to_file(quote(path))

    @staticmethod
    def drawn() -> None:
        """Note that one of the awaited pages has been drawn."""
        Lesson.awaited -= 1

    async def make(self, path: str) -> None:
        """Render the page and send it in chunks."""
        _ = self.xsrf_token  # accessing it sets the cookie
        await super().get_live(path)
        upstream.forget_requests()

    def write(self, chunk: str) -> None:
        """Send a chunk of the page; all scripts in it were written by us, Voilà or the notebook's author."""
        if found := KERNEL.search(chunk):
            self.kernel = found[1]
        super().write(chunk.replace("<script>", f'<script nonce="{self.nonce}">'))

    def on_connection_close(self) -> None:
        """Called by Tornado if the reader leaves before the page is complete and can shut down its kernel."""
        self.abandoned = True


async def end_unless_read(manager: AsyncMappingKernelManager, kernel: str) -> None:
    """Shut down a kernel, unless a page is connected to it."""
    if kernel in manager and not manager.kernel_model(kernel)["connections"]:
        await manager.shutdown_kernel(kernel, now=True)
