"""A server that keeps the recorder's contract, and breaks in every way a real one can."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from dashboard.announcing import announced
from sessions_app.terminal.asciicast.model import Event, Exit, Output
from sessions_app.terminal.batch import START, BatchError, Position, decode_batch

TOKEN = "recorder-token"

#: What happens to one request: "ok", a status to answer with, or a connection cut before or after the work
#: is done.
Fault = str | int


@dataclass
class StoredTerminal:
    """What the server has of a terminal."""

    document: dict[str, Any]
    events: list[Event] = field(default_factory=list)
    position: Position = START
    # What the last batch said about masking.
    masked: Mapping[str, int] | None = None

    @property
    def output(self) -> bytes:
        return b"".join(event.data for event in self.events if isinstance(event, Output))

    @property
    def exit(self) -> Exit | None:
        return next((event for event in self.events if isinstance(event, Exit)), None)


class FakeServer:
    """`faults` are used up one per request; when there are none left, every request is answered well."""

    def __init__(self) -> None:
        self.terminals: dict[str, StoredTerminal] = {}
        # {what a session may be called: its id}
        self.sessions: dict[str, str] = {}
        # Ids of those that recordings may name; None for any.
        self.known_sessions: set[str] | None = None
        self.faults: deque[Fault] = deque()
        self.received_bytes = 0
        self.overlapping_bytes = 0
        self.requests: list[str] = []
        self.largest_body = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._http: ThreadingHTTPServer | None = None
        self.port = 0
        self._announcement = ExitStack()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, at the port of the first start."""
        self._http = _Server(("127.0.0.1", self.port), self)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def announce(self, directory: Path, origins: Sequence[str] = ()) -> None:
        """As a server on this data directory does, until `vanish`."""
        self._announcement.enter_context(announced(directory, f"{self.url}/", [self.url, *origins]))

    def vanish(self) -> None:
        """Be announced no more."""
        self._announcement.close()

    def stop(self) -> None:
        """Stop listening and cut all connections."""
        if self._http:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def only_terminal(self) -> StoredTerminal:
        with self._lock:
            return self.only_terminal_unlocked()

    def only_terminal_unlocked(self) -> StoredTerminal:
        """For a condition that is waited for, which holds the lock already."""
        [terminal] = self.terminals.values()
        return terminal

    def wait_for(self, condition: Callable[[], bool], timeout_s: float = 20) -> None:
        """Wait until `condition` holds after some request. Raises AssertionError in the end."""
        with self._changed:
            assert self._changed.wait_for(condition, timeout_s), (self.requests[-5:], self.terminals)

    def put(self, terminal_id: str, body: bytes) -> tuple[int, dict[str, Any]]:
        terminal = self.terminals.get(terminal_id)
        status = 200 if terminal else 201
        if terminal is None:
            document = json.loads(body)
            session = document["session"]
            if session and self.known_sessions is not None and session not in self.known_sessions:
                return 422, _problem("no-such-session", f"There is no session {session}.")
            terminal = self.terminals[terminal_id] = StoredTerminal(document)
        state = "ended" if terminal.exit else "live"
        return status, _committed(terminal.position) | {"id": terminal_id, "state": state}

    def post(self, terminal_id: str, body: bytes) -> tuple[int, dict[str, Any]]:
        terminal = self.terminals.get(terminal_id)
        if terminal is None:
            return 404, _problem("not-found", "There is no such terminal.")
        try:
            batch = decode_batch(body)
        except BatchError as error:
            return 400, _problem("bad-batch", str(error))
        if not terminal.position.covers(batch.start):
            return 409, _problem("offset-mismatch", "There is a hole.") | _committed(terminal.position)
        before, terminal.masked = terminal.position.offset, batch.masked
        self.received_bytes += sum(len(event.data) for event in batch.events if isinstance(event, Output))
        self.largest_body = max(self.largest_body, len(body))
        for event in batch.remaining(terminal.position):
            terminal.events.append(event)
            terminal.position = terminal.position.after(event)
        self.overlapping_bytes = self.received_bytes - sum(len(t.output) for t in self.terminals.values())
        assert terminal.position.offset >= before
        return 200, _committed(terminal.position)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request, or not."""
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self._changed:
            fault = self.faults.popleft() if self.faults else "ok"
            status, document = self._answer(handler, body, fault)
            self.requests.append(f"{handler.command} {status} {handler.path} {fault}")
            self._changed.notify_all()
        if isinstance(fault, str) and fault.startswith("cut"):
            handler.close_connection = True
            return
        answer = json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(answer)))
        if status in (301, 307):
            handler.send_header("Location", self.url + "/elsewhere")
        handler.end_headers()
        handler.wfile.write(answer)

    def _answer(
        self, handler: BaseHTTPRequestHandler, body: bytes, fault: Fault
    ) -> tuple[int, dict[str, Any]]:
        if isinstance(fault, int):
            return fault, _problem("fault", f"A fault of {fault}.")
        if fault == "cut before":
            return 0, {}
        if handler.headers["Authorization"] != f"Bearer {TOKEN}":
            return 401, _problem("not-authenticated", "The token is not known.")
        prefix, named, name = handler.path.partition("/api/v1/sessions/named?name=")
        if named and prefix == "" and handler.command == "GET":
            known = self.sessions.get(unquote(name))
            return (
                (200, {"id": known}) if known else (422, _problem("refused", f"No {unquote(name)!r} here."))
            )
        prefix, _, rest = handler.path.partition("/api/v1/terminals/")
        terminal_id, _, resource = rest.partition("/")
        if prefix == "" and handler.command == "PUT" and not resource:
            return self.put(terminal_id, body)
        if prefix == "" and handler.command == "POST" and resource == "output":
            return self.post(terminal_id, body)
        return 404, _problem("not-found", "There is nothing here.")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], fake: FakeServer) -> None:
        self.fake = fake
        self.connections: set[Any] = set()
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no error of the server."""

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        super().server_close()
        for connection in self.connections:
            self.shutdown_request(connection)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self.server.fake.handle(self)

    def do_PUT(self) -> None:
        self.server.fake.handle(self)

    def do_POST(self) -> None:
        self.server.fake.handle(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Tests are quiet."""


def _committed(position: Position) -> dict[str, Any]:
    return {"offset": position.offset, "events": position.events}


def _problem(name: str, detail: str) -> dict[str, Any]:
    return {"type": f"https://scrollback.example/problems/{name}", "title": name, "detail": detail}


@contextmanager
def running_fake_server() -> Iterator[FakeServer]:
    server = FakeServer()
    server.start()
    try:
        yield server
    finally:
        server.vanish()
        server.stop()
