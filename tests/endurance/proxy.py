"""A bad network: between a viewer and the server, message by message."""

import contextlib
import random
import socket
import struct
import threading
from collections import Counter
from types import TracebackType
from typing import Self

from sessions_app.terminal.wire import FrameType

_BINARY = 0x2
_EVENTS = (FrameType.RESIZE, FrameType.MARKER, FrameType.EXIT)
_READ_BYTES = 64 * 1024
# Resets the connection instead of ending it.
_LINGER = struct.pack("ii", 1, 0)
_LONGEST_DELAY_S = 0.05


class FaultyProxy:
    """Passes connections on to `port`, and spoils what the server sends as long as `is_faulty`.

    Binary messages are lost, repeated, sent again much later, and held up; connections end cleanly or by a
    reset, between messages or in the middle of one. No event is lost without its connection: events carry no number,
    and rely on TCP for that.
    """

    def __init__(self, port: int, seed: int) -> None:
        self.is_faulty = True
        self.faults: Counter[str] = Counter()
        self._to = port
        self._random = random.Random(seed)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._over = threading.Event()
        self._open: set[socket.socket] = set()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._listening.close()
        for connection in list(self._open):
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._to), timeout=5)
            except OSError:
                self.faults["server away"] += 1
                client.close()
                continue
            server.settimeout(None)
            for connection in (client, server):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.add(connection)
            threading.Thread(target=self._upwards, args=(client, server), daemon=True).start()
            threading.Thread(target=self._downwards, args=(client, server), daemon=True).start()

    def _upwards(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(_READ_BYTES):
                server.sendall(data)
        self._close(client, server)

    def _downwards(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError):
            stream = _Stream(server)
            client.sendall(stream.until(b"\r\n\r\n"))
            old = b""
            while True:
                message = stream.message()
                if not self.is_faulty or message[0] & 0x0F != _BINARY:
                    client.sendall(message)
                    continue
                if self._spoil(client, message, old):
                    break
                if self._random.random() < 0.1:
                    old = message
        self._close(client, server)

    def _spoil(self, client: socket.socket, message: bytes, old: bytes) -> bool:
        """Send what becomes of a message; True when the connection is over."""
        chance = self._random.random()
        if chance < 0.04 and message[_head_bytes(message)] not in _EVENTS:
            self.faults["lost"] += 1
            return False
        if chance < 0.08:
            self.faults["repeated"] += 1
            client.sendall(message)
        elif chance < 0.12 and old:
            self.faults["sent again later"] += 1
            client.sendall(old)
        elif chance < 0.16:
            self.faults["held up"] += 1
            self._over.wait(self._random.random() * _LONGEST_DELAY_S)
        elif chance < 0.2:
            self.faults["cut in the middle"] += 1
            client.sendall(message[: self._random.randrange(len(message))])
            return True
        elif chance < 0.24:
            self.faults["cut by a reset"] += 1
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
            return True
        client.sendall(message)
        return False

    def _close(self, *connections: socket.socket) -> None:
        for connection in connections:
            # Wakes the other direction, which may be waiting for it.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
            self._open.discard(connection)


def _head_bytes(message: bytes | bytearray) -> int:
    """What comes before the content of a message."""
    return {126: 4, 127: 10}.get(message[1] & 0x7F, 2)


class _Stream:
    """What a server sends, in messages as they stand on the wire."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = bytearray()

    def until(self, mark: bytes) -> bytes:
        while mark not in self._held:
            self._fill()
        return self._take(self._held.index(mark) + len(mark))

    def message(self) -> bytes:
        self._need(2)
        head = _head_bytes(self._held)
        self._need(head)
        size = int.from_bytes(self._held[2:head]) if head > 2 else self._held[1] & 0x7F
        self._need(head + size)
        return self._take(head + size)

    def _need(self, size: int) -> None:
        while len(self._held) < size:
            self._fill()

    def _fill(self) -> None:
        data = self._connection.recv(_READ_BYTES)
        if not data:
            raise EOFError
        self._held += data

    def _take(self, size: int) -> bytes:
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken
