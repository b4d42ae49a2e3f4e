"""Static context of the pattern pages: made up, but of the shapes and lengths that real histories have."""

from typing import Any

from dashboard.lib.clock import now_ms
from dashboard.pattern_tiles import tiles
from dashboard.templatetags.ui import percent as percent_of
from sessions_app.clock_scale import percent, scale_of
from sessions_app.session_clock import Clock, placed

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_TITLES = [
    "Make the retry queue survive a restart",
    "Why does the nightly import double-count tokens?",
    "Port the parser to streaming and keep the old one for comparison",
    "Flaky test: test_reconnect_after_server_restart",
    "Review of the storage layer before the release",
    "Add a --json flag to every command",
    "Investigate 40 ms stalls in the render loop on slow phones",
    "Upgrade to Postgres 18 and measure the COPY path",
    "Write the migration that splits events from messages",
    "Draft release notes from the last forty commits",
    "Terminal freezes on REP with a huge count",
    "Find every place that formats a duration by hand",
    "Rename Session to AgentSession everywhere",
]
_PROJECTS = ["aurora-api", "scrollback", "ledger", "infra/rack-2", "notebooks"]
_AGENTS = [("Claude Code", "opus-4.5"), ("Codex", "gpt-5.2"), ("Gemini", "3-pro"), ("picoclaw", "qwen3-32b")]
_STATUSES = [
    "running",
    "waiting",
    "running",
    "failed",
    "completed",
    "completed",
    "stalled",
    "completed",
    "cancelled",
    "completed",
    "ended",
    "completed",
    "unknown",
]

SESSION_MS = 47 * MINUTE + 31_000

PATCH = """\
--- a/queue/retry.py
+++ b/queue/retry.py
@@ -41,9 +41,14 @@ class RetryQueue:
     def push(self, job: Job, *, delay_ms: int) -> None:
-        self._heap.append((now_ms() + delay_ms, job))
-        heapq.heapify(self._heap)
+        due_ms = now_ms() + delay_ms
+        with self._journal.transaction() as journal:
+            journal.append(job.id, due_ms)
+            heapq.heappush(self._heap, (due_ms, job.id))

     def restore(self) -> int:
-        return 0
+        \"\"\"Read the journal back; jobs that were done meanwhile are dropped.\"\"\"
+        self._heap = [(due_ms, job_id) for job_id, due_ms in self._journal.pending()]
+        heapq.heapify(self._heap)
+        return len(self._heap)
"""


def shell(name: str) -> dict[str, Any]:
    """What the rail needs."""
    place = {"now": "/", "empty": "/sessions/", "session": "/sessions/x/"}.get(name, f"/{name}/")
    return {"rail_path": place, "nav_counts": {"needs_me": 2, "running": 3, "live_terminals": 1}}


def _session(index: int) -> dict[str, Any]:
    started = now_ms() - (4 * MINUTE + index * index * 7 * MINUTE)
    status = (
        _STATUSES[index % len(_STATUSES)]
        if index < 13
        else ["completed", "ended", "completed", "failed"][index % 4]
    )
    length = (index * 7919 % 97 + 1) * 61_000
    agent, model = _AGENTS[index * 5 % 7 % 4]
    return {
        "id": f"0199e2c4-7d1a-7c3e-9b0f-{index * 2654435761 % 2**48:012x}",
        "status": status,
        "evidence": "permission prompt recorded 14:03:22 in terminal 2" if status == "waiting" else "",
        "title": _TITLES[index % len(_TITLES)],
        "project": _PROJECTS[index * 3 % 5],
        "agent": agent,
        "model": model,
        "runs": 1 + index * 13 % 6,
        "messages": 12 + index * 7919 % 431,
        "terminals": index * 3 % 4,
        "tokens": (index * 104_729 % 9_000 + 40) * 3_771,
        "dollars": round((index * 104_729 % 9_000 + 40) / 791, 4),
        "started_ms": started,
        "duration_ms": length,
        "last_ms": min(now_ms() - 9_000, started + length),
        "unread": index in (0, 1, 3, 6),
        "tags": [["release"], [], ["flaky", "ci"], []][index % 4],
    }


