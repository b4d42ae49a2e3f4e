"""What a process and its engine process say to each other: framed MessagePack over a socket.

A request is a header and the output as one piece of bytes; an answer is one byte that says how it went, and
what was asked for. Nothing but plain values is in them, so a child that hostile output took over could not make
its parent do anything. A frame has its length before it, 4 bytes little-endian; a request whose length has IN_MEMORY
added stands in the memory that the two share.
"""

import struct
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from sessions_app.terminal.engine.model import (
    Derived,
    EngineError,
    Keyframe,
    Output,
    Redrawn,
    Resize,
    Screen,
    StyledScreen,
    Unfinished,
)

MAX_FRAME_BYTES = 1 << 30
FRAME = struct.Struct("<I")
#: Beyond MAX_FRAME_BYTES.
IN_MEMORY = 1 << 31
#: First byte of an answer.
DONE, REFUSED, UNFINISHED = b"\x00", b"\x01", b"\x02"

type Ask = Literal["derive", "finish", "screen", "styled", "redraw"]

_HEADER = struct.Struct("<I")


class Request(msgspec.Struct, frozen=True, array_like=True):
    """What the child is to do with the output behind the header.

    `writes` are (time, number of bytes), or (event, time, columns, rows) for a resize. `offset` is that of the
    first byte, `scrollback_rows` how many rows above the screen are to be drawn again.
    """

    ask: Ask
    key: str
    start: Keyframe | None
    cols: int
    rows: int
    offset: int
    writes: list[list[int]]
    scrollback_rows: int = 0


_encoder = msgspec.msgpack.Encoder()
_decode_request = msgspec.msgpack.Decoder(Request).decode
_decode_derived = msgspec.msgpack.Decoder(Derived).decode
_decode_screen = msgspec.msgpack.Decoder(Screen).decode
_decode_styled = msgspec.msgpack.Decoder(StyledScreen).decode
_decode_redrawn = msgspec.msgpack.Decoder(Redrawn).decode


def encode_request(
    ask: Ask,
    key: str,
    start: Keyframe | None,
    cols: int,
    rows: int,
    items: Iterable[Output | Resize],
    scrollback_rows: int = 0,
) -> list[bytes]:
    """Parts of a request. The output of the items must be consecutive."""
    writes: list[list[int]] = []
    parts: list[bytes] = []
    offset: int | None = None
    for item in items:
        if offset is None:
            offset = item.offset
        if isinstance(item, Output):
            writes.append([item.time_us, len(item.data)])
            parts.append(item.data)
        else:
            writes.append([item.event, item.time_us, item.cols, item.rows])
    header = _encoder.encode(Request(ask, key, start, cols, rows, offset or 0, writes, scrollback_rows))
    return [_HEADER.pack(len(header)) + header, *parts]


def decode_request(frame: bytes) -> tuple[Request, list[Output | Resize]]:
    """A request and its items."""
    (length,) = _HEADER.unpack_from(frame)
    position = _HEADER.size + length
    request = _decode_request(frame[_HEADER.size : position])
    return request, list(_items(request, frame, position))


def _items(request: Request, frame: bytes, position: int) -> Iterator[Output | Resize]:
    before = position - request.offset
    for write in request.writes:
        if len(write) == 2:
            time_us, length = write
            yield Output(position - before, time_us, frame[position : position + length])
            position += length
        else:
            event, time_us, cols, rows = write
            yield Resize(event, position - before, time_us, cols, rows)


def encode_answer(answer: Derived | Screen | StyledScreen | Redrawn) -> bytes:
    """A frame's content."""
    return DONE + _encoder.encode(answer)


def encode_refusal(reason: str, *, is_unfinished: bool = False) -> bytes:
    """A frame's content."""
    return (UNFINISHED if is_unfinished else REFUSED) + reason.encode("utf-8", "replace")


def derived_of(frame: bytes) -> Derived:
    """What was derived. Raises EngineError when the child says so."""
    return _decode_derived(_content(frame))


def screen_of(frame: bytes) -> Screen:
    """The screen. Raises EngineError when the child says so."""
    return _decode_screen(_content(frame))


def styled_of(frame: bytes) -> StyledScreen:
    """The screen with its colours. Raises EngineError when the child says so."""
    return _decode_styled(_content(frame))


def redrawn_of(frame: bytes) -> Redrawn:
    """The screen as output. Raises EngineError when the child says so, of it Unfinished."""
    return _decode_redrawn(_content(frame))


def _content(frame: bytes) -> memoryview:
    if frame[:1] != DONE:
        kind = Unfinished if frame[:1] == UNFINISHED else EngineError
        raise kind(frame[1:].decode("utf-8", "replace"))
    return memoryview(frame)[1:]
