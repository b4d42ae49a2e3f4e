"""What a seal says of a source's own lines: SHA-256 over stretches of its bytes, however they are packed."""

import hashlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from dashboard.lib.errors import CorruptData
from sessions_app.models import SourceChunk

PIECE_BYTES: Final = 1024 * 1024


class UnreadableLines(Exception):
    """Bytes of a source are not there as they were packed; the message names the first of them."""


@dataclass(frozen=True, slots=True)
class LinePiece:
    offset: int
    size: int
    sha256: str

    def details(self) -> dict[str, Any]:
        return {"offset": self.offset, "size": self.size, "sha256": self.sha256}


def line_pieces(source_id: uuid.UUID, start: int, end: int) -> Iterator[LinePiece]:
    """What is kept of the bytes from `start` to `end`. Raises UnreadableLines, DatabaseError."""
    while start < end:
        size = min(PIECE_BYTES, end - start)
        yield LinePiece(start, size, hash_of_lines(source_id, start, start + size))
        start += size


def trouble_of_lines(source_id: uuid.UUID, offset: int, size: int, sha256: str) -> str:
    """What is wrong with a piece, against what an entry says of it; "" when nothing is."""
    try:
        found = hash_of_lines(source_id, offset, offset + size)
    except UnreadableLines as error:
        return str(error)
    return "" if found == sha256 else f"of the bytes {offset:,} to {offset + size - 1:,} some were changed"


def hash_of_lines(source_id: uuid.UUID, start: int, end: int) -> str:
    """SHA-256 of the bytes that are kept from `start` to `end`, with one chunk in memory at a time.

    Raises UnreadableLines, DatabaseError.
    """
    digest, at = hashlib.sha256(), start
    chunks = SourceChunk.objects.filter(source=source_id)
    begin = chunks.filter(offset__lte=start).order_by("-offset").values_list("offset", flat=True).first()
    offsets = chunks.filter(offset__gte=start if begin is None else begin, offset__lt=end).order_by("offset")
    for offset in list(offsets.values_list("offset", flat=True)):
        plain = _plain(source_id, offset)
        # The first one may begin before what is wanted; the others follow each other without a gap.
        if offset > at or (offset < at and at > start) or offset + len(plain) <= at:
            break
        part = plain[at - offset : end - offset]
        digest.update(part)
        at += len(part)
    if at < end:
        raise UnreadableLines(f"the bytes from {at:,} on are gone or were moved")
    return digest.hexdigest()


def _plain(source_id: uuid.UUID, offset: int) -> bytes:
    # The last chunk may be joined with the next lines meanwhile; it is at the same place then.
    chunk = SourceChunk.objects.filter(source=source_id, offset=offset).first()
    try:
        plain = chunk.read() if chunk is not None else None
    except (CorruptData, TypeError, ValueError):
        plain = None
    if plain is None:
        raise UnreadableLines(f"the bytes from {offset:,} on cannot be unpacked any more")
    return plain
