"""Tool calls: made on one line, answered on others, perhaps batches later."""

import shlex
from dataclasses import dataclass
from typing import Any

from sessions_app.drafts import CallResult, CallStatus, Place, SkipLine, ToolCallDraft, ToolKind
from sessions_app.importers.codex.content import Output
from sessions_app.importers.codex.thread import Thread, identifier_of
from sessions_app.importers.codex.vocabulary import tool_kind
from sessions_app.importers.json_lines import brief, decode_value, list_of, mapping_of, text_of

_MOST_PENDING = 2000
_MOST_ANSWERED = 512
# Arguments longer than this are not looked into for a title.
_LONGEST_ARGUMENTS = 200_000
_TITLE_FIELDS = (
    "cmd",
    "command",
    "path",
    "file_path",
    "query",
    "pattern",
    "url",
    "message",
    "prompt",
    "explanation",
    "chars",
)


@dataclass(slots=True)
class _Pending:
    key: str
    at_ms: int
    name: str
    exit_status: int | None = None
    failed: bool | None = None
    # A record has told the outcome, or the turn ended without one; an output may still follow.
    settled: bool = False
    child_run: str = ""


class Calls:
    def __init__(self, thread: Thread, state: dict[str, Any]) -> None:
        self._thread = thread
        self._pending: dict[str, _Pending] = {
            call_id: _Pending(*values) for call_id, values in dict(state.get("pending", {})).items()
        }
        self._answered: dict[str, None] = dict.fromkeys(state.get("answered", []))
        # The drafts of the current batch, which can still be changed in place.
        self._fresh: dict[str, ToolCallDraft] = {}

    def state(self) -> dict[str, Any]:
        return {
            "pending": {
                call_id: [
                    call.key,
                    call.at_ms,
                    call.name,
                    call.exit_status,
                    call.failed,
                    call.settled,
                    call.child_run,
                ]
                for call_id, call in self._pending.items()
            },
            "answered": list(self._answered),
        }

    def close_batch(self) -> None:
        self._fresh.clear()

    def is_known(self, call_id: str) -> bool:
        return call_id in self._pending or call_id in self._answered

    def unanswered(self) -> str:
        """Name of the newest call that still waits for its result; empty when there is none."""
        return next((call.name for call in reversed(self._pending.values()) if not call.settled), "")

    def name_of(self, call_id: str) -> str:
        found = self._pending.get(call_id)
        return found.name if found else ""

    def make(
        self, call_id: str, name: str, text: str, place: Place, turn: int, message: tuple[str, int] | None
    ) -> ToolCallDraft:
        thread = self._thread
        kind = tool_kind(name)
        draft = ToolCallDraft(
            key=thread.key(place.line),
            run=thread.run,
            at_ms=thread.at_ms,
            call_id=call_id,
            name=name[:200],
            kind=kind,
            title=title_of(kind, text),
            input=text,
            place=place,
            turn=turn,
            message=message,
        )
        thread.add(draft)
        if call_id:
            self._pending[call_id] = _Pending(draft.key, draft.at_ms, draft.name)
            self._fresh[call_id] = draft
            if len(self._pending) > _MOST_PENDING:
                del self._pending[next(iter(self._pending))]
        return draft

    def answer(self, call_id: str, output: Output, place: Place, child_run: str = "") -> None:
        """The output as the model got it, the last word on a call. SkipLine for a call that is not known."""
        call = self._pending.pop(call_id, None)
        if call is None:
            raise SkipLine(
                "second result of a tool call"
                if call_id in self._answered
                else "result of an unknown tool call"
            )
        self._answered[call_id] = None
        if len(self._answered) > _MOST_ANSWERED:
            del self._answered[next(iter(self._answered))]
        exit_status = call.exit_status if output.exit_status is None else output.exit_status
        failed = call.failed if output.failed is None else output.failed
        call.child_run = child_run or call.child_run
        self._write(call_id, call, output._replace(exit_status=exit_status, failed=failed), place)
        self._fresh.pop(call_id, None)

    def report(self, call_id: str, output: Output, place: Place) -> bool:
        """An event that tells how a call ended, ahead of its output. False when the call is not known."""
        call = self._pending.get(call_id)
        if call is None:
            return call_id in self._answered
        call.exit_status, call.failed, call.settled = output.exit_status, output.failed, True
        self._write(call_id, call, output, place)
        return True

    def give_up(self, *, aborted: bool) -> None:
        """The turn is over: what has no result by now gets none, but for a late one."""
        status: CallStatus = "cancelled" if aborted else "unanswered"
        for call_id, call in self._pending.items():
            if call.settled:
                continue
            call.settled = True
            draft = self._fresh.get(call_id)
            ended_ms = self._thread.at_ms if aborted else None
            if draft is not None:
                draft.status, draft.ended_ms = status, ended_ms
            else:
                result = CallResult(call.key, call.at_ms, self._thread.run, status, "", ended_ms)
                result.child_run = call.child_run
                self._thread.session().results.append(result)

    def _write(self, call_id: str, call: _Pending, output: Output, place: Place) -> None:
        thread = self._thread
        status: CallStatus = "cancelled" if output.cancelled else "failed" if output.failed else "completed"
        thread.session().touch(thread.run, thread.at_ms)
        draft = self._fresh.get(call_id)
        if draft is None:
            thread.session().results.append(
                CallResult(
                    key=call.key,
                    at_ms=call.at_ms,
                    run=thread.run,
                    status=status,
                    output=output.text,
                    ended_ms=thread.at_ms,
                    exit_status=output.exit_status,
                    place=place,
                    child_run=call.child_run,
                )
            )
            return
        draft.status, draft.output, draft.ended_ms = status, output.text, thread.at_ms
        draft.exit_status, draft.result_place = output.exit_status, place
        draft.child_run = call.child_run

    def spawned(self, call_id: str, child: str, nickname: str, role: str, prompt: str) -> None:
        """The call started the thread `child`: a run below this one, whose records are in another file."""
        thread = self._thread
        run = thread.session().run(child)
        run.parent, run.spawned_by = thread.run, call_id if self.is_known(call_id) else ""
        run.agent_name = brief(role or nickname, 120)
        run.title, run.input = brief(nickname if role else ""), prompt
        thread.session().touch(child, thread.at_ms)
        call = self._pending.get(call_id)
        if call is None:
            return
        call.child_run = child
        draft = self._fresh.get(call_id)
        if draft is not None:
            draft.child_run = child


