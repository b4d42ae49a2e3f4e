"""Terminals that come out of a file instead of a recorder."""

import json
import logging
import uuid
from itertools import chain
from typing import Protocol

from audit.actors import Actor
from audit.record import Draft, append
from dashboard.lib.bulk import bulk_insert
from dashboard.lib.ids import derived_id
from dashboard.lib.text import cut, storable
from sessions_app.actions.terminals.masking import count_masked, masked_drafts
from sessions_app.actions.terminals.opening import command_line
from sessions_app.actions.terminals.output import Addition, apply_all, insert_chunk, insert_chunks
from sessions_app.actions.terminals.packing import unpack_items
from sessions_app.actions.terminals.sealing import (
    SEGMENT_COLUMNS,
    UnreadableOutput,
    end_of,
    packed_row,
    refused_as_unreadable,
    sealed_drafts,
    segment_row,
    unsealed_chunks,
    writes_in,
)
from sessions_app.actions.terminals.stretches import SEGMENT_BYTES, in_segments
from sessions_app.drafts import PackedItems
from sessions_app.models import (
    Source,
    Terminal,
    TerminalChunk,
    TerminalEventKind,
    TerminalSegment,
    TerminalState,
)
from sessions_app.terminal.asciicast.events import EventError, make_event
from sessions_app.terminal.asciicast.model import Input, Output
from sessions_app.terminal.sanitise import safe_label

logger = logging.getLogger(__name__)


class RecordedTerminal(Protocol):
    """What sessions_app.drafts.TerminalDraft has; `items` follow those of the call before."""

    key: str
    title: str
    command: list[str]
    cols: int
    rows: int
    started_ms: int
    environment: dict[str, str]
    cwd: str
    host: str
    is_start_known: bool
    items: list[tuple[str, int, bytes]]
    packed: PackedItems | None
    masked: dict[str, int]
    ended: bool


def write_recording(
    source: Source,
    draft: RecordedTerminal,
    *,
    actor: Actor,
    session_id: uuid.UUID | None = None,
    entries: list[Draft] | None = None,
) -> tuple[Terminal, bool]:
    """Write the next items of a recorded terminal, and whether this call made it.

    Call inside the transaction that moves the source's cursor: then each item is written once, however
    often an import is killed. The terminal is locked until its end, since others mark and seal it meanwhile.
    A terminal whose exit is written takes nothing more; one that only came to the end of its file goes on when
    the file does. What it has for the audit log is added to `entries` for the caller to append last, or
    appended here.
    """
    own: list[Draft] = []
    terminal, is_new = _find_or_create(source, draft, session_id)
    if terminal.events.filter(kind=TerminalEventKind.EXIT).exists():
        return terminal, False
    addition = Addition(terminal)
    packed, items = draft.packed, draft.items
    before_us = terminal.duration_us
    if packed is not None and (packed.stretches[0].first_us < before_us or not _seal_chunks(addition, own)):
        # Its clock was set back since the last batch, or what is there cannot be sealed.
        items, packed = unpack_items(packed), None
    if packed is not None:
        own += _take_packed(addition, packed)
    else:
        _take(addition, items)
    ended = draft.ended or addition.exit is not None
    apply_all([addition])
    if packed is None:
        own += _write_output(addition, before_us, ended=ended)
    if ended:
        terminal.state = TerminalState.ENDED
        terminal.exit_status = addition.exit.status if addition.exit else None
        terminal.ended_ms = terminal.started_ms + terminal.duration_us // 1000
    elif items or packed is not None:
        # It had come to the end of its file, and its file goes on.
        terminal.state, terminal.ended_ms = TerminalState.LIVE, None
    count_masked(terminal, draft.masked)
    terminal.save(
        update_fields=["state", "exit_status", "ended_ms", "sealed_size", "masked_by", "masked_count"]
    )
    own += masked_drafts(terminal, draft.masked, actor=actor)
    if entries is None:
        append(own)
    else:
        entries += own
    return terminal, is_new


