"""Long bodies read in pieces, so that no page holds more than a piece."""

from dataclasses import dataclass
from typing import Final

from dashboard.lib.errors import CorruptData, Refused
from sessions_app.models import Blob

FIRST_PIECE_BYTES: Final = 24 * 1024
PIECE_BYTES: Final = 256 * 1024


@dataclass(frozen=True)
class Piece:
    """Bytes `start` to `end` of a body of `size` bytes, as text; cut between characters."""

    text: str
    start: int
    end: int
    size: int

    @property
    def next(self) -> int | None:
        """Where the following piece starts; None at the end."""
        return self.end if self.end < self.size else None

    @property
    def next_size(self) -> int:
        return min(PIECE_BYTES, self.size - self.end)

    @property
    def is_whole(self) -> bool:
        return self.start == 0 and self.end == self.size


def piece_of(text: str, blob_id: str | None, *, start: int = 0, limit: int = PIECE_BYTES) -> Piece:
    """A piece of a body whose row holds `text` and whose blob, when it is longer, the whole.

    Raises Refused when the stored bytes are damaged.
    """
    whole = text.encode("utf-8", "surrogatepass") if blob_id is None else blob_bytes(blob_id)
    start = _character_start(whole, min(max(start, 0), len(whole)))
    end = _character_start(whole, min(start + limit, len(whole)))
    if end <= start < len(whole):
        end = min(start + limit, len(whole))
    return Piece(whole[start:end].decode("utf-8", "replace"), start, end, len(whole))


def blob_bytes(sha256: str) -> bytes:
    """The plain bytes. Raises Refused when they are damaged."""
    try:
        return Blob.objects.get(pk=sha256).read()
    except CorruptData as error:
        raise Refused(
            f"The stored bytes of {sha256[:12]} are damaged: {error}. Restore them from a backup."
        ) from error


def _character_start(whole: bytes, position: int) -> int:
    """The position, moved back to where a UTF-8 character begins, at most three bytes."""
    for step in range(min(4, position + 1)):
        if position == len(whole) or whole[position - step] & 0xC0 != 0x80:
            return position - step
    return position
