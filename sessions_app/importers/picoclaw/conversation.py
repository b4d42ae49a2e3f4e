"""A conversation's messages as rows: one for each message, and one for each tool call in it."""

from typing import Any, Final, Literal

from dashboard.lib.clock import ms_to_iso
from sessions_app.drafts import (
    MAIN_RUN,
    Attachment,
    CallResult,
    Draft,
    EventDraft,
    MessageDraft,
    MessageKind,
    Place,
    Role,
    SessionDraft,
    SkipLine,
    StatusName,
    ToolCallDraft,
    ToolKind,
    UnknownLine,
)
from sessions_app.importers.data_urls import attachment_of
from sessions_app.importers.json_lines import (
    brief,
    decode_value,
    is_list_if_any,
    json_text,
    list_of,
    mapping_of,
    no_time,
    stamp_of,
    text_of,
)
from sessions_app.importers.picoclaw.meta import Meta
from sessions_app.importers.picoclaw.naming import Naming, digest_of

AGENT: Final = "picoclaw"

_KIND_OF_ROLE: Final[dict[str, tuple[Role, MessageKind]]] = {
    "user": ("user", "prompt"),
    "assistant": ("assistant", "reply"),
    "system": ("system", "context"),
    "developer": ("developer", "context"),
    "tool": ("tool", "context"),
}
_KIND_OF_TOOL: Final[dict[str, ToolKind]] = {
    "append_file": "edit",
    "edit_file": "edit",
    "exec": "shell",
    "list_dir": "search",
    "read_file": "read",
    "spawn": "agent",
    "subagent": "agent",
    "web_fetch": "web",
    "web_search": "web",
    "write_file": "write",
}
_TITLE_FIELDS: Final = ("command", "path", "query", "url", "task", "content")
_MOST_PENDING = 2000
_LONGEST_ARGUMENTS = 200_000
_FIRST_PROMPT_LENGTH = 2000

type Standing = Literal["", "open", "ended"]


