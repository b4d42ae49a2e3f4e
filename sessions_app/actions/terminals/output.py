"""Taking what recorders send: in order, once, and acknowledged only when it is committed.

What several send at once is one transaction (dashboard.lib.group_commit).
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from audit.actors import Actor
from dashboard.lib.bulk import bulk_insert, bulk_update
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction, writers_at_once
from dashboard.lib.errors import Conflict
from dashboard.lib.group_commit import GroupCommit
from dashboard.lib.ids import new_id
from dashboard.lib.nudges import nudge
from dashboard.lib.text import cut, storable
from sessions_app.actions.terminals.closing import Closing, close_all, hear
from sessions_app.actions.terminals.detecting import server_detector
from sessions_app.actions.terminals.masking import Masked, count_masked, mask_events, note_masked
from sessions_app.actions.terminals.sealing import seal_if_due
from sessions_app.actions.terminals.stretches import Stretch
from sessions_app.models import Terminal, TerminalChunk, TerminalEvent, TerminalEventKind, TerminalState
from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize
from sessions_app.terminal.batch import Batch, Position
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.plaintext import last_line

# Of the output before a small write, so that a line written in pieces reads as a line.
TAIL_BYTES = 2_000
MAX_LABEL_CHARS = 1_000


class OffsetMismatch(Conflict):
    """Output is missing between what is stored and what was sent: the recorder goes on from `committed`."""

    def __init__(self, committed: Position) -> None:
        super().__init__("There is a hole between what is stored and what was sent.")
        self.committed = committed


class TerminalEnded(Conflict):
    """The recording is complete; nothing can follow its end."""

    def __init__(self, committed: Position) -> None:
        super().__init__("This recording has ended.")
        self.committed = committed


def append_output(terminal_id: uuid.UUID, batch: Batch, *, actor: Actor) -> Position:
    """Commit what of the batch is not there yet, or its beginning where masking it takes long; the position reached.

    Raises Terminal.DoesNotExist, OffsetMismatch, TerminalEnded. Sending a batch again changes nothing; one
    without events says that the recorder is there.
    """
    detector = server_detector() if batch.masked is None and batch.events else None
    while True:
        masked = _masked_ahead(terminal_id, batch, detector) if detector is not None else None
        wanted = _Append(terminal_id, batch, actor, detector is not None, masked)
        try:
            appended = _commits.commit(wanted, wanted.size)
        except _MovedOn:
            # Another request has stored some of it, so there is less left to be masked each time.
            continue
        if appended.grown is not None:
            seal_if_due(appended.grown)
        return appended.position


class _MovedOn(Exception):
    """The terminal has grown since the batch was masked behind its end."""


@dataclass(frozen=True, slots=True)
class _Append:
    """One request."""

    terminal_id: uuid.UUID
    batch: Batch
    actor: Actor
    needs_masking: bool
    masked: Masked | None

    @property
    def size(self) -> int:
        return sum(len(event.data) for event in self.batch.events if isinstance(event, Output))


@dataclass(slots=True)
class _Appended:
    """What became of it. `grown` is the terminal, for the last of the requests that it grew by."""

    position: Position
    grown: Terminal | None = None


def _masked_ahead(terminal_id: uuid.UUID, batch: Batch, detector: Detector) -> Masked | None:
    """What of the batch follows the present end, masked; None where it will be refused, or nothing is new."""
    terminal = Terminal.objects.filter(pk=terminal_id, deleted_ms=None).first()
    if terminal is None or terminal.state == TerminalState.ENDED:
        return None
    committed = position_of(terminal)
    new = list(batch.remaining(committed)) if committed.covers(batch.start) else []
    return mask_events(terminal, new, detector) if new else None


def _append_all(appends: Sequence[_Append]) -> list[_Appended | Exception]:
    """All of them in one transaction, in their order; what is refused changes nothing."""
    outcomes: list[_Appended | Exception] = []
    closings: dict[uuid.UUID, Closing] = {}
    with write_transaction():
        wanted = {append.terminal_id for append in appends}
        # Always in the same order, or two processes could wait for one another.
        locked = Terminal.objects.select_for_update().filter(pk__in=wanted, deleted_ms=None).order_by("pk")
        additions = {terminal.pk: Addition(terminal) for terminal in locked}
        for append in appends:
            addition = additions.get(append.terminal_id)
            if addition is None:
                outcomes.append(Terminal.DoesNotExist(f"There is no terminal {append.terminal_id}."))
                continue
            outcomes.append(_take(append, addition))
            if addition.exit is not None and append.terminal_id not in closings:
                closings[append.terminal_id] = Closing(addition.terminal, addition.exit.status, append.actor)
        changed = [addition for addition in additions.values() if addition.has_news]
        insert_chunks(changed)
        apply_all(changed)
        close_all(closings.values())
        last = {
            append.terminal_id: outcome
            for append, outcome in zip(appends, outcomes, strict=True)
            if isinstance(outcome, _Appended)
        }
        for terminal_id, appended in last.items():
            addition = additions[terminal_id]
            if addition.has_news:
                appended.grown = addition.terminal
            else:
                hear(addition.terminal)
        if changed:
            nudge()
    return outcomes


def _take(append: _Append, addition: "Addition") -> _Appended | Exception:
    """Add what is new of one request to what is to be written, or say why not."""
    batch, committed = append.batch, addition.position
    if not committed.covers(batch.start):
        return OffsetMismatch(committed)
    new = list(batch.remaining(committed))
    if not new:
        return _Appended(committed)
    terminal = addition.terminal
    if terminal.state == TerminalState.ENDED or addition.exit is not None:
        return TerminalEnded(committed)
    if append.needs_masking:
        masked = append.masked
        if masked is None or addition.has_news or not masked.fits(terminal):
            return _MovedOn()
        new = masked.events
        count_masked(terminal, masked.counts)
    elif batch.masked is not None:
        note_masked(terminal, batch.masked)
    addition.take(new)
    return _Appended(addition.position)


#: One transaction takes some four of the largest batches, and of smaller ones as many as are sent at once.
_MOST_BYTES_AT_ONCE: Final = 4_000_000
_commits: Final = GroupCommit[_Append, _Appended](
    _append_all, most_at_once=_MOST_BYTES_AT_ONCE, writers=writers_at_once
)


def position_of(terminal: Terminal) -> Position:
    """How much of its recording the recorder knows to be committed."""
    return Position(terminal.size, terminal.recorded_event_count)


@dataclass
class Addition:
    """Events that follow what a terminal holds, put in the form in which they are stored."""

    terminal: Terminal
    output: Stretch = field(init=False)
    events: list[TerminalEvent] = field(default_factory=list)
    exit: Exit | None = None
    # The end of output that somebody else writes.
    ending: bytes = b""
    _last_us: int = field(init=False)

    def __post_init__(self) -> None:
        self.output = Stretch(self.terminal.size)
        self._last_us = self.terminal.duration_us

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Output):
                self.take_output(event.time_us, event.data)
            else:
                self.take_event(event)

    def take_output(self, time_us: int, data: bytes) -> None:
        # The clock of a recorder may step back; the recording's time never does.
        if time_us > self._last_us:
            self._last_us = time_us
        if data:
            self.output.add(self._last_us, data)

    def pass_output(self, size: int) -> None:
        """So much output is written by somebody else; before any that is taken here."""
        self.output = Stretch(self.output.offset + size)

    def pass_time(self, time_us: int) -> None:
        self._last_us = max(self._last_us, time_us)

    def take_event(self, event: Input | Resize | Marker | Exit) -> None:
        self._last_us = max(self._last_us, event.time_us)
        kind, text, data = _stored(event)
        self.events.append(
            TerminalEvent(
                id=new_id(),
                terminal=self.terminal,
                number=self.terminal.event_count + len(self.events) + 1,
                offset=self.output.end,
                at_us=self._last_us,
                kind=kind,
                text=text,
                data=data,
            )
        )
        if isinstance(event, Resize):
            self.terminal.cols, self.terminal.rows = event.cols, event.rows
        elif isinstance(event, Exit):
            self.exit = event

    @property
    def has_news(self) -> bool:
        return bool(self.events or self.output.size)

    @property
    def position(self) -> Position:
        """How much the recorder will know to be committed."""
        return Position(self.output.end, self.terminal.recorded_event_count + len(self.events))

    def bring_up_to_date(self) -> None:
        """The terminal's own row, which the caller saves."""
        terminal = self.terminal
        line = self._last_line()
        terminal.size = self.output.end
        terminal.event_count += len(self.events)
        terminal.duration_us = self._last_us
        terminal.last_line = line or terminal.last_line
        terminal.updated_ms = now_ms()
        # Whoever sends is not lost.
        terminal.state = TerminalState.LIVE

    def _last_line(self) -> str:
        tail = self.ending or b"".join(tail_of(self.output.pieces))
        if 0 < len(tail) < TAIL_BYTES:
            before = self.terminal.chunks.filter(offset__lt=self.output.offset).order_by("-offset").first()
            if before is not None:
                tail = before.read()[-TAIL_BYTES:] + tail
        return last_line(tail) if tail else ""


