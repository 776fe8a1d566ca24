"""Attacks on a served page: on its kernel, on the server, on other readers, and what browsers are told to refuse.

They are made over HTTP and over the page's own channel to its kernel, without Voilà's JavaScript.
"""

import asyncio
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import nbformat.v4 as nb
import pytest
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1
from reader import run
from serving import Server, ask, reveals_paths, serving
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import WebSocketClientConnection, WebSocketClosedError, websocket_connect

from ntkviz.app.server.page_channel import MOST_PARTS, PROTOCOL, STATES, split
from ntkviz.app.server.page_policy import HEADERS, policy

LESSON = """
import os
import ipywidgets as widgets
slider = widgets.IntSlider(value=3, min=0, max=10)
button = widgets.Button()
def fail(_):
    raise RuntimeError(os.getcwd())
button.on_click(fail)
widgets.VBox([slider, button])
"""
SECRET = "not for readers"


@pytest.fixture(scope="module")
def lesson(tmp_path_factory) -> Iterator[Server]:
    """A dashboard of one page with a slider, and files beside it that do not belong to the page."""
    folder = tmp_path_factory.mktemp("lessons")
    broken = "raise RuntimeError('in ' + __import__('os').getcwd())"
    for name, source in (("00_home", LESSON), ("01_broken", broken)):
        (folder / f"{name}.ipynb").write_text(json.dumps(nb.new_notebook(cells=[nb.new_code_cell(source)])))
    (folder / "02_unreadable.ipynb").write_text('{"metadata": {}}')
    (folder / "secret.txt").write_text(SECRET)
    (folder.parent / "secret.png").write_text(SECRET)
    with serving(folder, "--VoilaConfiguration.preheat_kernel=False") as server:
        yield server


# --- over HTTP ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/voila/files/secret.txt",
        "/voila/files/../secret.png",
        "/voila/files/%2e%2e/secret.png",
        "/voila/files/..%2fsecret.png",
        "/voila/files//etc/passwd",
        "/voila/render/secret.txt",
        "/voila/render/../../../../etc/passwd",
        "/voila/render/..%2f..%2fetc%2fpasswd",
        "/voila/static/../../../../../../etc/passwd",
        "/voila/static/..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/voila/templates/ntkviz/static/..%2f..%2fserve.py",
        "/voila/templates/../static/serve.py",
        "/voila/templates/..%2f..",
        "/voila/labextensions/..%2f..%2f..%2fetc%2fpasswd",
        "/voila/api/themes/..%2f..%2f..%2fetc%2fpasswd",
        "/voila/plotly/plotly.min.js",
        "/voila/render/02_unreadable.ipynb",
        "/voila/tree",
        "/voila/api/contents/",
        "/voila/query/00000000-0000-0000-0000-000000000000",
        "/voila/api/shutdown/00000000-0000-0000-0000-000000000000",
        "/api/kernels",
        "/api/kernels/00000000-0000-0000-0000-000000000000",
        "/api/kernels/00000000-0000-0000-0000-000000000000/restart",
        "/api/kernelspecs",
        "/api/sessions",
        "/api/terminals",
        "/api/shutdown",
        "/api/config/notebook",
    ],
)
def test_addresses_without_a_page_reveal_nothing(path, lesson):
    for method in ("GET", "POST", "DELETE"):
        status, headers, text = ask(lesson, path, method)
        while status == 302:
            status, headers, text = ask(lesson, headers["location"], method)
        assert status >= 400
        assert SECRET not in text
        assert "root:" not in text
        assert not reveals_paths(text)


def test_a_lesson_that_fails_reveals_no_paths(lesson):
    status, _, text = ask(lesson, "/voila/render/01_broken.ipynb")
    assert status == 200
    assert "error when executing cell" in text
    assert not re.search(r"Traceback|RuntimeError|site-packages", text)


def test_a_page_names_no_folder_of_the_server(lesson, root):
    _, _, text = ask(lesson, "/voila/render/00_home.ipynb")
    assert str(root) not in text
    assert "/tmp/" not in text


def test_queries_change_neither_template_nor_theme(lesson):
    for query in ("template=lab", "voila-template=lab", "theme=dark", "voila-theme=dark"):
        _, _, text = ask(lesson, f"/voila/render/00_home.ipynb?{query}")
        assert 'class="nv-header"' in text
        assert "theme-light" in text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "localhost.evil.example", "192.0.2.1"])
def test_other_sites_cannot_pose_as_this_one(host, lesson):
    status, _, text = ask(lesson, "/voila/render/00_home.ipynb", Host=host)
    assert status == 403
    assert "kernelId" not in text


