"""What a player reads: a map of the whole recording, and stretches that each begin with a screen."""

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import attrgetter, itemgetter
from typing import Final, NamedTuple

from django.db.models import F, QuerySet, Window
from django.db.models.functions import Length, RowNumber

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.frames import SpanKey, make_span
from sessions_app.actions.terminals.pieces import Cursor
from sessions_app.actions.terminals.screens import place_at, place_behind
from sessions_app.actions.terminals.starting import Start, start_at, start_before, start_drawn_at
from sessions_app.actions.terminals.times import times_of
from sessions_app.models import (
    Terminal,
    TerminalChunk,
    TerminalEvent,
    TerminalEventKind,
    TerminalKeyframe,
    TerminalSegment,
    TerminalState,
)
from sessions_app.terminal.engine.model import MAX_KEYFRAME_BYTES

# A screen sooner than this is not worth a request of its own.
LEAST_STRETCH_BYTES = 64 * 1024
# Where no screen follows (yet).
MOST_STRETCH_BYTES = 1024 * 1024

# Above a screen that is drawn for one moment: enough to scroll back a little, and drawn in no time.
DRAWN_ROWS = 200

# The map of any recording stays small enough to be read before the first seek.
MAP_MOMENTS = 4_000
MAP_EVENTS = 5_000
MAP_LABEL_CHARS = 200
_ACTIVITY_ENTRIES = 2_000
_LEAST_ENTRY_US = 50_000
# Timings of single writes are looked at up to so many bytes, which takes some 30 ms.
_DECODED_TIMING_BYTES = 256 * 1024
# And of those of a recording that has more, so many are searched for pauses, which takes as long.
_SEARCHED_TIMING_BYTES = 1024 * 1024
# What the player skips and its bar shows (static/js/terminal/time-axis.js). Shorter ones are how a program writes.
_LEAST_PAUSE_US = 2_000_000
# A number of a timing (sessions_app/terminal/timing.py) that may be such a pause: none is smaller than 1,998,848.
_MAYBE_PAUSE: Final = re.compile(rb"[\x80-\xff]{2}[\x7a-\x7f]|[\x80-\xff]{3}")
# A row is a segment, or what a recorder sent at once.
_LONGEST_ROW = 2 * 1024 * 1024
_ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PlayedStretch:
    """Frames of the live protocol: a keyframe, then each write and event up to byte `end`."""

    frames: tuple[bytes, ...]
    end: int
    # The same will be answered for ever.
    is_final: bool


def stretch_from(terminal: Terminal, offset: int, *, heavy: bool = False) -> PlayedStretch:
    """The stretch that begins with the screen of `offset`, or the nearest one before it.

    It goes up to the next screen that is worth a request, else at most MOST_STRETCH_BYTES. Raises
    CorruptData.
    """
    offset = min(offset, terminal.size)
    exact = start_at(terminal, offset, heavy=heavy)
    return _stretch(terminal, offset, exact)


def stretch_of_moment(terminal: Terminal, *, time_us: int) -> PlayedStretch:
    """The stretch that begins with the screen of this time, exactly; where none can be drawn, before it.

    Otherwise as stretch_from.
    """
    return _stretch_drawn(terminal, place_at(terminal, time_us))


def stretch_of_place(terminal: Terminal, offset: int) -> PlayedStretch:
    """As stretch_of_moment, by the number of bytes, with all that happened up to there."""
    return _stretch_drawn(terminal, place_behind(terminal, offset))


def _stretch_drawn(terminal: Terminal, place: Cursor) -> PlayedStretch:
    drawn = start_drawn_at(terminal, place, scrollback_rows=DRAWN_ROWS)
    return _stretch(terminal, place.offset, drawn)


def _stretch(terminal: Terminal, offset: int, exact: Start | None) -> PlayedStretch:
    start = exact or start_before(terminal, offset)
    following = TerminalKeyframe.objects.filter(
        terminal=terminal, offset__gte=max(start.offset + LEAST_STRETCH_BYTES, offset + 1)
    )
    next_offset, next_event = following.order_by("offset", "event").values_list(
        "offset", "event"
    ).first() or (
        terminal.size,
        terminal.event_count,
    )
    most = max(start.offset + MOST_STRETCH_BYTES, offset + LEAST_STRETCH_BYTES)
    end, last_event = (next_offset, next_event) if next_offset <= most else (most, terminal.event_count)
    span = make_span(SpanKey(terminal.pk, start.offset, end, start.event, last_event, each_write=True))
    is_final = exact is not None and (span.end < terminal.size or terminal.state == TerminalState.ENDED)
    return PlayedStretch((start.encode(), *span.frames), span.end, is_final)