def insert_chunks(additions: Iterable[Addition]) -> None:
    """Keep the output of each as one chunk."""
    stretches = [(addition.terminal, addition.output) for addition in additions]
    bulk_insert(TerminalChunk, _CHUNK_COLUMNS, [_chunk_row(*found) for found in stretches if found[1].size])


def insert_chunk(terminal: Terminal, stretch: Stretch) -> None:
    bulk_insert(TerminalChunk, _CHUNK_COLUMNS, [_chunk_row(terminal, stretch)])


def apply_all(additions: Sequence[Addition]) -> None:
    """Keep the events, and bring the rows of the terminals up to date."""
    TerminalEvent.objects.bulk_create([event for addition in additions for event in addition.events])
    for addition in additions:
        addition.bring_up_to_date()
    bulk_update(Terminal, _GROWING_COLUMNS, [_grown_row(addition.terminal) for addition in additions])


_CHUNK_COLUMNS: Final = ("id", "terminal_id", "offset", "size", "first_us", "last_us", "timing", "data")
_GROWING_COLUMNS: Final = (
    "size", "event_count", "duration_us", "last_line", "updated_ms", "state", "cols", "rows", "masked_by",
    "masked_count",
)  # fmt: skip


def _chunk_row(terminal: Terminal, stretch: Stretch) -> tuple[Any, ...]:
    return (
        new_id(), terminal.pk, stretch.offset, stretch.size, stretch.first_us, stretch.last_us,
        stretch.timing(), stretch.join(),
    )  # fmt: skip


