"""The source's own lines, exactly as they were read, a bounded stretch at a time."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from dashboard.lib.errors import CorruptData, Refused
from sessions_app.legible import legible
from sessions_app.models import Source, SourceChunk

PAGE_LINES: Final = 50
# Of each line on a page; a line opened shows more.
LINE_CHARS: Final = 400
WHOLE_CHARS: Final = 256 * 1024
_HEX_BYTES: Final = 4096
_HEX_ROW: Final = 16


@dataclass(frozen=True)
class RawLine:
    """A line with its newline; `offset` in bytes from the beginning of the source, `number` from 1."""

    number: int
    offset: int
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    @property
    def previous_number(self) -> int:
        return self.number - 1

    @property
    def next_number(self) -> int:
        return self.number + 1

    @property
    def legible(self) -> str:
        """Its beginning, for a list of lines."""
        return legible_beginning(self.content)

    @property
    def is_cut(self) -> bool:
        return self.size > LINE_CHARS

    @property
    def pretty(self) -> str:
        """The line as text, indented when it is JSON and not too long for that."""
        return legible(self._text())

    def _text(self) -> str:
        text = self.content[:WHOLE_CHARS].decode("utf-8", "replace").rstrip("\r\n")
        if self.size > WHOLE_CHARS:
            return text
        try:
            return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            return text

    @property
    def is_whole(self) -> bool:
        return self.size <= WHOLE_CHARS

    @property
    def hex_rows(self) -> list[tuple[str, str, str]]:
        """The first bytes as (offset, hexadecimal, what is printable of them)."""
        shown = self.content[:_HEX_BYTES]
        return [
            (f"{self.offset + at:08x}", row.hex(" "), "".join(chr(b) if 32 <= b < 127 else "·" for b in row))
            for at in range(0, len(shown), _HEX_ROW)
            for row in [shown[at : at + _HEX_ROW]]
        ]

    @property
    def hex_left_out(self) -> int:
        return max(0, self.size - _HEX_BYTES)


def lines_from(source: Source, number: int, limit: int = PAGE_LINES) -> list[RawLine]:
    """Up to `limit` lines from line `number` on. Raises Refused when the stored bytes are damaged."""
    found: list[RawLine] = []
    for line in _lines(source, number):
        found.append(line)
        if len(found) == limit:
            break
    return found


def line_at(source: Source, number: int) -> RawLine | None:
    return next(iter(lines_from(source, number, 1)), None)


def _lines(source: Source, number: int) -> Iterator[RawLine]:
    """From `number` on. A line may go on in the next chunks: their first line has its number then."""
    chunks = source.chunks.order_by("offset")
    # Without the bytes: they are read only for the chunk in which the line begins, and those after it.
    places = source.chunks.values_list("offset", flat=True)
    first = places.filter(first_line__lt=number).order_by("-offset").first()
    if first is None:
        first = places.filter(first_line=number).order_by("offset").first()
    if first is None:
        return
    begun = RawLine(0, 0, b"")
    parts: list[bytes] = []
    for chunk in chunks.filter(offset__gte=first).iterator(chunk_size=1):
        offset = chunk.offset
        for at, content in enumerate(_split(_plain(chunk)), start=chunk.first_line):
            if at != begun.number:
                if parts:
                    yield replace(begun, content=b"".join(parts))
                begun, parts = RawLine(at, offset, b""), []
            offset += len(content)
            if at >= number:
                parts.append(content)
                if content.endswith(b"\n"):
                    yield replace(begun, content=b"".join(parts))
                    parts = []
    if parts:
        yield replace(begun, content=b"".join(parts))


def _split(plain: bytes) -> list[bytes]:
    """Lines with their newlines: bytes.splitlines would also cut at carriage returns."""
    *lines, last = plain.split(b"\n")
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _plain(chunk: SourceChunk) -> bytes:
    try:
        return chunk.read()
    except CorruptData as error:
        raise Refused(f"The stored lines from line {chunk.first_line} on are damaged: {error}.") from error


def legible_beginning(content: bytes) -> str:
    """The beginning of a line, made fit to be shown among others."""
    return legible(content[: LINE_CHARS * 4].decode("utf-8", "replace").rstrip("\r\n")[:LINE_CHARS])
