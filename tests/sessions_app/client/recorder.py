"""The recorder as a person starts it: a process of its own, on a real terminal or on pipes."""

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sessions_app

ROOT = Path(sessions_app.__file__).parents[1]
TIMEOUT_S = 20.0

RECORD = "import sys; from sessions_app.client.record import main; sys.exit(main(sys.argv[1:]))"
#: Makes standard input the controlling terminal, so that keys and window changes become signals.
_ON_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def command_line(*arguments: str) -> list[str]:
    """`scrollback record` with these arguments."""
    return [sys.executable, "-c", RECORD, *arguments]


def run_recorder(
    *arguments: str, stdin: bytes = b"", prefix: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    """Run the recorder on pipes to its end."""
    return subprocess.run(
        [*prefix, *command_line(*arguments)],
        input=stdin,
        capture_output=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )


class TerminalRecorder:
    """The recorder on a terminal, whose keyboard and screen the test is."""

    def __init__(
        self, *arguments: str, size: tuple[int, int] = (90, 30), launcher: str = _ON_TERMINAL
    ) -> None:
        """`launcher` is a program in Python that is given the recorder's command line."""
        self._keyboard, self._terminal = os.openpty()
        self.set_size(size)
        self.shown = b""
        self.attributes_before = self.attributes()
        self.process = subprocess.Popen(
            [sys.executable, "-c", launcher, *command_line(*arguments)],
            stdin=self._terminal,
            stdout=self._terminal,
            stderr=self._terminal,
            start_new_session=True,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._terminal)
        os.close(self._keyboard)

    def set_size(self, size: tuple[int, int]) -> None:
        fcntl.ioctl(self._keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))

    def attributes(self) -> list[Any]:
        return termios.tcgetattr(self._terminal)

    def type(self, keys: bytes) -> None:
        os.write(self._keyboard, keys)

    def read_until(self, text: bytes) -> bytes:
        """What the screen was sent so far, once `text` is in it."""
        deadline = time.monotonic() + TIMEOUT_S
        while text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            self._read(0.1)
        return self.shown

    def end(self) -> int:
        """Exit status, once the recorder has ended."""
        deadline = time.monotonic() + TIMEOUT_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self._read(0.05)
        while self._read(0):
            pass
        return self.process.returncode

    def _read(self, timeout_s: float) -> bool:
        if not select.select([self._keyboard], [], [], timeout_s)[0]:
            return False
        self.shown += os.read(self._keyboard, 65536)
        return True


@contextlib.contextmanager
def piped_recorder(*arguments: str, input_text: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    """The recorder on pipes, while it runs; killed at the end of the block if it still does."""
    with subprocess.Popen(
        command_line(*arguments), stdin=input_text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for `condition`. Raises AssertionError after a while."""
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)
