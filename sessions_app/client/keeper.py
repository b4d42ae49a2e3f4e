"""The process that writes a recording down, beside the recorder, and goes on alone when that is killed.

Masking is pure Python and takes longer than a program takes to print. So the recorder only shows what comes and puts it
into a ring of shared memory (ring.py); the keeper takes it from there, masks it and writes it into the spool. A killed
recorder takes nothing with it: what it has shown is in the ring.

A terminal hangs up its program when nobody holds its other end any more, and whoever writes a marker waits when nobody
holds the pipe. The keeper holds both, too. When the recorder ends without a word, it goes on writing down what the
program shows and names, until that ends. The person's terminal is not touched: whoever started the recorder has it back
by then.
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
from dataclasses import dataclass

from sessions_app.client.detaching import detach
from sessions_app.client.markers import MOST_BLOCKS_BEFORE, MarkerPipe
from sessions_app.client.ring import EventRing
from sessions_app.client.writing import MaskedWriter
from sessions_app.terminal.asciicast.model import Event, Exit, Marker, Output

#: What stands in the recording where the recorder was killed.
KILLED_LABEL = "The recorder was killed here"
#: Once the program has ended, its caller waits no longer than this without any progress.
_GRACE_S = 2.0
#: So long waits a recorder that finds the ring full, before it looks again.
_FULL_WAIT_S = 0.005
#: A keeper that takes nothing out of a full ring for so long does not get on, as on a disk that does not answer. One
#: that is merely slow takes something many times a second.
PATIENCE_S = 10.0
#: A recorder that asks less often than this stood still itself.
_LONGEST_STEP_S = 0.1
#: A burst is written down in one go, which costs the program less; far below what a person sees. The first after a
#: rest is written at once.
_COALESCE_S = 0.005
_REST_S = 0.05
_BLOCK_BYTES = 16_384
#: How often a program that reads is told that its input has ended.
_END_OF_INPUT_S = 1.0
_HUNG_UP = b""

_KILLED = "the process that writes it down was killed"


class KeeperStopped(Exception):
    """The recording goes no further; the message is the reason."""


class KeeperStuck(KeeperStopped):
    """It does not get on, and may yet write down what it was given."""

    def __init__(self) -> None:
        super().__init__(f"nothing was written down for {PATIENCE_S:.0f} s, as if the disk did not answer")


class Patience:
    """With a keeper that makes no room."""

    def __init__(self, limit_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit_s = limit_s
        self._clock = clock
        self._taken = -1
        self._asked_at = 0.0
        self._waited_s = 0.0

    def is_over(self, taken: int) -> bool:
        """Whether `taken` has not changed for so long. To be asked every few milliseconds while one waits."""
        now = self._clock()
        if taken != self._taken:
            self._taken = taken
            self._waited_s = 0.0
        else:
            self._waited_s += min(now - self._asked_at, _LONGEST_STEP_S)
        self._asked_at = now
        return self._waited_s >= self._limit_s


@dataclass(frozen=True, slots=True)
class Handover:
    """What the keeper holds as well, to go on where the recorder is killed: the program's `terminal`, the pipe for
    markers, and `news`, a pipe to the uploader. `started_ns` is the recording's zero on the monotonic clock.
    """

    terminal: int
    markers: MarkerPipe | None
    news: int | None
    started_ns: int

    def descriptors(self) -> list[int]:
        others = (self.markers.descriptor if self.markers else None, self.news)
        return [self.terminal, *(descriptor for descriptor in others if descriptor is not None)]


class KeeperProcess:
    """Handle of the recorder's side."""

    def __init__(self, writing: MaskedWriter, ring: EventRing, held: Handover) -> None:
        """Fork the keeper; the spool is its own from now on. Raises OSError, and then leaves it as it was.

        Call it before any thread is started.
        """
        self._ring = ring
        self._patience = Patience(PATIENCE_S)
        heard, self._call = os.pipe()
        self._report, report = os.pipe()
        try:
            self._pid = os.fork()
        except OSError:
            for descriptor in (heard, self._call, self._report, report):
                os.close(descriptor)
            raise
        if self._pid == 0:
            _run(writing, ring, heard, report, held)
        for theirs in (heard, report):
            os.close(theirs)
        os.set_blocking(self._call, False)
        # The lock on the spool is held as long as the keeper has it open.
        writing.close()

    def has_room(self, size: int) -> bool:
        """Whether `take` would not wait with an output of `size` bytes. Raises KeeperStuck."""
        # One that was killed makes no more room; `take` says so.
        if self._ring.has_room(size) or self._has_ended():
            return True
        self._be_patient()
        return False

    def take(self, event: Event) -> None:
        """Hand an event over; waits while the ring is full. Raises KeeperStopped."""
        while not self._ring.has_stopped:
            is_in = self._ring.put(event)
            try:
                self._wake()
            except BrokenPipeError:
                break
            if is_in:
                return
            self._be_patient()
            time.sleep(_FULL_WAIT_S)
        # It says why before it stops; a killed one says nothing.
        raise KeeperStopped(os.read(self._report, 4096).decode() or _KILLED)

    def _wake(self) -> None:
        """Raises BrokenPipeError when it is gone."""
        # So many calls that it has not heard yet are enough.
        with contextlib.suppress(BlockingIOError):
            os.write(self._call, b".")

    def _be_patient(self) -> None:
        """The ring is full. Raises KeeperStuck when it has been for too long; then nothing more can be handed over."""
        if self._patience.is_over(self._ring.taken):
            self._ring.cut_short()
            with contextlib.suppress(BrokenPipeError):
                self._wake()
            raise KeeperStuck

    def _has_ended(self) -> bool:
        """Whether it has stopped and said why, or is gone."""
        return bool(select.select([self._report], [], [], 0)[0])

    def release(self) -> None:
        """The program has ended, and its terminal is to be hung up: the keeper lets go of it."""
        self._ring.end()
        os.close(self._call)

    def finish(self) -> bool:
        """Wait until everything is written down, as long as there is progress; whether it is. Raises KeeperStopped."""
        taken = -1
        while not select.select([self._report], [], [], _GRACE_S)[0]:
            if taken == self._ring.taken:
                return False
            taken = self._ring.taken
        reason = os.read(self._report, 4096)
        os.waitpid(self._pid, 0)
        if reason or not self._ring.is_empty:
            raise KeeperStopped(reason.decode() or _KILLED)
        return True


