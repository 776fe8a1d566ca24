"""The channel between a page and its kernel: changes of widgets one way, their states the other, and nothing else.

Jupyter's own channel would accept code to run, new widgets and changed limits of sliders, and would return everything
that the kernel says, including tracebacks with the server's paths. Any reader can write to the channel, so this one has
an allowlist of what our pages need. Everything else is dropped and logged on the server.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any

from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

PROTOCOL = "v1.kernel.websocket.jupyter.org"
"""The protocol of our pages. Jupyter's older format is refused, so that a message has one interpretation only."""

STATES = "jupyter.widget.control"
"""The only comm that a page opens: it requests the states of all widgets."""

MOVED = {"value", "index", "_view_count", "stored"}
"""The traits that a reader may change, besides ``_js2py_…``: ``_view_count`` tells a widget that it is shown, and
``stored`` an exercise what the browser has kept of it."""

ANSWERS = {"status", "kernel_info_reply", "comm_info_reply", "comm_open", "comm_msg", "comm_close"}
"""The messages that a page receives. A kernel's tracebacks, warnings and printed output go to the server's log."""

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


class PageChannel(ZMQChannelsWebsocketConnection):
    """One page's websocket, connected to the sockets of its kernel."""

    def handle_incoming_message(self, incoming_msg: str | bytes) -> None:
        """Pass a message of the page on to the kernel, if it is allowed."""
        if not self._may_pass(incoming_msg):
            self.log.warning("refused a message of a page to kernel %s", self.kernel_id)
            return
        super().handle_incoming_message(incoming_msg)  # type: ignore[arg-type]  # annotated as str, but takes bytes

    def _may_pass(self, message: str | bytes) -> bool:
        if self.subprotocol != PROTOCOL or not isinstance(message, bytes):
            return False
        try:
            channel, parts = split(message)
            # Parsed as in the kernel, so that both see the same message.
            header, content = self.session.unpack(parts[0]), self.session.unpack(parts[3])
            return channel == b"shell" and may_ask(header["msg_type"], content)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return False  # malformed: our pages never send this

    def handle_outgoing_message(self, stream: Any, outgoing_msg: list[Any]) -> None:
        """Pass a message of the kernel on to the page, if it is meant for a page."""
        _, parts = self.session.feed_identities(outgoing_msg)
        kind = self.session.unpack(parts[1])["msg_type"]
        if kind in ANSWERS:
            super().handle_outgoing_message(stream, outgoing_msg)
        else:
            self.log.info("kept from the page of kernel %s: %s %s", self.kernel_id, kind, bytes(parts[4]).decode())  # type: ignore[arg-type]
