"""Changes to rows that an earlier batch wrote: a message that grows, a tool call that ends.

Each change gets an event with a place of its own on the timeline, so that whoever follows the places
learns of it.
"""

import uuid
from typing import Any

from dashboard.lib.ids import new_id
from dashboard.lib.text import cut, storable
from sessions_app.actions.bodies import BlobStore, whole_text
from sessions_app.actions.import_rows import RowKind, attachment_list, row_id
from sessions_app.actions.import_unit import UnitOfWork
from sessions_app.actions.rewriting import GOT_RESULT, GREW
from sessions_app.drafts import CallResult, MessageGrowth, SessionDraft
from sessions_app.models import AgentSession, EventKind, Message, Run, ToolCall
from sessions_app.search import index

# An event row without its place: session, run, then everything after `seq` in EVENT_COLUMNS' order.
type PendingEvent = tuple[Any, ...]
# A message's whole text and reasoning.
type _Said = tuple[str, str]


def apply_growths(
    draft: SessionDraft, session: AgentSession, runs: dict[str, Run], unit: UnitOfWork
) -> list[PendingEvent]:
    """The growths that fit are applied; `draft.growths` is left holding these only.

    What a message says more is what a search finds it by from now on.
    """
    events, applied = [], []
    said_more: dict[uuid.UUID, tuple[Message, _Said]] = {}
    for growth in draft.growths:
        identity = row_id(draft.agent, growth.key, growth.at_ms)
        message = Message.objects.select_related("text_blob", "reasoning_blob").filter(pk=identity).first()
        if message is None:
            continue
        said = _said(message)
        # A copy of the file says again what has grown already.
        if not _stands_as_said(message, said, growth):
            continue
        said = _grow(message, said, growth, unit.blobs)
        growth.model = message.model
        unit.rewriting.note(message.session_id, message.seq, GREW)
        if growth.text or growth.reasoning:
            said_more[identity] = (message, said)
        applied.append(growth)
        events.append(
            _event(session, runs.get(growth.run), EventKind.MESSAGE_EXTENDED, growth.at_ms, identity)
        )
    for message, (text, reasoning) in said_more.values():
        _make_findable(message, "message", f"{text}\n{reasoning}" if reasoning else text, unit)
    draft.growths = applied
    return events


def _said(message: Message) -> _Said:
    return (
        whole_text(message.text, message.text_size, message.text_blob),
        whole_text(message.reasoning, message.reasoning_size, message.reasoning_blob),
    )


def _stands_as_said(message: Message, said: _Said, growth: MessageGrowth) -> bool:
    text, reasoning = said
    return growth.stood is None or growth.stood == (len(text), len(reasoning), message.output_tokens)


def _grow(message: Message, said: _Said, growth: MessageGrowth, blobs: BlobStore) -> _Said:
    """Returns what it says now."""
    text, reasoning = _with_more(said[0], growth.text), _with_more(said[1], growth.reasoning)
    if growth.text:
        message.text, message.text_size, message.text_blob_id = blobs.body(text)
    if growth.reasoning:
        message.reasoning, message.reasoning_size, message.reasoning_blob_id = blobs.body(reasoning)
    blobs.write()
    if growth.stop_reason:
        message.stop_reason = cut(storable(growth.stop_reason), 60)
    message.attachments = [*message.attachments, *attachment_list(growth.attachments, blobs)]
    message.input_tokens += growth.input_tokens
    message.output_tokens += growth.output_tokens
    message.cache_read_tokens += growth.cache_read_tokens
    message.cache_write_tokens += growth.cache_write_tokens
    message.save()
    return text, reasoning


def _with_more(before: str, more: str) -> str:
    return f"{before}\n\n{more}" if before and more else before or more


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
        if _outcome(call) == before:
            continue
        call.save()
        unit.rewriting.note(call.session_id, call.seq, GOT_RESULT)
        if result.output:
            arguments = whole_text(call.input, call.input_size, call.input_blob)
            _make_findable(call, "tool_call", f"{call.name}\n{arguments}\n{result.output}", unit)
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


def _make_findable(row: Message | ToolCall, kind: RowKind, text: str, unit: UnitOfWork) -> None:
    """With all that it says: all words of a query must stand in one entry."""
    words = index.indexable(storable(text))
    unit.add_words(index.entry_id(row.at_ms, row.pk), kind, row.pk.hex, row.session_id.hex, words)


def _outcome(call: ToolCall) -> tuple[Any, ...]:
    """All that a result may change."""
    return (
        call.status, call.output, call.output_size, call.output_blob_id, call.ended_ms, call.exit_status,
        call.result_offset, call.result_size, call.result_line, call.child_run_id,
    )  # fmt: skip


def _event(session: AgentSession, run: Run | None, kind: EventKind, at_ms: int, subject: Any) -> PendingEvent:
    run_id = run.pk if run is not None else None
    return (session.pk, run_id, None, new_id(), at_ms, 0, None, None, None, kind, "", "", subject)
