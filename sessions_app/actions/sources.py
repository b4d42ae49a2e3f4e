"""Sources: where reading stands, and the raw lines that were read."""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F

from audit.actors import Actor
from audit.record import Target, record
from dashboard.lib.bulk import bulk_insert
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.ids import new_id
from dashboard.lib.nudges import nudge
from dashboard.lib.text import cut, storable
from sessions_app.drafts import Place
from sessions_app.models import (
    AgentSession,
    Run,
    SkippedLine,
    Source,
    SourceChunk,
    SourceState,
    Status,
    Terminal,
    TerminalState,
)
from sessions_app.models.blob import pack, unpack

CHUNK_BYTES = 256 * 1024
# A chunk smaller than this is joined with the next lines instead of leaving a row per appended line.
SMALL_CHUNK_BYTES = 32 * 1024

_CHUNK_COLUMNS = ("id", "source_id", "offset", "size", "first_line", "line_count", "sha256", "codec", "data")
_SKIPPED_COLUMNS = ("id", "source_id", "line", "offset", "size", "reason")


#: NUL stands for a byte that is not kept; no line of any format has one.
_BLANKS = bytes(0x0A if byte == 0x0A else 0 for byte in range(256))


def is_as_kept(kept: bytes, found: bytes) -> bool:
    """Whether the bytes of a file are those that were kept of it, as far as they were."""
    return kept == found or (
        len(kept) == len(found) and all(one in (0, other) for one, other in zip(kept, found, strict=True))
    )


@dataclass
class RawLines:
    """Lines as they stood in the file, in pieces of about CHUNK_BYTES."""

    offset: int
    # (bytes, the line that the first of them is of, number of lines that begin there)
    pieces: list[tuple[bytes, int, int]] = field(default_factory=list)
    size: int = 0

    def add(self, piece: bytes, first_line: int, lines: int) -> None:
        self.pieces.append((piece, first_line, lines))
        self.size += len(piece)

    def blank(self) -> None:
        """Keep nothing of the lines but their lengths: they hold what must not be stored."""
        self.pieces = [(piece.translate(_BLANKS), line, lines) for piece, line, lines in self.pieces]

    def pack(self) -> list[tuple[Any, ...]]:
        """Chunk rows without id and source: hashed and compressed, outside of any transaction."""
        rows = []
        offset = self.offset
        for piece, line, lines in self.pieces:
            codec, data = pack(piece)
            rows.append((offset, len(piece), line, lines, hashlib.sha256(piece).hexdigest(), codec, data))
            offset += len(piece)
        return rows


@dataclass
class SourceProgress:
    """How far the file has been read, as it stands after a batch."""

    read_offset: int
    line_count: int
    size: int
    modified_ns: int
    inode: str
    parser_state: str
    # Where this pass began.
    pass_offset: int
    sha256: str = ""
    sha256_size: int = 0
    head_sha256: str = ""
    head_size: int = 0
    tail: bytes = b""
    # False until the pass has come to the end of the file: size and time are then not believed, so that an
    # import that died in the middle is taken up again.
    is_complete: bool = False

    @property
    def modified_ms(self) -> int:
        return self.modified_ns // 1_000_000


@dataclass(frozen=True)
class Advance:
    """What one batch does to its source: the cursor moves, lines are kept."""

    source: Source
    progress: SourceProgress
    # Chunk rows as RawLines.pack() makes them.
    chunks: list[tuple[Any, ...]]
    skipped: list[tuple[Place, str]]
    unknown: list[tuple[Place, str]]

    def changes(self) -> dict[str, Any]:
        source, progress = self.source, self.progress
        return {
            "read_offset": progress.read_offset,
            "line_count": progress.line_count,
            "size": progress.size,
            "modified_ns": progress.modified_ns if progress.is_complete else 0,
            "inode": progress.inode,
            "parser_state": progress.parser_state,
            "sha256": progress.sha256 or source.sha256,
            "sha256_size": progress.sha256_size or source.sha256_size,
            "head_sha256": progress.head_sha256 or source.head_sha256,
            "head_size": progress.head_size or source.head_size,
            "tail": progress.tail,
            "state": SourceState.LIVE,
            "error": "",
            "read_ms": now_ms(),
        }


