"""Incremental reader of asciicast v2 and v3: one complete line in, at most one item out.

A broken line becomes a `Malformed` item and reading goes on; events with an unknown code are skipped and
counted, as the format asks for. Times are kept in nanoseconds so that v3 intervals finer than a microsecond
do not drift.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from sessions_app.terminal.asciicast.events import EventError, make_event
from sessions_app.terminal.asciicast.header import parse_header
from sessions_app.terminal.asciicast.model import (
    MAX_TIME_US,
    Event,
    Header,
    Item,
    Malformed,
    Output,
    is_time_s,
)

_MAX_TIME_S = MAX_TIME_US // 1_000_000
_MAX_TIME_NS = MAX_TIME_US * 1000

#: Refuses what real files hold now and then (lone surrogates, raw control characters, broken UTF-8), which
#: the standard library's decoder takes; it is there for the speed of plain output lines.
_decode_plain = msgspec.json.Decoder(tuple[float, str, str]).decode
_BEGINS_NO_ARRAY: Final = re.compile(rb"\n(?!\[)")
_decode_many = msgspec.json.Decoder(tuple[float, str, str]).decode_lines


class Reader:
    """Reads one recording. `state()` of one reader, given to a new one, goes on where the first stopped."""

    def __init__(self, state: Mapping[str, int] | None = None) -> None:
        state = state or {}
        self.header: Header | None = None
        self.version = state.get("version", 0)
        self.line_number = state.get("line_number", 0)
        self.malformed_lines = state.get("malformed_lines", 0)
        self.unknown_events = state.get("unknown_events", 0)
        self._time_ns = state.get("time_ns", 0)

    def state(self) -> dict[str, int]:
        """What a reader must know to go on with the next line; JSON can hold it. `header` is not in it."""
        return {
            "version": self.version,
            "line_number": self.line_number,
            "malformed_lines": self.malformed_lines,
            "unknown_events": self.unknown_events,
            "time_ns": self._time_ns,
        }

    @property
    def time_us(self) -> int:
        """Time of the last event."""
        return (self._time_ns + 500) // 1000

    def read(self, lines: Iterable[bytes]) -> Iterator[Item]:
        """Items of many lines."""
        for line in lines:
            item = self.feed(line)
            if item is not None:
                yield item

    def feed(self, line: bytes) -> Item | None:
        """Item of one whole line, with or without its line feed. The header line only sets `header`."""
        self.line_number += 1
        if self.version:
            try:
                time, code, data = _decode_plain(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return self._feed_unusual(line)
            if code == "o" and 0 <= time <= _MAX_TIME_S and self._advance(time):
                return Output((self._time_ns + 500) // 1000, data.encode())
            return self._feed_unusual(line)
        return self._feed_header(line)

    def feed_lines(self, lines: bytes, count: int) -> list[Event] | None:
        """Items of `count` whole lines, each ended by a line feed: several times faster than line by line.

        None, and nothing taken, when a line among them is no plain event: then each is to be fed alone.
        """
        # No array of an event stands in another. So a line that begins with one begins an event, and where all do, and
        # there are as many events as lines, each line is one event.
        if not self.version or lines[:1] != b"[" or lines[-1:] != b"\n":
            return None
        if _BEGINS_NO_ARRAY.search(lines, 0, len(lines) - 1) is not None:
            return None
        try:
            events = _decode_many(lines)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        if len(events) != count:
            return None
        before_ns = self._time_ns
        items = self._items(events)
        if items is None:
            self._time_ns = before_ns
        else:
            self.line_number += count
        return items

    def _items(self, events: list[tuple[float, str, str]]) -> list[Event] | None:
        items: list[Event] = []
        append = items.append
        is_relative, time_ns = self.version == 3, self._time_ns
        for time, code, data in events:
            if not 0 <= time <= _MAX_TIME_S:
                return None
            event_ns = round(time * 1e9)
            if is_relative:
                time_ns += event_ns
            elif event_ns > time_ns:
                time_ns = event_ns
            if code == "o":
                append(Output((time_ns + 500) // 1000, data.encode()))
                continue
            try:
                item = make_event((time_ns + 500) // 1000, code, data)
            except EventError:
                return None
            if item is None:
                return None
            append(item)
        # The sum only grows, so one look is enough.
        if time_ns > _MAX_TIME_NS:
            return None
        self._time_ns = time_ns
        return items

    def _feed_header(self, line: bytes) -> Item | None:
        text = line.removeprefix(b"\xef\xbb\xbf") if self.line_number == 1 else line
        if not text.strip() or text.startswith(b"#"):
            return None
        try:
            header = parse_header(_decode_json(text))
        except _NOT_JSON:
            header = None
        if header is None or header.version == 1:
            return self._malformed("not the header of an asciicast of version 2 or 3")
        self.header, self.version = header, header.version
        return None

    def _feed_unusual(self, line: bytes) -> Item | None:
        if not line.strip() or line.startswith(b"#"):
            return None
        try:
            event = _decode_json(line)
        except _NOT_JSON:
            return self._malformed("not valid JSON")
        if not isinstance(event, list) or len(event) != 3 or not isinstance(event[1], str):
            return self._malformed("not an event [time, code, data]")
        time, code, data = event
        if not is_time_s(time) or not self._advance(time):
            return self._malformed(_BAD_TIME)
        try:
            item = make_event(self.time_us, code, data)
        except EventError as error:
            return self._malformed(str(error))
        if item is None:
            self.unknown_events += 1
        return item

    def _advance(self, time: float) -> bool:
        """Moves the clock by an event's time; False, and no move, when the intervals sum up to too much."""
        time_ns = round(time * 1e9)
        if self.version == 3:
            time_ns += self._time_ns
            if time_ns > _MAX_TIME_NS:
                return False
            self._time_ns = time_ns
        elif time_ns > self._time_ns:
            self._time_ns = time_ns
        return True

    def _malformed(self, reason: str) -> Malformed:
        self.malformed_lines += 1
        return Malformed(self.line_number, reason)


_BAD_TIME = "the time is not a number of seconds from 0 to a hundred years"
_NOT_JSON = (ValueError, RecursionError)


def _decode_json(line: bytes) -> object:
    """JSON with what strict reading refuses: bytes that are no UTF-8, raw control characters in strings."""
    return json.loads(line.decode("utf-8", "surrogateescape"), strict=False)
