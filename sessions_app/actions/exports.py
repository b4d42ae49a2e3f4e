"""Taking something out of the console: an entry says who took what, in which form."""

from typing import Any

from audit.actors import Actor
from audit.notes import TreeHead
from audit.record import record
from dashboard.lib.db import write_transaction
from sessions_app.actions.sessions import target_of as target_of_session
from sessions_app.actions.terminals.opening import target_of as target_of_terminal
from sessions_app.models import AgentSession, Terminal


def note_session_export(session: AgentSession, form: str, *, actor: Actor) -> None:
    """Call it before the first byte leaves: what cannot be recorded is not exported."""
    details = {"form": form, "through": session.last_seq}
    with write_transaction():
        record(
            "session.exported",
            actor=actor,
            target=target_of_session(session),
            session_id=session.pk,
            details=details,
        )


def note_terminal_export(terminal: Terminal, form: str, *, actor: Actor) -> None:
    """Likewise for a terminal, up to the bytes that it has now."""
    details = {"form": form, "bytes": terminal.size}
    with write_transaction():
        record(
            "terminal.exported",
            actor=actor,
            target=target_of_terminal(terminal),
            session_id=terminal.session_id,
            details=details,
        )


def note_log_export(
    form: str, head: TreeHead, entries: int, chosen: dict[str, Any], *, actor: Actor, payloads: bool = False
) -> None:
    """Likewise for the audit log: `entries` of those below `head`, chosen by a filter, with their payloads or not.

    The entry comes after the head, so it is not in what it speaks of.
    """
    details = {
        "form": form,
        "entries": entries,
        "filter": chosen,
        "payloads": payloads,
        "size": head.size,
        "root": head.root.hex(),
    }
    with write_transaction():
        record("log.exported", actor=actor, details=details)
