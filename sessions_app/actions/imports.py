"""Writing what importers read: one short transaction for a batch, one audit entry for a source and pass.

A batch carries rows, counters, raw lines and the source's cursor together, so a killed import goes on
exactly where its last committed batch ended, and reading the same lines again finds every row there.
"""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from audit.actors import Actor
from audit.record import Target, record
from dashboard.lib.db import bulk_insert, bulk_update, existing_ids, write_transaction
from dashboard.lib.ids import new_id
from dashboard.lib.nudges import nudge
from dashboard.lib.text import cut, storable
from sessions_app.actions.bodies import BlobStore
from sessions_app.actions.import_facts import apply_run, apply_session, find_project, find_session
from sessions_app.actions.import_rows import (
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    TOOL_CALL_COLUMNS,
    PreparedRow,
    PreparedSession,
    prepare,
    row_id,
)
from sessions_app.actions.import_updates import apply_growths, apply_results
from sessions_app.actions.sources import RawLines, SourceProgress, save_progress
from sessions_app.actions.terminals import write_recording
from sessions_app.drafts import MAIN_RUN, Draft, MessageDraft, SessionDraft, Tokens, ToolCallDraft
from sessions_app.models import (
    AgentSession,
    Event,
    Message,
    Run,
    SearchEntry,
    SessionSource,
    Source,
    ToolCall,
)
from sessions_app.search import index

# Of a source, this many unreadable lines get a row; all are counted.
MAX_SKIPPED_ROWS = 1_000


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

    def add(self, other: "ImportCounts") -> None:
        for name in ("sources", "sessions", "runs", "tool_calls", "events", "terminals",
                     "skipped_lines", "unknown_lines", "bytes"):  # fmt: skip
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.messages.update(other.messages)
        self.tokens.update(other.tokens)


@dataclass
class Batch:
    """One stretch of one source, ready to be written."""

    source: Source
    draft: Draft
    raw: RawLines
    progress: SourceProgress
    # Set on the last batch of a pass: the audit entry's details beside the counts.
    closes_pass: bool = False


