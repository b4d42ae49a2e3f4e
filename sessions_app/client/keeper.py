"""The process that writes a recording down, beside the recorder, and goes on alone when that is killed.

Masking is pure Python and takes longer than a program takes to print. So the recorder only shows what comes and puts it
into a ring of shared memory (ring.py); the keeper takes it from there, masks it and writes it into the spool. A killed
recorder takes nothing with it: what it has shown is in the ring.

A terminal hangs up its program when nobody holds its other end any more. The keeper holds that end too. When the
recorder ends without a word, it goes on writing down what the program shows, until that ends. The person's
terminal is not touched: whoever started the recorder has it back by then.
"""

import contextlib
import math
import os
import select
import signal
import termios
import time
import tty
from collections.abc import Callable

from sessions_app.client.detaching import detach
from sessions_app.client.ring import EventRing
from sessions_app.client.writing import MaskedWriter
from sessions_app.terminal.asciicast.model import Event, Exit, Marker, Output

#: What stands in the recording where the recorder was killed.
KILLED_LABEL = "The recorder was killed here"
#: Once the program has ended, its caller waits no longer than this without any progress.
_GRACE_S = 2.0
#: So long waits a recorder that finds the ring full, before it looks again.
_FULL_WAIT_S = 0.005
#: A burst is written down in one go, which costs the program less; far below what a person sees. The first after a
#: rest is written at once.
_COALESCE_S = 0.005
_REST_S = 0.05
_BLOCK_BYTES = 16_384
#: How often a program that reads is told that its input has ended.
_END_OF_INPUT_S = 1.0


_KILLED = "the process that writes it down was killed"


class KeeperStopped(Exception):
    """The recording goes no further; the message is the reason."""


class KeeperProcess:
    """Handle of the recorder's side."""

    def __init__(
        self, writing: MaskedWriter, ring: EventRing, terminal: int, started_ns: int, news: int | None
    ) -> None:
        """Fork the keeper; the spool is its own from now on. Raises OSError, and then leaves it as it was.

        `terminal` is the program's, `started_ns` the recording's zero on the monotonic clock, `news` a pipe to the
        uploader, both for the keeper to hold as well. Call it before any thread is started.
        """
        self._ring = ring
        heard, self._call = os.pipe()
        self._report, report = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            for descriptor in (heard, self._call, self._report, report):
                os.close(descriptor)
            raise
        if self._pid == 0:
            _run(writing, ring, heard, report, terminal, started_ns, news)
        for theirs in (heard, report):
            os.close(theirs)
        os.set_blocking(self._call, False)
        # The lock on the spool is held as long as the keeper has it open.
        writing.close()

    def has_room(self, size: int) -> bool:
        """Whether `take` would not wait with an output of `size` bytes."""
        # One that was killed makes no more room; `take` says so.
        return self._ring.has_room(size) or self._has_ended()

    def take(self, event: Event) -> None:
        """Hand an event over; waits while the ring is full. Raises KeeperStopped."""
        while not self._ring.has_stopped:
            is_in = self._ring.put(event)
            try:
                os.write(self._call, b".")
            except BlockingIOError:
                # So many calls that it has not heard yet are enough.
                pass
            except BrokenPipeError:
                break
            if is_in:
                return
            time.sleep(_FULL_WAIT_S)
        # It says why before it stops; a killed one says nothing.
        raise KeeperStopped(os.read(self._report, 4096).decode() or _KILLED)

    def _has_ended(self) -> bool:
        """Whether it has stopped and said why, or is gone."""
        return bool(select.select([self._report], [], [], 0)[0])

    def release(self) -> None:
        """The program has ended, and its terminal is to be hung up: the keeper lets go of it."""
        self._ring.end()
        os.close(self._call)

    def finish(self) -> None:
        """Wait until everything is written down, as long as there is progress. Raises KeeperStopped."""
        taken = -1
        while not select.select([self._report], [], [], _GRACE_S)[0]:
            if taken == self._ring.taken:
                return
            taken = self._ring.taken
        reason = os.read(self._report, 4096)
        os.waitpid(self._pid, 0)
        if reason or not self._ring.is_empty:
            raise KeeperStopped(reason.decode() or _KILLED)


