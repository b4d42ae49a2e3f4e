"""What a terminal showed at any moment: the last keyframe before it, and the output from there on."""

import hashlib
import threading
from typing import Final, NamedTuple

from sessions_app.actions.terminals.keyframes import light_keyframe
from sessions_app.actions.terminals.pieces import Cursor, Item, read_from, window_at
from sessions_app.actions.terminals.refusals import Refusals
from sessions_app.actions.terminals.times import timing_of
from sessions_app.models import Terminal, TerminalChunk, TerminalEvent, TerminalSegment
from sessions_app.models.terminal import TerminalStretch
from sessions_app.terminal.engine.model import (
    MAX_KEYFRAME_BYTES,
    EngineBusy,
    EngineError,
    Keyframe,
    Redrawn,
    Screen,
    StyledScreen,
    Unfinished,
)
from sessions_app.terminal.engine.process import EngineProcess
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.timing import Timing

# Keyframes lie 256 KB apart at most. Where there are none so far, whoever asks shall not wait for a gigabyte.
_FARTHEST_BYTES: Final = 32 * 1024 * 1024
_DEADLINE_S: Final = 5.0
# Of most output a row is shorter.
ROW_BYTES: Final = 128
# Who wants a nearer screen to begin with has a farther one: it is not waited for longer, nor tried again in a while
# where the engine could not, nor so far around that place; in a sequence that does not end around it that far.
_REFUSED_BYTES: Final = 4 * 1024 * 1024
_UNFINISHED_BYTES: Final = 64 * 1024
_REDRAW_S: Final = 1.0
# The screens of others take milliseconds mostly.
_TURN_S: Final = 0.25
_REFUSED_S: Final = 10.0

_lock = threading.Lock()
_engine: EngineProcess | None = None
_refusals: Final = Refusals(last_s=_REFUSED_S)


class _Way(NamedTuple):
    """From where, and through what, a screen is reached."""

    start: Keyframe | None
    cols: int
    rows: int
    items: list[Item]


def screen_at(terminal: Terminal, offset: int) -> Screen:
    """The screen once `offset` bytes were out, exactly as a linear replay shows it.

    Raises EngineError, CorruptData.
    """
    return screen_of(terminal, place_behind(terminal, offset))


def screen_of(terminal: Terminal, place: Cursor) -> Screen:
    """The screen at any place. Raises EngineError, CorruptData."""
    way = _way_to(terminal, place)
    return screen_engine().screen(way.start, way.cols, way.rows, way.items)


def styled_screen_of(terminal: Terminal, place: Cursor) -> StyledScreen:
    """The same with its colours. Raises EngineError, CorruptData."""
    way = _way_to(terminal, place)
    return screen_engine().styled(way.start, way.cols, way.rows, way.items)


def redrawn_at(
    terminal: Terminal, place: Cursor, *, scrollback_rows: int, farthest_bytes: int | None = None
) -> Redrawn:
    """The screen at any place as output that draws it again, with up to so many rows above it.

    Keyframes carry no such rows, so it is drawn from one that lies some way before, `farthest_bytes` at most. Where the
    engine could not do that, or only as more than a viewer is given, this is what is answered nearby for ten seconds.
    Raises EngineError, CorruptData.
    """
    if _refusals.hold_at(terminal.pk, place.offset):
        raise EngineError("No screen could be drawn there a moment ago.")
    above_bytes = scrollback_rows * ROW_BYTES
    way = _way_to(terminal, place, above_bytes=above_bytes, farthest_bytes=farthest_bytes)
    begin = way.start.offset if way.start is not None else 0
    # So far from a keyframe there is no other screen, so it is worth the wait while the engine draws for others.
    turn_s = _DEADLINE_S if place.offset - begin > _REFUSED_BYTES else _TURN_S
    try:
        drawn = screen_engine().redraw(
            way.start,
            way.cols,
            way.rows,
            way.items,
            scrollback_rows=scrollback_rows,
            deadline_s=_REDRAW_S,
            turn_s=turn_s,
        )
        _check_size(drawn)
    except EngineBusy:
        # Which says nothing of this terminal.
        raise
    except EngineError as error:
        around = _UNFINISHED_BYTES if isinstance(error, Unfinished) else _REFUSED_BYTES
        _refusals.add(terminal.pk, max(begin, place.offset - around), place.offset + around)
        raise
    return drawn


