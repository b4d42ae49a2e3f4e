"""`scrollback audit head --push` and `--qr`: the head on another machine, or on a photograph."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from audit.qr import head_qr_text
from audit.signing import newest_checkpoint
from dashboard.audit_commands import pushing
from tests.audit.bundles import fill
from tests.dashboard.commands.calling import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


class Receiver(HTTPServer):
    """Keeps what is posted to it, and answers as told."""

    def __init__(self, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status = status
        self.taken: list[tuple[str, str, str]] = []
        self.credentials: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/heads"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.credentials.append(self.headers["Authorization"])
        self.server.taken.append((self.path, self.headers["Content-Type"], body.decode()))
        self.send_response(self.server.status)
        if self.server.status == 302:
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of it belongs on the test's output."""


@contextmanager
def receiving(status: int = 204) -> Iterator[Receiver]:
    with Receiver(status) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_the_note_arrives_as_text(call: Caller) -> None:
    fill(3)
    with receiving() as server:
        ended = call("audit", "head", "--push", f"{server.url}?log=1")
        found = call("audit", "head", "--push", server.url, "--json").document
    newest = newest_checkpoint()
    assert newest is not None
    kind = "text/plain; charset=utf-8"
    assert server.taken == [("/heads?log=1", kind, newest.note), ("/heads", kind, newest.note)]
    assert (ended.status, ended.text) == (0, "The head of 3 entries was sent, and taken.\n")
    assert (found["status"], found["checkpoint"]) == (204, newest.note)


@pytest.mark.parametrize("status", [302, 403, 500])
def test_what_was_not_taken_is_told_in_a_line(call: Caller, status: int) -> None:
    fill(3)
    with receiving(status) as server:
        ended = call("audit", "head", "--push", server.url.replace("//", "//me:secret@") + "?token=secret")
    assert (ended.status, ended.raw) == (2, b"")
    assert f"answered {status}: the head was not taken" in ended.errors
    assert "secret" not in ended.errors
    assert len(ended.errors.splitlines()) == 1
    assert len(server.taken) == 1
    assert server.credentials == ["Basic bWU6c2VjcmV0"]


def test_a_machine_that_is_not_there_or_says_nothing_is_told(
    call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(3)
    monkeypatch.setattr(pushing, "_TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        said_nothing = call("audit", "head", "--push", url)
    not_there = call("audit", "head", "--push", url)
    for ended, reason in ((said_nothing, "timed out"), (not_there, "refused")):
        assert ended.status == 2
        assert reason in ended.errors
        assert len(ended.errors.splitlines()) == 1


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://a/b", "nothing", "http://", "http://[", "http://a b/"]
)
def test_what_is_no_address_is_refused(call: Caller, url: str) -> None:
    fill(3)
    ended = call("audit", "head", "--push", url)
    assert ended.status == 2
    assert len(ended.errors.splitlines()) == 1


def test_the_head_is_drawn_for_a_camera(call: Caller) -> None:
    fill(3)
    drawn = call("audit", "head", "--qr").text
    newest = newest_checkpoint()
    assert newest is not None
    assert drawn == head_qr_text(newest.note) + "\n"
