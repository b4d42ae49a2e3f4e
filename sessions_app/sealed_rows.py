"""What a seal says of a session's rows: the form in which they are hashed, a piece of the timeline at a time.

A row is one line of canonical JSON (RFC 8785) with the columns that are named here and no others, so a column that is
added later changes no hash. Its long bodies stand there by their SHA-256, and are held against it. The hash of a piece
is SHA-256 over the lines of its rows, in the order of their places, each with its newline.
"""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import batched
from json.encoder import JSONEncoder
from typing import Any, Final

from django.db import DatabaseError
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from dashboard.lib.db import is_unreadable_text
from dashboard.lib.errors import CorruptData
from sessions_app.models import Blob, Event, Message, ToolCall
from sessions_app.models.blob import sha256_of

#: Entries name it. What is hashed in another way is another form; this one stays for what was sealed in it.
FORM: Final = 1
#: A piece ends at each multiple of it, wherever sealing began: what is sealed anew takes the place of whole pieces.
PIECE_ROWS: Final = 100
# Looked up together; of their bytes one at a time is in memory.
_BLOBS_AT_ONCE: Final = 50
_MAX_INT: Final = 2**53

_PLACE: Final = (
    "id", "run_id", "seq", "at_ms", "turn", "source_id", "source_offset", "source_size", "source_line"
)  # fmt: skip
_MESSAGE: Final = (
    *_PLACE, "role", "kind", "external_id", "model", "stop_reason", "is_hidden",
    "text", "text_size", "text_blob_id", "reasoning", "reasoning_size", "reasoning_blob_id", "attachments",
    "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens",
)  # fmt: skip
_TOOL_CALL: Final = (
    *_PLACE, "message_id", "child_run_id", "call_id", "name", "kind", "title", "status", "ended_ms", "exit_status",
    "input", "input_size", "input_blob_id", "output", "output_size", "output_blob_id",
    "result_offset", "result_size", "result_line",
)  # fmt: skip
_EVENT: Final = (*_PLACE, "kind", "text", "document", "subject_id")
_BODIES: Final = ("text_blob_id", "reasoning_blob_id", "input_blob_id", "output_blob_id")

# RFC 8785 for what a row holds: the names are ASCII, and there are no floats.
_encode: Final = JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"), default=str
).encode

type Row = dict[str, Any]


class UnreadableRows(Exception):
    """Rows cannot be hashed as they are; the message names the place: "row 17 has lost its text"."""


@dataclass(frozen=True, slots=True)
class RowPiece:
    """The rows from `first` to `last`; `places` are those that were there, in order."""

    first: int
    last: int
    places: tuple[int, ...]
    sha256: str

    def details(self) -> dict[str, Any]:
        return {
            "first_seq": self.first,
            "last_seq": self.last,
            "rows": len(self.places),
            "sha256": self.sha256,
        }


def first_of_piece(seq: int) -> int:
    """Where the piece begins that this place is in."""
    return (seq - 1) // PIECE_ROWS * PIECE_ROWS + 1


def row_pieces(session_id: uuid.UUID, first: int, last: int) -> Iterator[RowPiece]:
    """What stands from `first` to `last`. Raises UnreadableRows, DatabaseError."""
    while first <= last:
        end = min(last, first_of_piece(first) + PIECE_ROWS - 1)
        yield read_piece(session_id, first, end)
        first = end + 1


def read_piece(session_id: uuid.UUID, first: int, last: int) -> RowPiece:
    """Raises UnreadableRows, DatabaseError."""
    try:
        rows = _rows(session_id, first, last)
        _check_bodies(rows)
        digest = hashlib.sha256()
        for row in rows:
            digest.update(_encode(row).encode() + b"\n")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise UnreadableRows(f"of the rows {first:,} to {last:,} one holds what no row can") from error
    except DatabaseError as error:
        if is_unreadable_text(error):
            raise UnreadableRows(f"of the rows {first:,} to {last:,} one holds what is no text") from error
        raise
    return RowPiece(first, last, tuple(row["seq"] for row in rows), digest.hexdigest())


