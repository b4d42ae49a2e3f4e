"""What `/metrics` says, in Prometheus' text format. docs/metrics.md explains each number.

A scrape costs a few lookups by key whatever the size of the database; what has to be counted is counted once a minute.
"""

import ipaddress
import resource
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from django.db import DatabaseError
from django.http import HttpRequest

from audit.health import last_health
from audit.models import Checkpoint, Log
from audit.standing import standing
from dashboard.lib.clock import now_ms
from dashboard.lib.db import database_size, rows_inserted
from sessions_app.live.hub import get_hub
from sessions_app.models import AgentSession, Event, Message, Terminal, ToolCall

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# What is counted is at most so old, and counted no further: a scrape must not read a table of many years.
COUNTED_EVERY_S: Final = 60.0
COUNT_LIMIT: Final = 1_000_000
# A proxy on this machine speaks for somebody else.
_FORWARDING_HEADERS: Final = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")
_STARTED_S: Final = time.time()

_lock = threading.Lock()
_answers: Counter[str] = Counter()
_counted: "tuple[float, list[Metric]] | None" = None


type Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Metric:
    """`samples` are values by their labels; one without labels has the key ()."""

    name: str
    kind: str
    meaning: str
    samples: Mapping[Labels, float] = field(default_factory=dict)


def count_answer(status: int) -> None:
    """A request was answered with this status."""
    with _lock:
        _answers[f"{status // 100}xx"] += 1


def is_from_this_machine(request: HttpRequest) -> bool:
    """Straight from a program here, with no proxy in between."""
    if any(name in request.headers for name in _FORWARDING_HEADERS):
        return False
    try:
        address = ipaddress.ip_address(str(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def exposition() -> str:
    """Everything that is known now. Without the database, what the process knows of itself."""
    metrics = [*_process(), *_traffic()]
    try:
        of_database = [*_log(), *_tables(), *_counts()]
    except DatabaseError:
        of_database = []
    up = _plain("scrollback_database_up", "gauge", "1 when the database answers.", float(bool(of_database)))
    return "".join(map(_text, [*metrics, up, *of_database]))


def _plain(name: str, kind: str, meaning: str, value: float) -> Metric:
    return Metric(name, kind, meaning, {(): value})


def _process() -> Iterable[Metric]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    yield _plain(
        "process_cpu_seconds_total",
        "counter",
        "Processor time of the server itself.",
        used.ru_utime + used.ru_stime,
    )
    memory = _resident_bytes()
    if memory is not None:
        yield _plain("process_resident_memory_bytes", "gauge", "Memory of the server itself.", memory)
    yield _plain("process_start_time_seconds", "gauge", "When the server started, Unix time.", _STARTED_S)


def _resident_bytes() -> int | None:
    """None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * resource.getpagesize()


def _traffic() -> Iterable[Metric]:
    with _lock:
        counted = sorted(_answers.items())
    answers: dict[Labels, float] = {(("status", status),): number for status, number in counted}
    yield Metric("scrollback_http_requests_total", "counter", "Requests answered by this process.", answers)
    yield _plain("scrollback_live_sockets", "gauge", "Open live sockets.", len(get_hub().present()))


def _log() -> Iterable[Metric]:
    size = Log.objects.filter(pk=Log.THE_ONE).values_list("size", flat=True).first() or 0
    yield _plain("scrollback_audit_entries", "gauge", "Entries of the audit log.", size)
    head = Checkpoint.objects.newest()
    if head is not None:
        yield _plain(
            "scrollback_audit_signed_entries",
            "gauge",
            "Entries that the newest signed head covers.",
            head.size,
        )
        age_s = max(0, now_ms() - head.at_ms) / 1000
        yield _plain(
            "scrollback_audit_checkpoint_age_seconds", "gauge", "Age of the newest signed head.", age_s
        )
    stands = standing()
    yield _plain(
        "scrollback_audit_verified_entries",
        "gauge",
        "Entries that this process verified last, up to the first that is broken.",
        stands.verified_size,
    )
    yield _plain(
        "scrollback_audit_contents_verified_entries",
        "gauge",
        "Entries whose sealed contents this process has looked at.",
        stands.contents_size,
    )
    sound = float(bool(last_health()))
    yield _plain(
        "scrollback_audit_sound", "gauge", "1 when entries can be written, signed and protected.", sound
    )


def _tables() -> Iterable[Metric]:
    tables = {"messages": Message, "tool_calls": ToolCall, "events": Event}
    inserted = rows_inserted(tables.values())
    yield Metric(
        "scrollback_rows_written_total",
        "counter",
        "Rows of timelines that were written, by whichever process.",
        {(("table", name),): inserted[model] for name, model in tables.items()},
    )


def _counts() -> list[Metric]:
    global _counted
    with _lock:
        known = _counted
    if known is None or time.monotonic() - known[0] >= COUNTED_EVERY_S:
        known = time.monotonic(), list(_count())
        with _lock:
            _counted = known
    return known[1]


def _count() -> Iterable[Metric]:
    sessions = AgentSession.objects.order_by().values("pk")[:COUNT_LIMIT].count()
    terminals = Terminal.objects.order_by().values("pk")[:COUNT_LIMIT].count()
    live = Terminal.objects.live().order_by().values("pk")[:COUNT_LIMIT].count()
    yield _plain(
        "scrollback_sessions", "gauge", "Sessions, those in the trash too; up to a million.", sessions
    )
    yield _plain(
        "scrollback_terminals", "gauge", "Terminals, those in the trash too; up to a million.", terminals
    )
    yield _plain("scrollback_live_terminals", "gauge", "Terminals that are being recorded.", live)
    yield _plain("scrollback_database_bytes", "gauge", "Size of the database on disk.", database_size())


def forget_counts() -> None:
    """For tests: the next scrape counts anew."""
    global _counted
    with _lock:
        _counted = None
        _answers.clear()


def _text(metric: Metric) -> str:
    lines = [f"# HELP {metric.name} {metric.meaning}", f"# TYPE {metric.name} {metric.kind}"]
    for labels, value in metric.samples.items():
        named = ",".join(f'{name}="{text}"' for name, text in labels)
        number = int(value) if value == int(value) else value
        lines.append(f"{metric.name}{f'{{{named}}}' if named else ''} {number}")
    return "\n".join(lines) + "\n"
