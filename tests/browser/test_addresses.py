"""Addresses without a page: each is refused by a page that says what to do, and the server's log stays empty."""

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import nbformat.v4 as nb
import pytest
from serving import Server, ask, reveals_paths, serving

from ntkviz.app.server import dashboard as served

KERNEL = "00000000-0000-0000-0000-000000000000"
UPGRADE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "a2V5"}
TOKEN = "2|00000000|00|0"  # a form has to send the same token as its cookie
OURS = {"Cookie": f"_xsrf={TOKEN}", "X-XSRFToken": TOKEN, "Content-Length": "0"}
NAMES = [
    *("", "x", ".", "..", "../", "/", "//", "~", "*", "?", ";x", "<script>", "[x]", "{x}", "%7b%7b7*7%7d%7d"),
    *("../../../../etc/passwd", "/etc/passwd", "%2fetc%2fpasswd", "file:%2f%2f%2fetc%2fpasswd", "~root/.bashrc"),
    *("..%2f..%2fserve.py", "%2e%2e%2fserve.py", "%252e%252e%252fserve.py", "..%5c..%5cserve.py", "..\\..\\serve.py"),
    *("static/..%2f..%2f..%2fserve.py", "static/../../serve.py", "static", "static/", "static//", "ntkviz/static/"),
    *("%00", "%00.png", "a%00.ipynb", "00_home.ipynb%00", "secret.png%00.txt", "%0d%0aX-Evil:1", "%0a.ipynb", "%7f.js"),
    *("%", "%zz", "%u0041", "%ff", "%ff.png", "%ed%a0%80.ipynb", "%c0%ae%c0%ae/", "%f0%9f%98%80.ipynb"),
    *(
        "no_such.ipynb",
        "sub/no_such.ipynb",
        "00_home.ipynb/",
        "00_home.ipynb/x",
        "./00_home.ipynb",
        "x/../00_home.ipynb",
    ),
    *("a" * 300, "a" * 300 + ".ipynb", "a" * 300 + ".png", "a/" * 2000 + "x.ipynb", "a" * 7000),
    *(KERNEL, f"{KERNEL}/", f"{KERNEL}/channels", f"{KERNEL}/restart", "0-0-0-0-0", "%ff-0-0-0-0", "%d9%a3-0-0-0-0"),
    *("?template=%ff", "?%00=%00", "?token=%ff", "?next=//evil.example", "?session_id=%ff", "?" + "a=b&" * 500),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with one notebook."""
    folder = tmp_path_factory.mktemp("lessons")
    (folder / "00_home.ipynb").write_text(json.dumps(nb.new_notebook()))
    return folder


@pytest.fixture(scope="module")
def server(folder) -> Iterator[Server]:
    """A dashboard of that folder."""
    with serving(folder, f"--Dashboard.stored={folder}", "--VoilaConfiguration.preheat_kernel=False") as server:
        yield server


@pytest.fixture(scope="module")
def places(folder) -> list[str]:
    """All addresses that the dashboard has registered, with `{}` where a name can stand."""
    dashboard = served.Dashboard(config=served.CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_PATH", str(served.JUPYTER_PATH))
        patch.setattr(dashboard, "listen", lambda: None)
        dashboard.initialize([str(folder)])
        dashboard.start()
    os.rmdir(dashboard.connection_dir)
    patterns = [
        rule.matcher.regex.pattern for group in dashboard.app.default_router.rules for rule in group.target.rules
    ]
    assert len(patterns) > 5
    bare = (re.sub(r"\(.*?\)", "{}", pattern).replace("\\", "").rstrip("$") for pattern in patterns)
    return [place if "{}" in place else place + "{}" for place in bare]


def answers(server: Server, place: str) -> Iterator[tuple[str, int, str]]:
    """The answers at one place to each name and kind of request."""
    for name in NAMES:
        if (place == "/{}" or place.endswith("/course.json{}")) and name[:1] in "?":
            continue  # the first leads to the home page, the others are files
        opening = UPGRADE if place.startswith("/api/kernels") else {}
        for method, headers in (("GET", opening), ("POST", OURS), ("DELETE", OURS)):
            address = place.replace("{}", name)
            status, received, text = ask(server, address, method, **headers)
            if status in (301, 302):
                status, _, text = ask(server, urlsplit(received["location"]).path)
            yield f"{method} {address[:80]}", status, text


def test_an_address_of_nothing_is_refused_by_a_page_that_says_what_to_do(server, places):
    for place in [*places, "/api/{}", "/voila/{}", "/static/{}", "/voila/render/zh/{}"]:
        for asked, status, text in answers(server, place):
            assert 400 <= status < 500, asked
            assert "All chapters" in text, asked
            assert "Open the page from" in text, asked
            assert not reveals_paths(text), asked
    assert len(server.lines) == 1, "the log has more than the server's address"


def test_a_form_of_ours_is_read(server):
    """Requests with our cookie get as far as a page's own, so the test above tests what it should."""
    assert ask(server, f"/voila/api/shutdown/{KERNEL}", "POST", **OURS)[0] == 404
    assert ask(server, f"/voila/api/shutdown/{KERNEL}", "POST")[0] == 403


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \xff\xfe\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /?" + b"a=b&" * 2000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"EVIL / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=lambda request: repr(request[:24]),
)
def test_what_is_no_request_is_refused_and_the_next_one_answered(request_, server):
    where = urlsplit(server.url)
    with socket.create_connection((where.hostname, where.port), timeout=30) as connection:
        connection.sendall(request_)
        answer = connection.recv(4096).decode("latin-1")
    assert not answer or re.match(r"HTTP/1.1 [34]\d\d ", answer)
    assert not reveals_paths(answer)
    assert ask(server, "/voila/static/voila.js")[0] == 200
    assert len(server.lines) == 1
