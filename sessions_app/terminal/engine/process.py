"""The engine in a process of its own: what hangs or dies there takes nothing with it.

There are two children, started when first needed, or shortly before. One derives, and is busy for a quarter of a second
at a time; the other draws single screens, for which somebody is waiting. A native call cannot be interrupted for a
more urgent one, so a priority would not help, and a second child at rest costs some 20 MB.
"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from sessions_app.terminal.engine.messages import (
    FRAME,
    IN_MEMORY,
    MAX_FRAME_BYTES,
    Ask,
    derived_of,
    encode_request,
    redrawn_of,
    screen_of,
    styled_of,
)
from sessions_app.terminal.engine.model import (
    Derived,
    EngineBusy,
    EngineError,
    Keyframe,
    Output,
    Redrawn,
    Resize,
    Screen,
    StyledScreen,
)
from sessions_app.terminal.engine.shared_memory import NONE, SharedMemory

_ROOT = Path(__file__).parents[3]
# A child that has nothing to do yet: a busy machine may take its time.
_START_S = 30.0
#: Address space of a child. The interpreter and the library's reservations take a part of it without using it.
MEMORY_BYTES = 2 << 30
#: By the clock a call may take so many times what it may use of a processor: a busy machine is no fault of the output.
_PATIENCE = 6
_SENT_AT_ONCE = 256
# Of what is derived: whoever looks, and the programs that are recorded, come first on a busy machine.
NICENESS = 5


class EngineProcess:
    """Derivers and one-off screens in child processes. Threads may share one."""

    def __init__(
        self, deadline_s: float = 10.0, memory_bytes: int = MEMORY_BYTES, niceness: int = NICENESS
    ) -> None:
        """`niceness` is how much deriving lets others go first. `deadline_s` is what a call may use of a
        processor once its child attends to it, or wait for that long six times over by the clock; where a child's
        processor time cannot be told, it is the clock's."""
        self._deriving = _Child(deadline_s, memory_bytes, niceness=niceness)
        self._screens = _Child(deadline_s, memory_bytes)

    def derive(
        self,
        key: str,
        start: Keyframe | None,
        cols: int,
        rows: int,
        items: Iterable[Output | Resize],
        *,
        finish: bool,
    ) -> Derived:
        """What `Deriver.take` makes of the items, and with `finish` `Deriver.finish` after it.

        The deriver of `key` is kept for the next call, while it is among the last used; where it is not there,
        it is made from `start` or of this size, and `Derived.offset` tells. Raises EngineError.
        """
        ask: Ask = "finish" if finish else "derive"
        return derived_of(self._deriving.call(encode_request(ask, key, start, cols, rows, items)))

    def screen(
        self, start: Keyframe | None, cols: int, rows: int, items: Iterable[Output | Resize]
    ) -> Screen:
        """What is to be seen after the items. Raises EngineError."""
        return screen_of(self._screens.call(encode_request("screen", "", start, cols, rows, items)))

    def styled(
        self, start: Keyframe | None, cols: int, rows: int, items: Iterable[Output | Resize]
    ) -> StyledScreen:
        """The same with colours. Raises EngineError."""
        return styled_of(self._screens.call(encode_request("styled", "", start, cols, rows, items)))

    def redraw(
        self,
        start: Keyframe | None,
        cols: int,
        rows: int,
        items: Iterable[Output | Resize],
        *,
        scrollback_rows: int,
        deadline_s: float,
        turn_s: float,
    ) -> Redrawn:
        """The screen after the items as a keyframe, with up to so many rows above it, as far as they fit into
        MAX_KEYFRAME_BYTES; within that time by the clock. Raises EngineError, of it EngineBusy where others keep the
        child for longer than `turn_s`."""
        request = encode_request("redraw", "", start, cols, rows, items, scrollback_rows)
        return redrawn_of(self._screens.call(request, deadline_s, turn_s))

    def prepare(self) -> None:
        """Start the child that derives, as its first call would. Raises EngineError."""
        self._deriving.start()

    def stop(self) -> None:
        """End the children; a later call starts new ones."""
        self._deriving.stop()
        self._screens.stop()


