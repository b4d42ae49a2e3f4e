"""The audit log's pages at a million entries: lists under every kind of filter, the facets, one entry, and exports."""

import http.client
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import psutil  # type: ignore[import-untyped]  # its types are a package of their own
from django.conf import settings

from benchmarks.harness import MB, Console, Options, say
from benchmarks.processes import Failed

if TYPE_CHECKING:
    from benchmarks.many_entries import Scene

ENTRIES: Final = 1_000_000
TARGET_LIST_P95_MS: Final = 50
TARGET_FACETS_P95_MS: Final = 200
_READ_BYTES: Final = 1024 * 1024


def run(options: Options, console: Console) -> dict[str, Any]:
    console.use_here()
    from audit.signing import write_checkpoint
    from benchmarks import visiting
    from benchmarks.many_entries import write_entries, write_sessions

    (count,) = options.scaled(ENTRIES)
    person = visiting.make_operator()
    say(f"writing {count:,} entries")
    started = time.monotonic()
    scenes = write_entries(count)
    write_sessions(scenes)
    written_s = round(time.monotonic() - started, 1)
    write_checkpoint()
    with visiting.serving(console) as server:
        cookie = visiting.cookie_of(person)
        with visiting.Visitor(server, cookie) as visitor:
            client = visiting.client_of(person)
            pages = {}
            for name, path in _paths(count, scenes[7]).items():
                pages[name] = visiting.page_figures(path, client, visitor, options.requests(60))
                say(f"{name}  {pages[name]}")
        exports = {
            form: _export(server.port, server.process_id, cookie, form)
            for form in ("ndjson", "csv", "ocsf", "rfc5424")
        }
    return {
        "entries": count,
        "database_mb": round(console.database_bytes() / MB),
        "written_s": written_s,
        "pages": pages,
        "exports": exports,
        "target": {"list_p95_ms": TARGET_LIST_P95_MS, "facets_p95_ms": TARGET_FACETS_P95_MS},
    }


def _paths(count: int, scene: "Scene") -> dict[str, str]:
    from audit.models import Entry
    from benchmarks.many_entries import RARE_PROJECT
    from dashboard.lib.clock import ms_to_iso

    middle = ms_to_iso(Entry.objects.get(idx=count // 2).at_ms)
    queries = {
        "first": "",
        "action": "action:session.tagged",
        "rare_action": "action:person.created",
        "family": "action:person.*",
        "actor": "actor:ada",
        "actor_and_rare_action": "actor:eve action:person.role_changed",
        "denied": "decision:deny",
        "denied_by_one": "decision:deny actor:eve",
        "not_two": "-action:token.* -actor:ada",
        "session": f"session:{scene.session}",
        "run": f"run:{scene.run}",
        "project": "project:atlas",
        "rare_project": f"project:{RARE_PROJECT}",
        "no_project": "-project:atlas action:session.*",
        "target": "target:terminal",
        "rare_target": 'target:"number 4711"',
        "before": f"before:{middle}",
        "after_and_action": f"after:{middle} action:request.denied",
        "nobody": "actor:nobody",
        "text": "192.0.2.7",
        "text_nowhere": "nowhere to be found",
    }
    lists = {name: f"/audit/?{urlencode({'q': query})}" for name, query in queries.items()}
    facets = {
        f"facets_{name}": f"/audit/facets/?{urlencode({'q': queries[name]})}"
        for name in ("first", "actor", "denied", "rare_action", "before", "project", "rare_project")
    }
    deep = {"deep": f"/audit/?older_than={count // 2}", "entry": f"/audit/{count // 3}/"}
    return {**lists, **deep, **facets}


def _export(port: int, process_id: int, cookie: str, form: str) -> dict[str, Any]:
    """The whole log as one client takes it: rows a second, and how much memory the server grew by."""
    server = psutil.Process(process_id)
    before = server.memory_info().rss
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=900)
    started, size, rows, most = time.perf_counter(), 0, 0, before
    try:
        connection.request(
            "GET", f"/audit/export/{form}/", headers={"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
        )
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise Failed(f"the export gave {answer.status}")
        first_s = time.perf_counter() - started
        while piece := answer.read(_READ_BYTES):
            size += len(piece)
            rows += piece.count(b"\n")
            most = max(most, server.memory_info().rss)
    finally:
        connection.close()
    took_s = time.perf_counter() - started
    found = {
        "rows": rows,
        "mb": round(size / MB, 1),
        "seconds": round(took_s, 1),
        "rows_per_s": round(rows / took_s),
        "first_byte_ms": round(first_s * 1000, 1),
        "memory_grew_mb": round((most - before) / MB, 1),
    }
    say(f"export {form}  {found}")
    return found
