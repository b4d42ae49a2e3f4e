"""Writing what importers read: one short transaction for a batch, one audit entry for a source and pass.

What a followed source grows by, line after line, is gathered into an entry a minute: a log with one for each line
that agents write would hide everything else.

A batch carries rows, counters, raw lines and the source's cursor together, so a killed import goes on
exactly where its last committed batch ended, and reading the same lines again finds every row there.
"""

import time
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from audit.actors import Actor
from audit.record import Draft as EntryDraft
from audit.record import append
from audit.signing import sign_after
from dashboard.lib.db import write_transaction
from dashboard.lib.nudges import nudge
from sessions_app.actions.bodies import BlobRow, BlobStore
from sessions_app.actions.import_facts import apply_run, apply_session
from sessions_app.actions.import_rows import PreparedRow, PreparedSession, prepare
from sessions_app.actions.import_tokens import add_tokens, spent_in
from sessions_app.actions.import_unit import UnitOfWork
from sessions_app.actions.import_updates import PendingEvent, apply_growths, apply_results
from sessions_app.actions.sources import Advance, RawLines, SourceProgress, advance_sources
from sessions_app.actions.terminals import write_recording
from sessions_app.actions.terminals.packing import pack_items
from sessions_app.actions.unrecorded import COUNTED, Unrecorded, record_unrecorded, save_unrecorded, standing
from sessions_app.drafts import MAIN_RUN, Draft, SessionDraft
from sessions_app.models import AgentSession, Run, Source
from sessions_app.search import index

# Of a source, this many unreadable lines get a row; all are counted.
MAX_SKIPPED_ROWS = 1_000
MAX_NAMED_SESSIONS = 20
# What a followed source grew by has its entry at the latest after so long.
GATHER_S: Final = 60.0