class ImportWriter:
    """Writes batches, in order, and remembers what it wrote of each source until the pass is closed."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.total = ImportCounts()
        self._of_source: dict[uuid.UUID, ImportCounts] = {}

    def write(self, batches: Sequence[Batch]) -> ImportCounts:
        """Commit these batches together. Raises DatabaseError, with nothing of them written."""
        prepared = []
        for batch in batches:
            blobs = BlobStore()
            sessions = [prepare(session, blobs) for session in batch.draft.sessions.values()]
            prepared.append((batch, blobs, sessions, batch.raw.pack()))
        written: list[tuple[Batch, ImportCounts]] = []
        new_sources = [batch.source for batch in batches if batch.source._state.adding]
        try:
            with write_transaction():
                for source in new_sources:
                    source.save(force_insert=True)
                for batch, blobs, sessions, chunks in prepared:
                    written.append((batch, _BatchWrite(batch, blobs, self.actor).run(sessions, chunks)))
                for batch, counts in written:
                    if batch.closes_pass:
                        self._record_pass(batch, counts)
                nudge()
        except BaseException:
            # They were not written after all; whoever tries again must insert them.
            for source in new_sources:
                source._state.adding = True
            raise
        for batch, _ in written:
            batch.source.read_offset = batch.progress.read_offset
        return self._remember(written)

    def _remember(self, written: list[tuple[Batch, ImportCounts]]) -> ImportCounts:
        added = ImportCounts()
        for batch, counts in written:
            added.add(counts)
            if batch.closes_pass:
                self._of_source.pop(batch.source.pk, None)
            else:
                self._of_source.setdefault(batch.source.pk, ImportCounts()).add(counts)
        self.total.add(added)
        return added

    def _record_pass(self, batch: Batch, counts: ImportCounts) -> None:
        """One entry for the whole pass over this source, with what its earlier batches wrote."""
        whole = ImportCounts()
        whole.add(self._of_source.get(batch.source.pk, ImportCounts()))
        whole.add(counts)
        record(
            "source.imported",
            actor=self.actor,
            target=Target("source", str(batch.source.pk), batch.source.path),
            details={
                "format": batch.source.format,
                "from": batch.progress.pass_offset,
                "to": batch.progress.read_offset,
                "sha256": batch.progress.sha256,
                "sessions": whole.sessions,
                "runs": whole.runs,
                "messages": whole.messages.total(),
                "tool_calls": whole.tool_calls,
                "terminals": whole.terminals,
                "skipped_lines": whole.skipped_lines,
            },
        )


class _BatchWrite:
    """The transaction's work for one batch."""

    def __init__(self, batch: Batch, blobs: BlobStore, actor: Actor) -> None:
        self.batch = batch
        self.blobs = blobs
        self.actor = actor
        self.counts = ImportCounts(bytes=batch.raw.size)
        self.searchable: list[tuple[int, uuid.UUID, str, uuid.UUID, str]] = []
        self.new_runs: list[Run] = []

    def run(self, sessions: list[PreparedSession], chunks: list[tuple[Any, ...]]) -> ImportCounts:
        source, draft = self.batch.source, self.batch.draft
        # The first batch of a file that was never read before counts it.
        self.counts.sources = 1 if self.batch.progress.pass_offset == 0 == source.read_offset else 0
        self.counts.skipped_lines = len(draft.skipped)
        self.counts.unknown_lines = len(draft.unknown)
        save_progress(
            self.batch.source, self.batch.progress, chunks, draft.skipped, draft.unknown, MAX_SKIPPED_ROWS
        )
        self.blobs.write()
        touched = [self._write_session(prepared) for prepared in sessions]
        self._write_terminals()
        self._write_search()
        if touched:
            bulk_insert(
                SessionSource,
                ("id", "session_id", "source_id"),
                [(new_id(), session, source.pk) for session in touched],
                ignore_existing=True,
            )
        return self.counts

    def _write_session(self, prepared: PreparedSession) -> uuid.UUID:
        draft = prepared.draft
        session, is_new = find_session(draft, self.batch.progress.modified_ms)
        self.counts.sessions += is_new
        if draft.cwd and (session.project_id is None or not session.cwd):
            session.project = find_project(draft.cwd)
        rows = self._new_rows(prepared.rows)
        runs = self._runs(session, draft, prepared.rows, rows)
        events = [
            *apply_growths(draft, session, runs, self.blobs),
            *apply_results(draft, session, runs, self.blobs),
        ]
        if draft.rows and not rows:
            draft.turns = 0
        self._count(session, runs, draft, rows)
        self._apply_facts(session, runs, draft)
        self._write_runs(runs)
        self._insert(session, runs, draft, rows, events)
        session.save(update_fields=_SESSION_FIELDS)
        return session.pk

    def _runs(
        self, session: AgentSession, draft: SessionDraft, rows: list[PreparedRow], new_rows: list[PreparedRow]
    ) -> dict[str, Run]:
        """Every run that this batch names, from the database or made now.

        A fork repeats its origin's records: a subagent of which no row is new belongs to the origin only.
        """
        for row in rows:
            if row.run is not None:
                draft.run(row.run)
        named = {row.draft.child_run for row in new_rows if isinstance(row.draft, ToolCallDraft)}
        named |= {result.child_run for result in draft.results}
        named |= {run.parent for run in draft.runs.values() if run.parent is not None}
        for key in named - {""}:
            draft.run(key)
        repeated = {row.run for row in rows} - {row.run for row in new_rows} - named - {MAIN_RUN}
        known = {run.key: run for run in Run.objects.filter(session=session, key__in=list(draft.runs))}
        missing = [key for key in draft.runs if key not in known and key not in repeated]
        for key in missing:
            started = draft.runs[key].started_ms or draft.started_ms or session.started_ms
            known[key] = Run(
                id=new_id(), session=session, key=cut(storable(key), 200), kind=draft.runs[key].kind,
                started_ms=started, last_activity_ms=started,
            )  # fmt: skip
            self.new_runs.append(known[key])
        self.counts.runs += len(missing)
        session.run_count += len(missing)
        return known

    def _new_rows(self, rows: list[PreparedRow]) -> list[PreparedRow]:
        """Those whose id is not in the database yet, each id once."""
        known: set[uuid.UUID] = set()
        for model, kind in ((Message, MessageDraft), (ToolCall, ToolCallDraft)):
            known |= existing_ids(model, [row.id for row in rows if isinstance(row.draft, kind)])
        known |= existing_ids(
            Event, [row.id for row in rows if not isinstance(row.draft, MessageDraft | ToolCallDraft)]
        )
        fresh = []
        for row in rows:
            if row.id not in known:
                known.add(row.id)
                fresh.append(row)
        return fresh

    def _insert(
        self, session: AgentSession, runs: dict[str, Run], draft: SessionDraft, rows: list[PreparedRow],
        events: list[tuple[Any, ...]],
    ) -> None:  # fmt: skip
        seq = session.last_seq
        messages, calls, happenings = [], [], []
        own = {row.id for row in rows if isinstance(row.draft, MessageDraft)}
        referred = self._messages_called_from(draft, rows, own)
        for row in rows:
            seq += 1
            run = runs[row.run].pk if row.run is not None else None
            head = (session.pk, run, seq, self.batch.source.pk)
            if isinstance(row.draft, MessageDraft):
                messages.append((*head, *row.rest))
                self._searchable(session, row, "message")
            elif isinstance(row.draft, ToolCallDraft):
                child = runs[row.draft.child_run].pk if row.draft.child_run else None
                message = referred.get(row.draft.message) if row.draft.message else None
                calls.append((*head, *row.rest[:6], message, child, *row.rest[6:]))
                self._searchable(session, row, "tool_call")
            else:
                happenings.append((*head, *row.rest))
        for event in events:
            seq += 1
            happenings.append((event[0], event[1], seq, *event[2:]))
        session.last_seq = seq
        bulk_insert(Message, MESSAGE_COLUMNS, messages)
        bulk_insert(ToolCall, TOOL_CALL_COLUMNS, calls)
        bulk_insert(Event, EVENT_COLUMNS, happenings)

    def _messages_called_from(
        self, draft: SessionDraft, rows: list[PreparedRow], own: set[uuid.UUID]
    ) -> dict[tuple[str, int], uuid.UUID]:
        """Ids of the messages that the calls name, where those messages exist."""
        named = {
            row.draft.message for row in rows if isinstance(row.draft, ToolCallDraft) and row.draft.message
        }
        ids = {name: row_id(draft.agent, *name) for name in named}
        elsewhere = existing_ids(Message, [identity for identity in ids.values() if identity not in own])
        return {name: identity for name, identity in ids.items() if identity in own or identity in elsewhere}

    def _searchable(self, session: AgentSession, row: PreparedRow, kind: str) -> None:
        if row.searchable.strip():
            self.searchable.append((row.draft.at_ms, row.id, kind, session.pk, row.searchable))

    def _count(
        self, session: AgentSession, runs: dict[str, Run], draft: SessionDraft, rows: list[PreparedRow]
    ) -> None:
        spent: dict[str, Tokens] = {}
        wrote: set[str] = set()
        for row in rows:
            run = runs[row.run] if row.run is not None else None
            if row.run is not None:
                wrote.add(row.run)
            if isinstance(row.draft, MessageDraft):
                self.counts.messages[row.draft.role] += 1
                session.message_count += 1
                session.user_message_count += row.draft.role == "user"
                session.assistant_message_count += row.draft.role == "assistant"
                if run is not None:
                    run.message_count += 1
                if draft.tokens_from_messages:
                    _spend(spent.setdefault(row.draft.run, Tokens()), row.draft)
            elif isinstance(row.draft, ToolCallDraft):
                failed = row.draft.status == "failed"
                self.counts.tool_calls += 1
                session.tool_call_count += 1
                session.failed_tool_call_count += failed
                if run is not None:
                    run.tool_call_count += 1
                    run.failed_tool_call_count += failed
            else:
                self.counts.events += 1
        if draft.tokens_from_messages:
            for growth in draft.growths:
                _spend(spent.setdefault(growth.run, Tokens()), growth)
        else:
            # A copy of a file that was read before brings rows and none is new: it has cost nothing again.
            repeated = {row.run for row in draft.rows} - wrote
            spent = {
                key: run.tokens for key, run in draft.runs.items() if key in runs and key not in repeated
            }
        for key, tokens in spent.items():
            _add_tokens(runs[key], tokens)
            _add_tokens(session, tokens)
            self.counts.tokens.update(
                {"input": tokens.input, "output": tokens.output, "cache_read": tokens.cache_read,
                 "cache_write": tokens.cache_write, "total": tokens.total}
            )  # fmt: skip
        session.skipped_line_count += (
            len(self.batch.draft.skipped) if len(self.batch.draft.sessions) == 1 else 0
        )

    def _apply_facts(self, session: AgentSession, runs: dict[str, Run], draft: SessionDraft) -> None:
        for key, run in runs.items():
            apply_run(run, draft.runs[key], runs, self.blobs)
        heading = (session.title, session.first_prompt)
        apply_session(session, draft, self.batch.source)
        if (session.title, session.first_prompt) != heading:
            text = f"{session.title}\n{session.first_prompt}"
            self.searchable.append((session.started_ms, session.pk, "session", session.pk, text))
        self.blobs.write()

    def _write_runs(self, runs: dict[str, Run]) -> None:
        """New runs, parents first, then the others; before any row that names them.

        SQLite checks a deferred constraint by reading every row that could be waiting for the new one: with
        one message waiting for its run, each row written meanwhile cost a look through all tool calls.
        """
        new = sorted(self.new_runs, key=lambda run: run.depth)
        made = {run.pk for run in new}
        known = [run for run in runs.values() if run.pk not in made]
        self.new_runs = []
        bulk_insert(Run, _NEW_RUN_COLUMNS, [[getattr(run, name) for name in _NEW_RUN_COLUMNS] for run in new])
        columns = (*_RUN_COLUMNS, "id")
        bulk_update(Run, _RUN_COLUMNS, [[getattr(run, name) for name in columns] for run in known])

    def _write_terminals(self) -> None:
        for draft in self.batch.draft.terminals.values():
            _, is_new = write_recording(self.batch.source, draft, actor=self.actor)
            self.counts.terminals += is_new

    def _write_search(self) -> None:
        if not self.searchable:
            return
        taken: set[int] = set()
        rows = []
        for at_ms, identity, kind, session, text in self.searchable:
            entry = index.entry_id(at_ms, identity)
            while entry in taken:
                entry += 1
            taken.add(entry)
            rows.append((entry, kind, identity, session, text))
        clashing = set(_existing_entries(taken))
        for position, (entry, kind, identity, session, text) in enumerate(rows):
            if entry in clashing:
                while entry in taken or SearchEntry.objects.filter(pk=entry).exists():
                    entry += 1
                taken.add(entry)
                rows[position] = (entry, kind, identity, session, text)
        bulk_insert(SearchEntry, ("id", "kind", "object_id", "session_id"), [row[:4] for row in rows])
        index.add([(row[0], storable(row[4])) for row in rows])