def sessions() -> dict[str, Any]:
    return {
        "sessions": [_session(index) for index in range(40)],
        "facets": [
            {"name": "All", "number": 1204, "href": "?", "current": True},
            {"name": "Running", "number": 3, "href": "?status=running", "tone": "live"},
            {"name": "Needs you", "number": 2, "href": "?status=waiting", "tone": "wait"},
            {"name": "Failed", "number": 17, "href": "?status=failed"},
            {"name": "Unread", "number": 4, "href": "?unread"},
        ],
        "menus": [
            (
                "Project",
                [
                    {"name": name, "number": 9 * len(name), "href": "?", "current": not i}
                    for i, name in enumerate(_PROJECTS)
                ],
            ),
            ("Agent", [{"name": name, "number": 31 * len(name), "href": "?"} for name, _ in _AGENTS]),
            (
                "When",
                [
                    {"name": name, "number": 12, "href": "?"}
                    for name in ("Today", "Last 7 days", "Last 30 days")
                ],
            ),
        ],
        "filters": [
            {"name": "project", "value": "aurora-api", "remove": "?"},
            {"name": "after", "value": "2026-11-01", "remove": "?"},
        ],
        "qualifiers": QUALIFIERS,
    }


QUALIFIERS = [
    ("project:aurora-api", "in this project"),
    ("agent:codex", "by this agent"),
    ("status:failed", "in this state"),
    ("tag:release", "with this tag"),
    ("before:2026-11-01", "started before this day"),
]


def _span(name: str, start_ms: int, end_ms: int, status: str = "completed", lane: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "at": percent_of(start_ms, SESSION_MS),
        "size": percent_of(end_ms - start_ms, SESSION_MS),
        "duration_ms": end_ms - start_ms,
        "status": status,
        "lane": lane,
    }


def _clock() -> Clock:
    """Left in the evening and gone on with the next day."""
    left_ms, pause_ms = 30 * MINUTE, 21 * HOUR + 40 * MINUTE
    scale = scale_of(SESSION_MS + pause_ms, [(left_ms, left_ms + pause_ms)])

    def mark(worked_ms: int, kind: str, label: str) -> dict[str, Any]:
        at_ms = worked_ms if worked_ms <= left_ms else worked_ms + pause_ms
        at = percent(scale.share(at_ms))
        row = {"offset_ms": at_ms, "href": f"?t={at_ms}", "seq": at_ms}
        return {"at": at, "row": row, "kind": kind, "label": label, "is_sparse": kind != "call"}

    def span(name: str, from_ms: int, to_ms: int, status: str = "completed") -> dict[str, Any]:
        return {"name": name, "status": status, "lane": 1, **placed(scale, from_ms, to_ms)}

    marks = [
        mark(8_000, "prompt", "Prompt at 00:00:08"),
        *[mark(m * 97_000, "call", f"Call at {m * 97} s") for m in range(1, 27)],
        mark(16 * MINUTE, "prompt", "Prompt at 00:16:00"),
        mark(28 * MINUTE + 40_000, "error", "pytest exited 1"),
        mark(32 * MINUTE, "decision", "Approved by ada"),
        mark(46 * MINUTE, "checkpoint", "Checkpoint: push to main"),
    ]
    spans = [
        {"name": "make watch", "status": "live", **placed(scale, pause_ms + 31 * MINUTE, scale.length_ms)},
        span("explore the queue", 4 * MINUTE, 11 * MINUTE),
        span("write tests", 17 * MINUTE, 29 * MINUTE, "failed"),
        span("fix and verify", pause_ms + 33 * MINUTE, pause_ms + 44 * MINUTE),
    ]
    return Clock(now_ms() - scale.length_ms, scale, spans, marks)


