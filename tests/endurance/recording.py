"""A program that is recorded, and notes what it notices; a proxy that notes what its recorder was promised."""

import contextlib
import json
import os
import pty
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from sessions_app.actions.terminals.reading import read_bytes
from sessions_app.models import Terminal, TerminalState
from tests.browser.running import Server
from tests.endurance.sizes import IS_FULL, full_or
from tests.launching import launch, run_program

SIZE = full_or(100_000_000, 2_000_000)
# A server is back while the program still runs.
BYTES_PER_S = full_or(2_500_000, 400_000)
STATUS = 7
# So much longer than on a terminal of its own no write may be held up: who watches a program sees no pause.
UNNOTICED_S = 0.25
# The same for what waiting for a core is part of, but at full size alone: with little output the server's start falls
# together with the program's, on the same cores.
UNNOTICED_ON_BUSY_CORES_S = UNNOTICED_S if IS_FULL else 2.0
DEADLINE_S = full_or(600, 120)
_READ_BYTES = 64 * 1024
_TOLD = re.compile(rb'"offset": ?(\d+)')
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3})")
# Prints numbered lines at a steady rate, and in the end writes down how long it took and its longest write, also
# without what it and those that read its terminal waited for a core meanwhile: 0 where the system does not tell that.
_PROGRAM = """
import json, os, sys, time
parent = os.getppid()
readers = {parent}
def waited():
    try:
        # The program itself is one of them.
        readers.update(map(int, open(f"/proc/{parent}/task/{parent}/children").read().split()))
    except OSError:
        # It was killed, and another child of it reads on.
        pass
    found = {}
    for process in readers:
        try:
            found[process] = int(open(f"/proc/{process}/schedstat").read().split()[1]) / 1e9
        except OSError:
            pass
    return found
size, rate, status, report = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
started = time.monotonic()
longest = longest_held = written = number = 0
while written < size:
    block = b"".join(b"%078d\\n" % each for each in range(number, number + 50))
    number += 50
    waited_before, before = waited(), time.monotonic()
    while block:
        done = os.write(1, block)
        written += done + block[:done].count(b"\\n")
        block = block[done:]
    took = time.monotonic() - before
    longest = max(longest, took)
    waits = waited()
    held = took - sum(now - waited_before.get(process, now) for process, now in waits.items())
    longest_held = max(longest_held, held if waits else 0)
    time.sleep(max(0, started + written / rate - time.monotonic()))
seconds = time.monotonic() - started
json.dump({"seconds": seconds, "longest_write_s": longest, "longest_held_s": longest_held}, open(report, "w"))
sys.exit(status)
"""


def output(size: int = SIZE) -> bytes:
    """What the program prints, as it comes out of its terminal."""
    return b"".join(b"%078d\r\n" % number for number in range(-(-size // 4_000) * 50))


@dataclass
class Recording:
    """The program under its recorder."""

    process: subprocess.Popen[bytes]
    title: str
    report: Path
    # The same program, without a recorder, beside it.
    alone: "_Alone"
    screen: Path
    proxy: "NotingProxy"
    environment: dict[str, str]
    # Where it sends to.
    options: list[str]

    @property
    def terminal(self) -> Terminal | None:
        return Terminal.objects.filter(title=self.title).first()

    @property
    def stored(self) -> int:
        """Bytes of output that are committed."""
        terminal = self.terminal
        return terminal.size if terminal else 0

    def output_stored(self) -> bytes:
        terminal = self.terminal
        return read_bytes(terminal.pk, 0, terminal.size) if terminal else b""

    def has_ended(self) -> bool:
        terminal = self.terminal
        return terminal is not None and terminal.state == TerminalState.ENDED

    def send_rest(self) -> str:
        """What is kept once the recorder has given up, as a person would send it; what the command said."""
        done = run_program("upload", "--json", *self.options, env=self.environment, timeout=DEADLINE_S)
        return (done.stdout + done.stderr).decode()

    def noticed(self) -> "Noticed":
        """What the program wrote down, and what it did meanwhile without a recorder."""
        return Noticed(json.loads(self.report.read_text()), self.alone.noticed())


class Noticed(NamedTuple):
    """What the program under its recorder wrote down, and the one on a terminal of its own: `seconds`, its
    `longest_write_s`, and `longest_held_s`, that of a write without waiting for a core.
    """

    recorded: dict[str, float]
    alone: dict[str, float]

    def check(self) -> None:
        """Whatever the machine does besides, it holds up both."""
        assert self.recorded["longest_held_s"] < self.alone["longest_held_s"] + UNNOTICED_S
        for what in ("longest_write_s", "seconds"):
            assert self.recorded[what] < self.alone[what] + UNNOTICED_ON_BUSY_CORES_S, what


class _Alone:
    """The program on a terminal whose other end is read at once."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._end, theirs = pty.openpty()
        try:
            self._process = subprocess.Popen(_program(report), stdin=subprocess.DEVNULL, stdout=theirs)
        finally:
            os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        os.close(self._end)

    def noticed(self) -> dict[str, float]:
        assert self._process.wait(DEADLINE_S) == STATUS
        found: dict[str, float] = json.loads(self._report.read_text())
        return found

    def _read(self) -> None:
        # Once nobody has the other end, reading is an error.
        with contextlib.suppress(OSError):
            while os.read(self._end, _READ_BYTES):
                pass


def _program(report: Path) -> list[str]:
    return [sys.executable, "-c", _PROGRAM, str(SIZE), str(BYTES_PER_S), str(STATUS), str(report)]


@contextmanager
def recording(
    server: Server, folder: Path, title: str, *, home: Path | None = None, stderr: IO[bytes] | None = None
) -> Iterator[Recording]:
    """`home` is the recorder's data directory, where that is not the server's."""
    environment = {**server.environment, **({"SCROLLBACK_HOME": str(home)} if home else {})}
    report, screen = folder / f"{title}.json", folder / f"{title}.out"
    with (
        NotingProxy(server.port) as proxy,
        screen.open("wb") as shown,
        _Alone(folder / f"{title}-alone.json") as alone,
    ):
        options = [
            "--server",
            f"http://127.0.0.1:{proxy.port}",
            "--token-file",
            str(server.home / "agent.token"),
        ]
        process = launch(
            *("record", "--quiet", "--title", title, *options, "--", *_program(report)),
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=shown,
            stderr=stderr,
        )
        try:
            yield Recording(process, title, report, alone, screen, proxy, environment, options)
        finally:
            process.kill()
            process.wait()


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, what
        threading.Event().wait(0.02)


class NotingProxy:
    """Passes connections on, also to a server that was started anew, and remembers the server's answers."""

    def __init__(self, port: int) -> None:
        self.acknowledged = 0
        self.statuses: set[int] = set()
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # An accept that waits in another thread is not woken by close alone.
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._to))
                except OSError:
                    client.close()
                    continue
                threading.Thread(target=self._pass, args=(client, server, False), daemon=True).start()
                threading.Thread(target=self._pass, args=(server, client, True), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, notes: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_READ_BYTES):
                target.sendall(data)
                if notes:
                    self._note(data)
        for connection in (source, target):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _note(self, answer: bytes) -> None:
        self.statuses.update(int(status) for status in _STATUS_LINE.findall(answer))
        self.acknowledged = max([self.acknowledged, *map(int, _TOLD.findall(answer))])
