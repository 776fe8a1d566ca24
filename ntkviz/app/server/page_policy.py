"""Common to all responses of the dashboard: valid addresses, the content security policy, and error pages.

The policy of a page lists each source of code: this server's files, the scripts of the page as it was served (by a
nonce, new each time) and the modules of widgets, which anywidget imports from a ``blob:``. So a script injected into a
page later, as text in some widget, does not run; and no page loads anything from another host.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from posixpath import normpath
from typing import Any

from tornado.web import HTTPError, RequestHandler

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # an address may contain a token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}

NO_NAME = re.compile(r"[\x00-\x1f\x7f\\]")  # characters that no file name here contains

ADVICE = {
    400: "The server cannot read this request. Open the page from the list of chapters.",
    403: "The server does not give access to this. Open the page from the list of chapters.",
    404: "There is nothing at this address. Open the page from the list of chapters.",
    405: "This address does not accept such requests. Open the page from the list of chapters.",
    500: "The server ran into an error and recorded it in its log. Try again: a page's address keeps its settings.",
}


def policy(embedded_in: Sequence[str], nonce: str = "") -> str:
    """The content security policy of a response.

    Args:
        embedded_in: The origins whose pages may show this one in a frame.
        nonce: The nonce of the inline scripts that may run.
    """
    scripts = f"'self' blob: 'nonce-{nonce}'" if nonce else "'self'"
    frames = " ".join(embedded_in) or "'none'"
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src {scripts}",
            "style-src 'self' 'unsafe-inline'",  # plotly, Lumino and MathJax write styles into the page
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors {frames}",
        ]
    )


class Guarded(RequestHandler):
    """Mixed into every handler of the dashboard: adds the headers, and error pages that say what to do."""

    def set_default_headers(self) -> None:
        """Called by Tornado before each response, including errors."""
        super().set_default_headers()
        self.clear_header("Server")  # reveals the version of Tornado
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", policy(self.settings["embedded_in"]))

    def prepare(self) -> Awaitable[None] | None:
        """Called by Tornado before a request is handled. Admits only addresses in the form of our file names.

        Raises:
            HTTPError: The address goes up a folder, has an empty part, or has characters that no file name contains.
        """
        for name in (*self.path_args, *self.path_kwargs.values()):
            if name and (normpath(name) != name or NO_NAME.search(name)):
                raise HTTPError(404)
        return super().prepare()

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Called by Tornado for every error. Jupyter's own error pages need files that are not served here."""
        page = self.settings["voila_jinja2_env"].get_template("error.html")
        words = {"status_code": status_code, "status_message": self._reason, "advice": ADVICE.get(status_code, "")}
        self.finish(page.render(words, base_url=self.settings["base_url"]))


def guarded(handler: type[RequestHandler]) -> type[Guarded]:
    """A handler class with these headers and error pages."""
    return type(handler.__name__, (Guarded, handler), {})