def _run(writing: MaskedWriter, ring: EventRing, heard: int, report: int, held: Handover) -> None:
    """Body of the forked process; never returns."""
    try:
        # It ends with the recorder, which passes this signal on to the program and records what that has to say.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        detach(heard, report, writing.descriptor, *held.descriptors())
        _Keeper(writing, ring, heard, report, held).run()
    finally:
        # Whoever waits for the end of a pipe or of the terminal is told by this.
        os._exit(0)


class _Keeper:
    def __init__(
        self, writing: MaskedWriter, ring: EventRing, heard: int, report: int, held: Handover
    ) -> None:
        self._writing: MaskedWriter | None = writing
        self._ring = ring
        self._heard = heard
        self._report = report
        self._terminal: int | None = held.terminal
        self._markers = held.markers
        self._started_ns = held.started_ns
        self._news = held.news
        self._has_exit = False
        self._last_us = 0
        if self._news is not None:
            os.set_blocking(self._news, False)

    def run(self) -> None:
        """Until the recorder has ended, and, when it was killed, the program."""
        self._follow()
        if self._terminal is not None:
            if self._has_exit:
                # What still comes is from processes that the program left behind.
                self._close()
            self._go_on(self._terminal)
        self._close()

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
            self._last_us = event.time_us
            self._ring.let_go()
            self._let_go_of_terminal()
        if self._ring.is_cut_short and self._ring.is_empty:
            # Nothing may follow behind the hole, not even when the recorder is killed.
            self._take(Exit(self._last_us, None))
            self._close()

    def _let_go_of_terminal(self) -> None:
        """At once when it is to be hung up, whatever is still to be written down."""
        if self._terminal is not None and self._ring.has_ended:
            os.close(self._terminal)
            self._terminal = None
            if self._markers:
                self._markers.close()

    def _go_on(self, terminal: int) -> None:
        """In the place of a recorder that was killed, until the program has ended.

        Also where nothing more is written down: whatever became of the recording, the program runs on.
        """
        self._take(Marker(self._now_us(), KILLED_LABEL))
        while True:
            ready = self._wait(terminal)
            if self._markers and self._markers.descriptor in ready:
                self._mark(terminal, self._markers)
            if terminal in ready:
                output = _read(terminal)
                if output == _HUNG_UP:
                    break
                self._take_output(output)
            if not ready:
                self._write(MaskedWriter.pause)
        if self._markers:
            self._mark(terminal, self._markers)
            self._markers.close()
        # Whose child it was is gone, so nobody learns how it ended.
        self._take(Exit(self._now_us(), None))

    def _wait(self, terminal: int) -> list[int]:
        """Which of the terminal and the pipe can be read; none after a while, or when it is time to write down what was
        held back. A program that reads lines is told after a while that nobody types any more.
        """
        due_s = self._writing.pause_due_s() if self._writing else None
        sources = [terminal, self._markers.descriptor] if self._markers else [terminal]
        wait_s = _END_OF_INPUT_S if due_s is None else min(due_s, _END_OF_INPUT_S)
        ready = select.select(sources, [], [], wait_s)[0]
        if not ready and due_s is None:
            _end_input(terminal)
        return ready

    def _mark(self, terminal: int, markers: MarkerPipe) -> None:
        """Set markers behind what was written before them."""
        for _ in range(MOST_BLOCKS_BEFORE):
            output = _read(terminal)
            if not output:
                break
            self._take_output(output)
        for label in markers.read():
            self._take(Marker(self._now_us(), label))

    def _take_output(self, output: bytes | None) -> None:
        if output:
            self._take(Output(self._now_us(), output))

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

    def _close(self) -> None:
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def _stop(self, reason: str) -> None:
        """The recording goes no further. Terminal and pipe are held all the same."""
        self._close()
        # A recorder that was killed is told nothing.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._report, reason[:500].encode("utf-8", "replace"))
        self._ring.stop()

    def _now_us(self) -> int:
        return (time.monotonic_ns() - self._started_ns) // 1000


def _read(terminal: int) -> bytes | None:
    """What is there, None when nothing is at the moment, _HUNG_UP when nobody has the terminal open any more."""
    try:
        return os.read(terminal, _BLOCK_BYTES)
    except BlockingIOError:
        return None
    except OSError:
        return _HUNG_UP


def _end_input(terminal: int) -> None:
    """Tell a program that reads lines that there are no more."""
    with contextlib.suppress(OSError, termios.error):
        attributes = termios.tcgetattr(terminal)
        end_of_file = attributes[tty.CC][termios.VEOF]
        # In any other mode it would be a key.
        if attributes[tty.LFLAG] & termios.ICANON and isinstance(end_of_file, bytes):
            os.write(terminal, end_of_file)
