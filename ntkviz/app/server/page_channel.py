"""The channel between a page and its kernel: changes of widgets one way, their states the other, and nothing else.

Jupyter's own channel would accept code to run, new widgets and changed limits of sliders, and would return everything
that the kernel says, including tracebacks with the server's paths. Any reader can write to the channel, so this one has
an allowlist of what our pages need. Everything else is dropped and logged on the server.

A page receives the states of all widgets and then takes up to some seconds to make them. Jupyter's code drops changes
of widgets that do not exist yet, which would leave a plot empty for good, so the channel holds them back until then.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from tornado.ioloop import IOLoop

PROTOCOL = "v1.kernel.websocket.jupyter.org"
"""The protocol of our pages. Jupyter's older format is refused, so that a message has one interpretation only."""

STATES = "jupyter.widget.control"
"""The only comm that a page opens: it requests the states of all widgets."""

MOVED = {"value", "index", "_view_count", "stored"}
"""The traits that a reader may change, besides ``_js2py_…``: ``_view_count`` tells a widget that it is shown, and
``stored`` an exercise what the browser has kept of it."""

ANSWERS = {"status", "kernel_info_reply", "comm_info_reply", "comm_open", "comm_msg", "comm_close"}
"""The messages that a page receives. A kernel's tracebacks, warnings and printed output go to the server's log."""

MAKING = 15  # seconds after which a page has made its widgets, even if it has not said so
MOST_PARTS = 64  # of one message; ours have four and a few buffers


def split(message: bytes) -> tuple[bytes, list[bytes]]:
    """The channel and the parts (header, parent, metadata, content, buffers …) of a message in ``PROTOCOL``.

    It begins with the number of offsets, followed by the offsets, each in eight bytes.

    Raises:
        ValueError: Its offsets are out of range or out of order, or there are too many.
    """
    count = int.from_bytes(message[:8], "little")
    if not 6 <= count <= MOST_PARTS:  # Jupyter itself would read as many as are claimed, up to 2⁶⁴
        raise ValueError("not a sensible number of parts")
    try:
        offsets = struct.unpack_from(f"<{count}Q", message, 8)
    except struct.error as error:
        raise ValueError("shorter than its offsets") from error
    if list(offsets) != sorted(offsets) or offsets[-1] > len(message):
        raise ValueError("offsets out of order")
    channel, *parts = (message[start:stop] for start, stop in pairwise(offsets))
    return channel, parts


def may_ask(kind: str, content: dict[str, Any]) -> bool:
    """Whether a page may send a message of this type of Jupyter's protocol with this content."""
    match kind:
        # A page that has waited four seconds for all states requests the list of comms, and then the state of each.
        case "kernel_info_request" | "comm_info_request" | "comm_close":
            return True
        case "comm_open":
            return bool(content["target_name"] == STATES)
        case "comm_msg":
            data = content["data"]
            if data["method"] == "update":
                return all(trait in MOVED or trait.startswith("_js2py_") for trait in data["state"])
            return data["method"] in ("custom", "request_state", "request_states")
    return False


def sends_states(kind: str, content: dict[str, Any]) -> bool:
    """Whether a message of the kernel is the answer from which a page makes its widgets (or begins to request each)."""
    return kind == "comm_info_reply" or (kind == "comm_msg" and content["data"].get("method") == "update_states")


def is_change(kind: str, content: dict[str, Any]) -> bool:
    """Whether a message of the kernel changes a widget; the whole state of one is what a page may make it from."""
    return kind.startswith("comm_") and "_model_name" not in content.get("data", {}).get("state", {})


def shows_widgets(kind: str, content: dict[str, Any]) -> bool:
    """Whether a message of a page comes from widgets that it shows, so that it has made them all."""
    if kind != "comm_msg":
        return False
    data = content["data"]
    return data["method"] == "custom" or not data.get("state", {}).keys() <= {"stored", "_view_count"}


class PageChannel(ZMQChannelsWebsocketConnection):
    """One page's websocket, connected to the sockets of its kernel."""

    _held: list[tuple[Any, list[Any]]] | None = None  # changes of widgets that the page is making now

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Pass a message of the page on to the kernel, if it is allowed."""
        message = self._allowed(incoming_msg)
        if message is None:
            self.log.warning("refused a message of a page to kernel %s", self.kernel_id)
            return
        if shows_widgets(*message):
            self._release()
        super().handle_incoming_message(incoming_msg)  # type: ignore[arg-type]  # annotated as str, but takes bytes

    def _allowed(self, message: str | bytes) -> tuple[str, dict[str, Any]] | None:
        """The type and the content of a message of the page; None if it may not be passed on."""
        if self.subprotocol != PROTOCOL or not isinstance(message, bytes):
            return None
        try:
            channel, parts = split(message)
            # Parsed as in the kernel, so that both see the same message.
            header, content = self.session.unpack(parts[0]), self.session.unpack(parts[3])
            kind = header["msg_type"]
            return (kind, content) if channel == b"shell" and may_ask(kind, content) else None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None  # malformed: our pages never send this

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Pass a message of the kernel on to the page, if it is meant for a page."""
        _, parts = self.session.feed_identities(outgoing_msg)
        kind = self.session.unpack(parts[1])["msg_type"]
        if kind not in ANSWERS:
            self.log.info("kept from the page of kernel %s: %s %s", self.kernel_id, kind, bytes(parts[4]).decode())  # type: ignore[arg-type]
            return
        content = self.session.unpack(parts[4])
        if self._held is not None and is_change(kind, content):
            self._held.append((stream, outgoing_msg))
            return
        super().handle_outgoing_message(stream, outgoing_msg)
        if sends_states(kind, content):
            self._hold()

    def _hold(self) -> None:
        """Hold back changes until the page has made its widgets."""
        if self._held is None:
            self._held = []
            IOLoop.current().call_later(MAKING, self._release)

    def _release(self) -> None:
        """Send what was held back."""
        held, self._held = self._held, None
        for stream, message in held or []:
            super().handle_outgoing_message(stream, message)

    def disconnect(self) -> None:  # type: ignore[override]  # annotated as asynchronous, but is not
        """Called when the page is gone."""
        self._held = None
        super().disconnect()  # type: ignore[no-untyped-call]