def advance_sources(advances: Sequence[Advance], max_skipped_rows: int) -> None:
    """Keep the raw lines and move the cursors, inside the transaction that writes what the lines said.

    New sources are inserted as they stand after it. Raises StaleSource when another process has moved a
    cursor meanwhile.
    """
    _insert_new([advance for advance in advances if advance.source._state.adding])
    # In one order, so that two imports that wait for each other's sources cannot both wait for ever.
    for advance in sorted(advances, key=lambda advance: advance.source.pk):
        if not advance.source._state.adding:
            _move_cursor(advance)
    chunks = [row for advance in advances for row in _chunk_rows(advance)]
    bulk_insert(SourceChunk, _CHUNK_COLUMNS, chunks)
    skipped = [row for advance in advances for row in _skipped_rows(advance, max_skipped_rows)]
    bulk_insert(SkippedLine, _SKIPPED_COLUMNS, skipped, ignore_existing=True)


def _insert_new(advances: Sequence[Advance]) -> None:
    columns = tuple(field.attname for field in Source._meta.concrete_fields)
    rows = []
    for advance in advances:
        changes = {
            **advance.changes(),
            "skipped_line_count": len(advance.skipped),
            "unknown_line_count": len(advance.unknown),
        }
        rows.append([changes.get(name, getattr(advance.source, name)) for name in columns])
    bulk_insert(Source, columns, rows)


def _move_cursor(advance: Advance) -> None:
    source = advance.source
    moved = Source.objects.filter(pk=source.pk, read_offset=source.read_offset).update(
        **advance.changes(),
        skipped_line_count=F("skipped_line_count") + len(advance.skipped),
        unknown_line_count=F("unknown_line_count") + len(advance.unknown),
    )
    if moved != 1:
        raise StaleSource(source.path)


def _skipped_rows(advance: Advance, most: int) -> list[tuple[Any, ...]]:
    source = advance.source
    room = max(0, most - source.skipped_line_count - source.unknown_line_count)
    return [
        (new_id(), source.pk, place.line, place.offset, place.size, cut(storable(reason), 300))
        for place, reason in sorted([*advance.skipped, *advance.unknown])[:room]
    ]


class StaleSource(Exception):
    """Another process read on in this file; start again from its cursor."""


def _chunk_rows(advance: Advance) -> list[tuple[Any, ...]]:
    source, chunks = advance.source, advance.chunks
    if chunks and chunks[0][1] < SMALL_CHUNK_BYTES and source.read_offset:
        chunks = [_joined_with_last(source, chunks[0]), *chunks[1:]]
    return [(new_id(), source.pk, *chunk) for chunk in chunks]


def _joined_with_last(source: Source, chunk: tuple[Any, ...]) -> tuple[Any, ...]:
    """A small chunk together with a small one before it; bounded work however often lines are appended."""
    last = SourceChunk.objects.filter(source=source).order_by("-offset").first()
    if last is None or last.size >= SMALL_CHUNK_BYTES or last.offset + last.size != chunk[0]:
        return chunk
    _, size, _, lines, _, codec, data = chunk

    plain = last.read() + unpack(data, codec, size)
    last.delete()
    joined_codec, joined = pack(plain)
    return (
        last.offset, len(plain), last.first_line, last.line_count + lines,
        hashlib.sha256(plain).hexdigest(), joined_codec, joined,
    )  # fmt: skip


def open_source(host: str, path: str, format_name: str, *, generation: int = 1) -> Source:
    """A source that has not been read yet; its first batch saves it, so that an unreadable file leaves no row."""
    return Source(
        id=new_id(), host=cut(storable(host), 255), path=cut(storable(path), 2048), generation=generation,
        format=format_name,
    )  # fmt: skip


def ending_of(source: Source, size: int) -> bytes:
    """The last bytes that were read of it, at most `size`, as they are kept here. Raises CorruptData."""
    last = source.chunks.order_by("-offset").first() if source.read_offset else None
    return last.read()[-size:] if last is not None else b""


def mark_source_rewritten(source: Source, *, actor: Actor) -> None:
    """The file no longer holds what was read of it; its raw lines stay here, its path starts anew."""
    _mark(source, SourceState.TRUNCATED, "source.rewritten", actor)