def _check_size(drawn: Redrawn) -> None:
    if len(drawn.data) > MAX_KEYFRAME_BYTES:
        raise EngineError(f"The screen takes {len(drawn.data)} bytes, more than a viewer is given.")


def place_behind(terminal: Terminal, offset: int) -> Cursor:
    """The place behind the first `offset` bytes and all that happened up to there."""
    offset = min(max(offset, 0), terminal.size)
    return Cursor(offset, _last_event(terminal, offset__lte=offset))


def place_at(terminal: Terminal, time_us: int) -> Cursor:
    """The place behind all that was written and happened up to that time, that of that very microsecond included."""
    offset = offset_at(terminal, time_us)
    return Cursor(offset, _last_event(terminal, offset__lte=offset, at_us__lte=time_us))


def _last_event(terminal: Terminal, **until: int) -> int:
    # By their number: of those that are left out there are few behind a place that somebody looks at.
    found = TerminalEvent.objects.filter(terminal=terminal, **until).order_by("-number")
    return found.values_list("number", flat=True).first() or 0


def screens_version(terminal: Terminal) -> str:
    """Another one for each engine, and for each time that the keyframes of the terminal were made anew."""
    made_by = f"{terminal.derivation} {terminal.derived_by}"
    return hashlib.sha256(made_by.encode()).hexdigest()[:8]


def stop_screens() -> None:
    """End the process that draws them; the next call starts another."""
    global _engine
    with _lock:
        engine, _engine = _engine, None
    if engine is not None:
        engine.stop()


def time_at(terminal: Terminal, offset: int) -> int:
    """When the first `offset` bytes were out, in microseconds; 0 for none, and the end's for more than all."""
    wanted = min(offset, terminal.size) - 1
    if wanted < 0:
        return 0
    # Meanwhile sealed, a chunk has become a segment.
    for model in (TerminalSegment,) if wanted < terminal.sealed_size else (TerminalChunk, TerminalSegment):
        rows = model._default_manager.filter(terminal=terminal, offset__lte=wanted).defer("data")
        row = rows.order_by("-offset").first()
        if row is not None and wanted < row.offset + row.size:
            return _timing(row).time_at(wanted)
    return 0


def offset_at(terminal: Terminal, time_us: int) -> int:
    """How many bytes were out at that time, those of that very microsecond included."""
    row: TerminalStretch | None = None
    if terminal.sealed_size < terminal.size:
        chunks = TerminalChunk.objects.filter(terminal=terminal, first_us__lte=time_us).defer("data")
        row = chunks.order_by("-offset").first()
    row = row or _segment_at(terminal, time_us)
    return 0 if row is None else _timing(row).offset_at(time_us)


def _segment_at(terminal: Terminal, time_us: int) -> TerminalSegment | None:
    """The last segment that began by then."""
    began = TerminalSegment.objects.filter(terminal=terminal, first_us__lte=time_us).defer("data")
    return began.order_by("-first_us", "-offset").first()


def _timing(row: TerminalStretch) -> Timing:
    return timing_of(bytes(row.timing), row.first_us, row.offset)


def _way_to(
    terminal: Terminal, place: Cursor, *, above_bytes: int = 0, farthest_bytes: int | None = None
) -> _Way:
    if not ENGINE:
        raise EngineError("Screens need the terminal engine: pip install pyghostty, where there is a wheel.")
    keyframe = light_keyframe(terminal.pk, Cursor(max(0, place.offset - above_bytes), place.event))
    start = Cursor(keyframe.offset, keyframe.event) if keyframe is not None else Cursor()
    if place.offset - start.offset > (farthest_bytes or _FARTHEST_BYTES):
        raise EngineError("The keyframes up to this moment are still being made. Try again in a while.")
    pieces = read_from(terminal.pk, start, place, with_times=False)
    cols, rows = (keyframe.cols, keyframe.rows) if keyframe is not None else window_at(terminal, start)
    return _Way(keyframe, cols, rows, [item for piece in pieces for item in piece.items])


def screen_engine() -> EngineProcess:
    """A process for screens alone: whoever looks does not wait for what is being derived."""
    global _engine
    with _lock:
        if _engine is None:
            _engine = EngineProcess(deadline_s=_DEADLINE_S)
        return _engine
