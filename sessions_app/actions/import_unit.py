"""Everything that one transaction of an import reads and writes, gathered over all of its sources.

A tree of histories is many small files: a few statements for each file cost more than its rows do. So what
the batches name is looked up once for all of them, and what they bring is inserted together.
"""

import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import Q

from dashboard.lib.bulk import bulk_add, bulk_insert, bulk_update, existing_keys
from dashboard.lib.ids import new_id
from dashboard.lib.text import cut, storable
from sessions_app.actions.bodies import BlobRow, BlobStore
from sessions_app.actions.import_rows import (
    EVENT_COLUMNS,
    MESSAGE_COLUMNS,
    TOOL_CALL_COLUMNS,
    PreparedRow,
    PreparedSession,
    RowKind,
)
from sessions_app.actions.rewriting import Rewriting
from sessions_app.actions.titles import keep_titles
from sessions_app.drafts import SessionDraft, Tokens
from sessions_app.models import (
    AgentSession,
    Event,
    Message,
    ModelUsage,
    Project,
    Run,
    SearchEntry,
    SessionAlias,
    SessionSource,
    ToolCall,
)
from sessions_app.search import index

type _Named = tuple[str, str]
# An entry of the search, the kind, id and session of what it finds, and its words.
type _Words = tuple[int, str, str, str, index.Indexable]

_TIMELINE: dict[RowKind, tuple[type[Message] | type[ToolCall] | type[Event], tuple[str, ...]]] = {
    # Messages first: calls name them.
    "message": (Message, MESSAGE_COLUMNS),
    "tool_call": (ToolCall, TOOL_CALL_COLUMNS),
    "event": (Event, EVENT_COLUMNS),
}
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "total_tokens")
_RUN_COLUMNS = (
    "parent_id", "kind", "spawned_by_call", "agent_name", "title", "model", "depth", "status", "status_evidence",
    "exit_status", "error", "input", "input_size", "input_blob_id", "output", "output_size", "output_blob_id",
    "started_ms", "ended_ms", "last_activity_ms", "updated_ms", "message_count", "tool_call_count",
    "failed_tool_call_count", *_TOKENS,
)  # fmt: skip
_SESSION_COLUMNS = (
    "project_id", "parent_id", "title", "first_prompt", "summary", "cwd", "branch", "model", "agent_version", "status",
    "status_evidence", "status_ms", "started_ms", "ended_ms", "last_activity_ms", "arrived_ms", "updated_ms",
    "last_seq", "run_count", "turn_count", "message_count", "user_message_count", "assistant_message_count",
    "tool_call_count", "failed_tool_call_count", "terminal_count", "skipped_line_count", *_TOKENS,
)  # fmt: skip
_USAGE_COLUMNS = (*_TOKENS[:-1], "cache_write_1h_tokens")
_NEW_RUN_COLUMNS = tuple(field.attname for field in Run._meta.concrete_fields)
_NEW_SESSION_COLUMNS = tuple(field.attname for field in AgentSession._meta.concrete_fields)


