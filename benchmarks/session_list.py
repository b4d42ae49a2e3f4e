"""The list of sessions at a million of them: the first page, the deepest, filtered and searched ones, the facets."""

import time
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Failed

SESSIONS = 1_000_000
TARGET_P95_MS = 15
TARGET_DEEPEST_TO_FIRST = 1.2


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from benchmarks import visiting
    from benchmarks.many_sessions import write_sessions

    (count,) = options.scaled(SESSIONS)
    person = visiting.make_operator()
    say(f"writing {count:,} sessions")
    started = time.monotonic()
    write_sessions(count, person)
    written_s = round(time.monotonic() - started, 1)
    with visiting.serving(console) as server, visiting.Visitor(server, visiting.cookie_of(person)) as visitor:
        client = visiting.client_of(person)
        pages: dict[str, dict[str, Any]] = {}
        for name, path in _paths().items():
            # Facets count through much more than a page, and say the same with fewer samples.
            is_list = not name.startswith("facets")
            samples = options.requests(200 if is_list else 50)
            pages[name] = {**visiting.page_figures(path, client, visitor, samples)}
            if is_list:
                pages[name]["plan"] = _plan(client, path)
            say(f"{name}  {pages[name]}")
    ratio = {
        f"{way} {figure}": round(float(pages["deepest"][way][figure]) / float(pages["first"][way][figure]), 2)
        for way, figure in (("in_process", "cpu_p50_ms"), ("in_process", "p50_ms"), ("over_http", "p50_ms"))
    }
    return {
        "sessions": count,
        "database_mb": round(console.database_bytes() / MB),
        "written_s": written_s,
        "pages": pages,
        "deepest_to_first": ratio,
        "target": {"p95_ms": TARGET_P95_MS, "deepest_to_first": TARGET_DEEPEST_TO_FIRST},
    }


def _paths() -> dict[str, str]:
    from dashboard.lib.keyset import encode_cursor
    from sessions_app.models import AgentSession, Project, Tag
    from sessions_app.session_list import PAGE_ROWS

    listed = AgentSession.objects.listed()
    # The row before the last full page.
    edge = listed.order_by("last_activity_ms", "id")[PAGE_ROWS : PAGE_ROWS + 1].get()
    largest = AgentSession.objects.order_by("-last_activity_ms").values_list("project_id", flat=True)[0]
    smallest = (
        Project.objects.filter(sessions__isnull=False).order_by("-path").values_list("pk", flat=True)[0]
    )
    tag = Tag.objects.order_by("name").values_list("name", flat=True)[0]
    filters: dict[str, dict[str, Any]] = {
        "first": {},
        "deepest": {"after": encode_cursor([edge.last_activity_ms, edge.pk])},
        "of_a_project": {"project": largest},
        "of_a_rare_project": {"project": smallest},
        "failed": {"status": "failed"},
        "waiting": {"status": "waiting"},
        "agent_and_status": {"agent": "codex", "status": "completed"},
        "tagged": {"tag": tag},
        "starred": {"starred": "1"},
        "unread": {"unread": "1"},
        "archived": {"show": "archived"},
        "trash": {"show": "trash"},
        # About twenty sessions; all of them; a tenth; and a tenth that the other filter leaves few of.
        "titled_rarely": {"q": "7 ticket"},
        "titled_always": {"q": "ticket"},
        "titled_often": {"q": "refactor"},
        "titled_often_and_failed": {"q": "refactor", "status": "failed"},
        # Each word has very many, and no session has both.
        "titled_never": {"q": "refactor review"},
        "titled_and_untagged": {"q": "refactor", "tag": "none"},
    }
    paths = {name: f"/sessions/?{urlencode(values)}" for name, values in filters.items()}
    facets: dict[str, dict[str, Any]] = {
        "facets": {},
        "facets_of_an_agent": {"agent": "claude-code"},
        "facets_filtered": filters["agent_and_status"],
        **{
            f"facets_{name}": filters[name]
            for name in ("failed", "tagged", "titled_rarely", "titled_often", "titled_often_and_failed")
        },
    }
    return {**paths, **{name: f"/sessions/facets/?{urlencode(values)}" for name, values in facets.items()}}


def _plan(client: Client, path: str) -> list[str]:
    """How the engine finds the page's rows, [] when it is not asked. Raises Failed when it reads the table through."""
    with CaptureQueriesContext(connection) as queries:
        client.get(path)
    reads = [query["sql"] for query in queries if "ORDER BY" in query["sql"] and "LIMIT 51" in query["sql"]]
    if not reads:
        # The index of titles names none, so nothing has to be looked for.
        return []
    if len(reads) != 1:
        raise Failed(f"GET {path} read pages of sessions {len(reads)} times")
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{reads[0]}")
        plan = [str(row[-1]).strip() for row in cursor.fetchall()]
    steps = [step for step in plan if "agentsession" in step.lower() or "B-TREE" in step or "Sort" in step]
    scans = [step for step in steps if "Seq Scan" in step or ("SCAN" in step and "USING" not in step)]
    if scans and not _is_small():
        raise Failed(f"GET {path} reads all sessions: {'; '.join(plan)}")
    return steps


def _is_small() -> bool:
    """A planner may well read a table of a few pages through."""
    from sessions_app.models import AgentSession

    return AgentSession.objects.count() < 50_000
