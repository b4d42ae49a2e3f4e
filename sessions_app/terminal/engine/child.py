"""The engine's process: `python -m sessions_app.terminal.engine.child SOCKET LIFE SHARED MEMORY NICENESS`.

It takes requests from the socket, one after the other, until that is closed. The numbers are those of inherited
file descriptors (the third may be none), the bytes of address space that it may use at most, and how much it lets
others go first.
"""

import os
import resource
import signal
import socket
import sys
import threading
from collections import OrderedDict

from sessions_app.terminal.engine.deriver import Deriver
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.messages import (
    FRAME,
    IN_MEMORY,
    Request,
    decode_request,
    encode_answer,
    encode_refusal,
)
from sessions_app.terminal.engine.model import (
    MAX_KEYFRAME_BYTES,
    Derived,
    EngineError,
    Output,
    Redrawn,
    Resize,
    Screen,
    StyledScreen,
    Unfinished,
)
from sessions_app.terminal.engine.shared_memory import SharedMemory
from sessions_app.terminal.engine.version import ENGINE

#: Terminals whose state is kept between two requests, at 1 to 10 MB each for windows of usual sizes.
MAX_DERIVERS = 32
MAX_KEPT_BYTES = 512 << 20


class Work:
    """What the child keeps between requests: the derivers of the terminals asked for last."""

    def __init__(self, most: int = MAX_DERIVERS) -> None:
        self._derivers: OrderedDict[str, Deriver] = OrderedDict()
        self._most = most

    def answer(self, frame: bytes) -> bytes:
        """The answer to a request."""
        try:
            request, items = decode_request(frame)
            if request.ask in ("derive", "finish"):
                return encode_answer(self._derive(request, items))
            return encode_answer(_screen(request, items))
        except EngineError as error:
            return encode_refusal(str(error), is_unfinished=isinstance(error, Unfinished))
        except Exception as error:
            # The others that are kept are well; whoever asked is told.
            return encode_refusal(f"{type(error).__name__}: {error}")

    def _derive(self, request: Request, items: list[Output | Resize]) -> Derived:
        # Taken out until all went well: one that failed half-way knows neither where it is nor what it gave.
        deriver = self._derivers.pop(request.key, None)
        if deriver is None:
            deriver = Deriver(request.cols, request.rows, request.start)
        try:
            derived = deriver.take(items)
            if request.ask == "finish":
                end = deriver.finish()
                derived = Derived(
                    end.offset, end.event, derived.keyframes + end.keyframes, derived.runs + end.runs
                )
        except BaseException:
            deriver.close()
            raise
        self._derivers[request.key] = deriver
        self._let_go()
        return derived

    def _let_go(self) -> None:
        """Of those used least, as many as there are too many or too large ones."""
        kept = sum(deriver.memory_bytes for deriver in self._derivers.values())
        while len(self._derivers) > self._most or (kept > MAX_KEPT_BYTES and len(self._derivers) > 1):
            _, deriver = self._derivers.popitem(last=False)
            kept -= deriver.memory_bytes
            deriver.close()


def _screen(request: Request, items: list[Output | Resize]) -> Screen | StyledScreen | Redrawn:
    start = request.start
    cols, rows = (request.cols, request.rows) if start is None else (start.cols, start.rows)
    engine = GhosttyEngine(cols, rows, scrollback_rows=max(rows, request.scrollback_rows))
    try:
        if start is not None:
            engine.feed(start.data)
        for item in items:
            if isinstance(item, Resize):
                engine.resize(item.cols, item.rows)
            else:
                engine.feed(item.data)
        if request.ask == "redraw":
            data = engine.keyframe(request.scrollback_rows, MAX_KEYFRAME_BYTES)
            return Redrawn(engine.native.cols, engine.native.rows, data)
        return engine.styled() if request.ask == "styled" else engine.screen()
    finally:
        engine.close()


def _receive(connection: socket.socket, length: int) -> bytearray | None:
    received = bytearray(length)
    view = memoryview(received)
    position = 0
    while position < length:
        count = connection.recv_into(view[position:])
        if not count:
            return None
        position += count
    return received


def _end_with_parent(life: int) -> None:
    """Nothing is ever written into this pipe; that it ends says that the parent has ended, however it did."""
    os.read(life, 1)
    os._exit(0)


def warm_up() -> None:
    """Make the library's code and cffi's types ready before anyone waits for them."""
    engine = GhosttyEngine(80, 24)
    engine.feed(b"\x1b[?1049h")
    engine.keyframe(1)
    engine.close()


def main(arguments: list[str]) -> int:
    """Serve until the socket is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    descriptor, life, shared, memory, niceness = map(int, arguments)
    requests = SharedMemory.open(shared)
    os.nice(niceness)
    # The library lets other threads run, so this one works while the library hangs.
    threading.Thread(target=_end_with_parent, args=[life], daemon=True).start()
    connection = socket.socket(fileno=descriptor)
    work = Work()
    if ENGINE:
        warm_up()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    connection.sendall(FRAME.pack(0))
    while (header := _receive(connection, FRAME.size)) is not None:
        (length,) = FRAME.unpack(header)
        in_memory = length & IN_MEMORY
        frame = requests.take(length ^ IN_MEMORY) if in_memory else _receive(connection, length)
        if frame is None:
            break
        answer = work.answer(bytes(frame))
        connection.sendall(FRAME.pack(len(answer)))
        connection.sendall(answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