def test_host_names_frames_and_the_token_are_those_of_the_options(tmp_path):
    (tmp_path / "00_home.ipynb").write_text(json.dumps(nb.new_notebook()))
    options = ["--Dashboard.hosts=lessons.example.org", "--Dashboard.embedded_in=https://moodle.example.org"]
    options += ["--VoilaConfiguration.preheat_kernel=False"]
    with serving(tmp_path, *options, environment=os.environ | {"JUPYTER_TOKEN": "sesame"}) as server:
        home = "/voila/render/00_home.ipynb"
        status, headers, text = ask(server, f"{home}?token=sesame", Host="lessons.example.org")
        assert status == 200
        assert "frame-ancestors https://moodle.example.org" in headers["content-security-policy"]
        assert ask(server, f"{home}?token=sesame", Host="evil.example")[0] == 403
        for path in (home, f"{home}?token=wrong"):
            status, headers, text = ask(server, path)
            assert status == 302
            assert headers["location"].startswith("/login")
            assert "kernelId" not in text
        status, _, text = ask(server, "/login?next=//evil.example")
        assert status == 200
        assert "new_password" not in text  # which would change a file of the server's user


# --- what browsers are told ---------------------------------------------------------------------------------


def test_every_response_tells_the_browser_what_to_refuse(lesson):
    for path in ("/", "/voila/render/00_home.ipynb", "/voila/static/voila.js", "/no-such-page", "/api/kernels"):
        _, headers, _ = ask(lesson, path)
        assert {name: headers[name.lower()] for name in HEADERS} == HEADERS
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "server" not in headers


def test_only_scripts_of_the_page_as_served_may_run(lesson):
    def page() -> tuple[str, str]:
        _, headers, text = ask(lesson, "/voila/render/00_home.ipynb")
        [nonce] = re.findall(r"'nonce-([\w-]+)'", headers["content-security-policy"])
        assert headers["content-security-policy"] == policy([], nonce)
        assert "unsafe" not in re.search("script-src [^;]*", headers["content-security-policy"])[0]
        return nonce, text

    (first, text), (second, _) = page(), page()
    assert first != second
    assert "<script>" not in text
    assert f'<script nonce="{first}">' in text
    assert not re.search(r"<[^>]+ on(click|load|error)=", text)


def test_an_injected_script_does_not_run(chromium, lesson):
    context = chromium.new_context()
    page = context.new_page()
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
    page.goto(lesson.chapter("00_home.ipynb"))
    page.locator("#rendered_cells").wait_for(state="visible")
    assert not refused
    page.evaluate(
        """() => {
            document.body.insertAdjacentHTML("beforeend", "<img src=data:, onerror='window.harm = 1'>");
            const script = document.createElement("script");
            script.textContent = "window.harm = 1";
            document.body.append(script);
        }"""
    )
    page.wait_for_timeout(300)
    assert page.evaluate("window.harm === undefined")
    assert any("Content Security Policy" in text for text in refused)  # so every page's test would notice it
    page.goto("about:blank")
    context.close()


# --- over the channel to the kernel ---------------------------------------------------------------------------


@dataclass
class Stranger:
    """An attacker at one end of a page's channel, and all messages received on it."""

    socket: WebSocketClientConnection
    session: Session = field(default_factory=Session)
    heard: list[tuple[str, str, dict]] = field(default_factory=list)  # id of the parent, type, content

    async def say(self, kind: str, content: object, channel: str = "shell", **metadata: str) -> str:
        """Send a message; returns its id."""
        message = self.session.msg(kind, content, metadata=metadata)
        await self.socket.write_message(serialize_msg_to_ws_v1(message, channel, self.session.pack), binary=True)
        return message["header"]["msg_id"]

    async def answers(self, id: str) -> list[tuple[str, dict]]:
        """The kernel's answers to the message `id`; none at all if the message never reached the kernel.

        The kernel handles messages in order, so the answer to a later request, which always comes, marks the end.
        """
        last = await self.say("kernel_info_request", {})
        while (last, "status", {"execution_state": "idle"}) not in self.heard:
            message = await asyncio.wait_for(self.socket.read_message(), 60)
            assert message is not None, "the server hung up"
            _, (_, *parts) = deserialize_msg_from_ws_v1(message)
            header = json.loads(deserialize_msg_from_ws_v1(message)[1][0])
            self.heard.append((json.loads(parts[0]).get("msg_id", ""), header["msg_type"], json.loads(parts[2])))
        return [(kind, content) for parent, kind, content in self.heard if parent == id]

    async def states(self) -> dict[str, dict]:
        """The widgets by id, requested as a page does."""
        await self.say("comm_open", {"comm_id": "states", "target_name": STATES, "data": {}}, version="1.0.0")
        asked = await self.say("comm_msg", {"comm_id": "states", "data": {"method": "request_states"}})
        [found] = [content["data"]["states"] for kind, content in await self.answers(asked) if kind == "comm_msg"]
        return {id: {"name": one["model_name"], **one["state"]} for id, one in found.items()}

    async def widget(self, name: str) -> tuple[str, dict]:
        """The widget of one kind: its id and its state."""
        [found] = [(id, state) for id, state in (await self.states()).items() if state["name"] == name]
        return found