class _Child:
    """One process that answers one call at a time."""

    def __init__(self, deadline_s: float, memory_bytes: int, *, niceness: int = 0) -> None:
        self._deadline_s = deadline_s
        self._memory_bytes = memory_bytes
        self._niceness = niceness
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._memory = SharedMemory(None)
        # Its end ends the child.
        self._life: int | None = None

    def call(self, parts: list[bytes], clock_s: float | None = None, turn_s: float = -1) -> bytes:
        """The answer to a request; where `clock_s` is given within that by the clock, once it is its turn.

        Raises EngineBusy when that does not come within `turn_s` (-1: whenever it comes), else EngineError, and then
        there is no child any more.
        """
        length = sum(map(len, parts))
        if length > MAX_FRAME_BYTES:
            raise EngineError(f"{length} bytes are too many for one call")
        if not self._lock.acquire(timeout=turn_s):
            raise EngineBusy(f"others have kept the engine for {turn_s:g} s")
        try:
            connection = self._connection or self._start()
            limit = self._limit(clock_s)
            if self._memory.put(parts, length):
                _send(connection, [FRAME.pack(length | IN_MEMORY)], limit)
            else:
                _send(connection, [FRAME.pack(length), *parts], limit)
            return _receive_frame(connection, limit)
        except TimeoutError as error:
            self._kill()
            limit_s = self._deadline_s if clock_s is None else clock_s
            raise EngineError(f"no answer within {limit_s:g} s") from error
        except OSError as error:
            raise self._lost(error) from error
        except BaseException:
            # Whatever it would still say belongs to a question that nobody asks any more.
            self._kill()
            raise
        finally:
            self._lock.release()

    def start(self) -> None:
        """Be there for the first call. Raises EngineError."""
        with self._lock:
            try:
                if self._connection is None:
                    self._start()
            except OSError as error:
                raise self._lost(error) from error

    def stop(self) -> None:
        with self._lock:
            self._kill()

    def _limit(self, clock_s: float | None) -> "_Limit":
        if clock_s is not None or self._process is None:
            return _Limit(self._deadline_s if clock_s is None else clock_s)
        return _Limit(self._deadline_s, self._process.pid)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        reading, self._life = os.pipe()
        self._memory, memory = SharedMemory.make()
        handles = [handle for handle in (theirs.fileno(), reading, memory) if handle != NONE]
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [
                        *(sys.executable, "-P", "-m", "sessions_app.terminal.engine.child"),
                        *map(str, (theirs.fileno(), reading, memory, self._memory_bytes, self._niceness)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=handles,
                    env=os.environ | {"PYTHONPATH": str(_ROOT)},
                    # Signals for the foreground job of a terminal are not for it.
                    process_group=0,
                )
            finally:
                for handle in handles[1:]:
                    os.close(handle)
        self._connection = ours
        _receive_frame(ours, _Limit(_START_S))
        return ours

    def _lost(self, error: OSError) -> EngineError:
        how = self._kill()
        return EngineError(f"the engine's process ended: {how}" if how else f"no process: {error}")

    def _kill(self) -> str:
        """End the child at once; how it had ended, or "" where there was none."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        life, self._life = self._life, None
        if connection is not None:
            connection.close()
        if life is not None:
            os.close(life)
        self._memory.close()
        if process is None:
            return ""
        status = process.poll()
        process.kill()
        process.wait()
        return f"exit status {process.returncode if status is None else status}"


class _Limit:
    """How long a child is waited for: by the clock, or with its `pid` until it has used so much of a processor."""

    def __init__(self, seconds: float, pid: int | None = None) -> None:
        self._pid = pid
        used_s = None if pid is None else _processor_s(pid)
        self._used_at_end_s = None if used_s is None else used_s + seconds
        self._end = time.monotonic() + (seconds if used_s is None else seconds * _PATIENCE)

    def left_s(self) -> float:
        """For so long at least it need not be looked again. Raises TimeoutError."""
        left_s = self._end - time.monotonic()
        if self._pid is not None and self._used_at_end_s is not None:
            used_s = _processor_s(self._pid)
            left_s = left_s if used_s is None else min(left_s, self._used_at_end_s - used_s)
        if left_s <= 0:
            raise TimeoutError
        return left_s


def _processor_s(pid: int) -> float | None:
    """What a process has used of a processor; None where that cannot be told."""
    if sys.platform != "linux":
        return None
    try:
        # The clock of another process, as clock_getcpuclockid(3) names it.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return None


def _send(connection: socket.socket, parts: list[bytes], limit: _Limit) -> None:
    for first in range(0, len(parts), _SENT_AT_ONCE):
        view = memoryview(b"".join(parts[first : first + _SENT_AT_ONCE]))
        while view:
            connection.settimeout(limit.left_s())
            with contextlib.suppress(TimeoutError):
                view = view[connection.send(view) :]


def _receive_frame(connection: socket.socket, limit: _Limit) -> bytes:
    (length,) = FRAME.unpack(_receive(connection, FRAME.size, limit))
    if length > MAX_FRAME_BYTES:
        raise OSError("an answer that is too long")
    return bytes(_receive(connection, length, limit))


def _receive(connection: socket.socket, length: int, limit: _Limit) -> bytearray:
    received = bytearray(length)
    view = memoryview(received)
    position = 0
    while position < length:
        connection.settimeout(limit.left_s())
        with contextlib.suppress(TimeoutError):
            count = connection.recv_into(view[position:])
            if not count:
                raise ConnectionResetError("closed")
            position += count
    return received
