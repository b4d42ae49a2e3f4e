"""Sessions and terminals as lines of text for a shell.

Everything that an agent or a program wrote goes through `plain`: on a terminal, a control character is a command.
"""

import shutil
import sys
from collections.abc import Iterator, Sequence

from dashboard.lib.clock import now_ms
from dashboard.lib.formatting import (
    byte_size,
    clock,
    count,
    counted,
    dollars,
    duration,
    exact_time,
    relative_time,
)
from dashboard.lib.text import one_line
from sessions_app.costs import cost_of_session
from sessions_app.exporters.rows import whole
from sessions_app.legible import legible
from sessions_app.lookup import short_id
from sessions_app.models import AgentSession, Event, Message, Terminal, ToolCall
from sessions_app.pricing.cost import Cost

_NARROWEST = 40
_WITHOUT_END = 10_000
# Of each body in a transcript's tail; `export` has the whole.
_BODY_CHARS = 2_000


def plain(text: str, limit: int = 300) -> str:
    """One line, with nothing in it that acts on a terminal."""
    return legible(one_line(text, limit))


def width() -> int:
    """Columns for a line; as good as none when the output goes to a file or a pipe."""
    return max(_NARROWEST, shutil.get_terminal_size().columns) if sys.stdout.isatty() else _WITHOUT_END


def session_line(session: AgentSession) -> str:
    project = session.project.name if session.project else ""
    when = relative_time(session.last_activity_ms, now_ms=now_ms())
    head = f"{short_id(session)}  {when:<12}  {session.status:<10}  {plain(session.agent, 12):<12}  "
    return (head + f"{plain(project, 20):<20}  {plain(session.heading)}")[: width()]


def terminal_line(terminal: Terminal) -> str:
    when = relative_time(terminal.started_ms, now_ms=now_ms())
    when = when if terminal.is_start_known else f"file {when}"
    state = terminal.state if terminal.exit_status is None else f"exit {terminal.exit_status}"
    head = f"{short_id(terminal)}  {when:<12}  {state:<10}  {duration(terminal.duration_ms):>9}  "
    return (head + f"{byte_size(terminal.size):>9}  {plain(str(terminal))}")[: width()]


def session_facts(session: AgentSession) -> Iterator[str]:
    project = session.project.path if session.project else session.cwd
    evidence = f" — {session.status_evidence}" if session.status_evidence else ""
    failed = session.failed_tool_call_count
    counts = (
        f"{counted(session.turn_count, 'turn')}, {counted(session.message_count, 'message')}, "
        f"{counted(session.tool_call_count, 'tool call')} ({failed:,} failed), "
        f"{counted(session.run_count, 'run')}, {counted(session.terminal_count, 'terminal')}"
    )
    tokens = (
        f"{count(session.total_tokens)} in all: {count(session.input_tokens)} input, "
        f"{count(session.output_tokens)} output, {count(session.cache_read_tokens)} from the cache, "
        f"{count(session.cache_write_tokens)} into it"
    )
    yield plain(session.heading, 600)
    yield from _facts(
        ("session", str(session.pk)),
        ("agent", f"{session.agent} {session.agent_version} · {session.external_id}"),
        ("model", session.model),
        ("project", f"{project} {f'({session.branch})' if session.branch else ''}"),
        ("status", f"{session.get_status_display()}{evidence}"),
        ("started", exact_time(session.started_ms)),
        ("last active", f"{exact_time(session.last_activity_ms)}, after {duration(session.duration_ms)}"),
        ("content", counts),
        ("tokens", tokens),
        ("cost", _cost(cost_of_session(session))),
    )


def _cost(cost: Cost) -> str:
    """`≥ $1.20 at list prices of 2026-11-28; no price is known for gpt-x`; "" where no tokens were counted."""
    unknown = f"no price is known for {', '.join(cost.unknown)}" if cost.unknown else ""
    if cost.amount is None:
        return unknown
    prices = "your prices and list prices" if cost.has_own_prices else "list prices"
    known = f"{'≥ ' if unknown else ''}{dollars(cost.amount)} at {prices} of {cost.as_of}"
    return f"{known}; {unknown}" if unknown else known


def terminal_facts(terminal: Terminal) -> Iterator[str]:
    started = exact_time(terminal.started_ms)
    yield plain(str(terminal), 600)
    yield from _facts(
        ("terminal", str(terminal.pk)),
        ("session", str(terminal.session_id or "")),
        ("command", terminal.command),
        ("folder", f"{terminal.cwd} on {terminal.host}" if terminal.host else terminal.cwd),
        ("state", f"{terminal.status_word} — {terminal.status_evidence}"),
        ("started", started if terminal.is_start_known else f"not recorded; time of the file: {started}"),
        ("lasted", duration(terminal.duration_ms)),
        ("window", f"{terminal.cols} by {terminal.rows}"),
        ("output", f"{byte_size(terminal.size)}, {counted(terminal.event_count, 'event')}"),
        ("last line", terminal.last_line),
    )


def row_text(session: AgentSession, row: Message | ToolCall | Event) -> str:
    """A row of the timeline as a paragraph; long bodies are cut."""
    head = f"{clock(max(0, row.at_ms - session.started_ms))}  #{row.seq}"
    if isinstance(row, Message):
        hidden = ", hidden by the agent" if row.is_hidden else ""
        return f"{head}  {row.get_role_display().lower()}{hidden}\n{_body(whole(row, 'text'))}".rstrip()
    if isinstance(row, ToolCall):
        title = f"  {plain(row.title, 160)}" if row.title else ""
        line = f"{head}  {plain(row.name, 60)} ({row.get_status_display().lower()}){title}"
        return f"{line}\n{_body(whole(row, 'output'))}".rstrip()
    return f"{head}  {row.get_kind_display()}  {plain(row.text)}".rstrip()


def _facts(*facts: tuple[str, str]) -> Iterator[str]:
    for name, value in facts:
        if value.strip():
            yield f"  {name:<12}{plain(value, 600)}"


def _body(text: str) -> str:
    cut = f"\n… {len(text) - _BODY_CHARS:,} more characters" if len(text) > _BODY_CHARS else ""
    lines: Sequence[str] = legible(text[:_BODY_CHARS].replace("\r", "")).strip().split("\n")
    return "\n".join(f"    {line}" for line in lines) + (f"\n    {cut.strip()}" if cut else "")