def address(server: Server) -> str:
    """Open a page; returns the address of its channel."""
    kernel = re.search('"kernelId": "([^"]+)"', ask(server, "/voila/render/00_home.ipynb")[2])[1]
    return f"{server.url.replace('http', 'ws')}/api/kernels/{kernel}/channels?session_id=stranger"


@asynccontextmanager
async def stranger(where: str):
    """An attacker at a page's channel."""
    socket = await websocket_connect(HTTPRequest(where), subprotocols=[PROTOCOL])
    yield Stranger(socket)
    socket.close()


@pytest.fixture(scope="module")
def channel(lesson) -> str:
    """A page's channel, shared by all tests that leave the page unchanged."""
    return address(lesson)


def attack(where: str, what: Callable) -> None:
    """Run an attack."""

    async def act() -> None:
        async with stranger(where) as somebody:
            await what(somebody)

    run(act())


CODE = {"code": "slider.value = 9", "silent": False, "user_expressions": {"a": "1"}, "allow_stdin": False}
MODEL = {
    "_model_module": "@jupyter-widgets/controls",
    "_model_module_version": "2.0.0",
    "_view_module_version": "2.0.0",
}
UPLOAD = MODEL | {
    "_model_name": "FileUploadModel",
    "_view_name": "FileUploadView",
    "_view_module": MODEL["_model_module"],
}


def test_no_code_runs_on_any_channel(channel):
    async def act(somebody):
        for sockets in ("shell", "control", "stdin", "iopub"):
            assert await somebody.answers(await somebody.say("execute_request", CODE, sockets)) == []
        assert (await somebody.widget("IntSliderModel"))[1]["value"] == 3

    attack(channel, act)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("inspect_request", {"code": "os", "cursor_pos": 1, "detail_level": 1}),
        ("complete_request", {"code": "os.", "cursor_pos": 3}),
        ("history_request", {"hist_access_type": "tail", "n": 9, "output": True, "raw": True}),
        ("is_complete_request", {"code": "1"}),
        ("debug_request", {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}),
        ("input_reply", {"value": "1"}),
        ("interrupt_request", {}),
        ("shutdown_request", {"restart": True}),
        ("create_subshell_request", {}),
        ("usage_request", {}),
        ("comm_open", {"comm_id": "a", "target_name": "jupyter.widget", "data": {"state": UPLOAD}}),
        ("comm_open", {"comm_id": "a", "target_name": "no such target", "data": {}}),
        ("comm_open", {"comm_id": "a", "data": {}}),
        ("comm_msg", {}),
        ("comm_msg", "text"),
        ("comm_msg", {"comm_id": "a", "data": {"method": ["update"]}}),
        ("comm_msg", {"comm_id": "a", "data": {"method": "update", "state": None}}),
        (["comm_msg"], {}),
    ],
)
def test_requests_that_no_page_makes_are_not_answered(kind, content, channel):
    async def act(somebody):
        for sockets in ("shell", "control"):
            assert await somebody.answers(await somebody.say(kind, content, sockets, version="2.1.0")) == []

    attack(channel, act)


def test_sliders_stay_between_their_ends_which_cannot_be_moved(channel):
    async def act(somebody):
        slider, state = await somebody.widget("IntSliderModel")

        async def move(**state):
            data = {"method": "update", "state": state, "buffer_paths": []}
            return await somebody.answers(await somebody.say("comm_msg", {"comm_id": slider, "data": data}))

        assert await move(max=10**9, value=10**9) == []
        assert await move(layout="IPY_MODEL_x") == []
        for value, kept in ((10**9, 10), (-1, 0), (5, 5), ("text", 5), (None, 5), ([1], 5), (3, 3)):
            assert not reveals_paths(json.dumps(await move(value=value)))
            after = (await somebody.states())[slider]
            assert after | {"value": 0} == {"name": "IntSliderModel", **state, "value": 0}
            assert after["value"] == kept

    attack(channel, act)


