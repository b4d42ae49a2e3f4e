"""Outcomes of tool calls, and the subagents that some of them start."""

from dashboard.lib.clock import ms_to_iso
from sessions_app.drafts import CallResult, CallStatus, MessageDraft, SkipLine, StatusName
from sessions_app.importers.claude_code.memory import (
    AWAITED_LIMIT,
    RUN_LIMIT,
    AwaitedOutput,
    CallMemory,
    remember,
)
from sessions_app.importers.claude_code.persisted import Lack, is_preview, output_of, preview_in
from sessions_app.importers.claude_code.reading import Entry, Reading, bounded, digest
from sessions_app.importers.claude_code.records import (
    ABSENT,
    Block,
    Record,
    ToolUseResult,
    content_of,
    plain,
    tool_use_result_of,
)
from sessions_app.importers.claude_code.tools import STARTS_AN_AGENT
from sessions_app.importers.claude_code.wording import exit_code_in, is_rejection
from sessions_app.importers.json_lines import mapping_of, text_of, whole_of


def end_call(reading: Reading, entry: Entry, record: Record, block: Block) -> None:
    """Give the call that this block answers its outcome; a result without its call becomes a message."""
    session = entry.session
    call_id = bounded(plain(block.tool_use_id))
    said = result_text(block)
    entry.run.stands("result", entry.at_ms)
    call = session.close_call(call_id) or session.closed_calls.get(call_id)
    details = _details(call, record, block, said)
    known = details if isinstance(details, ToolUseResult) else ToolUseResult()
    preview = preview_in(said, known)
    whole = output_of(reading, session, preview) if preview is not None else said
    output = said if isinstance(whole, Lack) else whole
    if call is None:
        entry.draft.rows.append(
            MessageDraft(
                key=f"{entry.key}#{call_id}", run=entry.run.key, at_ms=entry.at_ms, role="tool",
                kind="context", text=output, place=entry.place, turn=entry.session.turn, external_id=call_id,
            )
        )  # fmt: skip
        return
    # What the model was told says how it ended; the output itself may say anything.
    status = _status(block, said, details)
    exit_status = _exit_status(call, status, said, known)
    child = _end_agent(entry, call, known, status, output, said) if call.kind == "agent" else ""
    if child:
        entry.draft.run(child).is_output_preview = isinstance(whole, Lack)
    session.awaited.pop(call.key, None)
    if preview is not None and whole is Lack.YET and preview.can_wait():
        waiting = AwaitedOutput(
            call.key, call.at_ms, call.run, status, entry.at_ms, exit_status, child, *preview
        )  # fmt: skip
        remember(session.awaited, call.key, waiting, AWAITED_LIMIT)
    if call.draft is not None:
        draft = call.draft
        draft.status, draft.output, draft.ended_ms, draft.exit_status = (
            status,
            output,
            entry.at_ms,
            exit_status,
        )
        draft.result_place, draft.child_run = entry.place, call.child
    else:
        entry.draft.results.append(
            CallResult(
                call.key,
                call.at_ms,
                call.run,
                status,
                output,
                entry.at_ms,
                exit_status,
                entry.place,
                call.child,
                is_preview=isinstance(whole, Lack),
            )
        )


def abandon_calls(entry: Entry) -> None:
    """The run went on without these calls' results: nobody waits for them any more."""
    session = entry.session
    for call_id in list(entry.run.open_calls):
        call = session.close_call(call_id)
        if call is None:
            continue
        if call.draft is not None:
            call.draft.status = "unanswered"
        else:
            entry.draft.results.append(CallResult(call.key, call.at_ms, call.run, "unanswered", "", None))


def _details(call: CallMemory | None, record: Record, block: Block, said: str) -> ToolUseResult | str | None:
    """`toolUseResult`, where it can say more than the result block does."""
    if record.tool_use_result is ABSENT:
        return None
    is_telling = call is not None and call.kind in ("agent", "shell")
    if is_telling or block.is_error is True or is_preview(said):
        return tool_use_result_of(record.tool_use_result)
    return None


