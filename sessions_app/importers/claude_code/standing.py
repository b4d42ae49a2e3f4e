"""Where sessions and runs stand when a batch closes, each with the record that says so."""

from sessions_app.drafts import MAIN_RUN, StatusName
from sessions_app.importers.claude_code.memory import CallMemory, RunMemory, SessionMemory
from sessions_app.importers.claude_code.results import moment
from sessions_app.importers.claude_code.tools import ASKS_THE_OPERATOR


def settle(session: SessionMemory, *, following: bool) -> None:
    """Write times and statuses of everything that this batch touched into its drafts."""
    draft = session.draft
    if draft is None:
        return
    open_calls: dict[str, CallMemory] = {}
    for call in session.calls.values():
        if call.draft is not None and call.draft.status == "running" and not following:
            call.draft.status = "unanswered"
        open_calls[call.run] = call
    for run in session.runs.values():
        if run.draft is None or run.first_ms is None or run.latest_ms is None:
            continue
        run.draft.started_ms, run.draft.last_activity_ms = run.first_ms, run.latest_ms
        draft.started_ms = run.first_ms if draft.started_ms is None else min(draft.started_ms, run.first_ms)
        draft.last_activity_ms = max(draft.last_activity_ms or 0, run.latest_ms)
        if run.is_closed or not run.last:
            continue
        status, evidence, at_ms = _standing(run, open_calls.get(run.key), following)
        run.draft.status, run.draft.status_evidence = status, evidence
        if run.key == MAIN_RUN:
            draft.status, draft.status_evidence, draft.status_ms = status, evidence, at_ms


def _standing(run: RunMemory, call: CallMemory | None, following: bool) -> tuple[StatusName, str, int]:
    unfinished: StatusName = "running" if following else "unfinished"
    when = f"recorded {moment(run.last_ms)}"
    if run.last == "error":
        return "failed", f"{run.detail or 'API error'}, {when}", run.last_ms
    if run.last == "interrupted":
        ended: StatusName = "idle" if run.key == MAIN_RUN else "cancelled"
        return ended, f"turn interrupted by the user, {when}", run.last_ms
    if call is not None:
        asked = following and call.name in ASKS_THE_OPERATOR
        evidence = f"tool call {call.name[:80]} without a result, recorded {moment(call.at_ms)}"
        return "waiting" if asked else unfinished, evidence, call.at_ms
    if run.last == "prompt":
        return unfinished, f"prompt without a reply, {when}", run.last_ms
    if run.last == "result":
        return unfinished, f"tool result without a reply, {when}", run.last_ms
    if run.last == "retry":
        return unfinished if following else "failed", f"{run.detail}, {when}", run.last_ms
    if run.key == MAIN_RUN:
        return "idle", f"turn completed, {when}", run.last_ms
    return "completed", f"last reply, {when}", run.last_ms
