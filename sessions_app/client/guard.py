"""Who holds the program's terminal when the recorder is killed, so that the program does not notice.

A terminal hangs up its program when nobody holds its other end any more. The uploader, a process of its own, holds
that end too, and a thread of it waits for the recorder's end. When that comes without a word, the thread takes the
spool over and goes on writing down what the program shows, until that ends. The person's terminal is not touched:
whoever started the recorder has it back by then.
"""

import contextlib
import os
import select
import termios
import threading
import time
import tty
from collections.abc import Mapping

from sessions_app.client.masking import PatientMasker
from sessions_app.client.spool import Spool, SpoolWriter
from sessions_app.client.writing import MaskedWriter
from sessions_app.terminal.asciicast.model import Exit, Marker, Output

#: What stands in the recording where the recorder was killed: what it had read and not yet written is missing there.
KILLED_LABEL = "The recorder was killed here; what it held back is missing"
RELEASED = b"."
#: When a recorder is killed, its pipe may be closed before its lock is.
_LOCK_WAIT_S = 2.0
_LOCK_LOOK_S = 0.005
_BLOCK_BYTES = 16_384
#: How often a program that reads is told that its input has ended.
_END_OF_INPUT_S = 1.0


class Guard:
    """Call `start` in the process that outlives the recorder."""

    def __init__(self, spool: Spool, masker: PatientMasker | None, started_ns: int) -> None:
        """`masker` has taken nothing yet; `started_ns` is the recording's zero on the monotonic clock."""
        self._spool = spool
        self._masker = masker
        self._started_ns = started_ns
        self._has_decided = threading.Event()
        self._has_news = threading.Event()
        self._keeps = False
        self._thread: threading.Thread | None = None

    def start(self, recorder: int, terminal: int) -> None:
        """`recorder` is a pipe that the recorder holds open, `terminal` the program's terminal."""
        self._thread = threading.Thread(target=self._run, args=(recorder, terminal), name="guard")
        self._thread.start()

    def has_taken_over(self) -> bool:
        """For who knows that the recorder has ended: whether its work goes on here. Waits until that is decided."""
        return self._thread is not None and self._has_decided.wait() and self._keeps

    def wait_for_news(self, seconds: float | None = None) -> bool:
        """Wait until more was written down, or for so long; False when there will be no more."""
        self._has_news.wait(seconds)
        self._has_news.clear()
        return self._keeps

    def join(self) -> None:
        """Until the recorder needs no guard any more, and the program, when it was taken over, has ended."""
        if self._thread is not None:
            self._thread.join()

    def _run(self, recorder: int, terminal: int) -> None:
        try:
            if os.read(recorder, 1) != RELEASED:
                self._stand_in(terminal)
        finally:
            self._has_decided.set()
            os.close(terminal)

    def _stand_in(self, terminal: int) -> None:
        try:
            taken = self._take_over()
            self._keeps = taken is not None
            self._has_decided.set()
            if taken is not None:
                # The disk may be full.
                with contextlib.suppress(OSError):
                    self._go_on(taken, terminal)
        finally:
            self._keeps = False
            self._has_decided.set()
            self._has_news.set()
            # Whatever became of the recording, the program runs on.
            _read_on(terminal)

    def _take_over(self) -> MaskedWriter | None:
        """None when the recording has its end, or somebody else works on it."""
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                found = SpoolWriter.take_over(self._spool)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    return None
                time.sleep(_LOCK_LOOK_S)
                continue
            except (OSError, ValueError):
                return None
            return found and self._continued(*found)

    def _continued(self, writer: SpoolWriter, masked: Mapping[str, int] | None) -> MaskedWriter:
        # What was not masked before is not masked now.
        return MaskedWriter(writer, None if masked is None else self._masker, masked)

    def _go_on(self, writing: MaskedWriter, terminal: int) -> None:
        with contextlib.closing(writing):
            writing.take(Marker(self._now_us(), KILLED_LABEL))
            self._has_news.set()
            while True:
                if _has_output(terminal, writing.pause_due_s()):
                    output = _read(terminal)
                    if not output:
                        break
                    wrote = writing.take(Output(self._now_us(), output))
                else:
                    wrote = writing.pause()
                if wrote:
                    self._has_news.set()
            # Whose child it was is gone, so nobody learns how it ended.
            writing.take(Exit(self._now_us(), None))

    def _now_us(self) -> int:
        return (time.monotonic_ns() - self._started_ns) // 1000


def _read(terminal: int) -> bytes:
    """What is there, b"" when nobody has the terminal open any more."""
    try:
        return os.read(terminal, _BLOCK_BYTES)
    except BlockingIOError:
        while not _has_output(terminal, None):
            pass
        return _read(terminal)
    except OSError:
        return b""


def _has_output(terminal: int, seconds: float | None) -> bool:
    """Wait for it, for so long or a while. A program that reads lines is told that nobody types any more."""
    wait_s = _END_OF_INPUT_S if seconds is None else min(seconds, _END_OF_INPUT_S)
    if select.select([terminal], [], [], wait_s)[0]:
        return True
    with contextlib.suppress(OSError, termios.error):
        attributes = termios.tcgetattr(terminal)
        end_of_file = attributes[tty.CC][termios.VEOF]
        # In any other mode it would be a key.
        if seconds is None and attributes[tty.LFLAG] & termios.ICANON and isinstance(end_of_file, bytes):
            os.write(terminal, end_of_file)
    return False


def _read_on(terminal: int) -> None:
    """A program whose output nobody reads waits for ever."""
    while _read(terminal):
        pass