def mark_source_deleted(source: Source, *, actor: Actor) -> None:
    """The file is gone; what was read of it stays here."""
    _mark(source, SourceState.DELETED, "source.deleted", actor)


def mark_source_back(source: Source, *, actor: Actor) -> None:
    """The file that was gone, or held something else, is there again as it was."""
    with write_transaction():
        gone = Source.objects.filter(pk=source.pk).exclude(state=SourceState.LIVE)
        if gone.update(state=SourceState.LIVE, deleted_ms=None):
            _tell_sessions(source)
            record(
                "source.restored",
                actor=actor,
                target=Target("source", str(source.pk), source.path),
                details={"read": source.read_offset},
            )
            nudge()


def _mark(source: Source, state: SourceState, action: str, actor: Actor) -> None:
    with write_transaction():
        changes = {"state": state, "deleted_ms": now_ms()}
        if Source.objects.filter(pk=source.pk, state=SourceState.LIVE).update(**changes):
            _tell_sessions(source)
            record(
                action,
                actor=actor,
                target=Target("source", str(source.pk), source.path),
                details={"read": source.read_offset, "generation": source.generation},
            )
            nudge()


def _tell_sessions(source: Source) -> None:
    """Their pages say what became of the file."""
    AgentSession.objects.filter(sources=source).update(updated_ms=now_ms())


def move_source(source: Source, path: str, *, actor: Actor) -> None:
    """The file was moved by its writer (archived, compressed): reading goes on at the new path."""
    with write_transaction():
        before = source.path
        if Source.objects.filter(pk=source.pk, path=before).update(
            path=cut(storable(path), 2048), state=SourceState.LIVE
        ):
            record(
                "source.moved",
                actor=actor,
                target=Target("source", str(source.pk), path),
                details={"from": before},
            )
            source.path = path


def note_same_content(source_id: uuid.UUID, *, size: int, modified_ns: int, inode: str) -> None:
    """The file holds what was read of it, under another time, as another file or compressed: so it is found next."""
    Source.objects.filter(pk=source_id).update(size=size, modified_ns=modified_ns, inode=inode, error="")


def note_source_error(source_id: uuid.UUID, error: str) -> None:
    """Keep why a file could not be read, for the page that lists sources."""
    Source.objects.filter(pk=source_id).update(error=cut(storable(error), 500))


def end_following(host: str, *, still_followed: Sequence[str] = (), actor: Actor) -> int:
    """Nobody follows these histories any more: open turns are unfinished, not running, and recordings ended.

    Called when a watch ends, and when a watch or an import begins, for a watch that could not. What lies at
    or below one of the paths `still_followed` is left. Returns how many sessions it was true of.
    """
    with write_transaction():
        recordings = _end_recordings(host, still_followed)
        followed = AgentSession.objects.filter(status=Status.RUNNING, sources__host=host)
        for path in still_followed:
            followed = followed.exclude(sources__in=Source.objects.at_or_below(host, path))
        ids = list(followed.values_list("pk", flat=True).distinct())
        if not ids and not recordings:
            return 0
        changes = {"status": Status.UNFINISHED, "updated_ms": now_ms()}
        Run.objects.filter(session__in=ids, status=Status.RUNNING).update(**changes)
        AgentSession.objects.filter(pk__in=ids).update(**changes)
        record(
            "source.unfollowed",
            actor=actor,
            target=Target("host", "", host),
            details={"sessions": len(ids), "terminals": recordings},
        )
        nudge()
    return len(ids)


def _end_recordings(host: str, still_followed: Sequence[str]) -> int:
    """Recordings that were read from files which nobody follows; one with an exit has ended already.

    Returns how many there were.
    """
    live = Terminal.objects.filter(state=TerminalState.LIVE, source__host=host)
    for path in still_followed:
        live = live.exclude(source__in=Source.objects.at_or_below(host, path))
    terminals = list(live)
    for terminal in terminals:
        ended = terminal.started_ms + terminal.duration_us // 1000
        Terminal.objects.filter(pk=terminal.pk).update(
            state=TerminalState.ENDED, ended_ms=ended, updated_ms=now_ms()
        )
    return len(terminals)