class Conversation:
    """Collects one session's rows in the current batch."""

    def __init__(self, meta: Meta, fallback_key: str, modified_ms: int, state: dict[str, Any]) -> None:
        self.draft = Draft()
        self.meta = meta
        # Once a session is known by a name it keeps it, though its meta may come later and name another.
        self.key: str = state.get("key") or meta.key or fallback_key
        # Time of the messages that have none. It must not change, as rows are named by their time too.
        self.base_ms: int = state.get("base_ms") or meta.created_ms or modified_ms
        self._naming = Naming(state.get("naming", {}))
        self._turn: int = state.get("turn", 0)
        self._standing: Standing = state.get("standing", "")
        self._evidence: str = state.get("evidence", "")
        self._at_ms: int = state.get("at_ms", self.base_ms)
        # [key, time, name] of the calls that wait for their answer, by their id.
        self._pending: dict[str, list[Any]] = dict(state.get("pending", {}))
        self._has_scope: bool = state.get("has_scope", False)
        self._fresh: dict[str, ToolCallDraft] = {}
        # On the newest message, what could not be used of it.
        self.remarks: list[str] = []

    def state(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "base_ms": self.base_ms,
            "naming": self._naming.state(),
            "turn": self._turn,
            "standing": self._standing,
            "evidence": self._evidence,
            "at_ms": self._at_ms,
            "pending": dict(self._pending),
            "has_scope": self._has_scope,
        }

    def replace_draft(self, draft: Draft) -> None:
        self.draft = draft
        self._fresh.clear()

    def session(self) -> SessionDraft:
        return self.draft.session(AGENT, self.key)

    def add(self, message: dict[str, Any], place: Place, *, is_hidden: bool) -> None:
        """Raises UnknownLine for a role that is not known, SkipLine for content that is none."""
        self.remarks = []
        role_name = text_of(message.get("role"))
        if role_name not in _KIND_OF_ROLE:
            raise UnknownLine(f"message of the role {role_name[:40]}" if role_name else "no role")
        role, kind = _KIND_OF_ROLE[role_name]
        stamp = stamp_of(message.get("created_at"))
        text, attachments = _body(message)
        self.remarks = _remarks_on(message, stamp)
        self._describe_scope()
        self._at_ms = self.base_ms if stamp is None else stamp
        if role == "user":
            self._begin_turn("" if is_hidden else text)
        draft = MessageDraft(
            key=f"{self.key}#{self._naming.name(message, stamp)}",
            run=MAIN_RUN,
            at_ms=self._at_ms,
            role=role,
            kind=kind,
            text=text,
            place=place,
            turn=self._turn,
            reasoning=text_of(message.get("reasoning_content")),
            external_id=text_of(message.get("tool_call_id")) if role == "tool" else "",
            model=text_of(message.get("model_name")),
            is_hidden=is_hidden,
            attachments=attachments,
        )
        session = self.session()
        session.rows.append(draft)
        session.touch(MAIN_RUN, self._at_ms)
        self._see(draft, message)

    def _begin_turn(self, shown: str) -> None:
        """A prompt; `shown` is what the session may be called by, nothing when picoclaw hides the message."""
        session = self.session()
        self._turn += 1
        session.turns += 1
        # Offered with each batch: the prompts before it may all have been hidden since.
        if not session.first_prompt:
            session.first_prompt = shown[:_FIRST_PROMPT_LENGTH]
        for call_id in list(self._pending):
            self._give_up(call_id)

    def _give_up(self, call_id: str) -> None:
        """The conversation goes on without an answer to this call."""
        key, at_ms, _ = self._pending.pop(call_id)
        call = self._fresh.pop(call_id, None)
        if call is not None:
            call.status = "unanswered"
        else:
            self.session().results.append(CallResult(key, at_ms, MAIN_RUN, "unanswered", "", None))

    def _see(self, draft: MessageDraft, message: dict[str, Any]) -> None:
        """What follows from the message: calls, an answer, where the conversation stands."""
        if draft.model:
            self.session().model = self.session().run(MAIN_RUN).model = draft.model
        if draft.role == "user":
            self._note("open", "prompt without a reply")
        elif draft.role == "tool":
            self._answer(draft)
        elif draft.role == "assistant":
            calls = list_of(message.get("tool_calls"))
            self._note("ended", "last reply")
            for position, call in enumerate(calls):
                self._call(mapping_of(call), position, draft)

    def _call(self, call: dict[str, Any], position: int, message: MessageDraft) -> None:
        function = mapping_of(call.get("function"))
        name = text_of(function.get("name")) or text_of(call.get("name"))
        arguments = function.get("arguments", call.get("arguments"))
        text = arguments if isinstance(arguments, str) else "" if arguments is None else json_text(arguments)
        call_id = text_of(call.get("id"))[:200]
        draft = ToolCallDraft(
            key=f"{message.key}/{position}",
            run=MAIN_RUN,
            at_ms=message.at_ms,
            call_id=call_id,
            name=name[:200],
            kind=_KIND_OF_TOOL.get(name, "other"),
            title=_title(text),
            input=text,
            place=message.place,
            turn=message.turn,
            message=(message.key, message.at_ms),
        )
        self.session().rows.append(draft)
        self._note("open", f"tool call {name[:80]} without a result")
        if call_id:
            if call_id in self._pending:
                self._give_up(call_id)
            self._pending[call_id] = [draft.key, draft.at_ms, draft.name]
            self._fresh[call_id] = draft
            if len(self._pending) > _MOST_PENDING:
                del self._pending[next(iter(self._pending))]

    def _answer(self, draft: MessageDraft) -> None:
        """The message of a tool is kept and counted; its text is moved to the call that it answers."""
        call_id = draft.external_id[:200]
        pending = self._pending.pop(call_id, None)
        waiting = next((name for _, _, name in reversed(self._pending.values())), "")
        if waiting:
            self._note("open", f"tool call {waiting[:80]} without a result")
        else:
            self._note("open", "tool result without a reply")
        if pending is None:
            return
        output, draft.text = draft.text, ""
        call = self._fresh.pop(call_id, None)
        if call is not None:
            call.status, call.output = "completed", output
            call.ended_ms, call.result_place = draft.at_ms, draft.place
            return
        key, at_ms, _ = pending
        result = CallResult(key, at_ms, MAIN_RUN, "completed", output, draft.at_ms, place=draft.place)
        self.session().results.append(result)

    def _note(self, standing: Standing, evidence: str) -> None:
        self._standing, self._evidence = standing, f"{evidence}, recorded {ms_to_iso(self._at_ms)}"

    def describe(self, hidden_first: int | None, *, following: bool) -> None:
        """Lay what the meta says and where the conversation stands onto the batch."""
        session, meta = self.session(), self.meta
        session.summary = meta.summary
        session.hidden_first = hidden_first
        names = [meta.key, *meta.aliases]
        session.aliases = [name for name in dict.fromkeys(names) if name and name != self.key]
        session.touch(MAIN_RUN, meta.created_ms or self.base_ms)
        if meta.updated_ms is not None:
            session.touch(MAIN_RUN, meta.updated_ms)
        self._describe_scope()
        if self._standing:
            run = session.run(MAIN_RUN)
            status: StatusName = "idle"
            if self._standing == "open":
                status = "running" if following else "unfinished"
            session.status = run.status = status
            session.status_evidence = run.status_evidence = self._evidence
            session.status_ms = self._at_ms

    def _describe_scope(self) -> None:
        """Where the conversation took place: kept as it is, for it is in no message."""
        scope = self.meta.scope
        if not scope or self._has_scope:
            return
        self._has_scope = True
        session, run = self.session(), self.session().run(MAIN_RUN)
        run.agent_name = text_of(scope.get("agent_id"))
        channel = text_of(scope.get("channel"))
        document = json_text(scope)
        session.rows.append(
            EventDraft(
                key=f"{self.key}#scope-{digest_of(scope)}",
                run=MAIN_RUN,
                at_ms=self.base_ms,
                kind="record.noted",
                text=f"Conversation in {channel}" if channel else "Scope of the conversation",
                place=None,
                document=document,
            )
        )


