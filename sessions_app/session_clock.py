"""A session's one clock: its scale, when its terminals were open, its pauses, and marks for the rows on a page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.lib.formatting import duration
from sessions_app.clock_scale import Scale, scale_of
from sessions_app.models import AgentSession, MessageKind, Terminal, ToolCallStatus
from sessions_app.session_pauses import pauses_of
from sessions_app.timeline import Page
from sessions_app.timeline_rows import AnyRow, CallRow, MessageRow


@dataclass(frozen=True)
class Clock:
    """What components/scrubber.html draws; places and sizes are percentages of the bar."""

    started_ms: int
    scale: Scale
    spans: list[dict[str, Any]]
    marks: list[dict[str, Any]]

    @property
    def length_ms(self) -> int:
        return self.scale.length_ms

    @property
    def knots(self) -> str:
        """The scale for the browser, as JSON."""
        return json.dumps(self.scale.knots, separators=(",", ":"))

    @property
    def breaks(self) -> list[dict[str, Any]]:
        return [
            {"name": f"Nothing recorded for {duration(after - before)}", **placed(self.scale, before, after)}
            for before, after in self.scale.breaks
        ]


def clock_of(session: AgentSession, terminals: Sequence[Terminal], page: Page) -> Clock:
    scale = scale_of_session(session, terminals)
    spans = [
        {
            "status": terminal.state,
            "name": str(terminal),
            **placed(scale, *(at_ms - session.started_ms for at_ms in _open_in(terminal))),
        }
        for terminal in terminals
    ]
    marks = [
        {
            "at": percent(scale.share(row.offset_ms)),
            "kind": kind,
            "label": label,
            "href": row.href,
            "at_ms": row.offset_ms,
        }
        for row in page.rows
        for kind, label in _mark_of(row)
    ]
    return Clock(session.started_ms, scale, spans, marks)


def scale_of_session(session: AgentSession, terminals: Sequence[Terminal]) -> Scale:
    start_ms = session.started_ms
    opened = [_open_in(terminal) for terminal in terminals]
    until_ms = max(
        [session.ended_ms or session.last_activity_ms, *(last for _, last in opened), start_ms + 1]
    )
    pauses = pauses_of(session, opened, until_ms)
    return scale_of(until_ms - start_ms, [(before - start_ms, after - start_ms) for before, after in pauses])


def placed(scale: Scale, from_ms: int, to_ms: int) -> dict[str, str]:
    """Where a stretch of the session's clock stands and how much room it takes."""
    first, last = scale.share(from_ms), scale.share(to_ms)
    return {"at": percent(first), "size": percent(last - first)}


def percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _open_in(terminal: Terminal) -> tuple[int, int]:
    return terminal.started_ms, terminal.started_ms + terminal.duration_ms


def _mark_of(row: AnyRow) -> list[tuple[str, str]]:
    if isinstance(row, MessageRow) and row.subject.kind == MessageKind.PROMPT:
        return [("prompt", f"Prompt: {row.line[:80]}")]
    if isinstance(row, CallRow) and row.subject.status == ToolCallStatus.FAILED:
        return [("error", f"{row.subject.name} failed: {row.title[:80]}")]
    return []
