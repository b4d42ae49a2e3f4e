"""Event messages: what the program told its screen."""

from collections.abc import Callable
from typing import Any

from sessions_app.drafts import MessageDraft, Place, SkipLine, UnknownLine
from sessions_app.importers.codex.calls import Calls, argv_of
from sessions_app.importers.codex.content import (
    Content,
    Output,
    exit_status_of,
    read_content,
    read_said,
    told_text,
)
from sessions_app.importers.codex.messages import Messages
from sessions_app.importers.codex.notes import Notes
from sessions_app.importers.codex.progress import Progress
from sessions_app.importers.codex.thread import LONGEST_ID, Thread, identifier_of
from sessions_app.importers.codex.tokens import TokenMeter
from sessions_app.importers.codex.turns import Turns
from sessions_app.importers.codex.twins import Twins
from sessions_app.importers.codex.vocabulary import APPROVALS, NOTICES, SILENT_EVENTS
from sessions_app.importers.json_lines import brief, json_text, mapping_of, text_of, whole_of


class Events:
    def __init__(
        self,
        thread: Thread,
        turns: Turns,
        twins: Twins,
        messages: Messages,
        calls: Calls,
        notes: Notes,
        progress: Progress,
        meter: TokenMeter,
    ) -> None:
        self._thread, self._turns, self._twins, self._messages = thread, turns, twins, messages
        self._calls, self._notes, self._progress, self._meter = calls, notes, progress, meter
        self._readers: dict[str, Callable[[dict[str, Any], Place], None]] = {
            "token_count": self._token_count,
            "agent_message": self._agent_message,
            "user_message": self._user_message,
            "agent_reasoning": self._reasoning,
            "agent_reasoning_raw_content": self._reasoning,
            "task_started": self._turn_started,
            "turn_started": self._turn_started,
            "task_complete": self._turn_completed,
            "turn_complete": self._turn_completed,
            "turn_aborted": self._turn_aborted,
            "exec_command_end": self._command_ended,
            "patch_apply_end": self._patch_ended,
            "mcp_tool_call_end": self._mcp_call_ended,
            "dynamic_tool_call_response": self._dynamic_call_ended,
            "view_image_tool_call": self._image_viewed,
            "collab_agent_spawn_end": self._agent_spawned,
            "sub_agent_activity": self._agent_active,
            "web_search_end": notes.web_search_event,
            "image_generation_end": notes.image_generation_event,
            "context_compacted": notes.compacted,
            "thread_rolled_back": self._rolled_back,
            "thread_name_updated": self._named,
            "entered_review_mode": self._review_entered,
            "exited_review_mode": self._review_exited,
            "item_completed": self._item_completed,
            "error": self._error,
        }

    def read(self, payload: dict[str, Any], place: Place) -> None:
        kind = text_of(payload.get("type"))
        reader = self._readers.get(kind)
        if reader is not None:
            reader(payload, place)
        elif kind in APPROVALS:
            self._waiting(APPROVALS[kind], payload, place)
        elif kind in NOTICES:
            text = (
                text_of(payload.get("message")) or text_of(payload.get("summary")) or kind.replace("_", " ")
            )
            self._notes.add("record.noted", text, place, {"type": kind})
        elif kind not in SILENT_EVENTS:
            raise UnknownLine(f"event of the type {kind[:60]}")

    # Messages

    def _agent_message(self, payload: dict[str, Any], place: Place) -> None:
        text = told_text(payload.get("message"))
        self._replied(self._messages.reply(Content(text), "event", place), text_of(payload.get("phase")))

    def _user_message(self, payload: dict[str, Any], place: Place) -> None:
        self._prompted(self._messages.typed(payload, place))

    def _replied(self, draft: MessageDraft | None, phase: str) -> None:
        if draft is None:
            return
        self._notes.forget_compaction()
        if phase == "commentary" or (self._turns.are_marked and self._turns.is_open):
            self._progress.note("open", "reply within an open turn", draft.at_ms)
        else:
            self._progress.note("ended", "last reply", draft.at_ms)

    def _prompted(self, draft: MessageDraft | None) -> None:
        if draft is not None and draft.kind != "context":
            self._notes.forget_compaction()
            self._progress.note("open", "prompt without a reply", draft.at_ms)

    def _reasoning(self, payload: dict[str, Any], place: Place) -> None:
        self._messages.reasoning(told_text(payload.get("text")), place)

    def _item_completed(self, payload: dict[str, Any], place: Place) -> None:
        """Newer versions tell of each item when it is complete; most are told by other records as well."""
        item, draft = mapping_of(payload.get("item")), self._thread.draft
        if not item:
            raise SkipLine("the item is not an object")
        match item.get("type"):
            case "UserMessage":
                content = read_said(item.get("content"), place, draft)
                self._prompted(self._messages.prompt(content, "completed", place))
            case "AgentMessage":
                content = read_said(item.get("content"), place, draft)
                reply = self._messages.reply(content, "completed", place)
                self._replied(reply, text_of(item.get("phase")))
            case "Plan":
                text = text_of(item.get("text"))
                self._notes.add("record.noted", text, place, {"type": "plan", "text": text})
            case "SubAgentActivity":
                self._agent_active(item, place)

    # Turns

    def _turn_started(self, payload: dict[str, Any], place: Place) -> None:
        # What the turn before left unanswered stays so: the program was stopped in the midst of it.
        if self._turns.is_open and identifier_of(payload.get("turn_id")) != self._turns.id:
            self._calls.give_up(aborted=False)
        if self._turns.start(identifier_of(payload.get("turn_id"))):
            self.turn_begun()
        self._progress.note("open", "turn started", self._thread.at_ms)

    def turn_begun(self) -> None:
        self._messages.flush_reasoning()
        self._twins.forget()
        if not self._thread.is_subagent:
            self._thread.session().turns += 1

    def _turn_completed(self, payload: dict[str, Any], place: Place) -> None:
        self._end_turn(aborted=False)
        answer = text_of(payload.get("last_agent_message"))
        if answer and self._thread.is_subagent:
            self._thread.run_draft().output = answer
        duration_ms = whole_of(payload.get("duration_ms"))
        self._notes.add(
            "turn.ended", "", place, None if duration_ms is None else {"duration_ms": duration_ms}
        )
        self._progress.end("turn completed", self._thread.at_ms)

    def _turn_aborted(self, payload: dict[str, Any], place: Place) -> None:
        self._end_turn(aborted=True)
        reason = brief(text_of(payload.get("reason")), 100)
        self._notes.add("turn.aborted", reason, place)
        self._progress.note(
            "aborted", f"turn aborted ({reason})" if reason else "turn aborted", self._thread.at_ms
        )

    def _end_turn(self, *, aborted: bool) -> None:
        self._messages.flush_reasoning()
        self._messages.speaker = None
        self._calls.give_up(aborted=aborted)
        self._turns.end()

    def _rolled_back(self, payload: dict[str, Any], place: Place) -> None:
        turns = whole_of(payload.get("num_turns")) or 0
        text = "1 turn taken back" if turns == 1 else f"{turns} turns taken back"
        self._notes.add("turn.rolled_back", text, place, {"turns": turns})

    # Ends of tool calls

    def _command_ended(self, payload: dict[str, Any], place: Place) -> None:
        text = text_of(payload.get("aggregated_output")) or text_of(payload.get("formatted_output"))
        text = text or text_of(payload.get("stdout")) + text_of(payload.get("stderr"))
        status = exit_status_of(payload.get("exit_code"))
        output = Output(text, status, None if status is None else status != 0)
        command = {"command": argv_of(payload.get("command")), "workdir": text_of(payload.get("cwd"))}
        self._call_ended(payload, "exec_command", command, output, place)

    def _patch_ended(self, payload: dict[str, Any], place: Place) -> None:
        success = payload.get("success")
        output = Output(
            text_of(payload.get("stdout")) + text_of(payload.get("stderr")),
            failed=not success if isinstance(success, bool) else None,
        )
        self._call_ended(payload, "apply_patch", mapping_of(payload.get("changes")), output, place)

    def _mcp_call_ended(self, payload: dict[str, Any], place: Place) -> None:
        invocation, result = mapping_of(payload.get("invocation")), payload.get("result")
        outcome = mapping_of(mapping_of(result).get("Ok"))
        if "Err" in mapping_of(result):
            output = Output(text_of(mapping_of(result).get("Err")), failed=True)
        else:
            is_error = outcome.get("isError", outcome.get("is_error"))
            output = Output(read_content(outcome.get("content")).text, failed=is_error is True)
        name = f"mcp__{text_of(invocation.get('server'))}__{text_of(invocation.get('tool'))}"
        self._call_ended(payload, name, mapping_of(invocation.get("arguments")), output, place)

    def _dynamic_call_ended(self, payload: dict[str, Any], place: Place) -> None:
        output = Output(
            read_content(payload.get("content_items")).text, failed=payload.get("success") is False
        )
        name = text_of(payload.get("tool")) or "dynamic_tool"
        self._call_ended(payload, name, mapping_of(payload.get("arguments")), output, place)

    def _image_viewed(self, payload: dict[str, Any], place: Place) -> None:
        if not self._calls.is_known(identifier_of(payload.get("call_id"))):
            arguments = {"path": text_of(payload.get("path"))}
            self._call_ended(payload, "view_image", arguments, Output(""), place)

    def _call_ended(
        self, payload: dict[str, Any], name: str, arguments: dict[str, Any], output: Output, place: Place
    ) -> None:
        """Completes the call that this event is about; where only events were kept, it is the whole call."""
        call_id = identifier_of(payload.get("call_id"))
        if self._calls.report(call_id, output, place):
            return
        self._messages.flush_reasoning()
        self._turns.reply()
        self._calls.make(
            call_id, name, json_text(arguments), place, self._turns.number, self._messages.speaker
        )
        self._calls.report(call_id, output, place)

    # Other agents

    def _agent_spawned(self, payload: dict[str, Any], place: Place) -> None:
        # Null where no agent could be started.
        named = payload.get("new_thread_id")
        child = "" if named is None else told_text(named)[:LONGEST_ID]
        if child:
            self._calls.spawned(
                identifier_of(payload.get("call_id")),
                child,
                text_of(payload.get("new_agent_nickname")),
                text_of(payload.get("new_agent_role")),
                text_of(payload.get("prompt")),
            )

    def _agent_active(self, payload: dict[str, Any], place: Place) -> None:
        child, kind = identifier_of(payload.get("agent_thread_id")), text_of(payload.get("kind"))
        if child and child != self._thread.id:
            self._calls.spawned(
                identifier_of(payload.get("event_id")), child, text_of(payload.get("agent_path")), "", ""
            )
        self._notes.add("task.notified", f"subagent {kind}".strip(), place, {"run": child})

    # The rest

    def _token_count(self, payload: dict[str, Any], place: Place) -> None:
        if not isinstance(payload.get("info"), dict | None):
            raise SkipLine("counts of tokens that are no object")
        added = self._meter.read(payload.get("info"))
        if added is None:
            return
        thread = self._thread
        # `turn_context` stands before each call of the model and names it.
        thread.run_draft().spent_with(thread.model).add(added)
        thread.session().touch(thread.run, thread.at_ms)

    def _named(self, payload: dict[str, Any], place: Place) -> None:
        self._notes.title(told_text(payload.get("thread_name", "")), place)

    def _review_entered(self, payload: dict[str, Any], place: Place) -> None:
        hint = text_of(payload.get("user_facing_hint"))
        self._notes.add("mode.changed", f"Review began: {hint}" if hint else "Review began", place, payload)

    def _review_exited(self, payload: dict[str, Any], place: Place) -> None:
        explanation = text_of(mapping_of(payload.get("review_output")).get("overall_explanation"))
        self._notes.add(
            "mode.changed", f"Review ended: {explanation}" if explanation else "Review ended", place, payload
        )

    def _waiting(self, what: str, payload: dict[str, Any], place: Place) -> None:
        reason = (
            text_of(payload.get("reason"))
            or " ".join(argv_of(payload.get("command")))
            or text_of(payload.get("message"))
        )
        self._notes.add(
            "record.noted", f"Waiting for {what}: {brief(reason)}" if reason else f"Waiting for {what}", place
        )
        self._progress.note("waiting", f"waiting for {what}", self._thread.at_ms)

    def _error(self, payload: dict[str, Any], place: Place) -> None:
        text = text_of(payload.get("message")) or "error without a message"
        self._messages.flush_reasoning()
        self._messages.add("system", "error", Content(text), place)
        self._progress.note("failed", f"error: {brief(text, 160)}", self._thread.at_ms)
        if self._thread.is_subagent:
            self._thread.run_draft().error = text