def trouble_of_rows(session_id: uuid.UUID, first: int, last: int, rows: int, sha256: str) -> str:
    """What is wrong with a piece, against what an entry says of it; "" when nothing is."""
    try:
        found = read_piece(session_id, first, last)
    except UnreadableRows as error:
        return str(error)
    return "" if (len(found.places), found.sha256) == (rows, sha256) else _difference(found, rows)


def _difference(found: RowPiece, count: int) -> str:
    span = f"the rows {found.first:,} to {found.last:,}"
    there = Counter(found.places)
    doubles = sorted(seq for seq, times in there.items() if times > 1 or seq < found.first)
    # Where more were read than belong here, the last of them were not read at all.
    is_cut = len(found.places) > PIECE_ROWS
    gone = [seq for seq in range(found.first, found.last + 1) if seq not in there and not is_cut]
    if count == found.last - found.first + 1 and (doubles or gone):
        said = [f"row {gone[0]:,} is missing"] if gone else []
        said += [f"a row was added at {doubles[0]:,}"] if doubles else []
        others = len(gone) + len(doubles) - len(said)
        return f"{' and '.join(said)}{f', and {others} more' if others else ''}"
    if len(found.places) != count:
        change = "missing" if len(found.places) < count else "added"
        return f"of {span}, {abs(count - len(found.places)):,} {change}"
    return f"of {span} one was changed"


def _rows(session_id: uuid.UUID, first: int, last: int) -> list[Row]:
    """In the order of their places. Nothing comes before the first place: what stands there was added."""
    found: list[Row] = []
    for name, model, columns in (
        ("message", Message, _MESSAGE),
        ("tool_call", ToolCall, _TOOL_CALL),
        ("event", Event, _EVENT),
    ):
        rows: QuerySet[Any] = model.objects.filter(session=session_id, seq__lte=last).order_by("seq")
        if first > 1:
            rows = rows.filter(seq__gte=first)
        found += [
            {"row": name, **dict(zip(columns, map(_plain, values), strict=True))}
            # One more than there may be says enough of however many were added.
            for values in rows.values_list(*_expressions(columns))[: PIECE_ROWS + 1]
        ]
    for row in found:
        if row["row"] == "message":
            row["attachments"] = _parsed(row["attachments"])
    found.sort(key=lambda row: (row["seq"], row["row"]))
    return found


def _expressions(columns: Iterable[str]) -> list[Any]:
    # As text, so that one that is no JSON any more is found, and not a fault of the program.
    return [Cast(name, TextField()) if name == "attachments" else name for name in columns]


def _plain(value: Any) -> Any:
    if type(value) is int and abs(value) >= _MAX_INT:
        return str(value)
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _check_bodies(rows: Iterable[Row]) -> None:
    """Raises UnreadableRows when a body is not what its name says."""
    wanted: dict[str, tuple[int, str]] = {}
    for row in rows:
        for column in _BODIES:
            if row.get(column) is not None:
                wanted.setdefault(row[column], (row["seq"], column.removesuffix("_blob_id")))
        for attachment in row.get("attachments") or ():
            wanted.setdefault(attachment["sha256"], (row["seq"], "attachment"))
    for names in batched(wanted, _BLOBS_AT_ONCE):
        blobs = Blob.objects.filter(pk__in=names).iterator(chunk_size=1)
        sound = {blob.pk for blob in blobs if _is_sound(blob)}
        for name in names:
            if name not in sound:
                seq, what = wanted[name]
                raise UnreadableRows(f"the {what} of row {seq:,} was changed or is gone")


def _is_sound(blob: Blob) -> bool:
    try:
        plain = blob.read()
    except CorruptData:
        return False
    return sha256_of(plain) == blob.pk
