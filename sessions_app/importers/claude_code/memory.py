"""What the transcript's parser remembers between lines, bounded, and able to go through JSON.

Fields named `draft` point into the batch that is being read; they are dropped when it closes.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from sessions_app.drafts import (
    MAIN_RUN,
    CallStatus,
    MessageDraft,
    RunDraft,
    SessionDraft,
    ToolCallDraft,
    ToolKind,
)

SEEN_LIMIT = 512
MESSAGE_LIMIT = 128
CALL_LIMIT = 2_000
CLOSED_CALL_LIMIT = 64
RUN_LIMIT = 256
SESSION_LIMIT = 16
HELD_LIMIT = 32
AWAITED_LIMIT = 256


@dataclass(slots=True)
class MessageMemory:
    """A reply that may go on in a later record; lengths are characters."""

    key: str
    at_ms: int
    run: str
    text_length: int = 0
    reasoning_length: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    draft: MessageDraft | None = None

    def state(self) -> list[Any]:
        return [
            self.key, self.at_ms, self.run, self.text_length, self.reasoning_length,
            self.input_tokens, self.output_tokens, self.cache_read_tokens, self.cache_write_tokens,
            self.cache_write_1h_tokens,
        ]  # fmt: skip


@dataclass(slots=True)
class CallMemory:
    """A tool call whose result may still come."""

    call_id: str
    key: str
    at_ms: int
    run: str
    name: str
    kind: ToolKind
    # Of a call that starts an agent: digest of the prompt, what the run is called, its key when known.
    prompt: str = ""
    title: str = ""
    agent_name: str = ""
    child: str = ""
    draft: ToolCallDraft | None = None

    def state(self) -> list[Any]:
        return [
            self.call_id, self.key, self.at_ms, self.run, self.name, self.kind,
            self.prompt, self.title, self.agent_name, self.child,
        ]  # fmt: skip


@dataclass(slots=True)
class AwaitedOutput:
    """A call that is answered with the beginning of its output, while the file with all of it is awaited."""

    # Of the call.
    key: str
    at_ms: int
    run: str
    # How it ended.
    status: CallStatus
    ended_ms: int
    exit_status: int | None
    # Key of the run that its result has closed, "" for none.
    child: str
    # persisted.Preview: the file's name, whether it holds blocks, and what the result says besides.
    name: str
    is_blocks: bool
    rest: str
    # The call may stand in the batch that is being read, where no result finds it.
    is_new: bool = True

    def state(self) -> list[Any]:
        return [
            self.key, self.at_ms, self.run, self.status, self.ended_ms, self.exit_status, self.child,
            self.name, self.is_blocks, self.rest, self.is_new,
        ]  # fmt: skip


@dataclass(slots=True)
class RunMemory:
    """One run. `last` is what its newest record was: prompt, result, call, reply, error, interrupted."""

    key: str
    last: str = ""
    last_ms: int = 0
    detail: str = ""
    model: str = ""
    # A result in the parent's transcript has closed it.
    is_closed: bool = False
    has_input: bool = False
    # The call that started it has been looked for.
    is_linked: bool = False
    # Its parent has been named, for want of better knowledge.
    is_placed: bool = False
    # Ids of its calls that may still be answered, in order (an ordered set); made anew from the calls.
    open_calls: dict[str, None] = field(default_factory=dict)
    first_ms: int | None = None
    latest_ms: int | None = None
    draft: RunDraft | None = None

    def state(self) -> list[Any]:
        return [
            self.key, self.last, self.last_ms, self.detail, self.model,
            self.is_closed, self.has_input, self.is_linked, self.is_placed,
        ]  # fmt: skip

    def touch(self, at_ms: int) -> None:
        if self.first_ms is None or at_ms < self.first_ms:
            self.first_ms = at_ms
        if self.latest_ms is None or at_ms > self.latest_ms:
            self.latest_ms = at_ms

    def stands(self, last: str, at_ms: int, detail: str = "") -> None:
        self.last, self.last_ms, self.detail = last, at_ms, detail
        self.is_closed = False


def remember[Value](entries: OrderedDict[str, Value], key: str, value: Value, limit: int) -> None:
    """Keep `value` as the newest entry, and at most `limit` of them."""
    entries[key] = value
    entries.move_to_end(key)
    if len(entries) > limit:
        entries.popitem(last=False)


@dataclass(slots=True)
class SessionMemory:
    external_id: str
    turn: int = 0
    # Time of the newest record, for records that bear none.
    last_ms: int = 0
    title_rank: int = 0
    has_prompt: bool = False
    # Something of it stands on the timeline; facts that come earlier wait in `waiting`.
    has_begun: bool = False
    has_cwd: bool = False
    parent: str = ""
    version: str = ""
    branch: str = ""
    model: str = ""
    # Values of one-line records that are repeated: mode, permission mode, agent setting.
    settings: dict[str, str] = field(default_factory=dict)
    # The newest run of inline sidechain records.
    sidechain: str = ""
    waiting: dict[str, str] = field(default_factory=dict)
    # Titles whose record has not been met: leaf uuid to title.
    summaries: OrderedDict[str, str] = field(default_factory=OrderedDict)
    calls: OrderedDict[str, CallMemory] = field(default_factory=OrderedDict)
    # Calls that nobody waits for any more, answered or not; a second result still finds its call.
    closed_calls: OrderedDict[str, CallMemory] = field(default_factory=OrderedDict)
    messages: OrderedDict[str, MessageMemory] = field(default_factory=OrderedDict)
    runs: OrderedDict[str, RunMemory] = field(default_factory=OrderedDict)
    # Background tasks by id, where they are runs.
    tasks: OrderedDict[str, str] = field(default_factory=OrderedDict)
    # Outputs whose file is awaited, by the call's key.
    awaited: OrderedDict[str, AwaitedOutput] = field(default_factory=OrderedDict)
    draft: SessionDraft | None = None

    def run(self, key: str) -> RunMemory:
        found = self.runs.get(key)
        if found is None:
            found = self.runs[key] = RunMemory(key)
        return found

    def open_call(self, run: RunMemory, call: CallMemory) -> None:
        """Expect a result; the oldest of too many calls is given up."""
        run.open_calls[call.call_id] = None
        remember(self.calls, call.call_id, call, CALL_LIMIT + 1)
        if len(self.calls) > CALL_LIMIT:
            oldest = self.close_call(next(iter(self.calls)))
            if oldest is not None and oldest.draft is not None:
                oldest.draft.status = "unanswered"

    def close_call(self, call_id: str) -> CallMemory | None:
        """Expect no result any more; None when this call was not open."""
        call = self.calls.pop(call_id, None)
        if call is not None:
            remember(self.closed_calls, call_id, call, CLOSED_CALL_LIMIT)
            if call.run in self.runs:
                self.runs[call.run].open_calls.pop(call_id, None)
        return call

    def state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _PLAIN} | {
            "summaries": list(self.summaries.items()),
            "calls": [call.state() for call in self.calls.values()],
            "closed_calls": [call.state() for call in self.closed_calls.values()],
            "messages": [[key, *message.state()] for key, message in self.messages.items()],
            "runs": [run.state() for run in self.runs.values()],
            "tasks": list(self.tasks.items()),
            "awaited": [output.state() for output in self.awaited.values()],
        }

    @classmethod
    def restored(cls, external_id: str, state: dict[str, Any]) -> "SessionMemory":
        memory = cls(external_id)
        for name, value in state.items():
            if name in ("summaries", "tasks"):
                setattr(memory, name, OrderedDict(value))
            elif name in ("calls", "closed_calls"):
                setattr(memory, name, OrderedDict((call[0], CallMemory(*call)) for call in value))
            elif name == "awaited":
                memory.awaited = OrderedDict((output[0], AwaitedOutput(*output)) for output in value)
            elif name == "messages":
                memory.messages = OrderedDict((entry[0], MessageMemory(*entry[1:])) for entry in value)
            elif name == "runs":
                memory.runs = OrderedDict((run[0], RunMemory(*run)) for run in value)
            else:
                setattr(memory, name, value)
        for call in memory.calls.values():
            if call.run in memory.runs:
                memory.runs[call.run].open_calls[call.call_id] = None
        return memory

    def forget_batch(self) -> None:
        """Let go of everything that points into the batch that is being handed over."""
        self.draft = None
        for run in self.runs.values():
            run.draft = run.first_ms = run.latest_ms = None
        for message in self.messages.values():
            message.draft = None
        for calls in (self.calls, self.closed_calls):
            for call in calls.values():
                call.draft = None
        for output in self.awaited.values():
            output.is_new = False
        if MAIN_RUN in self.runs:
            self.runs.move_to_end(MAIN_RUN)
        # Only here: a run that is forgotten in the middle of a batch would leave it without a status.
        while len(self.runs) > RUN_LIMIT:
            self.runs.popitem(last=False)


_PLAIN = (
    "turn", "last_ms", "title_rank", "has_prompt", "has_begun", "has_cwd", "parent", "version", "branch",
    "model", "settings", "sidechain", "waiting",
)  # fmt: skip

# Session and run in which a record was met.
type Whereabouts = tuple[str, str]


@dataclass(slots=True)
class FileMemory:
    """Everything remembered of one file."""

    sessions: OrderedDict[str, SessionMemory] = field(default_factory=OrderedDict)
    # Records by uuid, the newest SEEN_LIMIT of them.
    seen: OrderedDict[str, Whereabouts] = field(default_factory=OrderedDict)
    # Id of the session of the newest record.
    current: str = ""
    # Events that came before any record that names its session: their EventDraft's fields.
    held: list[list[Any]] = field(default_factory=list)
    # Summaries that came before that: leaf uuid and title.
    summaries: list[list[str]] = field(default_factory=list)

    def forget_batch(self) -> None:
        for session in self.sessions.values():
            session.forget_batch()
        if self.current:
            self.sessions.move_to_end(self.current)
        while len(self.sessions) > SESSION_LIMIT:
            self.sessions.popitem(last=False)

    def state(self) -> dict[str, Any]:
        return {
            "current": self.current,
            "held": self.held,
            "summaries": self.summaries,
            # Neighbours are mostly of one run, so uuids are kept in stretches.
            "seen": [
                [*where, [uuid for uuid, _ in group]]
                for where, group in groupby(self.seen.items(), key=lambda entry: entry[1])
            ],
            "sessions": [[key, memory.state()] for key, memory in self.sessions.items()],
        }

    @classmethod
    def restored(cls, state: dict[str, Any]) -> "FileMemory":
        memory = cls()
        memory.current = state.get("current", "")
        memory.held = state.get("held", [])
        memory.summaries = state.get("summaries", [])
        for session, run, uuids in state.get("seen", []):
            where = (session, run)
            for uuid in uuids:
                memory.seen[uuid] = where
        for key, session_state in state.get("sessions", []):
            memory.sessions[key] = SessionMemory.restored(key, session_state)
        return memory
