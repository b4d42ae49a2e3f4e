"""Changes to rows that an earlier batch wrote: a message that grows, a tool call that ends.

Each change gets an event with a place of its own on the timeline, so that whoever follows the places
learns of it.
"""

from typing import Any

from dashboard.lib.ids import new_id
from dashboard.lib.text import cut, storable
from sessions_app.actions.bodies import BlobStore, whole_text
from sessions_app.actions.import_rows import attachment_list, row_id
from sessions_app.actions.import_unit import UnitOfWork
from sessions_app.actions.rewriting import GOT_RESULT, GREW, Rewriting
from sessions_app.drafts import CallResult, MessageGrowth, SessionDraft
from sessions_app.models import AgentSession, EventKind, Message, Run, ToolCall
from sessions_app.search import index

# An event row without its place: session, run, then everything after `seq` in EVENT_COLUMNS' order.
type PendingEvent = tuple[Any, ...]


def apply_growths(
    draft: SessionDraft,
    session: AgentSession,
    runs: dict[str, Run],
    blobs: BlobStore,
    rewriting: Rewriting,
) -> list[PendingEvent]:
    """The growths that fit are applied; `draft.growths` is left holding these only."""
    events, applied = [], []
    for growth in draft.growths:
        identity = row_id(draft.agent, growth.key, growth.at_ms)
        message = Message.objects.select_related("text_blob", "reasoning_blob").filter(pk=identity).first()
        # A copy of the file says again what has grown already.
        if message is None or not _stands_as_said(message, growth):
            continue
        _grow(message, growth, blobs)
        growth.model = message.model
        rewriting.note(message.session_id, message.seq, GREW)
        applied.append(growth)
        events.append(
            _event(session, runs.get(growth.run), EventKind.MESSAGE_EXTENDED, growth.at_ms, identity)
        )
    draft.growths = applied
    return events


def _stands_as_said(message: Message, growth: MessageGrowth) -> bool:
    if growth.stood is None:
        return True
    text = whole_text(message.text, message.text_size, message.text_blob)
    reasoning = whole_text(message.reasoning, message.reasoning_size, message.reasoning_blob)
    return growth.stood == (len(text), len(reasoning), message.output_tokens)


def _grow(message: Message, growth: MessageGrowth, blobs: BlobStore) -> None:
    for name, more in (("text", growth.text), ("reasoning", growth.reasoning)):
        if more:
            blob = getattr(message, f"{name}_blob")
            before = whole_text(getattr(message, name), getattr(message, f"{name}_size"), blob)
            text, size, sha256 = blobs.body(f"{before}\n\n{more}" if before else more)
            setattr(message, name, text)
            setattr(message, f"{name}_size", size)
            setattr(message, f"{name}_blob_id", sha256)
    blobs.write()
    if growth.stop_reason:
        message.stop_reason = cut(storable(growth.stop_reason), 60)
    message.attachments = [*message.attachments, *attachment_list(growth.attachments, blobs)]
    message.input_tokens += growth.input_tokens
    message.output_tokens += growth.output_tokens
    message.cache_read_tokens += growth.cache_read_tokens
    message.cache_write_tokens += growth.cache_write_tokens
    message.save()


def apply_results(
    draft: SessionDraft, session: AgentSession, runs: dict[str, Run], unit: UnitOfWork
) -> list[PendingEvent]:
    """Each result ends its call, and is what a search finds the call by from now on."""
    events = []
    for result in draft.results:
        identity = row_id(draft.agent, result.key, result.at_ms)
        call = ToolCall.objects.filter(pk=identity).first()
        if call is None:
            continue
        was_failed, before = call.status == "failed", _outcome(call)
        _end(call, result, runs, unit.blobs)
        # A copy of the file says again how it ended.
        if _outcome(call) != before:
            unit.rewriting.note(call.session_id, call.seq, GOT_RESULT)
            if result.output:
                _make_findable(call, result.output, unit)
        failed = int(call.status == "failed") - int(was_failed)
        session.failed_tool_call_count += failed
        run = runs.get(result.run)
        if run is not None:
            run.failed_tool_call_count += failed
        at_ms = result.ended_ms if result.ended_ms is not None else result.at_ms
        events.append(_event(session, run, EventKind.TOOL_CALL_ENDED, at_ms, identity))
    return events


def _end(call: ToolCall, result: CallResult, runs: dict[str, Run], blobs: BlobStore) -> None:
    call.status = result.status
    if not (result.is_preview and call.output_size):
        call.output, call.output_size, call.output_blob_id = blobs.body(result.output)
        blobs.write()
    call.ended_ms = result.ended_ms
    if result.exit_status is not None:
        call.exit_status = result.exit_status
    if result.place is not None:
        call.result_offset, call.result_size, call.result_line = result.place
    if result.child_run:
        call.child_run = runs[result.child_run]
    call.save()


def _make_findable(call: ToolCall, output: str, unit: UnitOfWork) -> None:
    """All words of a query must stand in one entry, so this one has the call's arguments again."""
    arguments = whole_text(call.input, call.input_size, call.input_blob)
    words = index.indexable(f"{call.name}\n{arguments}\n{storable(output)}")
    unit.add_words(index.entry_id(call.at_ms, call.pk), "tool_call", call.pk.hex, call.session_id.hex, words)


def _outcome(call: ToolCall) -> tuple[Any, ...]:
    """All that a result may change."""
    return (
        call.status, call.output, call.output_size, call.output_blob_id, call.ended_ms, call.exit_status,
        call.result_offset, call.result_size, call.result_line, call.child_run_id,
    )  # fmt: skip


def _event(session: AgentSession, run: Run | None, kind: EventKind, at_ms: int, subject: Any) -> PendingEvent:
    run_id = run.pk if run is not None else None
    return (session.pk, run_id, None, new_id(), at_ms, 0, None, None, None, kind, "", "", subject)