@dataclass(frozen=True, slots=True)
class TerminalMap:
    """Where one may begin and what is to be seen where; all lists ascend by offset."""

    size: int
    duration_us: int
    ended: bool
    # (offset, at_us, is_heavy)
    keyframes: list[tuple[int, int, bool]]
    # (kind, offset, at_us, text)
    events: list[tuple[str, int, int, str]]
    # (at_us, bytes written from then on, until_us), consecutive from byte `activity_from` on.
    activity_from: int
    activity: list[tuple[int, int, int]]


def map_of(terminal: Terminal, after: int = 0) -> TerminalMap:
    """The map; with `after` what lies from that offset on, and the first activity begins at or before it."""
    activity_from, activity = _activity(terminal, after)
    return TerminalMap(
        size=terminal.size,
        duration_us=terminal.duration_us,
        ended=terminal.state == TerminalState.ENDED,
        keyframes=_keyframes(terminal, after),
        events=_events(terminal, after),
        activity_from=activity_from,
        activity=activity,
    )


def _keyframes(terminal: Terminal, after: int) -> list[tuple[int, int, bool]]:
    rows = TerminalKeyframe.objects.filter(
        terminal=terminal, offset__gte=after, size__lte=MAX_KEYFRAME_BYTES
    ).values_list("offset", "at_us", "is_heavy")
    found = [(0, 0, False)] if after == 0 else []
    least_us = -(-terminal.duration_us // MAP_MOMENTS)
    for offset, same in groupby(rows.order_by("offset"), itemgetter(0)):
        moments = list(same)
        at_us, is_heavy = moments[0][1], any(moment[2] for moment in moments)
        if offset == 0 and found:
            found[0] = 0, at_us, is_heavy
        elif (
            not found
            or offset - found[-1][0] >= LEAST_STRETCH_BYTES
            or at_us - found[-1][1] >= least_us
            or is_heavy
        ):
            found.append((offset, at_us, is_heavy))
    return found


def _events(terminal: Terminal, after: int) -> list[tuple[str, int, int, str]]:
    rows = TerminalEvent.objects.filter(terminal=terminal, offset__gte=after)
    found: list[_Event] = []
    # A marker is looked for, while thousands of resizes on one bar say no more than some of them.
    for kind in (TerminalEventKind.EXIT, TerminalEventKind.MARKER, TerminalEventKind.RESIZE):
        found += _spread(rows.filter(kind=kind), MAP_EVENTS - len(found))
    return [(kind, offset, at_us, text[:MAP_LABEL_CHARS]) for _, kind, offset, at_us, text in sorted(found)]


# Number, kind, offset, time in microseconds, text.
type _Event = tuple[int, str, int, int, str]


def _spread(rows: QuerySet[TerminalEvent], most: int) -> list[_Event]:
    """At most so many of the events, evenly over all of them, the newest included."""
    if most <= 0:
        return []
    step = -(-rows.count() // most)
    if step > 1:
        # Every so many by their place: by number it might be all of them or none.
        placed = rows.annotate(place=Window(RowNumber(), order_by=F("number").desc()))
        rows = placed.annotate(rest=F("place") % step).filter(rest=1)
    return list(rows.values_list("number", "kind", "offset", "at_us", "text"))


def _activity(terminal: Terminal, after: int) -> tuple[int, list[tuple[int, int, int]]]:
    rows = _stored(terminal, after)
    if not rows:
        return after, []
    width_us = max(terminal.duration_us // _ACTIVITY_ENTRIES, _LEAST_ENTRY_US)
    entries: list[tuple[int, int, int]] = []
    for at_us, size, until_us in _amounts(rows, width_us):
        if entries and at_us - entries[-1][0] < width_us:
            begun_us, begun_size, _ = entries[-1]
            entries[-1] = begun_us, begun_size + size, until_us
        else:
            entries.append((at_us, size, until_us))
    return rows[0].offset, entries


class _Stored(NamedTuple):
    """A stored row without its bytes."""

    offset: int
    size: int
    first_us: int
    last_us: int
    timing_size: int
    id: uuid.UUID
    model: type[TerminalChunk] | type[TerminalSegment]


def _stored(terminal: Terminal, after: int) -> list[_Stored]:
    """The rows that hold the bytes from `after` on, in order."""
    # Chunks first: what is sealed between the two looks is then met twice, not missed.
    chunks, segments = (
        _stored_in(TerminalChunk, terminal, after),
        _stored_in(TerminalSegment, terminal, after),
    )
    sealed = segments[-1].offset + segments[-1].size if segments else 0
    rows = segments + [row for row in chunks if row.offset >= sealed]
    return [row for row in rows if row.offset + row.size > after]


def _stored_in(
    model: type[TerminalChunk] | type[TerminalSegment], terminal: Terminal, after: int
) -> list[_Stored]:
    near = model._default_manager.filter(terminal=terminal, offset__gt=after - _LONGEST_ROW)
    rows = near.annotate(timing_size=Length("timing")).order_by("offset")
    return [
        _Stored(offset, size, first_us, last_us, timing_size, key, model)
        for offset, size, first_us, last_us, timing_size, key in rows.values_list(
            "offset", "size", "first_us", "last_us", "timing_size", "id"
        )
    ]


def _amounts(rows: list[_Stored], width_us: int) -> Iterable[tuple[int, int, int]]:
    """(time in microseconds, bytes, time of the last of them) of each write, or of a whole row.

    Of a row where single writes are too much to read, and its timing shows no pause, or none of `width_us`; and of one
    whose timing is damaged.
    """
    timings = _timings_worth_decoding(rows, max(width_us, _LEAST_PAUSE_US))
    for row in rows:
        # A chunk that was sealed meanwhile is no longer there.
        writes = _writes_if_sound(timings[row.id], row) if row.id in timings else None
        if writes is not None:
            for at_us, size in writes:
                yield at_us, size, at_us
        else:
            yield row.first_us, row.size, row.last_us


def _writes_if_sound(timing: bytes, row: _Stored) -> list[tuple[int, int]] | None:
    """Whoever plays what is damaged is told; the way to all the rest needs a map."""
    try:
        writes = times_of(timing, row.first_us)
    except CorruptData:
        return None
    return writes if sum(size for _, size in writes) == row.size else None


def _timings_worth_decoding(rows: list[_Stored], pause_us: int) -> dict[uuid.UUID, bytes]:
    """All timings where they are not too much; else those of rows in which there may be a pause so long.

    The rows with the fewest writes come first: they are the likeliest to have one, and the cheapest.
    """
    if sum(row.timing_size for row in rows) <= _DECODED_TIMING_BYTES:
        return _timings_of(rows)
    long_rows = sorted((row for row in rows if row.last_us - row.first_us > pause_us), key=_timing_size)
    searched = _timings_of(_within(long_rows, _SEARCHED_TIMING_BYTES))
    paused = [row for row in long_rows if row.id in searched and _MAYBE_PAUSE.search(searched[row.id])]
    return {row.id: searched[row.id] for row in _within(paused, _DECODED_TIMING_BYTES)}


_timing_size = attrgetter("timing_size")


def _within(rows: list[_Stored], most: int) -> list[_Stored]:
    """The first of the rows, whose timings have so many bytes together."""
    reached = accumulate(map(_timing_size, rows))
    return [row for row, size in zip(rows, reached, strict=True) if size <= most]


def _timings_of(rows: list[_Stored]) -> dict[uuid.UUID, bytes]:
    timings: dict[uuid.UUID, bytes] = {}
    for model in {row.model for row in rows}:
        ids = [row.id for row in rows if row.model is model]
        for start in range(0, len(ids), _ROWS_AT_ONCE):
            found = model._default_manager.filter(pk__in=ids[start : start + _ROWS_AT_ONCE])
            timings.update({key: bytes(value) for key, value in found.values_list("pk", "timing")})
    return timings
