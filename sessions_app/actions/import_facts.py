"""What a batch says about its sessions and runs, laid onto their rows."""

import uuid

from django.db.models import Min

from dashboard.lib.clock import now_ms
from dashboard.lib.text import cut, one_line, storable
from sessions_app.actions.bodies import BlobStore
from sessions_app.actions.rewriting import HIDDEN, Rewriting
from sessions_app.drafts import RunDraft, SessionDraft
from sessions_app.models import (
    AgentSession,
    Message,
    MessageKind,
    Run,
    Source,
    Status,
    ToolCall,
    ToolKind,
)


def apply_session(
    session: AgentSession,
    draft: SessionDraft,
    source: Source,
    *,
    parent_id: uuid.UUID | None,
    highest_turn: int,
    rewriting: Rewriting,
) -> None:
    """Facts win over what stood before; what the draft leaves blank stays."""
    for name, limit in (("title", 300), ("branch", 200), ("model", 120), ("agent_version", 60)):
        if getattr(draft, name) and not (name == "title" and session.is_renamed):
            setattr(session, name, one_line(storable(getattr(draft, name)), limit))
    if draft.hidden_first is not None and _hide_first(session, source, draft.hidden_first, rewriting):
        session.first_prompt = _first_shown_prompt(session)
    if draft.first_prompt and not session.first_prompt:
        session.first_prompt = one_line(storable(draft.first_prompt), 300)
    if draft.summary:
        session.summary = storable(draft.summary)
    if draft.cwd and not session.cwd:
        session.cwd = cut(storable(draft.cwd), 1024)
    if session.parent_id is None:
        session.parent_id = parent_id
    if draft.status is not None:
        session.status = draft.status
        session.status_evidence = one_line(storable(draft.status_evidence), 300)
        session.status_ms = draft.status_ms
    if draft.started_ms is not None:
        session.started_ms = min(session.started_ms, draft.started_ms)
    if draft.last_activity_ms is not None:
        session.last_activity_ms = max(session.last_activity_ms, draft.last_activity_ms)
    if draft.ended_ms is not None:
        session.ended_ms = draft.ended_ms
    # A rewritten file is read from its beginning again; the numbers of its turns are absolute.
    session.turn_count = (
        max(session.turn_count, highest_turn) if source.generation > 1 else session.turn_count + draft.turns
    )
    session.updated_ms = now_ms()


def _hide_first(session: AgentSession, source: Source, count: int, rewriting: Rewriting) -> bool:
    """Mark the first `count` messages of this file as hidden by their writer, and no others of it; was one not so?"""
    messages = Message.objects.filter(session=session, source=source)
    lines = list(messages.order_by("source_line").values_list("source_line", flat=True)[:count])
    last_hidden = lines[-1] if lines else 0
    has_changed = False
    for changing, is_hidden in (
        (messages.filter(source_line__lte=last_hidden, is_hidden=False), True),
        (messages.filter(source_line__gt=last_hidden, is_hidden=True), False),
    ):
        first = changing.aggregate(seq=Min("seq"))["seq"]
        if first is not None:
            changing.update(is_hidden=is_hidden)
            rewriting.note(session.pk, first, HIDDEN)
            has_changed = True
    return has_changed


def _first_shown_prompt(session: AgentSession) -> str:
    """Among what is written, "" when all of that is hidden."""
    prompts = Message.objects.filter(session=session, kind=MessageKind.PROMPT, is_hidden=False).exclude(
        text=""
    )
    text = prompts.order_by("seq").values_list("text", flat=True).first()
    return one_line(storable(text), 300) if text else ""


def _calling_run(run: Run, call_id: str) -> Run | None:
    """The run whose tool call started this one, when that call has been read."""
    call = ToolCall.objects.filter(session=run.session_id, call_id=call_id, kind=ToolKind.AGENT).first()
    return call.run if call is not None and call.run_id != run.pk else None


# What a run ended with stays until the record goes on after that end.
_FINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})


def _is_overtaken(run: Run, draft: RunDraft) -> bool:
    """A subagent's own file may break off although its caller recorded how it ended."""
    if run.status not in _FINAL or draft.status in _FINAL or run.ended_ms is None:
        return False
    return draft.last_activity_ms is None or draft.last_activity_ms <= run.ended_ms


def apply_run(run: Run, draft: RunDraft, runs: dict[str, Run], blobs: BlobStore) -> None:
    """`runs` holds every run that the batch names, this one's parent among them."""
    for name, limit in (("agent_name", 120), ("title", 300), ("model", 120), ("spawned_by_call", 200)):
        value = draft.spawned_by if name == "spawned_by_call" else getattr(draft, name)
        if value:
            setattr(run, name, one_line(storable(value), limit))
    if draft.kind == "subagent":
        run.kind = draft.kind
    if draft.parent is not None and draft.parent != run.key:
        run.parent = runs.get(draft.parent, run.parent)
    elif run.parent_id is None and draft.spawned_by:
        run.parent = _calling_run(run, draft.spawned_by)
    run.depth = min(run.parent.depth + 1, 1_000) if run.parent is not None else 0
    if draft.status is not None and not _is_overtaken(run, draft):
        run.status = draft.status
        run.status_evidence = one_line(storable(draft.status_evidence), 300)
    if draft.exit_status is not None:
        run.exit_status = draft.exit_status
    if draft.error:
        run.error = storable(draft.error)
    if draft.input:
        run.input, run.input_size, run.input_blob_id = blobs.body(draft.input)
    if draft.output and not (draft.is_output_preview and run.output_size):
        run.output, run.output_size, run.output_blob_id = blobs.body(draft.output)
    if draft.started_ms is not None:
        run.started_ms = min(run.started_ms, draft.started_ms)
    if draft.last_activity_ms is not None:
        run.last_activity_ms = max(run.last_activity_ms, draft.last_activity_ms)
    if draft.ended_ms is not None:
        run.ended_ms = draft.ended_ms
    run.updated_ms = now_ms()
