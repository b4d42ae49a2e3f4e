"""A WebSocket client with nothing in the way: one frame in, one frame out, blocking."""

import base64
import os
import socket
import struct
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from benchmarks.processes import Failed

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_READ_BYTES = 256 * 1024


class Closed(Exception):
    """The server closed the socket; the message is its code."""


class WebSocket:
    """Raises Failed when the server refuses, Closed when it closes, TimeoutError when nothing comes in time."""

    def __init__(
        self,
        port: int,
        path: str,
        headers: dict[str, str],
        *,
        timeout_s: float = 30.0,
        through: int | None = None,
        receive_bytes: int | None = None,
    ) -> None:
        """`port` is the server's; `through` that of a proxy on the way to it. `receive_bytes` is the room that the
        system has for what was not read yet, where it is not to be the usual one of some megabytes."""
        self._socket = socket.create_connection(("127.0.0.1", through or port), timeout=timeout_s)
        if receive_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._start = 0
        # How the server closed, where receive_ready was told of it.
        self.close_code: str | None = None
        try:
            self._shake_hands(port, path, headers)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def fileno(self) -> int:
        return self._socket.fileno()

    def _shake_hands(self, port: int, path: str, headers: dict[str, str]) -> None:
        origin = f"http://127.0.0.1:{port}"
        fields = {
            "Host": f"127.0.0.1:{port}", "Origin": origin, "Upgrade": "websocket", "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(), "Sec-WebSocket-Version": "13", **headers,
        }  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._socket.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            self._fill()
        status = self._buffer.split(b"\r\n", 1)[0]
        if b" 101 " not in status:
            raise Failed(f"the socket {path} was refused: {status.decode(errors='replace')}")
        self._start = end + 4

    def send(self, text: str) -> None:
        self._send(_TEXT, text.encode())

    def receive(self) -> bytes:
        """The next message's content."""
        message = b""
        while True:
            kind, is_last, content = self._frame()
            if kind == _CLOSE:
                raise Closed(str(struct.unpack(">H", content[:2])[0]) if content else "without a code")
            if kind == _PING:
                self._send(_PONG, content)
            elif kind != _PONG:
                message += content
                if is_last:
                    return message

    def receive_ready(self) -> Iterator[bytes]:
        """What one read brings, in messages of one frame each; after the end `close_code` is set."""
        try:
            self._fill()
            while self._has_frame():
                kind, is_last, content = self._frame()
                if kind == _CLOSE:
                    self.close_code = str(struct.unpack(">H", content[:2])[0]) if content else "none"
                    return
                if kind == _PING:
                    self._send(_PONG, content)
                elif kind != _PONG:
                    if not is_last:
                        raise Failed("a message came in more than one frame")
                    yield content
        except (Closed, ConnectionError) as error:
            self.close_code = str(error)

    def _has_frame(self) -> bool:
        """Whether a whole frame of the server, which masks nothing, is in the buffer."""
        held = len(self._buffer) - self._start
        if held < 2:
            return False
        size = self._buffer[self._start + 1] & 0x7F
        head = {126: 4, 127: 10}.get(size, 2)
        if held < head:
            return False
        if head > 2:
            size = int.from_bytes(self._buffer[self._start + 2 : self._start + head])
        return held >= head + size

    def _frame(self) -> tuple[int, bool, bytes]:
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self._take(8))
        return first & 0x0F, bool(first & 0x80), self._take(size)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) - self._start < size:
            self._fill()
        content = bytes(self._buffer[self._start : self._start + size])
        self._start += size
        if self._start > _READ_BYTES:
            del self._buffer[: self._start]
            self._start = 0
        return content

    def _fill(self) -> None:
        content = self._socket.recv(_READ_BYTES)
        if not content:
            raise Closed("without a word")
        self._buffer += content

    def _send(self, kind: int, content: bytes) -> None:
        mask = os.urandom(4)
        size = len(content)
        if size < 126:
            head = struct.pack(">BB", 0x80 | kind, 0x80 | size)
        else:
            head = struct.pack(">BBH", 0x80 | kind, 0x80 | 126, size)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
        self._socket.sendall(head + mask + masked)