def _run(
    writing: MaskedWriter,
    ring: EventRing,
    heard: int,
    report: int,
    terminal: int,
    started_ns: int,
    news: int | None,
) -> None:
    """Body of the forked process; never returns."""
    try:
        # It ends with the recorder, which passes this signal on to the program and records what that has to say.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        detach(heard, report, terminal, writing.descriptor, *([] if news is None else [news]))
        _Keeper(writing, ring, heard, report, terminal, started_ns, news).run()
    finally:
        # Whoever waits for the end of a pipe or of the terminal is told by this.
        os._exit(0)


class _Keeper:
    def __init__(
        self,
        writing: MaskedWriter,
        ring: EventRing,
        heard: int,
        report: int,
        terminal: int,
        started_ns: int,
        news: int | None,
    ) -> None:
        self._writing: MaskedWriter | None = writing
        self._ring = ring
        self._heard = heard
        self._report = report
        self._terminal: int | None = terminal
        self._started_ns = started_ns
        self._news = news
        self._has_exit = False
        if news is not None:
            os.set_blocking(news, False)

    def run(self) -> None:
        """Until the recorder has ended, and, when it was killed, the program."""
        self._follow()
        if self._terminal is not None:
            if not self._has_exit:
                self._go_on(self._terminal)
            # Whatever became of the recording, the program runs on.
            while _read(self._terminal):
                pass
        if self._writing is not None:
            self._writing.close()

    def _follow(self) -> None:
        """Write down what the recorder hands over, until its end."""
        called_at = 0.0
        while self._is_called():
            now = time.monotonic()
            if now - called_at < _REST_S:
                time.sleep(_COALESCE_S)
            called_at = now
            self._write_what_came()
        self._write_what_came()

    def _is_called(self) -> bool:
        """Wait for the recorder to hand something over; False when it has ended."""
        calls = select.poll()
        calls.register(self._heard, select.POLLIN)
        while True:
            due_s = self._writing.pause_due_s() if self._writing else None
            is_called = calls.poll(None if due_s is None else math.ceil(due_s * 1000))
            if due_s is not None:
                self._write(MaskedWriter.pause)
            if is_called:
                return bool(os.read(self._heard, 65_536))

    def _write_what_came(self) -> None:
        self._ring.look()
        self._let_go_of_terminal()
        while self._writing and (event := self._ring.take()) is not None:
            self._take(event)
            self._ring.let_go()
            self._let_go_of_terminal()

    def _let_go_of_terminal(self) -> None:
        """At once when it is to be hung up, whatever is still to be written down."""
        if self._terminal is not None and self._ring.has_ended:
            os.close(self._terminal)
            self._terminal = None

    def _go_on(self, terminal: int) -> None:
        """In the place of a recorder that was killed."""
        self._take(Marker(self._now_us(), KILLED_LABEL))
        while self._writing:
            if _has_output(terminal, self._writing.pause_due_s()):
                output = _read(terminal)
                if not output:
                    break
                self._take(Output(self._now_us(), output))
            else:
                self._write(MaskedWriter.pause)
        # Whose child it was is gone, so nobody learns how it ended.
        self._take(Exit(self._now_us(), None))

    def _take(self, event: Event) -> None:
        self._has_exit = isinstance(event, Exit)
        self._write(lambda writing: writing.take(event))

    def _write(self, write: Callable[[MaskedWriter], bool]) -> None:
        if self._writing is None:
            return
        has_news = False
        try:
            has_news = write(self._writing)
        except OSError as error:
            self._stop(error.strerror or str(error))
        except Exception as error:
            # A fault of ours: the recorder says it, as there is nobody here to whom it could be shown.
            self._stop(f"writing it down failed: {error!r}")
        if has_news and self._news is not None:
            # A full pipe holds nudges enough; a broken one means that the uploader has given up.
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._news, b".")

    def _stop(self, reason: str) -> None:
        """The recording goes no further. The terminal is held all the same."""
        if self._writing is not None:
            self._writing.close()
            self._writing = None
        # A recorder that was killed is told nothing.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._report, reason[:500].encode("utf-8", "replace"))
        self._ring.stop()

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