def _body(message: dict[str, Any]) -> tuple[str, list[Attachment]]:
    """Text and attachments. What has no bytes here leaves a word where the message says nothing else."""
    content = message.get("content")
    if content is not None and not isinstance(content, str | list):
        raise SkipLine("content is neither text nor a list of parts")
    text = content if isinstance(content, str) else "\n\n".join(_texts(content))
    if content and not text and not any(map(_is_part, list_of(content))):
        raise SkipLine("no part of its content can be read")
    attachments: list[Attachment] = []
    words: list[str] = []
    named = [(url, "") for url in list_of(message.get("media"))]
    for entry in map(mapping_of, list_of(message.get("attachments"))):
        named.append((entry.get("url") or entry.get("ref"), text_of(entry.get("filename"))))
    for url, name in named:
        found = attachment_of(text_of(url), name)
        if found is not None:
            attachments.append(found)
        else:
            words.append(f"[attachment: {brief(name or text_of(url), 120)}]")
    return text or "\n".join(words), attachments


def _is_part(part: object) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text", ""), str)


def _remarks_on(message: dict[str, Any], stamp: int | None) -> list[str]:
    """What of it has a type that says nothing."""
    remarks = []
    if stamp is None and message.get("created_at") is not None:
        remarks.append(no_time(message["created_at"]))
    lost = sum(not _is_part(part) for part in list_of(message.get("content")))
    if lost:
        remarks.append(f"{lost} part{'' if lost == 1 else 's'} of its content cannot be read")
    lists = ("tool_calls", "media", "attachments")
    remarks += [f"{name} is no list" for name in lists if not is_list_if_any(message.get(name))]
    if not isinstance(message.get("reasoning_content"), str | None):
        remarks.append("reasoning_content is no text")
    return remarks


def _texts(content: object) -> list[str]:
    texts = (text_of(mapping_of(part).get("text")) for part in list_of(content))
    return [text for text in texts if text]


def _title(arguments: str) -> str:
    if not arguments.startswith("{") or len(arguments) > _LONGEST_ARGUMENTS:
        return brief(arguments)
    found = _decoded(arguments)
    named = (found[name] for name in _TITLE_FIELDS if isinstance(found.get(name), str) and found[name])
    return brief(next(named, arguments))


def _decoded(arguments: str) -> dict[str, Any]:
    try:
        return mapping_of(decode_value(arguments))
    except SkipLine:
        return {}