def title_of(kind: ToolKind, text: str) -> str:
    """One line that says what a call is about."""
    if kind == "edit" and not text.startswith("{"):
        return brief(
            next((line.partition(": ")[2] for line in text[:4000].split("\n") if _names_file(line)), text)
        )
    if not text.startswith("{") or len(text) > _LONGEST_ARGUMENTS:
        return brief(text)
    try:
        arguments = mapping_of(decode_value(text))
    except SkipLine:
        return brief(text)
    for name in _TITLE_FIELDS:
        value = arguments.get(name)
        if isinstance(value, list):
            return brief(_command_line([text_of(part) for part in value]))
        if isinstance(value, str) and value:
            return brief(value)
    return brief(text)


def _names_file(line: str) -> bool:
    return line.startswith(("*** Add File: ", "*** Update File: ", "*** Delete File: "))


def _command_line(argv: list[str]) -> str:
    """What a person would have typed: the script of `bash -lc script`, else the words."""
    if len(argv) == 3 and argv[1] in ("-lc", "-c", "-Command"):
        return argv[2]
    return shlex.join(argv)


def child_of(output: str) -> tuple[str, str]:
    """Thread id and nickname of the agent that a spawning call started; empty when it did not say."""
    if not output.startswith("{"):
        return "", ""
    try:
        answer = mapping_of(decode_value(output))
    except SkipLine:
        return "", ""
    found = next(
        (
            identifier_of(answer[name])
            for name in ("agent_id", "thread_id", "new_thread_id")
            if name in answer
        ),
        "",
    )
    return found, text_of(answer.get("nickname"))


def argv_of(value: object) -> list[str]:
    return [text_of(part) for part in list_of(value)]
