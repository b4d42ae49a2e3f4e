"""Taking what a recorder sends: in order, once, and acknowledged only when it is committed."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from audit.actors import Actor
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import Conflict
from dashboard.lib.ids import new_id
from dashboard.lib.nudges import nudge
from dashboard.lib.text import cut, storable
from sessions_app.actions.terminals.closing import close, hear
from sessions_app.actions.terminals.masking import count_masked, mask_events, set_masked
from sessions_app.actions.terminals.sealing import seal_if_due
from sessions_app.actions.terminals.stretches import Stretch
from sessions_app.models import Terminal, TerminalChunk, TerminalEvent, TerminalEventKind, TerminalState
from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize
from sessions_app.terminal.batch import Batch, Position
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
    """Commit what of the batch is not there yet; the position reached.

    Raises Terminal.DoesNotExist, OffsetMismatch, TerminalEnded. Sending a batch again changes nothing; one
    without events says that the recorder is there.
    """
    with write_transaction():
        terminal = Terminal.objects.select_for_update().get(pk=terminal_id, deleted_ms=None)
        committed = position_of(terminal)
        if not committed.covers(batch.start):
            raise OffsetMismatch(committed)
        new = list(batch.remaining(committed))
        if not new:
            hear(terminal)
            return committed
        if terminal.state == TerminalState.ENDED:
            raise TerminalEnded(committed)
        if batch.masked is None:
            new, masked = mask_events(terminal, new)
            count_masked(terminal, masked)
        else:
            set_masked(terminal, batch.masked)
        addition = Addition(terminal)
        addition.take(new)
        addition.write_chunk()
        addition.apply()
        if addition.exit is not None:
            close(terminal, addition.exit.status, actor=actor)
        nudge()
    seal_if_due(terminal)
    return position_of(terminal)


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

    def write_chunk(self) -> None:
        """Keep the output as one chunk."""
        if self.output.size:
            insert_chunk(self.terminal, self.output)

    def apply(self) -> None:
        """Keep the events, and bring the terminal's own row up to date."""
        TerminalEvent.objects.bulk_create(self.events)
        terminal = self.terminal
        line = self._last_line()
        terminal.size = self.output.end
        terminal.event_count += len(self.events)
        terminal.duration_us = self._last_us
        terminal.last_line = line or terminal.last_line
        terminal.updated_ms = now_ms()
        # Whoever sends is not lost.
        terminal.state = TerminalState.LIVE
        terminal.save(
            update_fields=[
                "size", "event_count", "duration_us", "last_line", "updated_ms", "state", "cols", "rows"
            ]
        )  # fmt: skip

    def _last_line(self) -> str:
        tail = self.ending or b"".join(tail_of(self.output.pieces))
        if 0 < len(tail) < TAIL_BYTES:
            before = self.terminal.chunks.filter(offset__lt=self.output.offset).order_by("-offset").first()
            if before is not None:
                tail = before.read()[-TAIL_BYTES:] + tail
        return last_line(tail) if tail else ""


def insert_chunk(terminal: Terminal, stretch: Stretch) -> None:
    TerminalChunk.objects.create(
        terminal=terminal,
        offset=stretch.offset,
        size=stretch.size,
        first_us=stretch.first_us,
        last_us=stretch.last_us,
        timing=stretch.timing(),
        data=stretch.join(),
    )


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
