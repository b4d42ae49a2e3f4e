"""Copies between the person's terminal and the program's, and hands over what passes.

One loop, one thread. Output is handed over to be written down first and goes to the person next, so whatever was seen
is recorded.
"""

import contextlib
import os
import select
import signal
import termios
import time
import tty
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol

from sessions_app.client.markers import MOST_BLOCKS_BEFORE, MarkerPipe
from sessions_app.client.pseudoterminal import PersonsTerminal, Program, get_size, set_size
from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize

STDIN, STDOUT, STDERR = 0, 1, 2

#: A program's end of a pseudo-terminal can fill about 12 KB while this end is busy; with larger blocks the
#: program waits while one is written down (measured: 64 KB costs 20 % on a flood of output, 16 KB next to
#: nothing).
BLOCK_BYTES = 16_384
_READ_BYTES = 65_536
#: Linux hands out at most this much at once; less than it means that the program has not written more yet.
_FULL_READ_BYTES = 1024
_MAX_PENDING_INPUT_BYTES = 65_536
#: How often a program that reads on after the end of the input is looked for.
_END_OF_INPUT_CHECK_MS = 100
#: How often whoever records is asked whether it can take more, when it could not.
_FULL_WAIT_MS = 5
#: How often a job in the background looks whether it has been given the terminal, which no signal tells.
_BACKGROUND_CHECK_MS = 100
#: What still comes from processes that the program left behind is copied no longer than this.
_DRAIN_S = 1.0

type Handler = Callable[[int, FrameType | None], None]

