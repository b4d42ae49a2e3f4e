r"""The body of a recorder's upload: newline-delimited JSON, spoken by the client and by the server.

The first line is the position before the first event, `{"offset": output bytes, "events": other events}`,
with `"masked": {rule: number}` when the recorder has masked secrets, so many so far; each line after it one
event `[time_us, code, data]` with asciicast's codes, times absolute in microseconds since the start, and
bytes as text in which a byte that is no UTF-8 is a lone surrogate (`\udc80` to `\udcff`). All of it is ASCII.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeGuard

from sessions_app.terminal.asciicast.events import EventError, event_text, make_event
from sessions_app.terminal.asciicast.model import MAX_TIME_US, Event, Input, Output
from sessions_app.terminal.asciicast.text import decode, json_string_ascii

#: Bodies are not larger than this; a single event never comes near it.
MAX_BATCH_BYTES = 1_000_000

_MAX_RULES = 500
_MAX_RULE_CHARS = 40

CONTENT_TYPE = "application/x-ndjson"


class BatchError(ValueError):
    """A batch that must be refused whole. `index` is that of the bad event, None for the position line."""

    def __init__(self, index: int | None, reason: str) -> None:
        super().__init__(f"the position line: {reason}" if index is None else f"event {index}: {reason}")
        self.index = index
        self.reason = reason


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """How much of a recording lies before a point: bytes of output, and number of other events."""

    offset: int = 0
    events: int = 0

    def after(self, event: Event) -> "Position":
        """The position behind `event`."""
        if isinstance(event, Output):
            return Position(self.offset + len(event.data), self.events)
        return Position(self.offset, self.events + 1)

    def covers(self, other: "Position") -> bool:
        """Whether all that lies before `other` lies before this position too."""
        return self.offset >= other.offset and self.events >= other.events


START = Position()


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that follow `start`.

    `masked` says how many secrets by which rule the recorder has masked so far; None when it masks none.
    """

    start: Position
    events: list[Event]
    masked: Mapping[str, int] | None = None

    def remaining(self, committed: Position) -> Iterator[Event]:
        """The events that `committed`, which must cover `start`, does not hold yet; an output may be cut."""
        position = self.start
        for event in self.events:
            before, position = position, position.after(event)
            if committed.covers(position):
                continue
            if isinstance(event, Output) and before.offset < committed.offset:
                yield Output(event.time_us, event.data[committed.offset - before.offset :])
            else:
                yield event


def encode_batch(start: Position, events: Iterable[Event]) -> bytes:
    """Body of an upload."""
    return encode_position(start) + b"".join(encode_event(event) for event in events)


def encode_position(position: Position, masked: Mapping[str, int] | None = None) -> bytes:
    """First line of a body."""
    told = b"" if masked is None else b', "masked": ' + json.dumps(dict(masked)).encode("ascii")
    return b'{"offset": %d, "events": %d%b}\n' % (position.offset, position.events, told)


def encode_event(event: Event) -> bytes:
    """One line of a body."""
    if isinstance(event, (Output, Input)):
        code, text = "o" if isinstance(event, Output) else "i", decode(event.data)
    else:
        code, text = event_text(event)
    return b'[%d, "%s", %s]\n' % (event.time_us, code.encode("ascii"), json_string_ascii(text))


def decode_batch(body: bytes) -> Batch:
    """Batch out of a body. Raises BatchError; nothing of a body with a bad line is to be used."""
    first, *lines = body.removesuffix(b"\n").split(b"\n")
    start, masked = _decode_first(first)
    return Batch(start, [_decode_event(index, line) for index, line in enumerate(lines)], masked)


def _decode_first(line: bytes) -> tuple[Position, Mapping[str, int] | None]:
    position = _decode_json(None, line)
    if not isinstance(position, dict):
        raise BatchError(None, "not a JSON object")
    offset, events, masked = position.get("offset"), position.get("events"), position.get("masked")
    if not _is_count(offset) or not _is_count(events):
        raise BatchError(None, "offset and events are whole numbers from 0")
    if masked is not None and not is_masked_counts(masked):
        raise BatchError(None, "masked is an object of names with whole numbers from 0")
    return Position(offset, events), masked


def is_masked_counts(value: object) -> TypeGuard[dict[str, int]]:
    """Whether a decoded JSON value says how many secrets were masked by which rule."""
    return (
        isinstance(value, dict)
        and len(value) <= _MAX_RULES
        and all(len(name) <= _MAX_RULE_CHARS and _is_count(count) for name, count in value.items())
    )


def _decode_event(index: int, line: bytes) -> Event:
    event = _decode_json(index, line)
    if not isinstance(event, list) or len(event) != 3 or not isinstance(event[1], str):
        raise BatchError(index, "not an event [time_us, code, data]")
    time_us, code, data = event
    if not _is_count(time_us) or time_us > MAX_TIME_US:
        raise BatchError(index, "the time is not a whole number of microseconds from 0 to a hundred years")
    try:
        made = make_event(time_us, code, data)
    except EventError as error:
        raise BatchError(index, str(error)) from error
    if made is None:
        raise BatchError(index, "the code is not one of o, i, r, m, x")
    return made


def _decode_json(index: int | None, line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BatchError(index, "not valid JSON") from error


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 63
