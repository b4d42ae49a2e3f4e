"""Secrets out of what comes in without having been masked by a recorder, before it is stored.

A recorder masks where it runs. What others send is masked here: each addition is read behind the end of what
is stored, and stored whole, so nothing that was acknowledged is ever held back. A token that is cut between
two additions is masked in both; of a beginning that says too little to be recognised (`gh`) no more is stored
than that.

Hostile output takes a second for each MB, so nothing is masked while a transaction holds a lock: what follows the end
that is there is masked first, and counts if that is still the end as it is stored.
"""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from audit.actors import Actor
from audit.record import Draft
from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.opening import target_of
from sessions_app.actions.terminals.reading import read_bytes
from sessions_app.models import Terminal, TerminalEvent, TerminalEventKind
from sessions_app.terminal.asciicast.model import Event, Input, Output
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import EventMasker

#: A private key may have begun so far before the end.
TAIL_BYTES = 4_096
_TAIL_INPUTS = 200
#: Processor seconds that masking may take before what is masked is stored, and the sender told to go on from there.
MASKING_S = 0.25
# Between two looks at the clock: 16 ms of the most hostile output.
_BLOCK_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Masked:
    """Events as they may be stored, `counts` secrets of each rule among them masked.

    That is so behind the first `size` bytes of output and `event_count` events alone.
    """

    size: int
    event_count: int
    events: list[Event]
    counts: Counter[str]

    def fits(self, terminal: Terminal) -> bool:
        """Whether the terminal still ends there."""
        return (terminal.size, terminal.recorded_event_count) == (self.size, self.event_count)


def mask_events(terminal: Terminal, events: Sequence[Event], detector: Detector) -> Masked:
    """Events that follow what the terminal holds, or the first of them: as many as are masked in `MASKING_S`.

    Of an output that would take longer it may be the beginning, so that no sender keeps a thread for itself.
    """
    masker = EventMasker(detector, width=terminal.cols, whole=True)
    if terminal.size:
        masker.output.resume(_readable_end(terminal))
    if any(isinstance(event, Input) for event in events):
        masker.input.resume(_typed_before(terminal))
    until = time.thread_time() + MASKING_S
    masked: list[Event] = []
    for event in events:
        for piece in _in_blocks(event):
            masked += masker.take(piece)
            if time.thread_time() >= until:
                break
        else:
            continue
        break
    masked += masker.release()
    return Masked(
        terminal.size, terminal.recorded_event_count, list(_as_written(masked, events)), masker.counts
    )


def _readable_end(terminal: Terminal) -> bytes:
    """The last TAIL_BYTES; of them what lies behind output that is damaged, in which no secret is found any more."""
    begin, end = max(0, terminal.size - TAIL_BYTES), terminal.size
    with suppress(CorruptData):
        return read_bytes(terminal.pk, begin, end)
    readable = b""
    while end > begin and (start := _row_before(terminal, end)) is not None:
        start = max(start, begin)
        try:
            readable = read_bytes(terminal.pk, start, end) + readable
        except CorruptData:
            break
        end = start
    return readable


def _row_before(terminal: Terminal, end: int) -> int | None:
    """Where the last stored row begins that begins before byte `end`."""
    stored = (terminal.chunks.filter(offset__lt=end), terminal.segments.filter(offset__lt=end))
    starts = [rows.order_by("-offset").values_list("offset", flat=True).first() for rows in stored]
    return max((start for start in starts if start is not None), default=None)


def _in_blocks(event: Event) -> Iterable[Event]:
    if not isinstance(event, Output) or len(event.data) <= _BLOCK_BYTES:
        return [event]
    return (
        Output(event.time_us, event.data[start : start + _BLOCK_BYTES])
        for start in range(0, len(event.data), _BLOCK_BYTES)
    )


def _as_written(masked: Iterable[Event], events: Iterable[Event]) -> Iterator[Event]:
    """Blocks of one output as the one that they were; the last may be its beginning alone."""
    lengths = deque(len(event.data) for event in events if isinstance(event, Output) and event.data)
    blocks: list[Output] = []
    for event in masked:
        if not isinstance(event, Output) or not event.data:
            yield event
            continue
        blocks.append(event)
        if sum(len(block.data) for block in blocks) == lengths[0]:
            lengths.popleft()
            yield _joined(blocks)
            blocks = []
    if blocks:
        yield _joined(blocks)


def _joined(blocks: Sequence[Output]) -> Output:
    return Output(blocks[0].time_us, b"".join(block.data for block in blocks))


def count_masked(terminal: Terminal, counts: Mapping[str, int]) -> None:
    """Add to what was masked in the terminal, which the caller saves with what it stores."""
    if counts:
        _set_masked(terminal, Counter(terminal.masked_by) + Counter(counts))


def note_masked(terminal: Terminal, counts: Mapping[str, int]) -> None:
    """Note what the recorder says that it has masked so far; to be saved likewise.

    What was masked here, before a recorder that says so went on with the recording, stays noted.
    """
    _set_masked(terminal, Counter(terminal.masked_by) | Counter(counts))


def _set_masked(terminal: Terminal, counts: Mapping[str, int]) -> None:
    terminal.masked_by = dict(counts)
    terminal.masked_count = min(sum(counts.values()), (1 << 31) - 1)


def masked_drafts(terminal: Terminal, counts: Mapping[str, int], *, actor: Actor) -> list[Draft]:
    """The entry of the log, if any: of which kinds and how many, never what."""
    if not counts:
        return []
    details = {"rules": dict(sorted(counts.items())), "secrets": sum(counts.values())}
    return [
        Draft("secret.masked", actor, target_of(terminal), session_id=terminal.session_id, details=details)
    ]


def _typed_before(terminal: Terminal) -> bytes:
    typed = TerminalEvent.objects.filter(terminal=terminal, kind=TerminalEventKind.INPUT).order_by("-number")
    pieces = [bytes(data) for data in typed.values_list("data", flat=True)[:_TAIL_INPUTS]]
    return b"".join(reversed(pieces))[-TAIL_BYTES:]
