"""A recorder says that it starts, or that it is back."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import IntegrityError
from django.db.models import F

from audit.actors import Actor
from audit.record import Target, record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.errors import Conflict, Refused
from dashboard.lib.nudges import nudge
from dashboard.lib.text import cut, storable
from sessions_app.actions.terminals.detecting import masked_text
from sessions_app.actions.timeline import append_event
from sessions_app.models import AgentSession, EventKind, Terminal
from sessions_app.terminal.sanitise import safe_label
from sessions_app.terminal.window import allowed_size

MAX_ENVIRONMENT_NAMES = 40


class NoSuchSession(Refused):
    """The session that a recorder names is not here (yet, or any more)."""


@dataclass(frozen=True)
class NewTerminal:
    """What a recorder knows when it starts. `started_ms` is the zero of every time in the recording."""

    id: uuid.UUID
    started_ms: int
    cols: int = 80
    rows: int = 24
    title: str = ""
    command: Sequence[str] = ()
    cwd: str = ""
    host: str = ""
    session_id: uuid.UUID | None = None
    input_recorded: bool = False
    environment: dict[str, str] = field(default_factory=dict)


def open_terminal(new: NewTerminal, *, actor: Actor) -> tuple[Terminal, bool]:
    """The terminal with this id, and whether this call made it.

    Asking again is harmless. Raises Conflict when the id belongs to another recording, NoSuchSession.
    """
    found = Terminal.objects.filter(pk=new.id).first()
    if found is None:
        try:
            return _create(new, actor), True
        except IntegrityError:
            # Somebody was quicker with the same id.
            found = Terminal.objects.get(pk=new.id)
    if found.deleted_ms is not None or not _is_the_same(found, _identity(new)):
        raise Conflict("This id belongs to another recording. Give the new one an id of its own.")
    return found, False


def target_of(terminal: Terminal) -> Target:
    return Target("terminal", str(terminal.pk), terminal.title or command_line(terminal.command))


def command_line(command: str) -> str:
    """The argument vector, kept as JSON text, as one would type it, cut for a label."""
    try:
        words = json.loads(command) if command else []
    except ValueError:
        return safe_label(command, 300)
    return safe_label(" ".join(str(word) for word in words), 300) if isinstance(words, list) else ""


def _create(new: NewTerminal, actor: Actor) -> Terminal:
    identity = _identity(new)
    title = safe_label(masked_text(new.title), 300) or command_line(identity["command"])
    cols, rows = allowed_size(new.cols, new.rows)
    with write_transaction():
        if new.session_id is not None and not _is_open(new.session_id):
            raise NoSuchSession(f"There is no session {new.session_id}, or it is in the trash.")
        terminal = Terminal.objects.create(
            **identity,
            id=new.id,
            title=title,
            first_cols=cols,
            first_rows=rows,
            cols=cols,
            rows=rows,
            has_input=new.input_recorded,
            environment=_environment(new.environment),
        )
        note_on_timeline(terminal, EventKind.TERMINAL_OPENED, terminal.started_ms, title)
        if new.session_id is not None:
            AgentSession.objects.filter(pk=new.session_id).update(terminal_count=F("terminal_count") + 1)
        record(
            "terminal.opened",
            actor=actor,
            target=target_of(terminal),
            session_id=new.session_id,
            details={"command": terminal.command, "host": terminal.host, "input": terminal.has_input},
        )
        nudge()
    return terminal


def note_on_timeline(terminal: Terminal, kind: EventKind, at_ms: int, text: str) -> None:
    """Put the opening or closing on the session's timeline, if it has one; inside the transaction."""
    if terminal.session_id is not None:
        append_event(terminal.session_id, kind, text=text, at_ms=min(at_ms, now_ms()), subject_id=terminal.pk)


def _identity(new: NewTerminal) -> dict[str, Any]:
    """What never changes about a recording, as it is stored: the same id with other values is another one."""
    return {
        "session_id": new.session_id,
        "started_ms": new.started_ms,
        "command": storable(json.dumps([masked_text(word) for word in new.command], ensure_ascii=False))
        if new.command
        else "",
        "cwd": cut(storable(masked_text(new.cwd)), 1024),
        "host": cut(storable(new.host), 255),
    }


def _is_the_same(terminal: Terminal, identity: dict[str, Any]) -> bool:
    return all(
        getattr(terminal, name) == value
        or (name in _MASKED and _is_masked_alike(getattr(terminal, name), value))
        for name, value in identity.items()
    )


#: Parts of the identity that may hold secrets.
_MASKED = frozenset({"command", "cwd"})


def _is_masked_alike(stored: str, sent: str) -> bool:
    """What is masked may be another since then, but never the length of anything."""
    return len(stored) == len(sent) and ("*" in stored or "*" in sent)


def _is_open(session_id: uuid.UUID) -> bool:
    return AgentSession.objects.filter(pk=session_id, deleted_ms=None).exists()


def _environment(environment: dict[str, str]) -> dict[str, str]:
    kept = list(environment.items())[:MAX_ENVIRONMENT_NAMES]
    return {cut(storable(name), 100): cut(storable(masked_text(value)), 500) for name, value in kept}
