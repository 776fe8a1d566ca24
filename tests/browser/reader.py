"""A reader without a browser: opens a chapter's page, moves its sliders over the websocket, and closes it.

It sends the server what Voilà's page would send, and tracks what a reader would see change: the state of the widgets
and the numbers in the plots. Thirty such readers leave the machine to the server; thirty browsers would not.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

PATIENCE = 180  # seconds: a cold kernel imports JAX and compiles, and thirty may do so at once
PROTOCOL = "v1.kernel.websocket.jupyter.org"
WIDGETS = {"version": "1.0.0"}  # of the protocol in which ipywidgets 8 asks for the state of all widgets
MODEL = "IPY_MODEL_"

Place = tuple[int, int, str]
"""A plot of the page, a trace of it, and the property that is drawn (`z`, `marker.color`)."""


@dataclass(frozen=True)
class Answer:
    """The answer to a move: the seconds it took, and the numbers sent to the plots."""

    seconds: float
    numbers: dict[Place, np.ndarray]


@dataclass
class Reader:
    """A page opened by `reading_over_websocket`: `chapter` is its notebook, `seconds` is how long opening it took."""

    url: str
    chapter: str
    seconds: float = 0.0
    kernel: str = ""
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The widgets of the page: their states by the id of their comm."""

    _headers: dict[str, str] = field(default_factory=dict)
    _xsrf: str = ""
    _waiting: dict[str, asyncio.Future[dict[Place, np.ndarray]]] = field(default_factory=dict)
    _numbers: dict[Place, np.ndarray] = field(default_factory=dict)
    _session: Session = field(default_factory=Session)
    _socket: WebSocketClientConnection | None = None
    _listening: asyncio.Task | None = None

    # --- what a reader does ---------------------------------------------------------------------------

    async def open(self) -> None:
        """Get the page with a kernel, then its widgets, and report that the picture is shown."""
        start = time.perf_counter()
        page = await self._fetch(f"/voila/render/{self.chapter}?live")
        cookies = SimpleCookie("; ".join(given.split(";")[0] for given in page.headers.get_list("Set-Cookie")))
        self._headers, self._xsrf = {"Cookie": cookies.output([], "", sep=";")}, cookies["_xsrf"].value
        self.kernel = re.search(r'"kernelId": "([^"]+)"', page.body.decode())[1]
        address = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{self.kernel}/channels"
        self._socket = await websocket_connect(
            HTTPRequest(
                f"{address}?session_id={self._session.session}", headers=self._headers, request_timeout=PATIENCE
            ),
            subprotocols=[PROTOCOL],
            max_message_size=2**28,
        )
        self._listening = asyncio.create_task(self._listen())
        comm = {"comm_id": self._session.session}
        await self._say("comm_open", comm | {"target_name": "jupyter.widget.control", "data": {}}, WIDGETS)
        await self._say("comm_msg", comm | {"data": {"method": "request_states"}})
        for toolbar in self._toolbars():
            await self._say("comm_msg", {"comm_id": toolbar, "data": {"method": "custom", "content": {"shown": True}}})
        self.seconds = time.perf_counter() - start

    async def move(self, name: str, value: Any) -> Answer:
        """Move the control that the page's address calls `name`, and wait until the picture has answered.

        Raises:
            AssertionError: The page shows other settings than the requested ones.
        """
        expected = self.settings | {name: str(value)}
        move = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        start = time.perf_counter()
        numbers = await self._say("comm_msg", {"comm_id": self._control(name), "data": move})
        seconds = time.perf_counter() - start
        assert self.settings == expected, f"{self.chapter} shows {self.settings} instead of {expected}"
        return Answer(seconds, numbers)

    async def follow(self, link: str) -> None:
        """Follow a link to settings, as a step of the chapter is."""
        content = {"method": "custom", "content": {"link": link}}
        for toolbar in self._toolbars():
            await self._say("comm_msg", {"comm_id": toolbar, "data": content})

    async def close(self) -> None:
        """Leave the page: request the shutdown of its kernel, and close the connection."""
        try:
            if self.kernel:
                body = urlencode({"_xsrf": self._xsrf})
                await self._fetch(f"/voila/api/shutdown/{self.kernel}", method="POST", body=body)
        finally:
            if self._listening:
                self._listening.cancel()
            if self._socket:
                self._socket.close()

    # --- what a reader sees ---------------------------------------------------------------------------

    @property
    def settings(self) -> dict[str, str]:
        """The values of the controls by name, as in the page's address."""
        [toolbar] = self._toolbars()
        return dict(parse_qsl(self.models[toolbar]["state"], keep_blank_values=True))

    def values(self, name: str) -> list[float]:
        """All values of the slider called `name` except its current one."""
        slider = self.models[self._control(name)]
        steps = np.arange(round((slider["max"] - slider["min"]) / slider["step"]) + 1)
        values = np.round(slider["min"] + slider["step"] * steps, 10).tolist()
        return [type(slider["value"])(value) for value in values if value != slider["value"]]

    def _control(self, name: str) -> str:
        [picture] = (model for model in self.models.values() if "nv-picture" in model.get("_dom_classes", ()))
        controls = self.models[_children(picture)[0]]
        return dict(zip(self.settings, _children(controls), strict=True))[name]

    def _toolbars(self) -> list[str]:
        return [comm for comm, model in self.models.items() if isinstance(model.get("state"), str)]

    # --- the wire ---------------------------------------------------------------------------------------

    async def _fetch(self, path: str, **request: Any) -> HTTPResponse:
        return await _fetched(self.url + path, headers=self._headers, **request)

    async def _say(
        self, kind: str, content: dict[str, Any], metadata: dict[str, Any] | None = None
    ) -> dict[Place, np.ndarray]:
        """Send a message; once the kernel has handled it, return the numbers sent to the plots in answer."""
        assert self._socket
        assert self._listening
        message = self._session.msg(kind, content, metadata=metadata)
        done = self._waiting[message["header"]["msg_id"]] = asyncio.get_running_loop().create_future()
        await self._socket.write_message(serialize_msg_to_ws_v1(message, "shell", self._session.pack), binary=True)
        await asyncio.wait({done, self._listening}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        if self._listening.done():
            self._listening.result()  # raises the exception that ended it
        if not done.done():
            raise TimeoutError(f"no answer from {self.chapter} in {PATIENCE} seconds")
        return done.result()

    async def _listen(self) -> None:
        assert self._socket
        while isinstance(message := await self._socket.read_message(), bytes):
            _, (header, parent, _, content, *buffers) = deserialize_msg_from_ws_v1(message)
            self._hear(json.loads(header)["msg_type"], json.loads(parent).get("msg_id"), json.loads(content), buffers)
        raise ConnectionError(f"the server hung up on {self.chapter}")

    def _hear(self, kind: str, parent: str | None, content: dict[str, Any], buffers: list[bytes]) -> None:
        """Follow the kernel: how it handles our messages, and the states of the widgets.

        While it handles a message it draws nothing else, so what it sends to the plots then is the answer.
        """
        if kind == "status" and parent in self._waiting:
            if content["execution_state"] == "idle":
                self._waiting.pop(parent).set_result(self._numbers)
            self._numbers = {}
        elif kind == "comm_open":
            self.models[content["comm_id"]] = content["data"]["state"]
        elif kind == "comm_msg":
            data = content["data"]
            if data.get("method") == "update_states":
                self.models |= {comm: model["state"] for comm, model in data["states"].items()}
            elif data.get("method") == "update" and content["comm_id"] in self.models:  # else not requested yet
                state = _with_buffers(data["state"], data["buffer_paths"], buffers)
                self.models[content["comm_id"]] |= state
                self._draw(content["comm_id"], state)

    def _draw(self, comm: str, state: dict[str, Any]) -> None:
        """Record the numbers in a message to a plotly figure."""
        plot = [comm for comm, model in self.models.items() if "_py2js_update" in model].index
        for name, data, traces in (
            ("_py2js_restyle", "restyle_data", "restyle_traces"),
            ("_py2js_update", "style_data", "style_traces"),
        ):
            if message := state.get(name):
                for key, given in message[data].items():
                    for trace, value in zip(message[traces], given, strict=False):
                        if isinstance(value, (list, np.ndarray)):
                            with suppress(ValueError):  # labels of points
                                self._numbers[plot(comm), trace, key] = np.asarray(value, dtype=float)


async def _fetched(address: str, **request: Any) -> HTTPResponse:
    client = SimpleAsyncHTTPClient(force_instance=True, max_clients=1, max_body_size=2**28)
    try:
        return await client.fetch(HTTPRequest(address, request_timeout=PATIENCE, **request))
    finally:
        client.close()


async def seconds_to_picture(url: str, chapter: str) -> float | None:
    """Open the stored page of a chapter as a reader who reads; `None` if it is not stored.

    Returns:
        The seconds until all that draws its picture has arrived: the page, plotly.js and the states of its widgets.
    """
    start = time.perf_counter()
    page = (await _fetched(f"{url}/voila/render/{chapter}")).body.decode()
    if not (store := re.search(r'data-stored="([^"]+)"', page)):
        return None
    plotly = re.search(r'src="([^"]*plotly[^"]*)"', page)
    for address in filter(None, [plotly and plotly[1], f"{store[1]}-start.gz"]):
        await _fetched(url + address)
    seconds = time.perf_counter() - start
    await _fetched(f"{url}{store[1]}-states.gz")  # as a page does when it has been drawn
    return seconds


@asynccontextmanager
async def reading_over_websocket(url: str, chapter: str) -> AsyncIterator[Reader]:
    """The page of a chapter, which is closed at the end."""
    reader = Reader(url, chapter)
    try:
        await reader.open()
        yield reader
    finally:
        await reader.close()


def _children(model: dict[str, Any]) -> list[str]:
    return [child.removeprefix(MODEL) for child in model["children"]]


def _with_buffers(state: dict[str, Any], paths: list[list[Any]], buffers: list[bytes]) -> dict[str, Any]:
    """The state with its arrays in the places that plotly marks by `{"dtype": …, "shape": …}`."""
    for (*path, last, _), buffer in zip(paths, buffers, strict=True):
        place = state
        for step in path:
            place = place[step]
        place[last] = np.frombuffer(buffer, place[last]["dtype"]).reshape(place[last]["shape"])
    return state


def run(task: Coroutine) -> Any:
    """Run a task in a separate thread: Playwright has an event loop in that of the tests."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, task).result()
