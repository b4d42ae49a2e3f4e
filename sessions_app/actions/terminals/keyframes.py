"""Kept screens, as the engine takes them. One that is damaged costs a longer way, not the terminal."""

import uuid
from itertools import count

from django.db.models import QuerySet

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.pieces import Cursor
from sessions_app.models import TerminalKeyframe
from sessions_app.terminal.engine.model import Keyframe


def first_sound(keyframes: QuerySet[TerminalKeyframe]) -> Keyframe | None:
    """The first of them, in their order, that can be read."""
    for number in count():
        row = next(iter(keyframes[number : number + 1]), None)
        if row is None:
            return None
        try:
            return keyframe_of(row)
        except CorruptData:
            continue
    return None


def light_keyframe(terminal_id: uuid.UUID, place: Cursor) -> Keyframe | None:
    """The last sound one at or before `place`. Every heavy one has a light one beside it."""
    found = TerminalKeyframe.objects.filter(
        terminal=terminal_id, offset__lte=place.offset, event__lte=place.event, is_heavy=False
    )
    return first_sound(found.order_by("-offset"))


def keyframe_of(row: TerminalKeyframe) -> Keyframe:
    """Raises CorruptData."""
    return Keyframe(row.offset, row.event, row.at_us, row.cols, row.rows, row.is_heavy, row.read())