def session() -> dict[str, Any]:
    return {
        "session": {**_session(1), "title": _TITLES[0], "status": "waiting", "duration_ms": SESSION_MS},
        "breadcrumbs": [("/sessions/", "Sessions"), ("/sessions/?project=aurora-api", "aurora-api")],
        "tabs": [
            ("Transcript", 214, True),
            ("Runs", 4, False),
            ("Terminals", 2, False),
            ("Files", 9, False),
            ("Checkpoints", 3, False),
            ("Notes", None, False),
            ("Audit", 38, False),
            ("Raw", None, False),
        ],
        "clock": _clock(),
        "at_ms": 28 * MINUTE + 12_000,
        "patch": PATCH,
        "moments": [
            8_000,
            31_000,
            52_000,
            61_000,
            240_000,
            1_720_000,
            1_741_000,
            1_920_000,
            2_760_000,
            2_771_000,
        ],
    }


def _run(name: str, depth: int, start: int, end: int, status: str) -> dict[str, Any]:
    return {
        **_span(name, start * MINUTE, end * MINUTE, status),
        "depth": depth,
        "glyph": "subagent" if depth else "agent",
    }


def runs() -> dict[str, Any]:
    return {
        "tree": [
            _run("Make the retry queue survive a restart", 0, 0, 47, "waiting"),
            _run("Explore the queue and its callers", 1, 4, 11, "completed"),
            _run("Read the journal's tests", 2, 5, 8, "completed"),
            _run("List every caller of push()", 2, 6, 11, "cancelled"),
            _run("Write the failing tests", 1, 17, 29, "failed"),
            _run("Fix and verify", 1, 33, 46, "running"),
            _run("Measure the journal under load", 2, 38, 46, "running"),
        ],
        "sessions": [_session(index) for index in range(9)],
    }


def now() -> dict[str, Any]:
    every = [_session(index) for index in range(13)]
    return {
        "waiting": [row for row in every if row["status"] in ("waiting", "stalled", "failed")],
        "running": [row for row in every if row["status"] == "running"],
        "ended": [row for row in every if row["status"] in ("completed", "ended", "cancelled")][:6],
        "tiles": tiles()[:3],
    }


def terminals() -> dict[str, Any]:
    return {"tiles": tiles()}


def search() -> dict[str, Any]:
    return {"q": "heapify", "qualifiers": QUALIFIERS}


def empty() -> dict[str, Any]:
    return {}


def sign_in() -> dict[str, Any]:
    return {}


def components() -> dict[str, Any]:
    listed = sessions()
    return {
        **shell("patterns"),
        "at_ms": now_ms() - 4 * MINUTE,
        "sessions": listed["sessions"][:8],
        "facets": listed["facets"],
        "menus": listed["menus"],
        "filters": listed["filters"],
        "qualifiers": QUALIFIERS,
        "tree": runs()["tree"],
        "patch": PATCH,
        "clock": session(),
        "crumbs": [("/sessions/", "Sessions"), ("/sessions/?project=aurora-api", "aurora-api")],
        "colours": [
            "rail",
            "paper",
            "raise",
            "sink",
            "hover",
            "press",
            "line",
            "line-strong",
            "ink",
            "ink-muted",
            "ink-faint",
            "accent",
            "accent-soft",
            "live",
            "live-soft",
            "wait",
            "wait-soft",
            "fail",
            "fail-soft",
            "decided",
            "decided-soft",
            "added",
            "removed",
            "mark",
        ],
        "ansi": [
            "black",
            "red",
            "green",
            "yellow",
            "blue",
            "magenta",
            "cyan",
            "white",
            "bright-black",
            "bright-red",
            "bright-green",
            "bright-yellow",
            "bright-blue",
            "bright-magenta",
            "bright-cyan",
            "bright-white",
        ],
        "long_output": "\n".join(f"tests/queue/test_retry.py::test_case_{n:03d} PASSED" for n in range(60)),
    }
