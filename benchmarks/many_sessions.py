"""A million sessions as an operator of years would have them, written in bulk. Deterministic."""

import random
import uuid
from collections.abc import Iterator
from typing import Any

from django.db import connection, models

from dashboard.lib.bulk import bulk_insert
from dashboard.lib.db import vendor, write_transaction
from sessions_app.actions.titles import keep_titles
from sessions_app.models import (
    AgentSession,
    ModelUsage,
    Person,
    Project,
    ReadMark,
    Run,
    SessionTag,
    Star,
    Status,
    Tag,
)

# 2026-11-20T00:00:00Z, and two years before it.
NEWEST_MS = 1_795_132_800_000
SPAN_MS = 2 * 365 * 86_400_000
PROJECTS = 200
ROWS_PER_TRANSACTION = 20_000

_AGENTS = {"claude-code": 62, "codex": 25, "gemini": 6, "opencode": 4, "picoclaw": 3}
_STATUSES = {
    Status.IDLE: 55, Status.COMPLETED: 30, Status.UNFINISHED: 8, Status.FAILED: 4, Status.CANCELLED: 2.98,
    Status.WAITING: 0.01, Status.RUNNING: 0.01,
}  # fmt: skip
_MODELS = ("claude-opus-4-8", "claude-sonnet-5", "gpt-6-codex", "gemini-4-pro")
_TAGS = (
    "review",
    "bug",
    "release",
    "experiment",
    "docs",
    "urgent",
    "flaky",
    "refactor",
    "security",
    "demo",
    "later",
)
_VERBS = ("Fix", "Explain", "Refactor", "Test", "Review", "Speed up", "Document", "Remove", "Port", "Design")
_THINGS = (
    "the login form", "the parser of dates", "a failing test", "the upload queue", "the release notes", "a slow query",
    "the retry logic", "the settings page", "an old migration", "the search index", "the colour theme", "a race",
)  # fmt: skip
_COLUMNS = (
    "id", "project_id", "agent", "external_id", "title", "first_prompt", "cwd", "branch", "model", "status",
    "status_evidence", "started_ms", "ended_ms", "last_activity_ms", "created_ms", "arrived_ms", "updated_ms",
    "last_seq", "run_count", "turn_count", "message_count", "user_message_count", "assistant_message_count",
    "tool_call_count", "failed_tool_call_count", "input_tokens", "output_tokens", "cache_read_tokens",
    "cache_write_tokens", "total_tokens", "archived_ms", "deleted_ms",
)  # fmt: skip
_COUNTS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
# What a session's only run has in common with it.
_SHARED = (
    "model", "status", "status_evidence", "started_ms", "ended_ms", "last_activity_ms", "updated_ms", "message_count",
    "tool_call_count", "failed_tool_call_count", *_COUNTS, "total_tokens",
)  # fmt: skip


def write_sessions(count: int, person: Person) -> None:
    """`count` sessions with projects and tags, and what is personal of `person`."""
    random_ = random.Random(1)
    projects = _write_projects()
    tags = [(_uuid(random_, NEWEST_MS), name) for name in _TAGS]
    bulk_insert(Tag, ("id", "name"), tags)
    defaults = _defaults(AgentSession(started_ms=0, last_activity_ms=0), _COLUMNS)
    columns = (*_COLUMNS, *defaults)
    for start in range(0, count, ROWS_PER_TRANSACTION):
        size = min(ROWS_PER_TRANSACTION, count - start)
        rows = [_session(random_, start + index, count, projects) for index in range(size)]
        with write_transaction():
            bulk_insert(AgentSession, columns, [(*row, *defaults.values()) for row in rows])
            ids = [row[0] for row in rows]
            _write_runs(random_, [dict(zip(_COLUMNS, row, strict=True)) for row in rows])
            bulk_insert(SessionTag, ("id", "session_id", "tag_id"), list(_tagged(random_, ids, tags)))
            _write_personal(random_, ids, person)
            called = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
            keep_titles({session["id"]: (session["title"], session["first_prompt"]) for session in called})
    if vendor() == "postgresql":
        # What its autovacuum does within a minute.
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _defaults(blank: models.Model, made_up: tuple[str, ...]) -> dict[str, Any]:
    """Columns beyond those that are made up here, as a new row has them."""
    names = (field.attname for field in blank._meta.concrete_fields)
    return {name: getattr(blank, name) for name in names if name not in made_up}


