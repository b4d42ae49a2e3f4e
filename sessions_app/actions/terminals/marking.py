"""Naming a moment of a terminal that is still being recorded, from outside of the recording."""

import uuid

from audit.actors import Actor
from audit.record import record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import BadRequest
from dashboard.lib.nudges import nudge
from sessions_app.actions.terminals.detecting import masked_text
from sessions_app.actions.terminals.opening import target_of
from sessions_app.actions.terminals.output import MAX_LABEL_CHARS, TerminalEnded, position_of
from sessions_app.models import Terminal, TerminalEvent, TerminalEventKind, TerminalState
from sessions_app.terminal.sanitise import safe_label


def add_marker(terminal_id: uuid.UUID, label: str, *, actor: Actor) -> TerminalEvent:
    """Mark what is the end of the terminal now. Raises Terminal.DoesNotExist, TerminalEnded and BadRequest.

    Its time is that of the last output: a recorder sends with a clock of its own, and what it sends next must not
    come before what is there already.
    """
    text = safe_label(masked_text(label), MAX_LABEL_CHARS)
    if not text:
        raise BadRequest("The label of a marker must hold something to read.")
    with write_transaction():
        terminal = Terminal.objects.select_for_update().get(pk=terminal_id, deleted_ms=None)
        if terminal.state == TerminalState.ENDED:
            raise TerminalEnded(position_of(terminal))
        terminal.event_count += 1
        terminal.added_event_count += 1
        terminal.updated_ms = now_ms()
        terminal.save(update_fields=["event_count", "added_event_count", "updated_ms"])
        marker = TerminalEvent.objects.create(
            terminal=terminal,
            number=terminal.event_count,
            offset=terminal.size,
            at_us=terminal.duration_us,
            kind=TerminalEventKind.MARKER,
            text=text,
        )
        record(
            "marker.added",
            actor=actor,
            target=target_of(terminal),
            session_id=terminal.session_id,
            details={"label": text, "offset": marker.offset},
        )
        nudge()
    return marker
