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

from ..translation.words import CODE, ENGLISH, _, offered, say

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # an address may contain a token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}

NO_NAME = re.compile(r"[\x00-\x1f\x7f\\]")  # characters that no file name here contains

TITLES = {
    400: _("Bad Request"),
    403: _("Forbidden"),
    404: _("Not Found"),
    405: _("Method Not Allowed"),
    500: _("Internal Server Error"),
}
ADVICE = {
    400: _("The server cannot read this request. Open the page from the list of chapters."),
    403: _("The server does not give access to this. Open the page from the list of chapters."),
    404: _("There is nothing at this address. Open the page from the list of chapters."),
    405: _("This address does not accept such requests. Open the page from the list of chapters."),
    500: _("The server ran into an error and recorded it in its log. Try again: a page's address keeps its settings."),
}
"""Both by status; `_` marks them for translation, and gives the English text in the server's process."""


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


COOKIE = "ntkviz-language"
"""Remembers which language a reader has chosen (`static/page.js`)."""


def language_of(request: RequestHandler) -> str:
    """The language of the reader who asks."""
    return preferred(request.get_cookie(COOKIE, ""), request.request.headers.get("Accept-Language", ""), offered())


def preferred(chosen: str | None, understood: str, known: list[str]) -> str:
    """The language of a reader, one of those that are known.

    Args:
        chosen: On an earlier page.
        understood: What the browser says: `zh-CN,zh;q=0.9,en;q=0.8`.
        known: The languages of the course.
    """
    if chosen in known:
        return str(chosen)
    weighed: list[tuple[float, str]] = []
    for part in understood.split(","):
        name, _mark, weight = part.strip().partition(";q=")
        try:
            weighed.append((-float(weight or 1), name.partition("-")[0].lower()))
        except ValueError:
            continue
    ordered = [name for weight, name in sorted(weighed, key=lambda one: one[0]) if weight < 0]
    return next((name for name in ordered if name in known), ENGLISH)


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
        language = language_of(self)
        title, advice = TITLES.get(status_code, self._reason), ADVICE.get(status_code, "")
        texts = {"status_message": title, "advice": advice, "home": _("All chapters")}
        words = {name: say(text, language, CODE) for name, text in texts.items()}
        self.finish(page.render(words, status_code=status_code, language=language, base_url=self.settings["base_url"]))


def guarded(handler: type[RequestHandler]) -> type[Guarded]:
    """A handler class with these headers and error pages."""
    return type(handler.__name__, (Guarded, handler), {})
