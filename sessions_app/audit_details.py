"""What entries say of sealed rows, lines and output: read by its shape first, as any text may stand in a database."""

from typing import Annotated, Final

import msgspec

from audit.covers import Commitment, Malformed
from sessions_app.sealed_rows import PIECE_ROWS

# Beyond it an integer becomes text in an entry.
_END: Final = 2**53
type Count = Annotated[int, msgspec.Meta(ge=0, lt=_END)]
type Place = Annotated[int, msgspec.Meta(ge=1, lt=_END)]


class Form(msgspec.Struct, frozen=True):
    """Of what was hashed; all else that such an entry says depends on it."""

    form: Count


class Rows(msgspec.Struct, frozen=True):
    """The places of a session that an entry is about."""

    first_seq: Place
    last_seq: Place


class PieceOfRows(Rows, frozen=True):
    """`rows` is how many of the places are taken."""

    rows: Count
    sha256: str

    def __post_init__(self) -> None:
        if not self.first_seq <= self.last_seq < self.first_seq + PIECE_ROWS:
            raise ValueError(f"a piece is of {PIECE_ROWS} places at most")


class RowsSealed(Rows, frozen=True):
    pieces: list[PieceOfRows]


class RowsUnsealed(msgspec.Struct, frozen=True):
    """The seal is off from this place on."""

    first_seq: Place


class Bytes(msgspec.Struct, frozen=True):
    """A stretch of a source's lines or of a terminal's output."""

    offset: Count
    size: Count


class PieceOfLines(Bytes, frozen=True):
    sha256: str


class LinesSealed(msgspec.Struct, frozen=True):
    pieces: list[PieceOfLines]


class SealedSegment(Bytes, frozen=True):
    """Entries of earlier versions do not name the first and the last moment."""

    sha256: str
    timing_sha256: str
    first_us: int | None = None
    last_us: int | None = None


class OutputSealed(msgspec.Struct, frozen=True):
    segments: list[SealedSegment]


def read[T](found: Commitment, kind: type[T]) -> T:
    """What the entry says, as entries of its action say it. Raises Malformed."""
    try:
        return msgspec.convert(found.details, kind)
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise Malformed(f"it says what no {found.action} says ({error})") from error
