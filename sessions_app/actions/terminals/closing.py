"""How a recording ends, or seems to.

A terminal is LIVE until its recorder says how the program ended. A recorder that is quiet is not lost: a
program may write nothing for hours, so pages show when it was last heard of (`updated_ms`, kept by output
and by `hear`). It is called LOST on evidence only: the machine that it ran on was started anew since then. A
recorder that is killed is no such case, as what it leaves behind says so; and whoever comes back after all
makes the terminal LIVE again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from audit.actors import SYSTEM, Actor
from audit.record import Draft, append, record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.nudges import nudge
from sessions_app.actions.terminals.masking import masked_drafts
from sessions_app.actions.terminals.opening import note_on_timeline, target_of
from sessions_app.models import EventKind, Terminal, TerminalState

# An idle recorder may ask often; its row is written this often at most.
HEARD_EVERY_MS = 5_000


@dataclass(frozen=True, slots=True)
class Closing:
    """The program in the terminal ended, with this status if it is known; `actor` says so."""

    terminal: Terminal
    status: int | None
    actor: Actor


def close_all(closings: Iterable[Closing]) -> None:
    """Each at its terminal's present duration; inside the transaction that says so."""
    drafts: list[Draft] = []
    # Sessions are locked in the order in which imports lock them, and the log last: nobody waits for one another.
    for closing in sorted(closings, key=_by_session):
        drafts += _close(closing)
    append(drafts)


def _by_session(closing: Closing) -> int:
    session_id = closing.terminal.session_id
    return -1 if session_id is None else session_id.int


def _close(closing: Closing) -> list[Draft]:
    """The entries for the log."""
    terminal, status = closing.terminal, closing.status
    ended_ms = terminal.started_ms + terminal.duration_us // 1000
    terminal.state = TerminalState.ENDED
    terminal.exit_status = status
    terminal.ended_ms = ended_ms
    terminal.save(update_fields=["state", "exit_status", "ended_ms"])
    how = "exit status unknown" if status is None else f"exit {status}"
    note_on_timeline(terminal, EventKind.TERMINAL_CLOSED, ended_ms, f"{terminal.title}: {how}")
    details = {
        "exit_status": status,
        "bytes": terminal.size,
        "duration_ms": terminal.duration_us // 1000,
    }
    closed = Draft(
        "terminal.closed", closing.actor, target_of(terminal), session_id=terminal.session_id, details=details
    )
    return [*masked_drafts(terminal, terminal.masked_by, actor=closing.actor), closed]


def hear(terminal: Terminal) -> None:
    """The recorder is there, though it has nothing new to send; inside a transaction."""
    now = now_ms()
    if terminal.state != TerminalState.ENDED and now - terminal.updated_ms >= HEARD_EVERY_MS:
        Terminal.objects.filter(pk=terminal.pk).update(state=TerminalState.LIVE, updated_ms=now)
        nudge()


def mark_lost(host: str, booted_ms: int, *, actor: Actor = SYSTEM) -> int:
    """Call lost every live terminal of `host` that was not heard of since it booted; how many there were."""
    recorded = Terminal.objects.live().filter(host=host, source=None, deleted_ms=None)
    silent = list(recorded.filter(updated_ms__lt=booted_ms))
    return sum(_lose(terminal, booted_ms, actor) for terminal in silent)


def _lose(terminal: Terminal, booted_ms: int, actor: Actor) -> bool:
    with write_transaction():
        live = Terminal.objects.live().filter(pk=terminal.pk, updated_ms__lt=booted_ms)
        if not live.update(state=TerminalState.LOST, updated_ms=now_ms()):
            return False
        details = {"last_heard_ms": terminal.updated_ms}
        record(
            "terminal.lost",
            actor=actor,
            target=target_of(terminal),
            session_id=terminal.session_id,
            details=details,
        )
        nudge()
    return True
