"""Finds out which rows changed, with a handful of queries for all sockets together."""

import contextlib
import uuid
from collections.abc import Iterator, Sequence

from audit.models import Log
from dashboard.lib.clock import now_ms
from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.frames import SpanKey
from sessions_app.live.facts import MAX_UNTOLD, Changed, Interest, Mailbox
from sessions_app.live.frames import read_ahead
from sessions_app.live.sender import step_end
from sessions_app.models import AgentSession, Run, Terminal

# A row bears the moment at which its transaction wrote it and shows only after the commit: look back by
# more than a transaction takes. The sweep finds what took longer still, or bears another machine's clock.
OVERLAP_MS = 2_000
SWEEP_MS = 60_000
SWEEP_EVERY_MS = 5_000
# Lists are told so often at most; whoever follows one session or terminal is told at once.
LISTS_EVERY_MS = 100

# Read by the hub itself; more than this is left to those who want it.
READ_AHEAD_TERMINALS = 4
READ_AHEAD_BYTES = 64 * 1024

# What a row looked like when it was told last: it is told again when any of this differs.
type _Look = tuple[object, ...]


class Watch:
    """Remembers what was told, so that one change is told once."""

    def __init__(self) -> None:
        self._listed_ms = self._swept_ms = now_ms()
        # Up to this moment rows bear times from before the clock was set back, and stand before all that is new.
        self._odd_until_ms = 0
        self._lists_due = self._sweep_due = False
        self._told_in_lists: dict[Interest, tuple[_Look, int]] = {}
        self._told_followers: dict[Interest, tuple[_Look, Changed]] = {}

    def look(self, mailboxes: Sequence[Mailbox], *, changed: bool) -> None:
        """Post what changed since the last look. Raises DatabaseError, and the next look makes up for it."""
        self._lists_due |= changed
        self._sweep_due |= changed
        if changed:
            self._tell_followers([mailbox for mailbox in mailboxes if mailbox.interest is not None])
        now = now_ms()
        if now < self._listed_ms:
            self._odd_until_ms = max(self._odd_until_ms, self._listed_ms)
            self._listed_ms = self._swept_ms = now
        if self._sweep_due and now - self._swept_ms >= SWEEP_EVERY_MS:
            self._tell_lists(mailboxes, now - SWEEP_MS)
            self._swept_ms, self._listed_ms = now, now
            self._lists_due = self._sweep_due = False
            self._forget_before(now - 2 * SWEEP_MS)
        elif self._lists_due and now - self._listed_ms >= LISTS_EVERY_MS:
            self._tell_lists(mailboxes, self._listed_ms - OVERLAP_MS)
            self._listed_ms, self._lists_due = now, False

    def _tell_followers(self, mailboxes: Sequence[Mailbox]) -> None:
        followed = {mailbox.interest for mailbox in mailboxes if mailbox.interest is not None}
        facts = {}
        grown: list[tuple[Changed, Changed]] = []
        for fact, look in _followed_rows(followed):
            before = self._told_followers.get(fact.about)
            if before is None or before[0] != look:
                facts[fact.about] = fact
                if before is not None and fact.kind == "terminal" and not fact.is_gone:
                    grown.append((before[1], fact))
            self._told_followers[fact.about] = look, fact
        _read_ahead(grown)
        for about in self._told_followers.keys() - followed:
            del self._told_followers[about]
        for mailbox in mailboxes:
            if mailbox.interest in facts:
                mailbox.post([facts[mailbox.interest]])

    def _tell_lists(self, mailboxes: Sequence[Mailbox], since_ms: int) -> None:
        lists = [mailbox for mailbox in mailboxes if mailbox.interest is None]
        if not lists:
            return
        is_odd = since_ms < self._odd_until_ms
        facts = []
        for fact, look, updated_ms in _recent_rows(since_ms):
            known = self._told_in_lists.get(fact.about)
            self._told_in_lists[fact.about] = look, updated_ms
            if known is None or known[0] != look:
                facts.append(fact)
        if facts or is_odd:
            for mailbox in lists:
                mailbox.post(facts, anything=is_odd or len(facts) > MAX_UNTOLD)

    def _forget_before(self, moment_ms: int) -> None:
        old = [about for about, (_, updated_ms) in self._told_in_lists.items() if updated_ms < moment_ms]
        for about in old:
            del self._told_in_lists[about]