def _status(block: Block, output: str, details: ToolUseResult | str | None) -> CallStatus:
    stopped = isinstance(details, ToolUseResult) and details.interrupted is True
    if stopped or is_rejection(output) or (isinstance(details, str) and is_rejection(details)):
        return "cancelled"
    return "failed" if block.is_error is True else "completed"


def _exit_status(call: CallMemory, status: CallStatus, output: str, details: ToolUseResult) -> int | None:
    if call.kind != "shell":
        return None
    stated = whole_of(details.exit_code)
    if stated is None and status == "failed":
        stated = exit_code_in(output)
    return stated if stated is not None and abs(stated) < 2**31 else None


def result_text(block: Block) -> str:
    """A result's text, with a note in the place of each picture."""
    try:
        parts = content_of(block.content)
    except SkipLine:
        return bytes(block.content).decode("utf-8", "replace")
    if len(parts) == 1 and isinstance(parts[0], str):
        return parts[0]
    return "\n".join(filter(None, map(_part_text, parts)))


def _part_text(part: Block | str) -> str:
    if isinstance(part, str):
        return part
    if part.type == "text":
        return plain(part.text)
    if part.type == "tool_reference":
        return f"[tool: {plain(part.tool_name)}]"
    if part.type in ("image", "document"):
        source = mapping_of(part.source)
        # Base64 has four letters for three bytes.
        size = len(text_of(source.get("data"))) * 3 // 4
        return f"[{part.type}: {text_of(source.get('media_type')) or 'unknown type'}, {size:,} bytes]"
    return plain(part.text) or f"[{plain(part.type) or 'unknown'}]"


def prompt_digest(prompt: str) -> str:
    text = prompt.strip()
    return digest(text.encode("utf-8", "surrogatepass")) if text else ""


def link_to_caller(entry: Entry, prompt: str) -> None:
    """Find the open call that started this run: the first with this very prompt that has no run yet."""
    entry.run.is_linked = True
    wanted = prompt_digest(prompt)
    for call in entry.session.calls.values():
        if call.prompt and call.prompt == wanted and not call.child and call.run != entry.run.key:
            attach(entry, call, entry.run.key)
            return


def attach(entry: Entry, call: CallMemory, child: str) -> None:
    """This call started this run."""
    call.child = child
    if call.draft is not None:
        call.draft.child_run = child
    run = entry.draft.run(child)
    run.parent = call.run
    run.spawned_by = call.call_id
    run.title = call.title or run.title
    run.agent_name = call.agent_name or run.agent_name


def _end_agent(
    entry: Entry, call: CallMemory, details: ToolUseResult, status: CallStatus, output: str, said: str
) -> str:
    """The key of the run that this result has completed, "" for none."""
    if call.name in STARTS_AN_AGENT and not call.child and plain(details.agent_id):
        attach(entry, call, bounded(plain(details.agent_id)))
    if not call.child:
        return ""
    if details.is_async is True or details.status == "async_launched":
        # Only the start was reported; the run's own transcript and a notification tell the rest.
        task = bounded(plain(details.task_id)) or call.child
        remember(entry.session.tasks, task, call.child, RUN_LIMIT)
        return ""
    is_completed = status == "completed"
    close_run(entry, call.child, status, f"result of the {call.name} call", output if is_completed else said)
    return call.child if is_completed else ""


def close_run(entry: Entry, child: str, status: CallStatus, evidence: str, output: str) -> None:
    run = entry.draft.run(child)
    named: dict[CallStatus, StatusName] = {"failed": "failed", "cancelled": "cancelled"}
    run.status = named.get(status, "completed")
    run.status_evidence = f"{evidence}, recorded {moment(entry.at_ms)}"
    run.ended_ms = entry.at_ms
    if output:
        run.output = output
    if status == "failed":
        run.error = output
    memory = entry.session.runs.get(child)
    if memory is not None:
        memory.is_closed = True


def moment(at_ms: int) -> str:
    """A time as it stands in evidence, e.g. 2026-02-23T12:54:34Z."""
    return f"{ms_to_iso(at_ms)[:19]}Z"