def _find_or_create(
    source: Source, draft: RecordedTerminal, session_id: uuid.UUID | None
) -> tuple[Terminal, bool]:
    command = storable(json.dumps(draft.command, ensure_ascii=False)) if draft.command else ""
    values = {
        "source": source,
        "session_id": session_id,
        "title": safe_label(draft.title, 300)
        or command_line(command)
        or safe_label(source.path.rpartition("/")[2], 300),
        "command": command,
        "cwd": cut(storable(draft.cwd), 1024),
        # Where the file was found says nothing of where it was recorded.
        "host": cut(storable(draft.host), 255),
        "environment": {storable(name): storable(value) for name, value in draft.environment.items()},
        "first_cols": draft.cols,
        "first_rows": draft.rows,
        "cols": draft.cols,
        "rows": draft.rows,
        "started_ms": draft.started_ms,
        "is_start_known": draft.is_start_known,
    }
    terminal_id = derived_id(draft.started_ms, "terminal", str(source.pk), draft.key)
    return Terminal.objects.select_for_update().get_or_create(pk=terminal_id, defaults=values)


def _take(addition: Addition, items: list[tuple[str, int, bytes]]) -> None:
    take_output = addition.take_output
    for code, time_us, data in items:
        if code == "o":
            take_output(time_us, data)
        else:
            _take_event(addition, code, time_us, data)


def _take_event(addition: Addition, code: str, time_us: int, data: bytes) -> None:
    if code == "i":
        addition.take_event(Input(time_us, data))
        return
    try:
        event = make_event(time_us, code, data.decode("utf-8", "replace"))
    except EventError:
        # The parser has counted the line; here it only must not stop the others.
        return
    if event is not None and not isinstance(event, Output):
        addition.take_event(event)


def _seal_chunks(addition: Addition, entries: list[Draft]) -> bool:
    """Make segments of all that is there, before anything is taken. False, with nothing changed, where that fails."""
    try:
        entries += _seal_output(addition, addition.terminal.duration_us, whole=True)
    except UnreadableOutput as error:
        logger.debug("%s cannot be sealed: %s", addition.terminal.pk, error)
        return False
    return True


def _take_packed(addition: Addition, packed: PackedItems) -> list[Draft]:
    """Write the stretches as they are, behind output that is sealed. The entries for it."""
    terminal = addition.terminal
    start = terminal.size
    rows = [packed_row(terminal, start, stretch) for stretch in packed.stretches]
    bulk_insert(TerminalSegment, SEGMENT_COLUMNS, rows)
    terminal.sealed_size = start + packed.size
    passed = 0
    for offset, code, time_us, data in packed.events:
        addition.pass_output(offset - passed)
        _take_event(addition, code, time_us, data)
        passed = offset
    addition.pass_output(packed.size - passed)
    addition.pass_time(packed.last_us)
    addition.ending = packed.ending
    return sealed_drafts(terminal, rows)


def _write_output(addition: Addition, before_us: int, *, ended: bool) -> list[Draft]:
    """What fills segments goes into segments at once; a rest that may grow stays a chunk. The entries for it.

    Behind output that cannot be sealed all stays in chunks, as if a recorder had sent it. Sealed, it would leave a
    hole in what the log says of the terminal. The server's thread comes to it and tells people.
    """
    terminal = addition.terminal
    if not ended and addition.output.end - terminal.sealed_size < SEGMENT_BYTES:
        insert_chunks([addition])
        return []
    try:
        return _seal_output(addition, before_us, whole=ended)
    except UnreadableOutput as error:
        logger.debug("%s cannot be sealed: %s", terminal.pk, error)
    for stretch in in_segments(addition.output.offset, addition.output.each_write()):
        insert_chunk(terminal, stretch)
    return []


def _seal_output(addition: Addition, before_us: int, *, whole: bool) -> list[Draft]:
    """Make segments of what is in chunks, up to `before_us`, and what was taken; the entries for it.

    Unless `whole`, a rest that fills no segment is a chunk. Raises UnreadableOutput, with nothing changed.
    """
    terminal, output = addition.terminal, addition.output
    chunks = unsealed_chunks(terminal)
    there = end_of(chunks, terminal.sealed_size)
    if there != output.offset:
        raise UnreadableOutput(f"its output is not all there behind {there} bytes")
    if not chunks and not output.size:
        return []
    writes = chain(writes_in(chunks, before_us), output.each_write())
    stretches = list(in_segments(terminal.sealed_size, writes))
    rest = stretches.pop() if not whole and not stretches[-1].is_full else None
    rows = [segment_row(terminal, stretch) for stretch in stretches]
    with refused_as_unreadable():
        bulk_insert(TerminalSegment, SEGMENT_COLUMNS, rows)
        TerminalChunk.objects.filter(terminal=terminal).delete()
        if rest is not None:
            insert_chunk(terminal, rest)
    terminal.sealed_size = rest.offset if rest is not None else output.end
    return sealed_drafts(terminal, rows)