def test_errors_in_a_kernel_stay_in_the_server(channel):
    async def act(somebody):
        button, _ = await somebody.widget("ButtonModel")
        for data in (
            {"method": "custom", "content": {"event": "click"}},  # whose callback fails
            {"method": "custom", "content": None},
            {"method": "update", "state": {"_view_count": "text"}, "buffer_paths": [["a", "b"]]},
        ):
            heard = await somebody.answers(await somebody.say("comm_msg", {"comm_id": button, "data": data}))
            assert {kind for kind, _ in heard} <= {"status", "comm_msg"}
            assert not reveals_paths(json.dumps(heard))

    attack(channel, act)


@pytest.mark.parametrize(
    "message",
    [
        "text",
        '{"channel": "shell", "header": {"msg_type": "kernel_info_request"}, "content": {}}',
        b"",
        (2**62).to_bytes(8, "little"),  # with so many offsets to read, the server would never answer again
        (6).to_bytes(8, "little") + b"\xff" * 48,
        b"\0" * 8 + b"shell" * 100,
        serialize_msg_to_ws_v1([b"[" * 100_000, b"{}", b"{}", b"{}"], "shell"),
        serialize_msg_to_ws_v1([b"{}", b"{}", b"{}", b"{}"], "shell"),
        serialize_msg_to_ws_v1([b"{}"] * (MOST_PARTS + 1), "shell"),
    ],
    ids=lambda message: str(message[:12]),
)
def test_malformed_messages_leave_the_page_alive(message, channel):
    async def act(somebody):
        await somebody.socket.write_message(message, binary=isinstance(message, bytes))
        assert await somebody.answers(await somebody.say("kernel_info_request", {}))

    attack(channel, act)


def test_an_oversized_message_closes_its_channel_and_no_other(lesson, channel):
    async def act():
        async with stranger(channel) as other:
            async with stranger(channel.replace("stranger", "flood")) as somebody:
                with suppress(WebSocketClosedError):  # possibly before all of it is sent
                    await somebody.socket.write_message(b"\0" * 3_000_000, binary=True)
                while await asyncio.wait_for(somebody.socket.read_message(), 30) is not None:
                    pass
            assert await other.answers(await other.say("kernel_info_request", {}))

    run(act())
    assert ask(lesson, "/voila/static/voila.js")[0] == 200


def test_a_channel_opens_for_this_site_and_this_kernel_only(lesson, channel):
    async def refused(where: str, **headers: str) -> int:
        with pytest.raises(HTTPClientError) as caught:
            await websocket_connect(HTTPRequest(where, headers=headers), subprotocols=[PROTOCOL])
        return caught.value.code

    unknown = re.sub("kernels/[^/]+", "kernels/00000000-0000-0000-0000-000000000000", channel)
    assert run(refused(channel, Origin="http://evil.example")) == 403
    assert run(refused(channel, Host="evil.example", Origin="http://evil.example")) == 403
    assert run(refused(unknown)) == 404


def test_two_readers_have_separate_kernels(lesson, channel):
    another = address(lesson)
    assert another != channel

    async def move(somebody):
        slider, _ = await somebody.widget("IntSliderModel")
        data = {"method": "update", "state": {"value": 8}, "buffer_paths": []}
        await somebody.answers(await somebody.say("comm_msg", {"comm_id": slider, "data": data}))

    async def look(somebody):
        assert (await somebody.widget("IntSliderModel"))[1]["value"] == 3

    attack(another, move)
    attack(channel, look)


def test_another_site_cannot_shut_down_a_page(lesson, channel):
    kernel = re.search("kernels/([^/]+)", channel)[1]
    assert ask(lesson, f"/voila/api/shutdown/{kernel}", "POST")[0] == 403
    assert ask(lesson, f"/api/kernels/{kernel}", "DELETE")[0] == 403


@pytest.mark.parametrize("parts", [[b"{}", b"{}", b"{}", b"{}"], [b"a", b"", b"c", b"{}", b"buffer", b""]])
def test_messages_are_split_as_jupyter_splits_them(parts):
    message = serialize_msg_to_ws_v1(parts, "shell")
    channel, found = split(message)
    assert (channel.decode(), found) == deserialize_msg_from_ws_v1(message)
    for damaged in (message[:20], message[:-3], b"\xff" + message[1:]):
        with pytest.raises(ValueError, match=r"offsets|parts"):
            split(damaged)
