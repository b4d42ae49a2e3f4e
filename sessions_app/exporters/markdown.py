"""A session as Markdown, to be read: who said what, each tool call with its input and output, subagents after.

Texts stand as they were written. What programs wrote is fenced, so that nothing in it acts as markup, and
control characters are shown as pictures.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from dashboard.lib.formatting import byte_size, count, counted, duration, exact_time
from dashboard.lib.text import one_line
from sessions_app.exporters.rows import SILENT_EVENTS, TimelineItem, rows_of, whole
from sessions_app.legible import legible
from sessions_app.models import AgentSession, Event, Message, MessageKind, Run, RunKind, ToolCall
from sessions_app.run_tree import in_tree_order

_SPEAKERS: Final[dict[str, str]] = {MessageKind.PROMPT: "User", MessageKind.REPLY: "Assistant"}
_FENCES: Final = re.compile(r"`{3,}")
_MOST_RUNS: Final = 10_000


def transcript(session: AgentSession) -> Iterator[str]:
    """The whole document in pieces. Raises Refused when a body is damaged."""
    yield from _head(session)
    light = session.runs.defer("input", "output", "error").in_tree_order()
    runs = [run for run, _ in in_tree_order(list(light[:_MOST_RUNS]))]
    main = next((run for run in runs if run.kind == RunKind.MAIN), None)
    yield from _rows(session, main)
    for run in runs:
        if main is not None and run.pk != main.pk:
            yield from _run_head(run)
            yield from _rows(session, run)


def _head(session: AgentSession) -> Iterator[str]:
    yield f"# {_line(session.heading)}\n\n"
    project = session.project.path if session.project else session.cwd
    facts = {
        "Agent": f"{session.agent} {session.agent_version}".strip(),
        "Model": session.model,
        "Project": f"`{_line(project)}`" if project else "",
        "Status": f"{session.get_status_display()} ({session.status_evidence})"
        if session.status_evidence
        else session.get_status_display(),
        "Started": exact_time(session.started_ms),
        "Lasted": duration(session.duration_ms),
        "Content": f"{counted(session.message_count, 'message')}, {counted(session.tool_call_count, 'tool call')}, "
        f"{counted(session.run_count, 'run')}",
        "Tokens": f"{count(session.total_tokens)} ({count(session.output_tokens)} output)",
        "Session": f"`{session.pk}` (`{_line(session.external_id)}` of the agent)",
    }
    yield "".join(f"- **{name}:** {_line(value, 600)}\n" for name, value in facts.items() if value) + "\n"


def _run_head(run: Run) -> Iterator[str]:
    title = " · ".join(part for part in ("Subagent", run.agent_name, run.title) if part)
    facts = f"{run.get_status_display()}, {duration(run.duration_ms)}, {count(run.total_tokens)} tokens"
    yield f"\n---\n\n# {_line(title)}\n\n{facts}\n\n"


def _rows(session: AgentSession, run: Run | None) -> Iterator[str]:
    for row in rows_of(session, run=run):
        yield from _row(row)


def _row(row: TimelineItem) -> Iterator[str]:
    if isinstance(row, Message):
        yield from _message(row)
    elif isinstance(row, ToolCall):
        yield from _call(row)
    elif row.kind not in SILENT_EVENTS:
        yield _event(row)


def _message(message: Message) -> Iterator[str]:
    text, reasoning = whole(message, "text"), whole(message, "reasoning")
    if not (text or reasoning or message.attachments):
        return
    speaker = _SPEAKERS.get(message.kind) or f"{message.get_role_display()} · {message.get_kind_display()}"
    hidden = ", hidden by the agent" if message.is_hidden else ""
    yield f"## {speaker}\n\n*{exact_time(message.at_ms)}{hidden}*\n\n"
    if reasoning:
        quoted = legible(reasoning).strip().replace("\n", "\n> ")
        yield f"> **Thinking**\n>\n> {quoted}\n\n"
    if message.kind in {MessageKind.PROMPT, MessageKind.REPLY, MessageKind.SUMMARY}:
        yield f"{legible(text).strip()}\n\n" if text else ""
    elif text:
        yield _fenced(text)
    for attachment in message.attachments:
        name = str(attachment.get("name") or attachment.get("media_type") or "attachment")
        yield f"*Attached: {_line(name)}, {byte_size(int(attachment.get('size') or 0))}*\n\n"


def _call(call: ToolCall) -> Iterator[str]:
    outcome = call.get_status_display().lower()
    if call.exit_status is not None:
        outcome += f", exit {call.exit_status}"
    if call.duration_ms is not None:
        outcome += f", {duration(call.duration_ms)}"
    title = f" · {_line(call.title, 200)}" if call.title else ""
    yield f"### {_line(call.name)}{title}\n\n*{exact_time(call.at_ms)}, {outcome}*\n\n"
    body, language = _pretty(whole(call, "input"))
    yield _fenced(body, language) if body else ""
    output = whole(call, "output")
    yield f"Result:\n\n{_fenced(output)}" if output else ""


def _event(event: Event) -> str:
    text = f": {_line(event.text, 500)}" if event.text else ""
    return f"*{exact_time(event.at_ms)} · {event.get_kind_display()}{text}*\n\n"


def _pretty(text: str) -> tuple[str, str]:
    """JSON indented, anything else as it is; with the language that a fence may name."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False), "json"
    except (ValueError, RecursionError):
        return text, ""


def _fenced(text: str, language: str = "") -> str:
    """A fence longer than any inside."""
    longest = max((len(found) for found in _FENCES.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{legible(text).rstrip()}\n{fence}\n\n"


def _line(text: str, limit: int = 300) -> str:
    return legible(one_line(text, limit))