def _grown_row(terminal: Terminal) -> tuple[Any, ...]:
    """In the order of _GROWING_COLUMNS, and the key."""
    return (
        terminal.size, terminal.event_count, terminal.duration_us, terminal.last_line, terminal.updated_ms,
        terminal.state, terminal.cols, terminal.rows, json.dumps(terminal.masked_by), terminal.masked_count,
        terminal.pk,
    )  # fmt: skip


def tail_of(pieces: Sequence[bytes]) -> list[bytes]:
    kept: list[bytes] = []
    length = 0
    for piece in reversed(pieces):
        kept.append(piece[-TAIL_BYTES:])
        length += len(piece)
        if length >= TAIL_BYTES:
            break
    return kept[::-1]


def _stored(event: Input | Resize | Marker | Exit) -> tuple[TerminalEventKind, str, bytes]:
    """Kind, text and bytes of an event's row."""
    if isinstance(event, Input):
        return TerminalEventKind.INPUT, "", event.data
    if isinstance(event, Resize):
        return TerminalEventKind.RESIZE, f"{event.cols}x{event.rows}", b""
    if isinstance(event, Marker):
        return TerminalEventKind.MARKER, cut(storable(event.label), MAX_LABEL_CHARS), b""
    return TerminalEventKind.EXIT, "" if event.status is None else str(event.status), b""
