"""Response items: the history as the model gets it."""

from collections.abc import Callable
from typing import Any

from sessions_app.drafts import Place, SkipLine, UnknownLine
from sessions_app.importers.codex.calls import Calls, child_of
from sessions_app.importers.codex.content import read_output, read_said
from sessions_app.importers.codex.messages import Messages
from sessions_app.importers.codex.notes import Notes
from sessions_app.importers.codex.progress import Progress
from sessions_app.importers.codex.thread import Thread, identifier_of
from sessions_app.importers.codex.turns import Turns
from sessions_app.importers.codex.vocabulary import SILENT_ITEMS
from sessions_app.importers.json_lines import json_text, mapping_of, text_of


class Items:
    def __init__(
        self, thread: Thread, turns: Turns, messages: Messages, calls: Calls, notes: Notes, progress: Progress
    ) -> None:
        self._thread, self._turns, self._messages = thread, turns, messages
        self._calls, self._notes, self._progress = calls, notes, progress
        self._readers: dict[str, Callable[[dict[str, Any], Place], None]] = {
            "message": self._message,
            "agent_message": self._agent_message,
            "reasoning": messages.reasoning_item,
            "function_call": self._function_call,
            "custom_tool_call": self._custom_tool_call,
            "local_shell_call": self._local_shell_call,
            "tool_search_call": self._tool_search_call,
            "function_call_output": self._output,
            "custom_tool_call_output": self._output,
            "local_shell_call_output": self._output,
            "mcp_tool_call_output": self._output,
            "tool_search_output": self._tool_search_output,
            "web_search_call": notes.web_search_item,
            "image_generation_call": notes.image_generation_item,
            "compaction": self._compaction,
            "compaction_summary": self._compaction,
            "context_compaction": self._compaction,
        }

    def read(self, payload: dict[str, Any], place: Place) -> None:
        kind = text_of(payload.get("type"))
        reader = self._readers.get(kind)
        if reader is not None:
            reader(payload, place)
        elif kind not in SILENT_ITEMS:
            raise UnknownLine(f"response item of the type {kind[:60]}")

    def _message(self, payload: dict[str, Any], place: Place) -> None:
        draft = self._messages.item(payload, place)
        if draft is None or draft.kind not in ("prompt", "command", "reply"):
            return
        self._notes.forget_compaction()
        if draft.kind != "reply":
            self._progress.note("open", "prompt without a reply", draft.at_ms)
        elif payload.get("phase") == "commentary" or (self._turns.are_marked and self._turns.is_open):
            self._progress.note("open", "reply within an open turn", draft.at_ms)
        else:
            self._progress.note("ended", "last reply", draft.at_ms)

    def _agent_message(self, payload: dict[str, Any], place: Place) -> None:
        """A message from another agent."""
        content = read_said(payload.get("content"), place, self._thread.draft)
        author = text_of(payload.get("author"))
        if content.text:
            content.text = f"{author}: {content.text}" if author else content.text
            self._messages.add("user", "context", content, place)

    def _function_call(self, payload: dict[str, Any], place: Place) -> None:
        name, namespace = text_of(payload.get("name")), text_of(payload.get("namespace"))
        if namespace:
            name = (
                namespace + name
                if namespace.endswith("__") or name.startswith("_")
                else f"{namespace}.{name}"
            )
        arguments = payload.get("arguments")
        text = arguments if isinstance(arguments, str) else json_text(arguments)
        self._call(payload, name, text, place)

    def _custom_tool_call(self, payload: dict[str, Any], place: Place) -> None:
        text = payload.get("input")
        self._call(
            payload, text_of(payload.get("name")), text if isinstance(text, str) else json_text(text), place
        )

    def _local_shell_call(self, payload: dict[str, Any], place: Place) -> None:
        self._call(payload, "local_shell", json_text(mapping_of(payload.get("action"))), place)

    def _tool_search_call(self, payload: dict[str, Any], place: Place) -> None:
        arguments = payload.get("arguments")
        text = arguments if isinstance(arguments, str) else json_text(arguments)
        self._call(payload, "tool_search", text, place)

    def _call(self, payload: dict[str, Any], name: str, text: str, place: Place) -> None:
        if not name:
            raise SkipLine("a tool call without a name")
        call_id = identifier_of(payload.get("call_id")) or identifier_of(payload.get("id"))
        if call_id and self._calls.is_known(call_id):
            raise SkipLine("second record of a tool call")
        self._messages.flush_reasoning()
        self._notes.forget_compaction()
        self._turns.reply()
        self._calls.make(call_id, name, text, place, self._turns.number, self._messages.speaker)
        at_ms = self._thread.at_ms
        if name == "request_user_input":
            self._progress.note("waiting", "question without an answer", at_ms)
        else:
            self._progress.note("open", f"tool call {name[:80]} without a result", at_ms)

    def _output(self, payload: dict[str, Any], place: Place) -> None:
        call_id = identifier_of(payload.get("call_id"))
        name = self._calls.name_of(call_id)
        output = read_output(payload.get("output"))
        child, nickname = child_of(output.text) if name.endswith("spawn_agent") else ("", "")
        self._calls.answer(call_id, output, place, child)
        if child:
            self._calls.spawned(call_id, child, nickname, "", "")
        self._answered(name)

    def _tool_search_output(self, payload: dict[str, Any], place: Place) -> None:
        call_id = identifier_of(payload.get("call_id"))
        name = self._calls.name_of(call_id)
        output = payload.get("output")
        self._calls.answer(call_id, read_output(payload.get("tools") if output is None else output), place)
        self._answered(name)

    def _answered(self, name: str) -> None:
        self._messages.speaker = None
        missing = self._calls.unanswered()
        if self._progress.standing == "failed":
            return
        if missing:
            self._progress.note("open", f"tool call {missing[:80]} without a result", self._thread.at_ms)
        else:
            self._progress.note("open", f"result of {name[:80]} without a reply", self._thread.at_ms)

    def _compaction(self, payload: dict[str, Any], place: Place) -> None:
        self._notes.compacted({}, place)
