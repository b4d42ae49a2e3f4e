"""A session's one clock: its scale, when its terminals were open, its pauses and its marks."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dashboard.lib.formatting import duration
from sessions_app.clock_marks import marks_of, marks_of_session, run_spans
from sessions_app.clock_scale import Scale, percent, scale_of
from sessions_app.models import AgentSession, Run, Terminal
from sessions_app.session_pauses import pauses_of
from sessions_app.timeline import Page


@dataclass(frozen=True)
class Clock:
    """What components/scrubber.html draws; places and sizes are percentages of the bar."""

    started_ms: int
    scale: Scale
    spans: list[dict[str, Any]]
    marks: list[Any]
    # What of the whole session has no mark, in words.
    cut: str = ""

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
    """The clock with marks for the rows of a page alone."""
    scale = scale_of_session(session, terminals)
    return Clock(session.started_ms, scale, _spans_of(session, terminals, scale), marks_of(page.rows, scale))


def whole_clock_of(session: AgentSession, terminals: Sequence[Terminal], main: Run | None) -> Clock:
    """The clock with the marks and the subagents' runs of the whole session."""
    scale = scale_of_session(session, terminals)
    marks, cut_rows = marks_of_session(session, main, scale)
    runs, cut_runs = run_spans(session, scale)
    cut = ", ".join(cut_rows + cut_runs)
    spans = _spans_of(session, terminals, scale) + runs
    return Clock(session.started_ms, scale, spans, marks, cut and f"Only the newest {cut}")


def _spans_of(session: AgentSession, terminals: Sequence[Terminal], scale: Scale) -> list[dict[str, Any]]:
    return [
        {
            "status": terminal.state,
            "name": str(terminal),
            **placed(scale, *(at_ms - session.started_ms for at_ms in _open_in(terminal))),
        }
        for terminal in terminals
    ]


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


def _open_in(terminal: Terminal) -> tuple[int, int]:
    return terminal.started_ms, terminal.started_ms + terminal.duration_ms
