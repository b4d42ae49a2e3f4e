"""Binary frames of the live protocol, and the rule by which a client follows a terminal.

One WebSocket message is one frame, big-endian: `type u8 | offset u64 | time_us u64 | payload`. The offset
counts bytes of output since the start of the recording, the time microseconds since then.

| type | name | offset | payload |
|---|---|---|---|
| 1 | output | of the first byte | the raw bytes; the time is that of the last one |
| 2 | resize | at which it happened | cols u16, rows u16 |
| 3 | marker | at which it was set | label, UTF-8 |
| 4 | exit | end of the output | status i32, or nothing when it is not known |
| 5 | keyframe | whose screen it shows | cols u16, rows u16, VT text that rebuilds the screen |
| 6 | gap | first byte left out | u64: offset of the keyframe that comes next |
| 7 | end | end of the output | nothing; no frame follows |
| 8 | info | end of the output known to the server | a JSON object |

A client takes only the offset it expects. It cuts what it has already, and when bytes are missing it asks
again from the offset it expects; so neither a hole nor a duplicate can ever be shown, whatever was sent
twice or lost.
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

_HEAD = struct.Struct(">BQQ")
_SIZE = struct.Struct(">HH")
_STATUS = struct.Struct(">i")
_OFFSET = struct.Struct(">Q")


class FrameType(IntEnum):
    """First byte of a frame."""

    OUTPUT = 1
    RESIZE = 2
    MARKER = 3
    EXIT = 4
    KEYFRAME = 5
    GAP = 6
    END = 7
    INFO = 8


# As a plain number: packing a member of an enumeration takes three times as long.
_OUTPUT = int(FrameType.OUTPUT)


class FrameError(ValueError):
    """The message is no frame."""


@dataclass(frozen=True, slots=True)
class OutputFrame:
    """Bytes of output from `offset` on, the last of them written at `time_us`."""

    offset: int
    time_us: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ResizeFrame:
    """The window got another size."""

    offset: int
    time_us: int
    cols: int
    rows: int


@dataclass(frozen=True, slots=True)
class MarkerFrame:
    """A named moment."""

    offset: int
    time_us: int
    label: str


@dataclass(frozen=True, slots=True)
class ExitFrame:
    """The program ended."""

    offset: int
    time_us: int
    status: int | None


@dataclass(frozen=True, slots=True)
class KeyframeFrame:
    """Text that, written to a reset terminal of this size, shows the screen as it was at `offset`."""

    offset: int
    time_us: int
    cols: int
    rows: int
    data: bytes


@dataclass(frozen=True, slots=True)
class GapFrame:
    """The output from `offset` to `to_offset` is left out; the keyframe of `to_offset` follows."""

    offset: int
    time_us: int
    to_offset: int


@dataclass(frozen=True, slots=True)
class EndFrame:
    """The recording is complete at `offset`."""

    offset: int
    time_us: int


@dataclass(frozen=True, slots=True)
class InfoFrame:
    """What the server says about the terminal."""

    offset: int
    time_us: int
    members: Mapping[str, object]


type Frame = (
    OutputFrame | ResizeFrame | MarkerFrame | ExitFrame | KeyframeFrame | GapFrame | EndFrame | InfoFrame
)


def encode(frame: Frame) -> bytes:
    """The message that carries `frame`."""
    match frame:
        case OutputFrame(offset, time_us, data):
            return encode_output(offset, time_us, data)
        case ResizeFrame(offset, time_us, cols, rows):
            return _HEAD.pack(FrameType.RESIZE, offset, time_us) + _SIZE.pack(cols, rows)
        case MarkerFrame(offset, time_us, label):
            return _HEAD.pack(FrameType.MARKER, offset, time_us) + label.encode("utf-8", "replace")
        case ExitFrame(offset, time_us, status):
            payload = b"" if status is None else _STATUS.pack(status)
            return _HEAD.pack(FrameType.EXIT, offset, time_us) + payload
        case KeyframeFrame(offset, time_us, cols, rows, data):
            return _HEAD.pack(FrameType.KEYFRAME, offset, time_us) + _SIZE.pack(cols, rows) + data
        case GapFrame(offset, time_us, to_offset):
            return _HEAD.pack(FrameType.GAP, offset, time_us) + _OFFSET.pack(to_offset)
        case EndFrame(offset, time_us):
            return _HEAD.pack(FrameType.END, offset, time_us)
        case InfoFrame(offset, time_us, members):
            return _HEAD.pack(FrameType.INFO, offset, time_us) + json.dumps(members).encode("ascii")


def encode_output(offset: int, time_us: int, data: bytes) -> bytes:
    """`encode` of an OutputFrame, for thousands of them at once."""
    return _HEAD.pack(_OUTPUT, offset, time_us) + data


def decode(message: bytes) -> Frame:
    """The frame in `message`. Raises FrameError."""
    try:
        kind, offset, time_us = _HEAD.unpack_from(message)
        return _decode_payload(kind, offset, time_us, message[_HEAD.size :])
    except (struct.error, ValueError, RecursionError) as error:
        raise FrameError(f"not a frame: {error}") from error


def _decode_payload(kind: int, offset: int, time_us: int, payload: bytes) -> Frame:
    match kind:
        case FrameType.OUTPUT:
            return OutputFrame(offset, time_us, payload)
        case FrameType.RESIZE:
            return ResizeFrame(offset, time_us, *_SIZE.unpack(payload))
        case FrameType.MARKER:
            return MarkerFrame(offset, time_us, payload.decode("utf-8"))
        case FrameType.EXIT:
            return ExitFrame(offset, time_us, _STATUS.unpack(payload)[0] if payload else None)
        case FrameType.KEYFRAME:
            cols, rows = _SIZE.unpack_from(payload)
            return KeyframeFrame(offset, time_us, cols, rows, payload[_SIZE.size :])
        case FrameType.GAP:
            return GapFrame(offset, time_us, *_OFFSET.unpack(payload))
        case FrameType.END:
            return EndFrame(offset, time_us)
        case FrameType.INFO:
            members = json.loads(payload)
            if not isinstance(members, dict):
                raise ValueError("info is not a JSON object")
            return InfoFrame(offset, time_us, members)
    raise ValueError(f"unknown type {kind}")