class UnitOfWork:
    """Open it in the transaction; `flush` before anything else reads what it holds; `finish` before the commit."""

    def __init__(self, sessions: Sequence[PreparedSession], blobs: Iterable[dict[str, BlobRow]]) -> None:
        self.blobs = BlobStore()
        self.rewriting = Rewriting()
        for rows in blobs:
            self.blobs.rows.update(rows)
        self._look_up_rows(row for session in sessions for row in session.rows)
        self._look_up_sessions([session.draft for session in sessions])
        self._rows: dict[RowKind, list[tuple[Any, ...]]] = {kind: [] for kind in _TIMELINE}
        self._words: list[_Words] = []
        self._titles: dict[uuid.UUID, tuple[str, str]] = {}
        self._session_sources: list[tuple[uuid.UUID, uuid.UUID, uuid.UUID]] = []
        self._new_aliases: list[tuple[uuid.UUID, uuid.UUID, str, str]] = []
        self._new_sessions: dict[uuid.UUID, AgentSession] = {}
        self._changed_sessions: dict[uuid.UUID, AgentSession] = {}
        self._runs: dict[uuid.UUID, dict[str, Run]] = {}
        self._new_runs: dict[uuid.UUID, Run] = {}
        self._changed_runs: dict[uuid.UUID, Run] = {}
        self._usage: dict[tuple[uuid.UUID, str], Tokens] = {}

    # Timeline rows

    def _look_up_rows(self, rows: Iterable[PreparedRow]) -> None:
        ids: dict[RowKind, list[str]] = {kind: [] for kind in _TIMELINE}
        for row in rows:
            ids[row.kind].append(row.id)
        known = {kind: existing_keys(model, ids[kind]) for kind, (model, _) in _TIMELINE.items()}
        self._messages = known["message"]
        self._known = set().union(*known.values())

    def take_new(self, rows: Iterable[PreparedRow]) -> list[PreparedRow]:
        """Those whose id was not met before, here or in the database. They are known from now on."""
        fresh = []
        for row in rows:
            if row.id not in self._known:
                self._known.add(row.id)
                if row.kind == "message":
                    self._messages.add(row.id)
                fresh.append(row)
        return fresh

    def existing_messages(self, ids: set[str]) -> set[str]:
        """Which of these messages are in the database, or will be."""
        known = ids & self._messages
        return known | existing_keys(Message, ids - known)

    def add_row(self, kind: RowKind, row: tuple[Any, ...]) -> None:
        self._rows[kind].append(row)

    def add_words(
        self, entry: int, kind: str, object_id: str, session_id: str, indexable: index.Indexable
    ) -> None:
        """What the search shall find something by; `indexable` is what index.indexable made of its text."""
        self._words.append((entry, kind, object_id, session_id, indexable))

    def add_title(self, session: AgentSession) -> None:
        """The session is called something else than before."""
        self._titles[session.pk] = (session.title, session.first_prompt)

    # Sessions

    def _look_up_sessions(self, drafts: Sequence[SessionDraft]) -> None:
        names = {name for draft in drafts for name in (*_names_of(draft), _cut_id(draft.parent_external_id))}
        names.discard("")
        aliases = SessionAlias.objects.filter(alias__in=names).values_list("agent", "alias", "session_id")
        borne_by = {(agent, alias): session for agent, alias, session in aliases}
        wanted = Q(external_id__in=names) | Q(pk__in=set(borne_by.values()))
        # In one order, so that two imports that wait for each other's sessions cannot both wait for ever.
        locked = AgentSession.objects.select_for_update(of=("self",)).filter(wanted).order_by("pk")
        by_id = {session.pk: session for session in locked}
        self._sessions: dict[_Named, AgentSession] = {
            (session.agent, session.external_id): session for session in by_id.values()
        }
        self._aliases = {name: by_id[session] for name, session in borne_by.items()}
        paths = {cut(storable(draft.cwd), 1024) for draft in drafts if draft.cwd}
        self._projects = {project.path: project for project in Project.objects.filter(path__in=paths)}

    def session(self, draft: SessionDraft, modified_ms: int) -> tuple[AgentSession, bool]:
        """The session's row, locked until the commit, and whether it was made now.

        A format may know a session by several names: an alias leads to the session that bears it.
        """
        external_id, *aliases = _names_of(draft)
        known = [self._sessions.get((draft.agent, name)) for name in (external_id, *aliases)]
        found = next(filter(None, known), None) or self._aliases.get((draft.agent, external_id))
        is_new = found is None
        if found is None:
            started = draft.started_ms if draft.started_ms is not None else modified_ms
            found = AgentSession(
                id=new_id(), agent=draft.agent, external_id=external_id, started_ms=started,
                last_activity_ms=draft.last_activity_ms or started,
            )  # fmt: skip
            self._sessions[draft.agent, external_id] = self._new_sessions[found.pk] = found
            self._runs[found.pk] = {}
        for alias in aliases:
            if (draft.agent, alias) not in self._aliases:
                self._aliases[draft.agent, alias] = found
                self._new_aliases.append((new_id(), found.pk, draft.agent, alias))
        return found, is_new

    def parent_of(self, session: AgentSession, draft: SessionDraft) -> uuid.UUID | None:
        """The session that this one was resumed or forked from, when it has been read."""
        parent = self._sessions.get((draft.agent, _cut_id(draft.parent_external_id)))
        return parent.pk if parent is not None and parent.pk != session.pk else None

    def project(self, cwd: str) -> Project:
        path = cut(storable(cwd), 1024)
        if path not in self._projects:
            name = path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path
            found, _ = Project.objects.get_or_create(path=path, defaults={"name": cut(name, 200)})
            self._projects[path] = found
        return self._projects[path]

    def save_session(self, session: AgentSession, source_id: uuid.UUID) -> None:
        if session.pk not in self._new_sessions:
            self._changed_sessions[session.pk] = session
        self._session_sources.append((new_id(), session.pk, source_id))

    # Runs

    def runs(self, session: AgentSession, keys: Iterable[str]) -> dict[str, Run]:
        """Those of these runs that exist."""
        known = self._runs.get(session.pk)
        if known is None:
            known = self._runs[session.pk] = {}
            known.update((run.key, run) for run in Run.objects.filter(session=session, key__in=list(keys)))
        elif session.pk not in self._new_sessions:
            missing = [key for key in keys if key not in known]
            known.update((run.key, run) for run in Run.objects.filter(session=session, key__in=missing))
        return {key: known[key] for key in keys if key in known}

    def make_run(self, session: AgentSession, key: str, kind: str, started_ms: int) -> Run:
        run = Run(
            id=new_id(), session=session, key=cut(storable(key), 200), kind=kind, started_ms=started_ms,
            last_activity_ms=started_ms,
        )  # fmt: skip
        self._runs[session.pk][key] = self._new_runs[run.pk] = run
        return run

    def save_runs(self, runs: Iterable[Run]) -> None:
        self._changed_runs.update((run.pk, run) for run in runs if run.pk not in self._new_runs)

    def add_usage(self, run: Run, model: str, tokens: Tokens) -> None:
        self._usage.setdefault((run.pk, model), Tokens()).add(tokens)

    # Writing

    def flush(self) -> None:
        """Write what is held, but for the words.

        Rows come after those that they name. SQLite checks a deferred constraint by reading every row that
        could be waiting for the new one: with one message waiting for its run, each row written meanwhile
        costs a look through all tool calls.
        """
        self.blobs.write()
        new_sessions = _values(self._new_sessions.values(), _NEW_SESSION_COLUMNS)
        bulk_insert(AgentSession, _NEW_SESSION_COLUMNS, new_sessions)
        changed_sessions = _values(self._changed_sessions.values(), (*_SESSION_COLUMNS, "id"))
        bulk_update(AgentSession, _SESSION_COLUMNS, changed_sessions)
        parents_first = sorted(self._new_runs.values(), key=lambda run: run.depth)
        bulk_insert(Run, _NEW_RUN_COLUMNS, _values(parents_first, _NEW_RUN_COLUMNS))
        bulk_update(Run, _RUN_COLUMNS, _values(self._changed_runs.values(), (*_RUN_COLUMNS, "id")))
        for held in (self._new_sessions, self._changed_sessions, self._new_runs, self._changed_runs):
            held.clear()
        for kind, (model, columns) in _TIMELINE.items():
            bulk_insert(model, columns, self._rows[kind])
            self._rows[kind] = []

    def finish(self) -> None:
        self.flush()
        bulk_insert(
            SessionAlias, ("id", "session_id", "agent", "alias"), self._new_aliases, ignore_existing=True
        )
        bulk_insert(
            SessionSource, ("id", "session_id", "source_id"), self._session_sources, ignore_existing=True
        )
        bulk_add(ModelUsage, ("run_id", "model"), _USAGE_COLUMNS, self._usage_rows())
        words = self._words_with_own_ids()
        bulk_insert(SearchEntry, ("id", "kind", "object_id", "session_id"), [row[:4] for row in words])
        index.add_indexable([(row[0], row[4]) for row in words])
        keep_titles(self._titles)

    def _usage_rows(self) -> list[tuple[Any, ...]]:
        rows = []
        for (run_id, model), tokens in self._usage.items():
            counts = (
                tokens.input,
                tokens.output,
                tokens.cache_read,
                tokens.cache_write,
                tokens.cache_write_1h,
            )
            if any(counts):
                rows.append((new_id(), run_id, model, *counts))
        return rows

    def _words_with_own_ids(self) -> list[_Words]:
        """Entries of one millisecond may clash in their lower bits; the later one takes the next free id."""
        taken = existing_keys(SearchEntry, [row[0] for row in self._words])
        found = []
        for wanted, kind, object_id, session_id, indexable in self._words:
            entry = wanted
            while entry in taken or (entry != wanted and existing_keys(SearchEntry, [entry])):
                entry += 1
            taken.add(entry)
            found.append((entry, kind, object_id, session_id, indexable))
        return found


def _names_of(draft: SessionDraft) -> list[str]:
    return [_cut_id(draft.external_id), *(cut(storable(alias), 300) for alias in draft.aliases)]


def _cut_id(external_id: str) -> str:
    return cut(storable(external_id), 200)


def _values(rows: Iterable[AgentSession | Run], columns: tuple[str, ...]) -> list[list[Any]]:
    return [[getattr(row, name) for name in columns] for row in rows]
