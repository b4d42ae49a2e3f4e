"""What many terminals show now: as styled_screen_of at the end of each, with four queries for all of them."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from django.db.models import Q, Subquery

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.keyframes import keyframe_of, light_keyframe
from sessions_app.actions.terminals.pieces import Cursor, Item
from sessions_app.actions.terminals.reading import read_spans
from sessions_app.actions.terminals.screens import screen_engine
from sessions_app.models import Terminal, TerminalEvent, TerminalEventKind, TerminalKeyframe
from sessions_app.terminal.engine.model import EngineError, Keyframe, Output, Resize, StyledScreen
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.window import read_size

# Live terminals have a keyframe every 256 KB. What is farther from one is still being derived.
_FARTHEST_BYTES: Final = 2 * 1024 * 1024

type _Resizes = Mapping[uuid.UUID, Sequence[tuple[int, int, str]]]


def newest_screens(terminals: Sequence[Terminal]) -> dict[uuid.UUID, StyledScreen]:
    """After all bytes and events of each row. Those for which the engine refuses are not in the answer."""
    if not ENGINE:
        return {}
    starts = _newest_keyframes(terminals)
    spans = {terminal.pk: (_offset(starts.get(terminal.pk)), terminal.size) for terminal in terminals}
    near = {pk: span for pk, span in spans.items() if span[1] - span[0] <= _FARTHEST_BYTES}
    outputs = read_spans(near)
    resizes = _resizes_after(terminals, starts)
    screens = {}
    for terminal in terminals:
        start, end = spans[terminal.pk]
        output = outputs.get(terminal.pk)
        if output is not None and len(output) == end - start:
            keyframe = starts.get(terminal.pk)
            items = _in_order(start, output, resizes.get(terminal.pk, ()))
            cols, rows = (keyframe.cols, keyframe.rows) if keyframe else terminal.first_size
            try:
                screens[terminal.pk] = screen_engine().styled(keyframe, cols, rows, items)
            except EngineError:
                continue
    return screens


def _offset(keyframe: Keyframe | None) -> int:
    return keyframe.offset if keyframe else 0


def _newest_keyframes(terminals: Sequence[Terminal]) -> dict[uuid.UUID, Keyframe]:
    """The last light one of each, not beyond what the row says that there is.

    Where it is damaged the one before it: the same screen is then drawn from further back.
    """
    light = TerminalKeyframe.objects.filter(is_heavy=False)
    newest = Q(pk__in=[])
    for terminal in terminals:
        of_terminal = light.filter(terminal_id=terminal.pk, offset__lte=terminal.size)
        last = of_terminal.order_by("-offset").values("offset")[:1]
        newest |= Q(terminal_id=terminal.pk, offset=Subquery(last))
    found = {}
    for row in light.filter(newest):
        try:
            keyframe: Keyframe | None = keyframe_of(row)
        except CorruptData:
            keyframe = light_keyframe(row.terminal_id, Cursor(row.offset, row.event))
        if keyframe is not None:
            found[row.terminal_id] = keyframe
    return found


def _resizes_after(terminals: Sequence[Terminal], starts: Mapping[uuid.UUID, Keyframe]) -> _Resizes:
    """(number, offset, "columns x rows") of those that a start does not hold yet, in order."""
    later = Q(pk__in=[])
    for terminal in terminals:
        start = starts.get(terminal.pk)
        first = start.event if start else 0
        if first < terminal.event_count:
            later |= Q(terminal_id=terminal.pk, number__gt=first, number__lte=terminal.event_count)
    found: dict[uuid.UUID, list[tuple[int, int, str]]] = {}
    rows = TerminalEvent.objects.filter(later, kind=TerminalEventKind.RESIZE).order_by(
        "terminal_id", "number"
    )
    for terminal_id, number, offset, text in rows.values_list("terminal_id", "number", "offset", "text"):
        found.setdefault(terminal_id, []).append((number, offset, text))
    return found


def _in_order(start: int, output: bytes, resizes: Sequence[tuple[int, int, str]]) -> list[Item]:
    items: list[Item] = []
    position = start
    for number, offset, text in resizes:
        if offset > position:
            items.append(Output(position, 0, output[position - start : offset - start]))
            position = offset
        items.append(Resize(number, offset, 0, *read_size(text)))
    if position - start < len(output):
        items.append(Output(position, 0, output[position - start :]))
    return items