def _read_ahead(grown: Sequence[tuple[Changed, Changed]]) -> None:
    """Have what those will ask for who stood at the end: a letter is then on its way two threads sooner."""
    for before, after in grown[:READ_AHEAD_TERMINALS]:
        has_more = (before.seq, before.events) < (after.seq, after.events)
        if has_more and after.seq <= before.seq + READ_AHEAD_BYTES:
            end = step_end(before.seq, after.seq)
            # What is damaged in one terminal is for its own viewers to hear, not for all.
            with contextlib.suppress(CorruptData):
                read_ahead(SpanKey(after.id, before.seq, end, before.events, after.events))


def _followed_rows(followed: set[Interest]) -> Iterator[tuple[Changed, _Look]]:
    """The rows that somebody follows; one that is gone is a fact too."""
    missing = set(followed)
    session_ids = [id for kind, id in followed if kind == "session"]
    terminal_ids = [id for kind, id in followed if kind == "terminal"]
    if session_ids:
        for session in AgentSession.objects.filter(pk__in=session_ids).values_list(
            "pk", "last_seq", "updated_ms", "deleted_ms"
        ):
            fact = Changed("session", *session[:3], is_gone=session[3] is not None)
            missing.discard(fact.about)
            yield fact, session
    if terminal_ids:
        for terminal in Terminal.objects.filter(pk__in=terminal_ids).values_list(
            "pk", "size", "updated_ms", "event_count", "state", "deleted_ms", "session__deleted_ms"
        ):
            gone = terminal[5] is not None or terminal[6] is not None
            fact = Changed("terminal", *terminal[:5], is_gone=gone)
            missing.discard(fact.about)
            yield fact, terminal
    for kind, id in missing:
        yield Changed(kind, id, 0, is_gone=True), (None,)


def _recent_rows(since_ms: int) -> Iterator[tuple[Changed, _Look, int]]:
    """What lists may show of the changes since then, at most a little more than one consumer is ever told."""
    limit = MAX_UNTOLD + 1
    sessions = AgentSession.objects.filter(updated_ms__gt=since_ms).order_by("-updated_ms")
    changed_sessions: list[uuid.UUID] = []
    for id, seq, updated_ms, deleted_ms in sessions.values_list("pk", "last_seq", "updated_ms", "deleted_ms")[
        :limit
    ]:
        changed_sessions.append(id)
        fact = Changed("session", id, seq, updated_ms, is_gone=deleted_ms is not None)
        yield fact, (seq, updated_ms), updated_ms
    if changed_sessions:
        # A change of a run raises its session's moment too, so runs need no index of their own for this.
        runs = Run.objects.filter(session__in=changed_sessions, updated_ms__gt=since_ms)
        for id, seq, updated_ms in runs.values_list("pk", "session__last_seq", "updated_ms")[:limit]:
            yield Changed("run", id, seq, updated_ms), (updated_ms,), updated_ms
    terminals = Terminal.objects.filter(updated_ms__gt=since_ms).order_by("-updated_ms")
    for id, size, events, state, updated_ms in terminals.values_list(
        "pk", "size", "event_count", "state", "updated_ms"
    )[:limit]:
        look = (size, events, state, updated_ms)
        yield Changed("terminal", id, size, updated_ms, events, state), look, updated_ms
    for log_id, size in Log.objects.values_list("log_id", "size"):
        yield Changed("audit", log_id, size), (size,), now_ms()