def _existing_entries(ids: set[int]) -> list[int]:
    found: list[int] = []
    wanted = sorted(ids)
    for start in range(0, len(wanted), 2_000):
        part = wanted[start : start + 2_000]
        found.extend(SearchEntry.objects.filter(pk__in=part).values_list("pk", flat=True))
    return found


def _spend(tokens: Tokens, row: Any) -> None:
    tokens.input += row.input_tokens
    tokens.output += row.output_tokens
    tokens.cache_read += row.cache_read_tokens
    tokens.cache_write += row.cache_write_tokens
    tokens.total += row.input_tokens + row.output_tokens + row.cache_read_tokens + row.cache_write_tokens


def _add_tokens(row: Run | AgentSession, tokens: Tokens) -> None:
    row.input_tokens += tokens.input
    row.output_tokens += tokens.output
    row.cache_read_tokens += tokens.cache_read
    row.cache_write_tokens += tokens.cache_write
    row.total_tokens += tokens.total


_TOKEN_FIELDS = ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "total_tokens"]
_RUN_COLUMNS = (
    "parent_id", "kind", "spawned_by_call", "agent_name", "title", "model", "depth", "status", "status_evidence",
    "exit_status", "error", "input", "input_size", "input_blob_id", "output", "output_size", "output_blob_id",
    "started_ms", "ended_ms", "last_activity_ms", "updated_ms", "message_count", "tool_call_count",
    "failed_tool_call_count", *_TOKEN_FIELDS,
)  # fmt: skip
_NEW_RUN_COLUMNS = ("id", "session_id", "key", *_RUN_COLUMNS)
_SESSION_FIELDS = [
    "project", "parent", "title", "first_prompt", "summary", "cwd", "branch", "model", "agent_version", "status",
    "status_evidence", "status_ms", "started_ms", "ended_ms", "last_activity_ms", "updated_ms", "last_seq",
    "run_count", "turn_count", "message_count", "user_message_count", "assistant_message_count", "tool_call_count",
    "failed_tool_call_count", "terminal_count", "skipped_line_count", *_TOKEN_FIELDS,
]  # fmt: skip