_FORWARDED = ("SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class Recording(Protocol):
    """Is given every event of a program, and must not fail."""

    def take(self, event: Event) -> None: ...

    def has_room(self, size: int) -> bool:
        """Whether an output of `size` bytes can be taken without waiting."""


class Relay:
    """Runs the loop for one program."""

    def __init__(
        self,
        program: Program,
        person: PersonsTerminal,
        recording: Recording,
        *,
        record_input: bool,
        markers: MarkerPipe | None = None,
    ) -> None:
        self._program = program
        self._person = person
        self._recording = recording
        self._record = recording.take
        self._record_input = record_input
        self._markers = markers
        self._started_ns = time.monotonic_ns()
        # Not the window of now: it may have changed since the program was started.
        self._size = program.size
        self._pending_input = bytearray()
        self._input_ended = False
        self._person_listens = True
        self._size_changed = False
        # Whether what is typed is for us, as far as is known, and whether the shell may have changed that.
        self._has_keys = False
        self._was_continued = False
        self._buffer = memoryview(bytearray(BLOCK_BYTES + _READ_BYTES))
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> int:
        """Until the program ends; gives its exit status."""
        with self._signals(), self._person.put_back():
            status = self._loop()
            self._drain()
            if self._markers:
                self._mark(self._markers)
            self._record(Exit(self._now_us(), status))
        return status

    def _now_us(self) -> int:
        return (time.monotonic_ns() - self._started_ns) // 1000

    def _loop(self) -> int:
        while True:
            ready = self._wait()
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            if self._was_continued or not self._has_keys:
                self._look_for_keys()
            if self._size_changed:
                self._resize()
            if self._program.descriptor in ready:
                self._copy_output()
            if self._markers and self._markers.descriptor in ready:
                self._mark(self._markers)
            if STDIN in ready:
                self._read_input()
            if self._pending_input:
                self._write_input()
            elif self._input_ended:
                self._repeat_end_of_input()
            status = self._program.exit_status() if self._wake_read in ready or not ready else None
            if status is not None:
                return status

    def _wait(self) -> set[int]:
        poll = select.poll()
        writing = select.POLLOUT if self._pending_input else 0
        # Keys and signals are passed on also while nothing more can be recorded.
        has_room = self._recording.has_room(BLOCK_BYTES + _READ_BYTES)
        poll.register(self._program.descriptor, (select.POLLIN if has_room else 0) | writing)
        poll.register(self._wake_read, select.POLLIN)
        if self._markers:
            poll.register(self._markers.descriptor, select.POLLIN)
        if self._has_keys and not self._input_ended and len(self._pending_input) < _MAX_PENDING_INPUT_BYTES:
            poll.register(STDIN, select.POLLIN)
        limits_ms = [_END_OF_INPUT_CHECK_MS] if self._input_ended else []
        limits_ms += [] if has_room else [_FULL_WAIT_MS]
        limits_ms += [] if self._has_keys else [_BACKGROUND_CHECK_MS]
        return {descriptor for descriptor, _ in poll.poll(min(limits_ms, default=None))}

    def _copy_output(self) -> bool:
        """Copy what the program has written, up to a block; False when there is nothing (any more)."""
        size = 0
        while size < BLOCK_BYTES:
            try:
                read = os.readv(self._program.descriptor, [self._buffer[size:]])
            except OSError:
                # Nothing there at the moment (EAGAIN), or the terminal was hung up (EIO).
                break
            size += read
            if read < _FULL_READ_BYTES:
                break
        if not size:
            return False
        block = bytes(self._buffer[:size])
        self._record(Output(self._now_us(), block))
        self._show(block)
        return True

    def _show(self, block: bytes) -> None:
        while block and self._person_listens:
            try:
                block = block[os.write(STDOUT, block) :]
            except BlockingIOError:
                select.select([], [STDOUT], [])
            except OSError:
                # Nobody reads any more: without a recorder between them the program would find out as well.
                self._person_listens = False
                self._program.send_signal(signal.SIGHUP)

    def _mark(self, markers: MarkerPipe) -> None:
        """Set markers behind what was written before them."""
        for _ in range(MOST_BLOCKS_BEFORE):
            if not self._copy_output():
                break
        for label in markers.read():
            self._record(Marker(self._now_us(), label))

    def _drain(self) -> None:
        """Copy what was written before the program ended."""
        deadline = time.monotonic() + _DRAIN_S
        while self._copy_output() and time.monotonic() < deadline:
            pass

    def _look_for_keys(self) -> None:
        self._was_continued = False
        self._has_keys = self._person.make_raw()
        # Only who has the keys is told that the window has changed.
        self._size_changed = self._size_changed or self._has_keys

    def _read_input(self) -> None:
        if not self._person.is_ours():
            self._has_keys = False
            return
        try:
            typed = os.read(STDIN, 4096)
        except BlockingIOError:
            return
        except OSError:
            if not self._person.is_ours():
                # It was given to another job this very moment.
                self._has_keys = False
                return
            typed = b""
        if not typed:
            self._input_ended = True
            self._pending_input += self._end_of_file()
            return
        self._pending_input += typed
        if self._record_input:
            self._record(Input(self._now_us(), typed))

    def _write_input(self) -> None:
        try:
            del self._pending_input[: os.write(self._program.descriptor, self._pending_input)]
        except BlockingIOError:
            # The program reads no faster; the loop waits until there is room.
            return
        except OSError:
            self._pending_input.clear()

    def _repeat_end_of_input(self) -> None:
        """Tell the next reader too, as a file would: an end of input on a terminal is for one read only."""
        canonical = termios.tcgetattr(self._program.descriptor)[tty.LFLAG] & termios.ICANON
        if canonical and not select.select([self._program.terminal], [], [], 0)[0]:
            self._pending_input += self._end_of_file()
            self._write_input()

    def _end_of_file(self) -> bytes:
        character = termios.tcgetattr(self._program.descriptor)[tty.CC][termios.VEOF]
        return character if isinstance(character, bytes) else b"\x04"

    def _resize(self) -> None:
        self._size_changed = False
        size = get_size((STDIN, STDOUT, STDERR), os.environ)
        if size != self._size:
            self._size = size
            set_size(self._program.descriptor, size)
            self._record(Resize(self._now_us(), *size))

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Handlers while the block runs; a signal that was ignored stays so, for the program as well."""
        numbers = [getattr(signal, name) for name in _FORWARDED]
        handlers: dict[int, Handler] = dict.fromkeys(numbers, self._forward)
        handlers |= {signal.SIGWINCH: self._window_changed, signal.SIGCONT: self._continued}
        handlers[signal.SIGCHLD] = self._woken
        before: dict[int, Any] = {
            number: signal.signal(number, handler)
            for number, handler in handlers.items()
            if number == signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN
        }
        # A read of keys that went to another job fails then.
        before[signal.SIGTTIN] = signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        # What happened before the handlers were there is looked at once.
        self._size_changed = True
        os.write(self._wake_write, b"\0")
        try:
            yield
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _forward(self, number: int, _: FrameType | None) -> None:
        self._program.send_signal(number)

    def _window_changed(self, _number: int, _frame: FrameType | None) -> None:
        self._size_changed = True

    def _continued(self, _number: int, _frame: FrameType | None) -> None:
        # The shell has put its own mode back, and the job may be in the background now.
        self._was_continued = True

    def _woken(self, _number: int, _frame: FrameType | None) -> None:
        pass
