"""Keyframes and text, made of a terminal's stored bytes: once each, whoever tries, and again at any time.

The terminal's cursor (`derived_size`, `derived_event`, `derived_end`) moves in the transaction that inserts what
was derived, and only from where the work began: of two processes that derive the same piece, one writes it and
the other's work is dropped. Everything costly happens before that transaction.
"""

import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.db.models import F, Q

from dashboard.lib.bulk import bulk_insert
from dashboard.lib.db import write_transaction
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals.pieces import Cursor
from sessions_app.actions.terminals.texts import StaleText, change_text, forget_some_text
from sessions_app.actions.terminals.working import Result, Workshop, own_workshop
from sessions_app.models import Terminal, TerminalKeyframe
from sessions_app.models.blob import pack
from sessions_app.models.terminal import TerminalQuerySet
from sessions_app.terminal.engine.model import Keyframe
from sessions_app.terminal.engine.version import ENGINE

logger = logging.getLogger(__name__)

_KEYFRAME_COLUMNS = (
    "id", "terminal_id", "offset", "event", "at_us", "cols", "rows", "is_heavy", "size", "codec", "data"
)  # fmt: skip

# Where the cursor stands while what was derived is being removed.
_FORGETTING = -1

_BEGINNING = Cursor(0, 0)
# Behind the engine's name where it went on with what another one had begun: all of it is to be made again.
_AND_OTHERS = " and others"


def derivable() -> TerminalQuerySet:
    """Those that wait and are not in the trash, where nobody looks at them; restored, they wait again."""
    in_trash = ~Q(deleted_ms=None) | ~Q(session__deleted_ms=None)
    waiting: TerminalQuerySet = Terminal.objects.underived().exclude(in_trash)
    return waiting


def derive(terminal_id: uuid.UUID, workshop: Workshop | None = None) -> bool:
    """Derive one piece of it, or do nothing when nothing waits; True when there may be more to do.

    Raises CorruptData, DatabaseError. Without an engine nothing is done.
    """
    terminal = derivable().filter(pk=terminal_id).first() if ENGINE else None
    if terminal is None:
        return False
    if terminal.derived_size == _FORGETTING:
        _forget_some(terminal)
        return True
    workshop = workshop or own_workshop()
    result = workshop.work(terminal)
    try:
        stored = _store(terminal, result)
    except StaleText:
        stored = False
    if not stored:
        # Another process was quicker, or what was derived was forgotten: go on from what is there now.
        workshop.drop(terminal_id)
        return True
    is_ahead = terminal.size > result.end.offset or terminal.event_count > result.end.event
    return is_ahead or (terminal.ended_ms is not None and not result.is_end)


def derive_all(
    terminal_id: uuid.UUID,
    workshop: Workshop | None = None,
    *,
    on_progress: Callable[[int], None] | None = None,
) -> None:
    """Derive until nothing waits. `on_progress` gets the size up to which it is done."""
    while derive(terminal_id, workshop):
        if on_progress is not None:
            done = Terminal.objects.filter(pk=terminal_id).values_list("derived_size", flat=True).first()
            on_progress(max(0, done or 0))


def forget_derived(terminal_id: uuid.UUID) -> None:
    """Remove its keyframes, text and words; it then waits to be derived anew.

    In many short transactions. When it is cut off, whoever derives this terminal next goes on with it.
    """
    with write_transaction():
        Terminal.objects.filter(pk=terminal_id).update(
            derived_size=_FORGETTING,
            derived_event=0,
            derived_end=False,
            derived_by="",
            derivation=F("derivation") + 1,
        )
        TerminalKeyframe.objects.filter(terminal=terminal_id).delete()
    terminal = Terminal.objects.filter(pk=terminal_id).first()
    while terminal is not None and _forget_some(terminal):
        pass


def _forget_some(terminal: Terminal) -> bool:
    with write_transaction():
        if forget_some_text(terminal):
            return True
        Terminal.objects.filter(pk=terminal.pk, derived_size=_FORGETTING).update(derived_size=0)
    return False


def _store(terminal: Terminal, result: Result) -> bool:
    """Write what was derived, if the terminal still stands where the work began. Raises StaleText."""
    start, end = result.start, result.end
    text = change_text(terminal, result.runs, at_end=result.is_end)
    keyframes = [_keyframe_row(terminal, keyframe) for keyframe in result.keyframes]
    with write_transaction():
        here = Terminal.objects.filter(
            pk=terminal.pk,
            derived_size=start.offset,
            derived_event=start.event,
            derived_end=terminal.derived_end,
            derivation=terminal.derivation,
        )
        if not here.update(
            derived_size=end.offset,
            derived_event=end.event,
            derived_end=result.is_end,
            derived_by=_makers(terminal, start),
        ):
            return False
        bulk_insert(TerminalKeyframe, _KEYFRAME_COLUMNS, _without_existing(terminal, keyframes))
        text.write()
    return True


def _makers(terminal: Terminal, start: Cursor) -> str:
    """Who made all that is there once the piece from `start` on is written: this engine alone, or not it alone."""
    is_alone = start == _BEGINNING or terminal.derived_by == ENGINE
    return ENGINE if is_alone else f"{ENGINE}{_AND_OTHERS}"


def _without_existing(terminal: Terminal, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Two moments at one offset, as two resizes are, need one screen: the events between them are stored."""
    there = TerminalKeyframe.objects.filter(terminal=terminal, offset__in={row[2] for row in rows})
    taken = set(there.values_list("offset", "is_heavy")) if rows else set()
    new = []
    for row in rows:
        place = (row[2], row[7])
        if place not in taken:
            taken.add(place)
            new.append(row)
    return new


def _keyframe_row(terminal: Terminal, keyframe: Keyframe) -> tuple[Any, ...]:
    codec, data = pack(keyframe.data)
    return (
        new_id(), terminal.pk, keyframe.offset, keyframe.event, keyframe.time_us, keyframe.cols, keyframe.rows,
        keyframe.is_heavy, len(keyframe.data), codec, data,
    )  # fmt: skip
