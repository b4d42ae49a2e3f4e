"""A session's one clock: its length, when its terminals were open, and marks for the rows on a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sessions_app.models import AgentSession, MessageKind, Terminal, ToolCallStatus
from sessions_app.timeline import Page
from sessions_app.timeline_rows import AnyRow, CallRow, MessageRow


@dataclass(frozen=True)
class Clock:
    """What components/scrubber.html draws; places and sizes are percentages of the length."""

    length_ms: int
    spans: list[dict[str, Any]]
    marks: list[dict[str, Any]]


def clock_of(session: AgentSession, terminals: Sequence[Terminal], page: Page) -> Clock:
    ends = [session.ended_ms or session.last_activity_ms]
    ends += [terminal.started_ms + terminal.duration_us // 1000 for terminal in terminals]
    length_ms = max(1, max(ends) - session.started_ms)

    def share(part_ms: int) -> str:
        return f"{min(100.0, max(0.0, 100 * part_ms / length_ms)):.2f}%"

    spans = [
        {
            "at": share(terminal.started_ms - session.started_ms),
            "size": share(terminal.duration_us // 1000),
            "status": terminal.state,
            "name": str(terminal),
        }
        for terminal in terminals
    ]
    marks = [
        {"at": share(row.offset_ms), "kind": kind, "label": label, "href": row.href, "at_ms": row.offset_ms}
        for row in page.rows
        for kind, label in _mark_of(row)
    ]
    return Clock(length_ms, spans, marks)


def _mark_of(row: AnyRow) -> list[tuple[str, str]]:
    if isinstance(row, MessageRow) and row.subject.kind == MessageKind.PROMPT:
        return [("prompt", f"Prompt: {row.line[:80]}")]
    if isinstance(row, CallRow) and row.subject.status == ToolCallStatus.FAILED:
        return [("error", f"{row.subject.name} failed: {row.title[:80]}")]
    return []