@dataclass
class ImportCounts:
    """What one import wrote: new rows only, as `scrollback import --json` prints it."""

    sources: int = 0
    sessions: int = 0
    runs: int = 0
    messages: Counter[str] = field(default_factory=Counter)
    tool_calls: int = 0
    events: int = 0
    terminals: int = 0
    tokens: Counter[str] = field(default_factory=Counter)
    skipped_lines: int = 0
    unknown_lines: int = 0
    bytes: int = 0
    # The first few of the sessions that were new, for whoever wants to name them.
    new_sessions: list[uuid.UUID] = field(default_factory=list)

    def recorded(self) -> dict[str, int]:
        """What the audit log is told of it."""
        return {
            name: self.messages.total() if name == "messages" else getattr(self, name) for name in COUNTED
        }

    def add(self, other: "ImportCounts") -> None:
        for name in ("sources", "sessions", "runs", "tool_calls", "events", "terminals",
                     "skipped_lines", "unknown_lines", "bytes"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.messages.update(other.messages)
        self.tokens.update(other.tokens)
        self.new_sessions += other.new_sessions[: MAX_NAMED_SESSIONS - len(self.new_sessions)]


@dataclass
class Batch:
    """One stretch of one source, ready to be written: plain values only, as another process may have read it.

    Rows, bodies and raw lines are hashed, compressed and laid out for the database already.
    """

    draft: Draft
    sessions: list[PreparedSession]
    blobs: dict[str, BlobRow]
    chunks: list[tuple[Any, ...]]
    size: int
    progress: SourceProgress
    # Set on the last batch of a pass: it gets the audit entry.
    closes_pass: bool = False

    @property
    def weight(self) -> int:
        """About how many bytes it keeps in memory: its lines, and the bodies, which may come from other files."""
        results = (result for session in self.draft.sessions.values() for result in session.results)
        bodies = sum(len(row[3]) for row in self.blobs.values()) + sum(
            len(result.output) for result in results
        )
        return self.size + bodies


def make_batch(draft: Draft, raw: RawLines, progress: SourceProgress, *, closes_pass: bool) -> Batch:
    """The costly half of writing, which needs no database."""
    blobs = BlobStore()
    sessions = [prepare(session, blobs) for session in draft.sessions.values()]
    for terminal in draft.terminals.values():
        pack_items(terminal)
    if any(terminal.is_masked for terminal in draft.terminals.values()):
        raw.blank()
    return Batch(draft, sessions, blobs.rows, raw.pack(), raw.size, progress, closes_pass)


class ImportWriter:
    """Writes batches, in order, and remembers what it wrote of each source until that has its entry."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.total = ImportCounts()
        # Followed sources that grew, and since when that waits for its entry.
        self._grown: dict[uuid.UUID, float] = {}

    def write(self, batches: Sequence[tuple[Source, Batch]], *, is_followed: bool = False) -> ImportCounts:
        """Commit these batches together. Raises DatabaseError, with nothing of them written.

        A pass over a followed source that was read before gets its entry from `record_growth`.
        """
        added = ImportCounts()
        entries: list[EntryDraft] = []
        with write_transaction():
            # From here on others wait.
            began = time.monotonic()
            advances = [
                Advance(source, batch.progress, batch.chunks, batch.draft.skipped, batch.draft.unknown)
                for source, batch in batches
            ]
            advance_sources(advances, MAX_SKIPPED_ROWS)
            unit = UnitOfWork(
                [session for _, batch in batches for session in batch.sessions],
                [batch.blobs for _, batch in batches],
            )
            unrecorded = standing(source for source, _ in batches)
            told: list[tuple[str, uuid.UUID]] = []
            closing: list[EntryDraft] = []
            for source, batch in batches:
                counts = _BatchWrite(source, batch, unit, self.actor, entries).run()
                added.add(counts)
                known = unrecorded.get(source.pk) or Unrecorded(source.read_offset)
                known.counts.update(counts.recorded())
                if _has_entry(batch, is_followed):
                    to, sha256 = batch.progress.read_offset, batch.progress.sha256
                    closing.append(known.draft(source, to, self.actor, sha256=sha256))
                    if source.pk in unrecorded:
                        told.append(("", source.pk))
                else:
                    told.append((known.dump(), source.pk))
            unit.finish()
            save_unrecorded(told)
            append([*entries, *unit.rewriting.unseal(self.actor), *closing])
            nudge()
        sign_after(time.monotonic() - began)
        for source, batch in batches:
            source._state.adding = False
            source.read_offset = batch.progress.read_offset
            if _has_entry(batch, is_followed):
                self._grown.pop(source.pk, None)
            elif batch.closes_pass:
                self._grown.setdefault(source.pk, time.monotonic())
        self.total.add(added)
        return added

    def record_growth(self, *, after_s: float = 0.0) -> None:
        """Append the entries of what followed sources grew by, of each that waits for so many seconds or more.

        Raises DatabaseError: they wait on then.
        """
        now = time.monotonic()
        due = [source_id for source_id, since in self._grown.items() if now - since >= after_s]
        if not due:
            return
        record_unrecorded(Source.objects.filter(pk__in=due), actor=self.actor)
        for source_id in due:
            del self._grown[source_id]


def _has_entry(batch: Batch, is_followed: bool) -> bool:
    """Whether an entry is written with this batch: it closes a pass, and is not to be gathered with others."""
    return batch.closes_pass and not (is_followed and batch.progress.pass_offset)


class _BatchWrite:
    """The transaction's work for one batch."""

    def __init__(
        self, source: Source, batch: Batch, unit: UnitOfWork, actor: Actor, entries: list[EntryDraft]
    ) -> None:
        self.source = source
        self.batch = batch
        self.unit = unit
        self.actor = actor
        self.entries = entries
        self.counts = ImportCounts(bytes=batch.size)

    def run(self) -> ImportCounts:
        batch, draft = self.batch, self.batch.draft
        # The first batch of a file that was never read before counts it.
        self.counts.sources = 1 if batch.progress.pass_offset == 0 == self.source.read_offset else 0
        self.counts.skipped_lines = len(draft.skipped)
        self.counts.unknown_lines = len(draft.unknown)
        for prepared in batch.sessions:
            self._write_session(prepared)
        for terminal in draft.terminals.values():
            _, is_new = write_recording(self.source, terminal, actor=self.actor, entries=self.entries)
            self.counts.terminals += is_new
        return self.counts

    def _write_session(self, prepared: PreparedSession) -> None:
        draft, unit = prepared.draft, self.unit
        session, is_new = unit.session(draft, self.batch.progress.modified_ms)
        self.counts.sessions += is_new
        if is_new:
            self.counts.new_sessions.append(session.pk)
        if draft.cwd and (session.project_id is None or not session.cwd):
            session.project = unit.project(draft.cwd)
        if _reads_rows(draft):
            unit.flush()
        rows = unit.take_new(prepared.rows)
        runs = self._runs(session, draft, prepared.rows, rows)
        events = [
            *apply_growths(draft, session, runs, unit),
            *apply_results(draft, session, runs, unit),
        ]
        if prepared.rows and not rows:
            draft.turns = 0
        self._count(session, runs, prepared, rows)
        self._apply_facts(session, runs, prepared)
        self._place(session, runs, rows, events)
        unit.save_runs(runs.values())
        unit.save_session(session, self.source.pk)

    def _runs(
        self, session: AgentSession, draft: SessionDraft, rows: list[PreparedRow], new_rows: list[PreparedRow]
    ) -> dict[str, Run]:
        """Every run that this batch names, from the database or made now.

        A fork repeats its origin's records: a subagent of which no row is new belongs to the origin only.
        """
        for row in rows:
            if row.run is not None:
                draft.run(row.run)
        named = {row.child_run for row in new_rows}
        named |= {result.child_run for result in draft.results}
        named |= {run.parent for run in draft.runs.values() if run.parent is not None}
        for key in named - {""}:
            draft.run(key)
        repeated = {row.run for row in rows} - {row.run for row in new_rows} - named - {MAIN_RUN}
        known = self.unit.runs(session, draft.runs)
        missing = [key for key in draft.runs if key not in known and key not in repeated]
        for key in missing:
            started = draft.runs[key].started_ms or draft.started_ms or session.started_ms
            known[key] = self.unit.make_run(session, key, draft.runs[key].kind, started)
        self.counts.runs += len(missing)
        session.run_count += len(missing)
        return known

    def _place(
        self, session: AgentSession, runs: dict[str, Run], rows: list[PreparedRow], events: list[PendingEvent]
    ) -> None:
        """Give the rows their places on the timeline, in order."""
        seq, session_id, source_id = session.last_seq, session.pk.hex, self.source.pk.hex
        run_ids = {key: run.pk.hex for key, run in runs.items()}
        messages = self.unit.existing_messages({row.message_id for row in rows if row.message_id})
        for row in rows:
            seq += 1
            head = (session_id, run_ids[row.run] if row.run is not None else None, seq, source_id)
            if row.kind == "tool_call":
                child = run_ids[row.child_run] if row.child_run else None
                message = row.message_id if row.message_id in messages else None
                self.unit.add_row(row.kind, (*head, *row.rest[:6], message, child, *row.rest[6:]))
            else:
                self.unit.add_row(row.kind, (*head, *row.rest))
            if row.searchable:
                self.unit.add_words(row.entry, row.kind, row.id, session_id, row.searchable)
        for event in events:
            seq += 1
            self.unit.add_row("event", (event[0], event[1], seq, *event[2:]))
        if rows or events:
            # As _apply_facts has just set it.
            session.last_seq, session.arrived_ms = seq, session.updated_ms

    def _count(
        self,
        session: AgentSession,
        runs: dict[str, Run],
        prepared: PreparedSession,
        rows: list[PreparedRow],
    ) -> None:
        for row in rows:
            run = runs[row.run] if row.run is not None else None
            if row.kind == "message":
                self.counts.messages[row.role] += 1
                session.message_count += 1
                session.user_message_count += row.role == "user"
                session.assistant_message_count += row.role == "assistant"
                if run is not None:
                    run.message_count += 1
            elif row.kind == "tool_call":
                self.counts.tool_calls += 1
                session.tool_call_count += 1
                session.failed_tool_call_count += row.is_failed
                if run is not None:
                    run.tool_call_count += 1
                    run.failed_tool_call_count += row.is_failed
            else:
                self.counts.events += 1
        for (key, model), tokens in spent_in(prepared, rows, runs).items():
            add_tokens(runs[key], tokens)
            add_tokens(session, tokens)
            self.unit.add_usage(runs[key], model, tokens)
            self.counts.tokens.update(
                {"input": tokens.input, "output": tokens.output, "cache_read": tokens.cache_read,
                 "cache_write": tokens.cache_write, "total": tokens.total}
            )  # fmt: skip
        session.skipped_line_count += (
            len(self.batch.draft.skipped) if len(self.batch.draft.sessions) == 1 else 0
        )

    def _apply_facts(self, session: AgentSession, runs: dict[str, Run], prepared: PreparedSession) -> None:
        for key, run in runs.items():
            apply_run(run, prepared.draft.runs[key], runs, self.unit.blobs)
        heading = (session.title, session.first_prompt)
        parent_id = self.unit.parent_of(session, prepared.draft)
        apply_session(
            session,
            prepared.draft,
            self.source,
            parent_id=parent_id,
            highest_turn=prepared.highest_turn,
            rewriting=self.unit.rewriting,
        )
        if (session.title, session.first_prompt) != heading:
            words = index.indexable(f"{session.title}\n{session.first_prompt}")
            entry = index.entry_id(session.started_ms, session.pk)
            self.unit.add_words(entry, "session", session.pk.hex, session.pk.hex, words)
            self.unit.add_title(session)


def _reads_rows(draft: SessionDraft) -> bool:
    """Whether writing this looks at timeline rows that other batches of the transaction may have brought."""
    if draft.growths or draft.results or draft.hidden_first is not None:
        return True
    return any(run.spawned_by and run.parent is None for run in draft.runs.values())
