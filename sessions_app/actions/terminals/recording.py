"""Terminals that come out of a file instead of a recorder."""

import json
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
    packed_row,
    seal,
    sealed_drafts,
    segment_row,
)
from sessions_app.actions.terminals.stretches import SEGMENT_BYTES, in_segments, writes_of
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
    if packed is not None and packed.stretches[0].first_us < terminal.duration_us:
        # Its clock was set back since the last batch.
        items, packed = unpack_items(packed), None
    if packed is not None:
        own += _take_packed(addition, packed)
    else:
        _take(addition, items)
    ended = draft.ended or addition.exit is not None
    apply_all([addition])
    if packed is None:
        own += _write_output(addition, ended=ended)
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


def _take_packed(addition: Addition, packed: PackedItems) -> list[Draft]:
    """Write the stretches as they are; what was a chunk before them becomes a segment. The entries for it."""
    terminal = addition.terminal
    seal(terminal)
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


def _write_output(addition: Addition, *, ended: bool) -> list[Draft]:
    """What fills segments goes into segments at once; a rest that may grow stays a chunk. The entries for it."""
    terminal = addition.terminal
    if not ended and addition.output.end - terminal.sealed_size < SEGMENT_BYTES:
        insert_chunks([addition])
        return []
    chunks = list(terminal.chunks.order_by("offset"))
    before = chain.from_iterable(
        writes_of(bytes(chunk.timing), chunk.first_us, chunk.read()) for chunk in chunks
    )
    stretches = list(in_segments(terminal.sealed_size, chain(before, addition.output.each_write())))
    rest = stretches.pop() if stretches and not ended and not stretches[-1].is_full else None
    rows = [segment_row(terminal, stretch) for stretch in stretches]
    bulk_insert(TerminalSegment, SEGMENT_COLUMNS, rows)
    TerminalChunk.objects.filter(terminal=terminal).delete()
    if rest is not None:
        insert_chunk(terminal, rest)
    terminal.sealed_size = rest.offset if rest is not None else addition.output.end
    return sealed_drafts(terminal, rows)
