"""Naming a moment of a terminal that is still being recorded, from outside of the recording."""

import uuid

from django.db import IntegrityError

from audit.actors import Actor
from audit.record import record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import BadRequest, Conflict
from dashboard.lib.ids import new_id
from dashboard.lib.nudges import nudge
from sessions_app.actions.terminals.detecting import masked_text
from sessions_app.actions.terminals.opening import target_of
from sessions_app.actions.terminals.output import MAX_LABEL_CHARS, TerminalEnded, position_of
from sessions_app.models import Terminal, TerminalEvent, TerminalEventKind, TerminalState
from sessions_app.terminal.sanitise import safe_label

ID_TAKEN = "This id belongs to another event. Give the new one an id of its own."


def add_marker(
    terminal_id: uuid.UUID, label: str, *, actor: Actor, marker_id: uuid.UUID | None = None
) -> tuple[TerminalEvent, bool]:
    """Mark what is the end of the terminal now; the marker, and whether this call made it.

    Sending it again with the same `marker_id` changes nothing, also when the terminal has ended meanwhile. Raises
    Terminal.DoesNotExist, TerminalEnded, BadRequest, and Conflict when the id belongs to something else.

    Its time is that of the last output: a recorder sends with a clock of its own, and what it sends next must not
    come before what is there already.
    """
    text = safe_label(masked_text(label), MAX_LABEL_CHARS)
    if not text:
        raise BadRequest("The label of a marker must hold something to read.")
    with write_transaction():
        terminal = Terminal.objects.select_for_update().get(pk=terminal_id, deleted_ms=None)
        if marker_id is not None and (known := TerminalEvent.objects.filter(pk=marker_id).first()):
            if (known.terminal_id, known.kind, known.text) != (terminal.pk, TerminalEventKind.MARKER, text):
                raise Conflict(ID_TAKEN)
            return known, False
        if terminal.state == TerminalState.ENDED:
            raise TerminalEnded(position_of(terminal))
        terminal.event_count += 1
        terminal.added_event_count += 1
        terminal.updated_ms = now_ms()
        terminal.save(update_fields=["event_count", "added_event_count", "updated_ms"])
        try:
            marker = TerminalEvent.objects.create(
                id=marker_id or new_id(),
                terminal=terminal,
                number=terminal.event_count,
                offset=terminal.size,
                at_us=terminal.duration_us,
                kind=TerminalEventKind.MARKER,
                text=text,
            )
        except IntegrityError:
            # Only a marker of another terminal can have come meanwhile: this one is locked.
            raise Conflict(ID_TAKEN) from None
        record(
            "marker.added",
            actor=actor,
            target=target_of(terminal),
            session_id=terminal.session_id,
            details={"label": text, "offset": marker.offset},
        )
        nudge()
    return marker, True
