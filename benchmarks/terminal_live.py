"""Recorded programs, and viewers over sockets that take their output apart."""

import json
import selectors
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Self

from benchmarks.harness import SCROLLBACK, Console
from benchmarks.processes import Failed
from benchmarks.websocket import WebSocket

PATIENCE_S = 60.0
OUTPUT, RESIZE, MARKER, EXIT, KEYFRAME, GAP, END, INFO = range(1, 9)
HEAD = struct.Struct(">BQQ")
_OFFSET = struct.Struct(">Q")
# As the page does it.
_ACK_BYTES = 128 * 1024
# Waits until it is told to, then prints numbered lines at a steady rate.
STEADY = """
import sys, time
sys.stdin.readline()
size, rate = int(sys.argv[1]), float(sys.argv[2])
started, written, number = time.monotonic(), 0, 0
while written < size:
    lines = []
    due = min(size, (time.monotonic() - started) * rate) if rate else min(size, written + 65536)
    while written < due:
        lines.append("%078d" % number)
        number, written = number + 1, written + 80
    if lines:
        sys.stdout.write("\\n".join(lines) + "\\n")
        sys.stdout.flush()
    if rate:
        time.sleep(0.01)
"""
# Prints as many bytes of the same as each line asks for, as fast as it can, until one is empty.
BURSTS = """
import sys
number = 0
while line := sys.stdin.readline().strip():
    end = number + int(line) // 80
    sys.stdout.write("".join("%078d\\n" % each for each in range(number, end)))
    sys.stdout.flush()
    number = end
"""


def steady_output(size: int) -> bytes:
    """What STEADY and BURSTS print, as it comes out of their terminal."""
    return b"".join(b"%078d\r\n" % number for number in range(-(-size // 80)))


class Recorded:
    """A program under `scrollback record`, told by a line on its input to begin."""

    def __init__(self, console: Console, title: str, program: str, arguments: Sequence[object]) -> None:
        command = [
            str(SCROLLBACK),
            "record",
            "--quiet",
            "--title",
            title,
            "--",
            sys.executable,
            "-c",
            program,
        ]
        self.title = title
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            env=console.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=sys.stderr,
        )
        self.terminal_id = self._wait_for_terminal()

    def begin(self) -> None:
        self.say("")

    def say(self, line: str) -> None:
        """Type a line for the program."""
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def wait(self, timeout_s: float) -> None:
        """Raises Failed when the program ends badly."""
        if self.process.wait(timeout_s):
            raise Failed(f"the recorder ended with status {self.process.returncode}")

    def _wait_for_terminal(self) -> uuid.UUID:
        from sessions_app.models import Terminal

        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            found = Terminal.objects.filter(title=self.title).values_list("pk", flat=True).first()
            if found is not None:
                return found
            if self.process.poll() is not None:
                raise Failed(f"the recorder ended with status {self.process.returncode}")
            time.sleep(0.05)
        raise Failed("the recorder opened no terminal")


@contextmanager
def recorded(console: Console, title: str, program: str, *arguments: object) -> Iterator[Recorded]:
    running = Recorded(console, title, program, arguments)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.communicate()


class Viewer:
    """One of many in a thread: it takes what is there, compares it with what is due, and acknowledges it."""

    def __init__(
        self, live: WebSocket, expected: bytes, *, position: int = 0, acknowledges: bool = True
    ) -> None:
        self.live = live
        self._expected = memoryview(expected)
        self._acknowledges = acknowledges
        self._acknowledged = self.position = position
        self.received = self.skipped = 0
        self.ended = 0.0
        self.close_code = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.live.close()

    def pump(self) -> None:
        """Take what has arrived. Raises Failed when it is not what is due."""
        for frame in self.live.receive_ready():
            self._take(frame)
        if self.live.close_code is not None:
            self.close_code = self.live.close_code
            self.ended = time.monotonic()
        elif self._acknowledges and self.position - self._acknowledged >= _ACK_BYTES:
            self.acknowledge()

    def acknowledge(self) -> None:
        self._acknowledged = self.position
        # A server that has said goodbye waits a second for its answer; what it sent before can still be read.
        with suppress(ConnectionError):
            self.live.send(json.dumps({"ack": self.position}))

    def _take(self, frame: bytes) -> None:
        kind, offset, _ = HEAD.unpack_from(frame)
        if kind == OUTPUT:
            size = len(frame) - HEAD.size
            if offset != self.position:
                raise Failed(f"output from {offset} came where {self.position} was due")
            if memoryview(frame)[HEAD.size :] != self._expected[offset : offset + size]:
                raise Failed(f"the output from {offset} on is not what was written")
            self.received += size
            self.position += size
        elif kind == GAP:
            (to,) = _OFFSET.unpack_from(frame, HEAD.size)
            self.skipped += to - self.position
        elif kind == KEYFRAME:
            self.position = offset


def pump_all(viewers: Sequence[Viewer], until_s: float, *, is_over: Callable[[], bool] | None = None) -> None:
    """Serve the sockets until all of them have ended, or it is over, or time is up."""
    with selectors.DefaultSelector() as selector:
        for viewer in viewers:
            if not viewer.ended:
                selector.register(viewer.live, selectors.EVENT_READ, viewer)
        while selector.get_map() and time.monotonic() < until_s and not (is_over and is_over()):
            for key, _ in selector.select(0.5):
                key.data.pump()
                if key.data.ended:
                    selector.unregister(key.fileobj)
