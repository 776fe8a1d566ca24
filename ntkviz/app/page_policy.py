"""What a browser may do with an answer of the dashboard: the headers that say so.

The policy of a page names each source of code: this server's files, the scripts of the page as it was served (by a
nonce, new each time) and the modules of widgets, which anywidget imports from a ``blob:``. So a script that got into a
page later, as text in some widget, does not run; and no page asks another host for anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from tornado.web import RequestHandler

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # an address can hold a token
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def policy(embedded_in: Sequence[str], nonce: str = "") -> str:
    """The content security policy of an answer.

    Args:
        embedded_in: the origins whose pages may show this one in a frame.
        nonce: what marks the inline scripts of a page that may run.
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
    """Mixed into every handler of the dashboard: its answers carry the headers."""

    def set_default_headers(self) -> None:
        """Called by Tornado before each answer, an error's too."""
        super().set_default_headers()
        self.clear_header("Server")  # names the version of Tornado
        for name, value in HEADERS.items():
            self.set_header(name, value)
        self.set_header("Content-Security-Policy", policy(self.settings["embedded_in"]))


def guarded(handler: type[RequestHandler]) -> type[Guarded]:
    """A handler class whose answers carry the headers."""
    return type(handler.__name__, (Guarded, handler), {})