def _write_runs(random_: random.Random, sessions: list[dict[str, Any]]) -> None:
    """The main run of each session, which spent all of its tokens with one model."""
    made_up = ("id", "session_id", "key", *_SHARED)
    defaults = _defaults(Run(started_ms=0, last_activity_ms=0), made_up)
    ids = [_uuid(random_, session["started_ms"]) for session in sessions]
    rows = [
        (run, session["id"], "main", *(session[name] for name in _SHARED), *defaults.values())
        for run, session in zip(ids, sessions, strict=True)
    ]
    bulk_insert(Run, (*made_up, *defaults), rows)
    usage = [
        (
            _uuid(random_, session["started_ms"]),
            run,
            session["model"],
            *(session[name] for name in _COUNTS),
            0,
        )
        for run, session in zip(ids, sessions, strict=True)
    ]
    bulk_insert(ModelUsage, ("id", "run_id", "model", *_COUNTS, "cache_write_1h_tokens"), usage)


def _write_projects() -> list[uuid.UUID]:
    random_ = random.Random(2)
    paths = [f"/home/ada/work/{random_.choice('abcdefgh')}-project-{number:03}" for number in range(PROJECTS)]
    rows = [(_uuid(random_, NEWEST_MS), path, path.rsplit("/", 1)[-1], NEWEST_MS) for path in paths]
    bulk_insert(Project, ("id", "path", "name", "created_ms"), rows)
    return [row[0] for row in rows]


def _session(random_: random.Random, index: int, count: int, projects: list[uuid.UUID]) -> tuple[Any, ...]:
    last_ms = NEWEST_MS - SPAN_MS + SPAN_MS * index // count + random_.randrange(3_600_000)
    started_ms = last_ms - int(random_.lognormvariate(13.5, 1.2))
    (agent,) = random_.choices(list(_AGENTS), list(_AGENTS.values()))
    (status,) = random_.choices(list(_STATUSES), list(_STATUSES.values()))
    # A few projects have most of the sessions.
    project = projects[min(PROJECTS - 1, int(random_.paretovariate(0.6)) - 1)]
    title = (
        f"{random_.choice(_VERBS)} {random_.choice(_THINGS)} of ticket {random_.randrange(count // 20 + 1)}"
    )
    turns = 1 + int(random_.expovariate(0.2))
    calls = int(random_.expovariate(0.02))
    tokens = [int(random_.lognormvariate(mean, 1)) for mean in (8, 9, 13, 11)]
    archived_ms = last_ms if random_.random() < 0.05 else None
    deleted_ms = last_ms if random_.random() < 0.01 else None
    return (
        _uuid(random_, started_ms), project, agent, f"{random_.getrandbits(128):032x}", title, f"{title}, please.",
        "/home/ada/work", "main", random_.choice(_MODELS), status, "last record of the file", started_ms,
        last_ms if status == Status.COMPLETED else None, last_ms, last_ms, last_ms, last_ms, turns * 2 + calls, 1,
        turns, turns * 3, turns, turns * 2, calls, calls // 30, *tokens, sum(tokens), archived_ms, deleted_ms,
    )  # fmt: skip


def _tagged(
    random_: random.Random, ids: list[uuid.UUID], tags: list[tuple[uuid.UUID, str]]
) -> Iterator[tuple[Any, ...]]:
    for session in ids:
        if random_.random() < 0.08:
            for tag, _ in random_.sample(tags, random_.choice((1, 1, 1, 2, 3))):
                yield _uuid(random_, NEWEST_MS), session, tag


def _write_personal(random_: random.Random, ids: list[uuid.UUID], person: Person) -> None:
    stars = [
        (_uuid(random_, NEWEST_MS), person.pk, session, NEWEST_MS)
        for session in ids
        if random_.random() < 0.003
    ]
    bulk_insert(Star, ("id", "person_id", "session_id", "created_ms"), stars)
    marks = [
        (_uuid(random_, NEWEST_MS), person.pk, session, 2**40, NEWEST_MS)
        for session in ids
        if random_.random() < 0.03
    ]
    bulk_insert(ReadMark, ("id", "person_id", "session_id", "seq", "at_ms"), marks)


def _uuid(random_: random.Random, at_ms: int) -> uuid.UUID:
    return uuid.UUID(
        int=(at_ms << 80) | (7 << 76) | (random_.getrandbits(12) << 64) | (2 << 62) | random_.getrandbits(62)
    )
